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

/// Elements `stride` floats apart.
struct Elements {
  Value buffer, at, stride;
};

/// What a butterfly multiplies by, beside what is in the transform itself.
enum class Factors {
  None,
  Butterfly, ///< exp(-2πi jk/span) from the table of the pass
  Column     ///< those between columns and rows, in planes of re and im
};

/// One pass over a row or column in butterflies of `radix`.
struct Pass {
  int64_t radix;
  bool inverse;
  int64_t touched; ///< leading inputs (forward) or outputs (inverse) of each
                   ///< butterfly; the others are zero or not wanted
  Factors factors;
  bool spectrum = false; ///< there and back, times a spectrum in between
  bool ahead = false;    ///< inputs of the next column are fetched as well

  std::string name() const {
    std::string text = (spectrum  ? "spectrum"
                        : inverse ? "inverse"
                                  : "forward") +
                       std::to_string(radix);
    if (touched < radix)
      text += "of" + std::to_string(touched);
    if (ahead)
      text += "a";
    return text + (factors == Factors::Butterfly ? "t"
                   : factors == Factors::Column  ? "c"
                                                 : "");
  }
};

/// The passes of a row or column, and where the table of each starts.
struct Passes {
  std::vector<int64_t> radices;
  int64_t length = 1;
  std::vector<int64_t> spans;  ///< elements that a butterfly's inputs spread on
  std::vector<int64_t> tables; ///< in pairs
  std::vector<double> factors;

  explicit Passes(const std::vector<int64_t> &radices) : radices(radices) {
    for (int64_t radix : radices)
      length *= radix;
    int64_t span = length;
    for (int64_t radix : radices) {
      spans.push_back(span);
      tables.push_back(static_cast<int64_t>(factors.size()));
      for (int64_t j = 0; j < span / radix && span > radix; ++j)
        for (int64_t k = 1; k < radix; ++k) {
          auto [re, im] = unitRoot(j * k, span);
          factors.insert(factors.end(), {re, im});
        }
      span /= radix;
    }
  }
  size_t count() const { return radices.size(); }
};

/// Emits the transforms of one length.
class Transform {
public:
  Transform(Emitter &e, Operation *anchor, const Fourier &f)
      : e(e), anchor(anchor), f(f), down(f.down), along(f.along) {}

  func::FuncOp forward(int64_t filled);
  func::FuncOp inverse(int64_t wanted);
  func::FuncOp convolve(int64_t filled, int64_t wanted);

private:
  std::string name(const Twine &what) {
    return kernelName(e, "ropegrad_fourier_" + what);
  }
  Type buffer() { return e.bufferType(); }
  Type index() { return e.b.getIndexType(); }

  func::FuncOp pass(const Pass &pass);
  void emitPass(const Pass &pass, ValueRange arguments);
  void emitButterfly(const Pass &pass, ValueRange arguments, Value first,
                     Value quotient, Value table);
  Complex loadElement(const Elements &from, Value i);
  void storeElement(Complex x, const Elements &to, Value i);
  Complex twiddle(Complex x, Value table, Value re, Value im, bool conjugate);
  void fetchAhead(const Elements &column, Value i);

  void callPass(const Pass &pass, const Passes &passes, size_t number,
                const Elements &from, const Elements &to, Value table,
                Value tableAt);
  Value butterflyTable(const Passes &passes);
  int64_t touchedInputs(const Passes &passes, int64_t touched, int64_t unit);

  /// Transforms of one row in place: the touched part is of the whole block
  /// where there are no columns.
  void emitRowForward(Slice row, int64_t filled, size_t count);
  void emitRowInverse(Slice row, int64_t wanted, size_t count);
  void emitRowConvolve(Slice row, Slice spectrum, int64_t filled,
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

Complex Transform::loadElement(const Elements &from, Value i) {
  Value at = e.add(from.at, e.mul(i, from.stride));
  return {{e.load(from.buffer, at, e.lanes)},
          {e.load(from.buffer, e.add(at, e.lanes), e.lanes)}};
}

void Transform::storeElement(Complex x, const Elements &to, Value i) {
  ComplexEmitter c(e);
  Value at = e.add(to.at, e.mul(i, to.stride));
  e.store(c.materialize(x.re), to.buffer, at);
  e.store(c.materialize(x.im), to.buffer, e.add(at, e.lanes));
}

Complex Transform::twiddle(Complex x, Value table, Value re, Value im,
                           bool conjugate) {
  return ComplexEmitter(e).mul(x, e.broadcast(e.load(table, re), e.lanes),
                               e.broadcast(e.load(table, im), e.lanes),
                               conjugate);
}

/// Fetches the neighbour of an element in the next column: rows are too far
/// apart for the processor to foresee it. What is not read is written later.
void Transform::fetchAhead(const Elements &column, Value i) {
  constexpr int64_t kCacheLine = 64;
  int64_t line = kCacheLine * 8 / e.element.getWidth();
  Value next = e.add(e.add(column.at, e.mul(i, column.stride)), elementSize(e));
  for (int64_t at = 0; at < elementSize(e); at += line)
    memref::PrefetchOp::create(e.b, e.loc, column.buffer, e.add(next, at),
                               /*isWrite=*/true, /*localityHint=*/3,
                               /*isDataCache=*/true);
}

/// Arguments of a pass: (from, at, stride, to, at, stride, blocks, quotient,
/// table, at), its butterflies taking inputs `quotient` elements apart.
void Transform::emitButterfly(const Pass &pass, ValueRange a, Value first,
                              Value quotient, Value table) {
  Elements from{a[0], a[1], a[2]}, to{a[3], a[4], a[5]};
  ComplexEmitter c(e);
  auto element = [&](int64_t i) { return e.add(first, e.mul(quotient, i)); };
  auto factor = [&](Complex x, int64_t i, bool conjugate) {
    if (pass.factors == Factors::Butterfly && i > 0) {
      Value at = e.add(table, kPair * (i - 1));
      return twiddle(x, a[8], at, e.add(at, 1), conjugate);
    }
    if (pass.factors == Factors::Column || pass.spectrum) {
      // The spectrum in pairs, column factors in planes.
      Value re = e.add(a[9], e.mul(element(i), pass.spectrum ? kPair : 1));
      Value im = e.add(re, pass.spectrum ? 1 : planeSize(e, f));
      return twiddle(x, a[8], re, im, conjugate);
    }
    return x;
  };
  SmallVector<Complex> x(pass.radix);
  for (int64_t i = 0; i < pass.radix; ++i)
    if (pass.inverse || i < pass.touched)
      x[i] = loadElement(from, element(i));
  if (pass.inverse)
    for (int64_t i = 0; i < pass.radix; ++i)
      x[i] = factor(x[i], i, /*conjugate=*/true);
  if (pass.ahead)
    for (int64_t i = 0; i < pass.radix; ++i)
      fetchAhead(from, element(i));
  x = c.transform(x, pass.inverse);
  if (!pass.inverse)
    for (int64_t i = 0; i < pass.radix; ++i)
      x[i] = factor(x[i], i, /*conjugate=*/false);
  if (pass.spectrum)
    x = c.transform(x, /*inverse=*/true);
  int64_t stored = pass.inverse ? pass.touched : pass.radix;
  for (int64_t i = 0; i < stored; ++i)
    storeElement(x[i], to, element(i));
}

void Transform::emitPass(const Pass &pass, ValueRange a) {
  Value blocks = a[6], quotient = a[7];
  Value span = e.mul(quotient, pass.radix);
  e.loop(e.index(0), blocks, 1, [&](Value block) {
    Value start = e.mul(block, span);
    if (pass.factors != Factors::Butterfly && pass.touched == pass.radix) {
      // The last pass forth and the first one back: neighbours.
      emitButterfly(pass, a, start, e.index(1), {});
      return;
    }
    e.loop(e.index(0), quotient, 1, [&](Value j) {
      Value table = e.add(a[9], e.mul(j, kPair * (pass.radix - 1)));
      emitButterfly(pass, a, e.add(start, j), quotient, table);
    });
  });
}

func::FuncOp Transform::pass(const Pass &pass) {
  std::string shape;
  if (pass.factors == Factors::Column)
    shape = "_p" + std::to_string(planeSize(e, f));
  return e.kernel(anchor, name(pass.name() + shape),
                  {buffer(), index(), index(), buffer(), index(), index(),
                   index(), index(), buffer(), index()},
                  [&](Emitter &, ValueRange a) { emitPass(pass, a); });
}

void Transform::callPass(const Pass &which, const Passes &passes, size_t number,
                         const Elements &from, const Elements &to, Value table,
                         Value tableAt) {
  int64_t span = passes.spans[number];
  e.call(pass(which), {from.buffer, from.at, from.stride, to.buffer, to.at,
                       to.stride, e.index(passes.length / span),
                       e.index(span / which.radix), table, tableAt});
}

Value Transform::butterflyTable(const Passes &passes) {
  std::string name = "ropegrad_twiddles";
  for (int64_t radix : passes.radices)
    name += "_" + std::to_string(radix);
  std::vector<double> values = passes.factors;
  if (values.empty())
    values = {1, 0};
  return constantFloats(e, anchor, kernelName(e, name), e.element, values);
}

/// How many inputs of a first butterfly are touched, if `touched` elements of
/// the block are and the inputs are `unit` elements apart.
int64_t Transform::touchedInputs(const Passes &passes, int64_t touched,
                                 int64_t unit) {
  return std::min<int64_t>(llvm::divideCeil(touched, unit),
                           passes.radices.front());
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

/// The first `count` passes of a row.
void Transform::emitRowForward(Slice row, int64_t filled, size_t count) {
  Elements at{row.buffer, row.offset, e.index(elementSize(e))};
  Value table = butterflyTable(along);
  for (size_t i = 0; i < count; ++i) {
    int64_t radix = along.radices[i];
    bool last = i + 1 == along.count();
    int64_t touched =
        i == 0 && f.rows == 1
            ? touchedInputs(along, filled, f.length / along.radices[0])
            : radix;
    Pass which{radix, /*inverse=*/false, touched,
               last ? Factors::None : Factors::Butterfly};
    callPass(which, along, i, at, at, table, e.index(along.tables[i]));
  }
}

/// The last `count` passes of a row back.
void Transform::emitRowInverse(Slice row, int64_t wanted, size_t count) {
  Elements at{row.buffer, row.offset, e.index(elementSize(e))};
  Value table = butterflyTable(along);
  for (size_t i = count; i-- > 0;) {
    int64_t radix = along.radices[i];
    bool first = i + 1 == along.count();
    int64_t touched =
        i == 0 && f.rows == 1
            ? touchedInputs(along, wanted, f.length / along.radices[0])
            : radix;
    Pass which{radix, /*inverse=*/true, touched,
               first ? Factors::None : Factors::Butterfly};
    callPass(which, along, i, at, at, table, e.index(along.tables[i]));
  }
}

void Transform::emitRowConvolve(Slice row, Slice spectrum, int64_t filled,
                                int64_t wanted) {
  size_t last = along.count() - 1;
  int64_t radix = along.radices[last];
  bool only = last == 0 && f.rows == 1;
  emitRowForward(row, filled, last);
  Elements at{row.buffer, row.offset, e.index(elementSize(e))};
  Pass which{radix, /*inverse=*/false, only ? std::min(filled, radix) : radix,
             Factors::None, /*spectrum=*/true};
  callPass(which, along, last, at, at, spectrum.buffer, spectrum.offset);
  emitRowInverse(row, wanted, last);
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

/// One column: (data, at of its first element, column, work).
func::FuncOp Transform::columnKernel(bool inverse, int64_t touched) {
  auto body = [&](Emitter &, ValueRange a) {
    Value work = a[3], table = butterflyTable(down);
    emitColumnFactors(a[2], work);
    Elements column{a[0], a[1], e.index(f.pitch * elementSize(e))};
    Elements packed{work, e.index(kPair * planeSize(e, f)),
                    e.index(elementSize(e))};
    size_t count = down.count();
    for (size_t step = 0; step < count; ++step) {
      size_t i = inverse ? count - 1 - step : step;
      bool innermost = i + 1 == count;
      int64_t inputs =
          i > 0 ? down.radices[i]
                : touchedInputs(down, touched, f.length / down.radices[0]);
      Pass which{down.radices[i],
                 inverse,
                 inputs,
                 innermost ? Factors::Column : Factors::Butterfly,
                 /*spectrum=*/false,
                 /*ahead=*/step == 0};
      callPass(which, down, i, step == 0 ? column : packed,
               step + 1 == count ? column : packed, innermost ? work : table,
               e.index(innermost ? 0 : down.tables[i]));
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
  auto body = [&](Emitter &, ValueRange a) {
    emitColumns(/*inverse=*/false, a[0], a[1], a[2], filled);
    forRows(a[1], [&](Value at, Value) {
      emitRowForward({a[0], at}, filled, along.count());
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
  auto body = [&](Emitter &, ValueRange a) {
    forRows(a[1], [&](Value at, Value) {
      emitScale(a[0], at, 1.0 / static_cast<double>(f.length));
      emitRowInverse({a[0], at}, wanted, along.count());
    });
    emitColumns(/*inverse=*/true, a[0], a[1], a[2], wanted);
  };
  return e.kernel(
      anchor,
      name("inverse_" + Twine(f.length) + "_" + Twine(f.touched(wanted))),
      {buffer(), index(), buffer()}, body);
}

func::FuncOp Transform::convolve(int64_t filled, int64_t wanted) {
  auto body = [&](Emitter &, ValueRange a) {
    emitColumns(/*inverse=*/false, a[0], a[1], a[2], filled);
    forRows(a[1], [&](Value at, Value row) {
      Value spectrum = e.add(a[4], e.mul(row, kPair * f.columns));
      emitRowConvolve({a[0], at}, {a[3], spectrum}, filled, wanted);
    });
    emitColumns(/*inverse=*/true, a[0], a[1], a[2], wanted);
  };
  return e.kernel(anchor,
                  name("convolve_" + Twine(f.length) + "_" +
                       Twine(f.touched(filled)) + "_" +
                       Twine(f.touched(wanted))),
                  {buffer(), index(), buffer(), buffer(), index()}, body);
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
  e.call(Transform(e, anchor, f).convolve(filled, wanted),
         {block.buffer, block.offset, work, spectrum.buffer, spectrum.offset});
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
