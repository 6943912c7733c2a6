//===- RopeGradBase.td - The ropegrad dialect --------------*- tablegen -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_DIALECT_BASE_TD
#define ROPEGRAD_DIALECT_BASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def RopeGrad_Dialect : Dialect {
  let name = "ropegrad";
  let cppNamespace = "::mlir::ropegrad";
  let summary = "attention with rotary or general relative positions, its loss and its gradient";
  let description = [{
    The dialect says *what* is computed at four levels, each a legal input to
    `ropegrad-opt`:

    1. **problem**: `loss`, `loss_vjp`, `attention`, `attention_vjp` on tensors,
       with position, mask, bias, similarity, bounds and tolerance as attributes;
    2. **implicit**: n×n matrices as values of type `!ropegrad.matrix` that are
       never stored, the algebra on them (`logits`, `exp`, `polynomial`,
       `hadamard`, `outer`, ...), and the exits back to tall tensors (`apply`,
       `apply_transposed`, `row_sums`, ...);
    3. **structured**: destination-style ops on tall tensors only: `rotate`,
       `accumulate`, `expand`, `reverse`, `tiles`;
    4. **kernels**: the same ops on buffers, lowered to scf, vector and memref.

    Tall operands have shape (batch, heads, n, width). Where a key/value operand
    has fewer heads than the matrix, head h reads key/value head
    `h / (heads / kv_heads)` (grouped-query attention).
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
}

//===----------------------------------------------------------------------===//
// Enumerations
//===----------------------------------------------------------------------===//

class RopeGrad_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::mlir::ropegrad";
  let genSpecializedAttr = 0;
}

def RopeGrad_Layout : RopeGrad_Enum<"Layout", "which coordinates rotary position pairs", [
  I32EnumAttrCase<"Interleaved", 0, "interleaved">, // 2k with 2k+1
  I32EnumAttrCase<"Half", 1, "half">                // k with k+d/2
]>;
def RopeGrad_Mask : RopeGrad_Enum<"Mask", "which pairs (i, j) are live", [
  I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"Causal", 1, "causal">,
  I32EnumAttrCase<"Window", 2, "window">
]>;
def RopeGrad_Route : RopeGrad_Enum<"Route", "how a problem is computed", [
  I32EnumAttrCase<"Auto", 0, "auto">, I32EnumAttrCase<"Exact", 1, "exact">,
  I32EnumAttrCase<"Features", 2, "features">, I32EnumAttrCase<"Scan", 3, "scan">,
  I32EnumAttrCase<"FFT", 4, "fft">
]>;
def RopeGrad_Fit : RopeGrad_Enum<"Fit", "which polynomial stands for exp", [
  I32EnumAttrCase<"Minimax", 0, "minimax">, I32EnumAttrCase<"Taylor", 1, "taylor">,
  I32EnumAttrCase<"Weighted", 2, "weighted">
]>;
def RopeGrad_Centre : RopeGrad_Enum<"Centre", "which rows are centred before logits are made of them", [
  I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"Keys", 1, "keys">,
  I32EnumAttrCase<"Queries", 2, "queries">, I32EnumAttrCase<"Both", 3, "both">
]>;
def RopeGrad_Factor : RopeGrad_Enum<"Factor", "what a Toeplitz factor is like", [
  I32EnumAttrCase<"Constant", 0, "constant">, // 1
  I32EnumAttrCase<"Character", 1, "character">, // cos and sin of tθ: rotary, absorbed into Q and K
  I32EnumAttrCase<"Step", 2, "step">,         // [t ≥ 0]
  I32EnumAttrCase<"Decay", 3, "decay">,       // exp(−m·abs(t))
  I32EnumAttrCase<"Window", 4, "window">,     // [0 ≤ t < window]
  I32EnumAttrCase<"General", 5, "general">    // given by numbers: a learned bias, W
]>;

class RopeGrad_EnumAttr<EnumInfo info, string name>
    : EnumAttr<RopeGrad_Dialect, info, name> {
  let assemblyFormat = "`<` $value `>`";
}
def RopeGrad_LayoutAttr : RopeGrad_EnumAttr<RopeGrad_Layout, "layout">;
def RopeGrad_MaskAttr : RopeGrad_EnumAttr<RopeGrad_Mask, "mask">;
def RopeGrad_RouteAttr : RopeGrad_EnumAttr<RopeGrad_Route, "route">;
def RopeGrad_FactorAttr : RopeGrad_EnumAttr<RopeGrad_Factor, "factor">;
def RopeGrad_FactorsAttr : TypedArrayAttrBase<RopeGrad_FactorAttr, "array of kinds of Toeplitz factors">;
def RopeGrad_FitAttr : RopeGrad_EnumAttr<RopeGrad_Fit, "fit">;
def RopeGrad_CentreAttr : RopeGrad_EnumAttr<RopeGrad_Centre, "centre">;

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

class RopeGrad_Attr<string name, string attrMnemonic> : AttrDef<RopeGrad_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def RopeGrad_RotaryAttr : RopeGrad_Attr<"Rotary", "rotary"> {
  let summary = "rotary position: W_t rotates coordinate pair k by t * base^(-2k/d)";
  let description = [{
    `#ropegrad.rotary<interleaved, base = 1.0e+4 : f64>`
  }];
  let parameters = (ins EnumParameter<RopeGrad_Layout>:$layout, "::mlir::FloatAttr":$base);
  let assemblyFormat = "`<` $layout `,` `base` `=` $base `>`";
  let genVerifyDecl = 1;
}

def RopeGrad_GeneralAttr : RopeGrad_Attr<"General", "general"> {
  let summary = "general position: W_t is given, non-zero on a support of (row, column) pairs";
  let description = [{
    The pairs are written flat: `#ropegrad.general<[0, 0, 0, 1]>` is the support
    {(0, 0), (0, 1)}; the columns of W follow its order.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$pairs);
  let assemblyFormat = "`<` `[` $pairs `]` `>`";
  let genVerifyDecl = 1;
}

def RopeGrad_NoPositionAttr : RopeGrad_Attr<"NoPosition", "no_position"> {
  let summary = "no position: W_t is the identity";
}

def RopeGrad_KeptAttr : RopeGrad_Attr<"Kept", "kept"> {
  let summary = "the monomials of the features route that are large enough to matter";
  let description = [{
    With bounds of single coordinates most monomials may be far below the
    tolerance. Variable v stands for coordinate `order`[v]. Kept are 1, all
    variables and, of degree k = 2, ..., g, the products x_v t with
    v < `ends`[k−2] and t a kept monomial of degree k − 1 with no variable above v,
    of which the `costs` (one for each variable) sum to at most `budgets`[k−2].

    `limits` are what the guard makes sure of before this is trusted: each
    stands for a run G of one or two coordinates of `order`, and
    scale · max_i ‖q_i[G]‖ · max_j ‖k_j[G]‖ is at most that.

    `#ropegrad.kept<order = [1, 0], costs = [0, 3], budgets = [0], ends = [2], limits = [5.0e-1, 1.0e-2]>`
    keeps 1, x1, x0, x1², x1 x0, but not x0². (C1) `order` is a permutation of all
    coordinates and `costs` has as many numbers, none of them negative; (C2)
    `ends` are from 0 to d, as many as `budgets`: one for each degree from 2 on;
    (C3) `limits` are positive and finite, one for each variable or one for each
    two, which are coordinates 2k, 2k+1 or k, k+d/2; (C4) at most 65536 monomials
    are kept.
  }];
  let parameters = (ins "::mlir::DenseI64ArrayAttr":$order, "::mlir::DenseI64ArrayAttr":$costs,
                        "::mlir::DenseI64ArrayAttr":$budgets, "::mlir::DenseI64ArrayAttr":$ends,
                        "::mlir::DenseF64ArrayAttr":$limits);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The rule without the limits.
    ::ropegrad::KeptMonomials monomials() const;
    /// Coordinates of each of `limits`: 1 or 2.
    int64_t groupSize() const { return getOrder().size() / getLimits().size(); }
  }];
}

def RopeGrad_PlanAttr : RopeGrad_Attr<"Plan", "plan"> {
  let summary = "the route and degree that `ropegrad-plan` chose, with predicted cost and proved error";
  let description = [{
    `#ropegrad.plan<route = features, degree = 4 : i64, fit = minimax, radius = 5.0e-1 : f64>`:
    `radius` is the interval fitted and proved (radius_limit), `delta` and
    `delta_prime` bound the relative errors of p and p' on it, `features` is M;
    `gradient = true` asks for the fit that minimises both errors together, in
    the forward pass too, so that a loss and its gradient agree. `kept`, where
    it is there, says which monomials route features leaves; `delta` and
    `delta_prime` then include what is lost. `centre = <keys>` asks for keys
    whose mean has been subtracted (`ropegrad-centre-keys`), `<queries>` for
    such queries (`ropegrad-centre-queries`), `<both>` for both: `radius` is
    that of their logits.
  }];
  let parameters = (ins
    EnumParameter<RopeGrad_Route>:$route,
    EnumParameter<RopeGrad_Fit>:$fit,
    OptionalParameter<"::mlir::IntegerAttr">:$degree,
    OptionalParameter<"::mlir::FloatAttr">:$radius,
    OptionalParameter<"::mlir::FloatAttr">:$sigma,
    OptionalParameter<"::mlir::FloatAttr">:$delta,
    OptionalParameter<"::mlir::FloatAttr">:$delta_prime,
    OptionalParameter<"::mlir::IntegerAttr">:$features,
    OptionalParameter<"::mlir::FloatAttr">:$flops,
    OptionalParameter<"::mlir::FloatAttr">:$bytes,
    OptionalParameter<"::mlir::FloatAttr">:$predicted_ms,
    OptionalParameter<"::mlir::BoolAttr">:$gradient,
    OptionalParameter<"::mlir::ropegrad::KeptAttr">:$kept,
    OptionalParameter<"::mlir::ropegrad::CentreAttr">:$centre);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Whether the mean of keys, or of queries, is to be subtracted.
    bool centresKeys();
    bool centresQueries();
  }];
}

def RopeGrad_PositionAttr : Attr<
    Or<[CPred<"::llvm::isa<::mlir::ropegrad::RotaryAttr>($_self)">,
        CPred<"::llvm::isa<::mlir::ropegrad::GeneralAttr>($_self)">,
        CPred<"::llvm::isa<::mlir::ropegrad::NoPositionAttr>($_self)">]>,
    "rotary, general or no_position attribute"> {
  let storageType = "::mlir::Attribute";
  let returnType = "::mlir::Attribute";
  let convertFromStorage = "$_self";
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

def RopeGrad_MatrixType : TypeDef<RopeGrad_Dialect, "Matrix"> {
  let mnemonic = "matrix";
  let summary = "an implicit n×n matrix per batch and head, never stored";
  let description = [{
    `!ropegrad.matrix<BxHxnxnxf32>` stands for B·H matrices of n×n elements. A
    value of this type has no buffer: the only ways out are the exits.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape, "::mlir::FloatType":$elementType);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getBatch() const { return getShape()[0]; }
    int64_t getHeads() const { return getShape()[1]; }
    int64_t getRows() const { return getShape()[2]; }
  }];
}

/// Tall operands: tensors up to level 3, buffers at level 4.
def RopeGrad_Tall : AnyTypeOf<[RankedTensorOf<[AnyFloat]>, MemRefOf<[AnyFloat]>],
                              "tensor or memref of floats">;
def RopeGrad_TallTensor : RankedTensorOf<[AnyFloat]>;

class RopeGrad_Op<string opMnemonic, list<Trait> traits = []>
    : Op<RopeGrad_Dialect, opMnemonic, traits>;

#endif // ROPEGRAD_DIALECT_BASE_TD
