//===- Fourier.cpp - Code for fast Fourier transforms ----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Four steps: transforms down the columns, twiddle factors, transforms along
// the rows. A transform of a row or column is one pass per radix, decimated in
// frequency on the way forth and in time on the way back, so that positions
// stay where they are.
//
//===----------------------------------------------------------------------===//

#include "passes/Fourier.h"

#include "passes/Features.h"
#include "passes/FourierButterfly.h"

#include <cmath>

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

/// Floats of a complex number and of an element of a block.
constexpr int64_t kPair = 2;
int64_t elementSize(const Emitter &e) { return kPair * e.lanes; }

/// exp(-2πi k/n), each part rounded once.
std::pair<double, double> unitRoot(int64_t k, int64_t n) {
  long double angle = -2 * M_PIl * static_cast<long double>(k % n) / n;
  return {static_cast<double>(std::cos(angle)),
          static_cast<double>(std::sin(angle))};
}

/// What a butterfly multiplies by, beside what is in the transform itself.
enum class Factors {
  None,
  Butterfly, ///< exp(-2πi jk/span) from the table of the pass
  Column     ///< those between columns and rows, in planes of re and im
};

/// One pass over a row or column of `length` elements in butterflies of
/// `radix`, whose inputs are span / radix elements apart. All sizes are
/// constants of its kernel: addresses are, but for one register, too.
struct Pass {
  int64_t radix;
  bool inverse;
  int64_t touched; ///< leading inputs (forward) or outputs (inverse) of each
                   ///< butterfly; the others are zero or not wanted
  Factors factors;
  int64_t length, span;
  bool spectrum = false; ///< there and back, times a spectrum in between
  /// What is in between is also correlated with another transform.
  bool correlates = false;
  /// Floats from an element to that of the next column or row, which is fetched
  /// as well; 0 if none is.
  int64_t ahead = 0;
  /// Floats from element to element of what is read and what is written.
  int64_t fromStride = 0, toStride = 0;
  bool inPlace = true;

  int64_t quotient() const { return span / radix; }
  bool hasOperand() const { return spectrum || factors == Factors::Column; }
  std::string name() const {
    std::string text = correlates ? "correlated"
                       : spectrum ? "spectrum"
                       : inverse  ? "inverse"
                                  : "forward";
    text += std::to_string(radix);
    if (touched < radix)
      text += "of" + std::to_string(touched);
    if (ahead > 0)
      text += "a" + std::to_string(ahead);
    text += factors == Factors::Butterfly ? "t"
            : factors == Factors::Column  ? "c"
                                          : "";
    text += "_" + std::to_string(length) + "by" + std::to_string(span);
    if (!inPlace || ahead > 0)
      text +=
          "_" + std::to_string(fromStride) + "to" + std::to_string(toStride);
    return text;
  }
};

/// The passes of a row or column, those of a forward transform in their order.
struct Passes {
  std::vector<int64_t> radices;
  int64_t length = 1;
  std::vector<int64_t> spans;

  explicit Passes(const std::vector<int64_t> &radices) : radices(radices) {
    for (int64_t radix : radices)
      length *= radix;
    int64_t span = length;
    for (int64_t radix : radices) {
      spans.push_back(span);
      span /= radix;
    }
  }
  size_t count() const { return radices.size(); }
  /// A pass that touches everything.
  Pass pass(size_t number, bool inverse, Factors innermost) const {
    bool last = number + 1 == count();
    return {radices[number], inverse,
            radices[number], last ? innermost : Factors::Butterfly,
            length,          spans[number]};
  }
};

/// Emits the transforms of one length.
class Transform {
public:
  Transform(Emitter &e, Operation *anchor, const Fourier &f)
      : e(e), anchor(anchor), f(f), down(f.down), along(f.along) {}

  func::FuncOp forward(int64_t filled);
  func::FuncOp inverse(int64_t wanted);
  func::FuncOp convolve(int64_t filled, int64_t wanted, bool correlates);

private:
  std::string name(const Twine &what) {
    return kernelName(e, "ropegrad_fourier_" + what);
  }
  Type buffer() { return e.bufferType(); }
  Type index() { return e.b.getIndexType(); }

  func::FuncOp pass(const Pass &pass);
  void emitPass(const Pass &pass, ValueRange arguments);
  void emitButterfly(const Pass &pass, ValueRange arguments, Value first,
                     Value j, Value table);
  Complex loadElement(Slice from);
  void storeElement(Complex x, Slice to);
  Complex twiddle(Complex x, Value table, Value re, Value im, bool conjugate);
  void addCorrelation(Complex x, Slice other, Slice sum);
  void fetchAhead(const Pass &pass, Slice element);
  void callPass(const Pass &pass, Slice from, Slice to,
                ArrayRef<Slice> operands);
  Value butterflyTable(const Pass &pass);
  int64_t touchedInputs(const Passes &passes, int64_t touched);

  /// Transforms of one row in place: the touched part is of the whole block
  /// where there are no columns.
  void emitRow(Slice row, bool inverse, int64_t touched,
               ArrayRef<size_t> numbers);
  void emitRowConvolve(Slice row, ArrayRef<Slice> operands, int64_t filled,
                       int64_t wanted);
  func::FuncOp columnKernel(bool inverse, int64_t touched);
  void emitColumns(bool inverse, Value data, Value at, Value work,
                   int64_t touched);
  void emitColumnFactors(Value column, Value work);
  void forRows(Value at, function_ref<void(Value, Value)> body);
  void emitScale(Value data, Value at, double scale);

  Emitter &e;
  Operation *anchor;
  Fourier f;
  Passes down, along;
};

/// Steps of the coarse table of factors between columns and rows.
int64_t fineSteps(const Fourier &f) {
  return static_cast<int64_t>(
      std::ceil(std::sqrt(static_cast<double>(f.columns))));
}

int64_t planeSize(const Emitter &e, const Fourier &f) {
  return llvm::alignTo(f.rows, e.lanes);
}

} // namespace

//===----------------------------------------------------------------------===//
// One pass
//===----------------------------------------------------------------------===//

Complex Transform::loadElement(Slice from) {
  return {{e.load(from, e.lanes)}, {e.load(e.advance(from, e.lanes), e.lanes)}};
}

void Transform::storeElement(Complex x, Slice to) {
  ComplexEmitter c(e);
  e.store(c.materialize(x.re), to);
  e.store(c.materialize(x.im), e.advance(to, e.lanes));
}

Complex Transform::twiddle(Complex x, Value table, Value re, Value im,
                           bool conjugate) {
  return ComplexEmitter(e).mul(x, e.broadcast(e.load(table, re), e.lanes),
                               e.broadcast(e.load(table, im), e.lanes),
                               conjugate);
}

/// Adds Σ over lanes of x · conj(other) to the pair `sum`.
void Transform::addCorrelation(Complex x, Slice other, Slice sum) {
  ComplexEmitter c(e);
  Complex y = loadElement(other);
  y = c.mul(x, y.re.value, y.im.value, /*conjugate=*/true);
  for (auto [part, term] : {std::pair(0, y.re), std::pair(1, y.im)}) {
    Slice to = e.advance(sum, part);
    Value total = e.load(to.buffer, to.offset);
    e.store(e.addf(total, e.reduceAdd(c.materialize(term))), to);
  }
}

/// Fetches what stands `ahead` of an element, for reading and for writing: rows
/// are too far apart for the processor to foresee it, and a row too long to do
/// so at its beginning. Not into the first cache, which a column or a piece of
/// a row in work fills, and not with the intent to write, which fetches there.
void Transform::fetchAhead(const Pass &pass, Slice element) {
  constexpr int64_t kCacheLine = 64;
  int64_t line = kCacheLine * 8 / e.element.getWidth();
  for (int64_t at = 0; at < elementSize(e); at += line)
    memref::PrefetchOp::create(e.b, e.loc, element.buffer,
                               e.add(element.offset, pass.ahead + at),
                               /*isWrite=*/false,
                               /*localityHint=*/2, /*isDataCache=*/true);
}

/// The butterfly whose input i is element first + i · quotient. Arguments of a
/// pass: what it reads and where, what it writes and where (not in place), what
/// it multiplies by and where (spectrum, factors of a column), what it is
/// correlated with and where, and the sums and where.
void Transform::emitButterfly(const Pass &pass, ValueRange a, Value first,
                              Value j, Value table) {
  ComplexEmitter c(e);
  Slice from{a[0], e.add(a[1], e.mul(first, pass.fromStride))};
  Slice to = pass.inPlace
                 ? from
                 : Slice{a[2], e.add(a[3], e.mul(first, pass.toStride))};
  auto place = [&](Slice base, int64_t i, int64_t stride) {
    return e.advance(base, i * pass.quotient() * stride);
  };
  ValueRange operands = a.drop_front(pass.inPlace ? 2 : 4);
  auto factor = [&](Complex x, int64_t i) {
    if (pass.factors == Factors::Butterfly && i > 0) {
      Value at = e.add(e.mul(j, kPair * (pass.radix - 1)), kPair * (i - 1));
      return twiddle(x, table, at, e.add(at, 1), pass.inverse);
    }
    if (!pass.hasOperand())
      return x;
    // The spectrum in pairs, column factors in planes.
    int64_t step = pass.spectrum ? kPair : 1;
    Value skip = e.add(e.mul(first, step), i * pass.quotient() * step);
    Value re = e.add(operands[1], skip);
    Value im = e.add(re, pass.spectrum ? 1 : planeSize(e, f));
    if (pass.correlates)
      addCorrelation(x,
                     place({operands[2],
                            e.add(operands[3], e.mul(first, pass.fromStride))},
                           i, pass.fromStride),
                     {operands[4], e.add(operands[5], skip)});
    return twiddle(x, operands[0], re, im, pass.inverse);
  };
  SmallVector<Complex> x(pass.radix);
  for (int64_t i = 0; i < pass.radix; ++i)
    if (pass.inverse || i < pass.touched)
      x[i] = loadElement(place(from, i, pass.fromStride));
  if (pass.ahead > 0)
    for (int64_t i = 0; i < pass.radix; ++i)
      fetchAhead(pass, place(from, i, pass.fromStride));
  if (pass.inverse)
    for (int64_t i = 0; i < pass.radix; ++i)
      x[i] = factor(x[i], i);
  x = c.transform(x, pass.inverse);
  if (!pass.inverse)
    for (int64_t i = 0; i < pass.radix; ++i)
      x[i] = factor(x[i], i);
  if (pass.spectrum)
    x = c.transform(x, /*inverse=*/true);
  int64_t stored = pass.inverse ? pass.touched : pass.radix;
  for (int64_t i = 0; i < stored; ++i)
    storeElement(x[i], place(to, i, pass.toStride));
}

void Transform::emitPass(const Pass &pass, ValueRange a) {
  Value table =
      pass.factors == Factors::Butterfly ? butterflyTable(pass) : Value();
  auto block = [&](Value start) {
    if (pass.quotient() == 1)
      return emitButterfly(pass, a, start, e.index(0), table);
    e.loop(0, pass.quotient(), 1,
           [&](Value j) { emitButterfly(pass, a, e.add(start, j), j, table); });
  };
  if (pass.span == pass.length)
    return block(e.index(0));
  e.loop(0, pass.length, pass.span, block);
}

func::FuncOp Transform::pass(const Pass &pass) {
  SmallVector<Type> arguments;
  for (bool present : {true, !pass.inPlace, pass.hasOperand(), pass.correlates,
                       pass.correlates})
    if (present)
      arguments.append({buffer(), index()});
  return e.kernel(anchor, name(pass.name()), arguments,
                  [&](Emitter &, ValueRange a) { emitPass(pass, a); });
}

void Transform::callPass(const Pass &which, Slice from, Slice to,
                         ArrayRef<Slice> operands) {
  SmallVector<Value> arguments = {from.buffer, from.offset};
  if (!which.inPlace)
    arguments.append({to.buffer, to.offset});
  if (which.hasOperand())
    for (Slice operand : operands)
      arguments.append({operand.buffer, operand.offset});
  e.call(pass(which), arguments);
}

/// exp(-2πi jk/span) for k = 1 … radix - 1, pairs, j after j.
Value Transform::butterflyTable(const Pass &pass) {
  std::vector<double> values;
  for (int64_t j = 0; j < pass.quotient(); ++j)
    for (int64_t k = 1; k < pass.radix; ++k) {
      auto [re, im] = unitRoot(j * k, pass.span);
      values.insert(values.end(), {re, im});
    }
  std::string name =
      ("ropegrad_twiddles_" + Twine(pass.span) + "by" + Twine(pass.radix))
          .str();
  return constantFloats(e, anchor, kernelName(e, name), e.element, values);
}

/// How many inputs of the first butterflies are touched, if `touched` elements
/// of the block are.
int64_t Transform::touchedInputs(const Passes &passes, int64_t touched) {
  int64_t radix = passes.radices.front();
  return std::min<int64_t>(llvm::divideCeil(touched, f.length / radix), radix);
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

/// The passes `numbers` of a row, of which the first forth and the last back
/// meet what is not touched where there are no columns.
void Transform::emitRow(Slice row, bool inverse, int64_t touched,
                        ArrayRef<size_t> numbers) {
  for (size_t number : numbers) {
    Pass which = along.pass(number, inverse, Factors::None);
    which.fromStride = which.toStride = elementSize(e);
    if (number == 0 && f.rows == 1)
      which.touched = touchedInputs(along, touched);
    if (number == 0 && !inverse && f.rows > 1)
      which.ahead = f.pitch * elementSize(e);
    callPass(which, row, row, {});
  }
}

/// `operands` are a row of the spectrum and maybe one of a block, transformed
/// down its columns only, and the sums of its correlation.
void Transform::emitRowConvolve(Slice row, ArrayRef<Slice> operands,
                                int64_t filled, int64_t wanted) {
  auto last = llvm::to_vector(llvm::seq<size_t>(0, along.count()));
  size_t innermost = last.pop_back_val();
  bool correlates = operands.size() > 1;
  if (correlates)
    emitRow(operands[1], /*inverse=*/false, filled,
            llvm::to_vector(llvm::seq<size_t>(0, along.count())));
  emitRow(row, /*inverse=*/false, filled, last);
  Pass which = along.pass(innermost, /*inverse=*/false, Factors::None);
  which.spectrum = true;
  which.correlates = correlates;
  which.fromStride = which.toStride = elementSize(e);
  if (innermost == 0 && f.rows == 1)
    which.touched = touchedInputs(along, filled);
  callPass(which, row, row, operands);
  std::reverse(last.begin(), last.end());
  emitRow(row, /*inverse=*/true, wanted, last);
}

void Transform::forRows(Value at, function_ref<void(Value, Value)> body) {
  if (f.rows == 1)
    return body(at, e.index(0));
  e.loop(0, f.rows, 1, [&](Value row) {
    body(e.add(at, e.mul(row, f.pitch * elementSize(e))), row);
  });
}

//===----------------------------------------------------------------------===//
// Columns
//===----------------------------------------------------------------------===//

/// The factors of a column, planes of re and im in the order of the rows'
/// frequencies, as products of a coarse and a fine one.
void Transform::emitColumnFactors(Value column, Value work) {
  int64_t steps = fineSteps(f), plane = planeSize(e, f);
  std::vector<int64_t> order = ::ropegrad::digitReversal(f.down);
  auto table = [&](StringRef which, int64_t count, int64_t step) {
    std::vector<double> values(count * kPair * plane);
    for (int64_t i = 0; i < count; ++i)
      for (int64_t p = 0; p < f.rows; ++p) {
        auto [re, im] = unitRoot(order[p] * i * step, f.length);
        values[i * kPair * plane + p] = re;
        values[i * kPair * plane + plane + p] = im;
      }
    std::string base = ("ropegrad_twiddles_" + which + "_" + Twine(f.rows) +
                        "x" + Twine(f.columns))
                           .str();
    return constantFloats(e, anchor, kernelName(e, base), e.element, values);
  };
  Value coarse = table("coarse", llvm::divideCeil(f.columns, steps), steps);
  Value fine = table("fine", steps, 1);
  Value coarseAt = e.mul(e.div(column, steps), kPair * plane);
  Value fineAt = e.mul(e.rem(column, e.index(steps)), kPair * plane);
  ComplexEmitter c(e);
  e.loop(0, plane, e.lanes, [&](Value p) {
    auto vector = [&](Value buffer, Value at, int64_t part) {
      return e.load(buffer, e.add(e.add(at, p), part * plane), e.lanes);
    };
    Complex x{{vector(coarse, coarseAt, 0)}, {vector(coarse, coarseAt, 1)}};
    x = c.mul(x, vector(fine, fineAt, 0), vector(fine, fineAt, 1), false);
    e.store(c.materialize(x.re), work, p);
    e.store(c.materialize(x.im), work, e.add(p, plane));
  });
}

/// One column: (data, at of its first element, column, work). What is between
/// its passes stays packed in `work`, behind the factors.
func::FuncOp Transform::columnKernel(bool inverse, int64_t touched) {
  auto body = [&](Emitter &, ValueRange a) {
    emitColumnFactors(a[2], a[3]);
    Slice column{a[0], a[1]}, factors{a[3], e.index(0)};
    Slice packed{a[3], e.index(kPair * planeSize(e, f))};
    int64_t far = f.pitch * elementSize(e), near = elementSize(e);
    size_t count = down.count();
    for (size_t step = 0; step < count; ++step) {
      bool first = step == 0, last = step + 1 == count;
      size_t number = inverse ? count - 1 - step : step;
      Pass which = down.pass(number, inverse, Factors::Column);
      which.fromStride = first ? far : near;
      which.toStride = last ? far : near;
      which.inPlace = first == last;
      which.ahead = first ? near : 0;
      if (number == 0)
        which.touched = touchedInputs(down, touched);
      callPass(which, first ? column : packed, last ? column : packed,
               {factors});
    }
  };
  std::string shape = std::to_string(f.rows) + "x" + std::to_string(f.columns) +
                      "_" + std::to_string(f.touched(touched));
  return e.kernel(anchor,
                  name((inverse ? "column_inverse" : "column_forward") + shape),
                  {buffer(), index(), index(), buffer()}, body);
}

void Transform::emitColumns(bool inverse, Value data, Value at, Value work,
                            int64_t touched) {
  if (f.rows == 1)
    return;
  func::FuncOp column = columnKernel(inverse, touched);
  e.loop(0, f.columns, 1, [&](Value t2) {
    e.call(column, {data, e.add(at, e.mul(t2, elementSize(e))), t2, work});
  });
}

//===----------------------------------------------------------------------===//
// Whole transforms: (data, at, work[, spectrum, at])
//===----------------------------------------------------------------------===//

func::FuncOp Transform::forward(int64_t filled) {
  auto forth = llvm::to_vector(llvm::seq<size_t>(0, along.count()));
  auto body = [&](Emitter &, ValueRange a) {
    emitColumns(/*inverse=*/false, a[0], a[1], a[2], filled);
    forRows(a[1], [&](Value at, Value) {
      emitRow({a[0], at}, /*inverse=*/false, filled, forth);
    });
  };
  return e.kernel(
      anchor,
      name("forward_" + Twine(f.length) + "_" + Twine(f.touched(filled))),
      {buffer(), index(), buffer()}, body);
}

void Transform::emitScale(Value data, Value at, double scale) {
  Value factor = e.splat(scale, e.lanes);
  e.loop(0, f.columns * elementSize(e), e.lanes, [&](Value i) {
    Value place = e.add(at, i);
    e.store(e.mulf(e.load(data, place, e.lanes), factor), data, place);
  });
}

func::FuncOp Transform::inverse(int64_t wanted) {
  auto back =
      llvm::to_vector(llvm::reverse(llvm::seq<size_t>(0, along.count())));
  auto body = [&](Emitter &, ValueRange a) {
    forRows(a[1], [&](Value at, Value) {
      emitScale(a[0], at, 1.0 / static_cast<double>(f.length));
      emitRow({a[0], at}, /*inverse=*/true, wanted, back);
    });
    emitColumns(/*inverse=*/true, a[0], a[1], a[2], wanted);
  };
  return e.kernel(
      anchor,
      name("inverse_" + Twine(f.length) + "_" + Twine(f.touched(wanted))),
      {buffer(), index(), buffer()}, body);
}

func::FuncOp Transform::convolve(int64_t filled, int64_t wanted,
                                 bool correlates) {
  auto body = [&](Emitter &, ValueRange a) {
    emitColumns(/*inverse=*/false, a[0], a[1], a[2], filled);
    if (correlates)
      emitColumns(/*inverse=*/false, a[5], a[6], a[2], filled);
    forRows(a[1], [&](Value at, Value row) {
      Value pairs = e.mul(row, kPair * f.columns);
      SmallVector<Slice> operands = {{a[3], e.add(a[4], pairs)}};
      if (correlates) {
        Value skip = e.mul(row, f.pitch * elementSize(e));
        operands.push_back({a[5], e.add(a[6], skip)});
        operands.push_back({a[7], e.add(a[8], pairs)});
      }
      emitRowConvolve({a[0], at}, operands, filled, wanted);
    });
    emitColumns(/*inverse=*/true, a[0], a[1], a[2], wanted);
  };
  SmallVector<Type> arguments = {buffer(), index(), buffer(), buffer(),
                                 index()};
  if (correlates)
    arguments.append({buffer(), index(), buffer(), index()});
  return e.kernel(anchor,
                  name((correlates ? "correlate_convolve_" : "convolve_") +
                       Twine(f.length) + "_" + Twine(f.touched(filled)) + "_" +
                       Twine(f.touched(wanted))),
                  arguments, body);
}

//===----------------------------------------------------------------------===//
// The interface
//===----------------------------------------------------------------------===//

int64_t mlir::ropegrad::blockSize(const Emitter &e, const Fourier &f) {
  return f.elements() * elementSize(e);
}

int64_t mlir::ropegrad::workSize(const Emitter &e, const Fourier &f) {
  if (f.rows == 1)
    return 1;
  return kPair * planeSize(e, f) + f.rows * elementSize(e);
}

Value mlir::ropegrad::elementAt(Emitter &e, const Fourier &f, Value at,
                                Value t) {
  Value gaps = e.mul(e.div(t, f.columns), f.pitch - f.columns);
  return e.add(at, e.mul(e.add(t, gaps), elementSize(e)));
}

void mlir::ropegrad::emitForward(Emitter &e, Operation *anchor,
                                 const Fourier &f, Slice block, Value work,
                                 int64_t filled) {
  if (f.length > 1)
    e.call(Transform(e, anchor, f).forward(filled),
           {block.buffer, block.offset, work});
}

void mlir::ropegrad::emitInverse(Emitter &e, Operation *anchor,
                                 const Fourier &f, Slice block, Value work,
                                 int64_t wanted) {
  if (f.length > 1)
    e.call(Transform(e, anchor, f).inverse(wanted),
           {block.buffer, block.offset, work});
}

void mlir::ropegrad::emitConvolve(Emitter &e, Operation *anchor,
                                  const Fourier &f, Slice block, Slice spectrum,
                                  Value work, int64_t filled, int64_t wanted) {
  if (f.length == 1)
    return emitMultiply(e, anchor, f, block, spectrum);
  e.call(Transform(e, anchor, f).convolve(filled, wanted, false),
         {block.buffer, block.offset, work, spectrum.buffer, spectrum.offset});
}

void mlir::ropegrad::emitCorrelateConvolve(Emitter &e, Operation *anchor,
                                           const Fourier &f, Slice block,
                                           Slice spectrum, Slice other,
                                           Slice sums, Value work,
                                           int64_t filled, int64_t wanted) {
  if (f.length == 1) {
    emitCorrelate(e, anchor, f, block, other, sums);
    return emitMultiply(e, anchor, f, block, spectrum);
  }
  e.call(Transform(e, anchor, f).convolve(filled, wanted, true),
         {block.buffer, block.offset, work, spectrum.buffer, spectrum.offset,
          other.buffer, other.offset, sums.buffer, sums.offset});
}

/// Runs `body` for the place of every element of a block that starts at `at`
/// and the offset of its number in a spectrum.
static void forElements(Emitter &e, const Fourier &f, Value at,
                        function_ref<void(Value, Value)> body) {
  e.loop(0, f.rows, 1, [&](Value row) {
    Value rowAt = e.add(at, e.mul(row, f.pitch * elementSize(e)));
    Value pairs = e.mul(row, kPair * f.columns);
    e.loop(0, f.columns, 1, [&](Value column) {
      body(e.add(rowAt, e.mul(column, elementSize(e))),
           e.add(pairs, e.mul(column, kPair)));
    });
  });
}

static Complex loadComplex(Emitter &e, Value buffer, Value at) {
  return {{e.load(buffer, at, e.lanes)},
          {e.load(buffer, e.add(at, e.lanes), e.lanes)}};
}

void mlir::ropegrad::emitMultiply(Emitter &e, Operation *anchor,
                                  const Fourier &f, Slice block,
                                  Slice spectrum) {
  auto body = [&](Emitter &, ValueRange a) {
    ComplexEmitter c(e);
    forElements(e, f, a[1], [&](Value at, Value pair) {
      pair = e.add(pair, a[3]);
      Value re = e.broadcast(e.load(a[2], pair), e.lanes);
      Value im = e.broadcast(e.load(a[2], e.add(pair, 1)), e.lanes);
      Complex x = c.mul(loadComplex(e, a[0], at), re, im, false);
      e.store(c.materialize(x.re), a[0], at);
      e.store(c.materialize(x.im), a[0], e.add(at, e.lanes));
    });
  };
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  auto kernel = e.kernel(
      anchor, kernelName(e, "ropegrad_fourier_multiply_" + Twine(f.length)),
      {buffer, index, buffer, index}, body);
  e.call(kernel,
         {block.buffer, block.offset, spectrum.buffer, spectrum.offset});
}

void mlir::ropegrad::emitSpectrum(Emitter &e, Operation *anchor,
                                  const Fourier &f, Slice block, Value lane,
                                  Slice spectrum, double scale) {
  auto body = [&](Emitter &, ValueRange a) {
    forElements(e, f, e.add(a[1], a[2]), [&](Value at, Value pair) {
      pair = e.add(pair, a[4]);
      for (int64_t part : {0, 1})
        e.store(e.mulf(e.load(a[0], e.add(at, part * e.lanes)), a[5]), a[3],
                e.add(pair, part));
    });
  };
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  auto kernel = e.kernel(
      anchor, kernelName(e, "ropegrad_fourier_spectrum_" + Twine(f.length)),
      {buffer, index, index, buffer, index, e.element}, body);
  e.call(kernel, {block.buffer, block.offset, lane, spectrum.buffer,
                  spectrum.offset, e.scalar(scale)});
}

void mlir::ropegrad::emitCorrelate(Emitter &e, Operation *anchor,
                                   const Fourier &f, Slice u, Slice x,
                                   Slice sums) {
  auto body = [&](Emitter &, ValueRange a) {
    ComplexEmitter c(e);
    forElements(e, f, e.index(0), [&](Value at, Value pair) {
      Complex left = loadComplex(e, a[0], e.add(at, a[1]));
      Complex right = loadComplex(e, a[2], e.add(at, a[3]));
      Complex y = c.mul(left, right.re.value, right.im.value, true);
      pair = e.add(pair, a[5]);
      for (int64_t part : {0, 1}) {
        Value to = e.add(pair, part);
        Value sum = e.reduceAdd(c.materialize(part == 0 ? y.re : y.im));
        e.store(e.addf(e.load(a[4], to), sum), a[4], to);
      }
    });
  };
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  auto kernel = e.kernel(
      anchor, kernelName(e, "ropegrad_fourier_correlate_" + Twine(f.length)),
      {buffer, index, buffer, index, buffer, index}, body);
  e.call(kernel,
         {u.buffer, u.offset, x.buffer, x.offset, sums.buffer, sums.offset});
}

void mlir::ropegrad::emitSpread(Emitter &e, Operation *anchor, const Fourier &f,
                                Slice spectra, Value count, Slice block) {
  auto body = [&](Emitter &, ValueRange a) {
    Value zero = e.splat(0.0, e.lanes);
    forElements(e, f, a[4], [&](Value at, Value pair) {
      for (int64_t part : {0, 1})
        e.store(zero, a[3], e.add(at, part * e.lanes));
      e.loop(e.index(0), a[2], 1, [&](Value lane) {
        Value from = e.add(e.add(a[1], e.mul(lane, spectrumSize(f))), pair);
        for (int64_t part : {0, 1})
          e.store(e.load(a[0], e.add(from, part)), a[3],
                  e.add(e.add(at, lane), part * e.lanes));
      });
    });
  };
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  auto kernel = e.kernel(
      anchor, kernelName(e, "ropegrad_fourier_spread_" + Twine(f.length)),
      {buffer, index, index, buffer, index}, body);
  e.call(kernel,
         {spectra.buffer, spectra.offset, count, block.buffer, block.offset});
}
