//===- Fourier.h - Code for fast Fourier transforms ------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// In-place transforms of `lanes` complex columns at a time, for a length known
// when the kernel is compiled.
//
// A *block* holds `lanes` complex columns, which are 2 · lanes real ones: an
// element is a vector of real parts and, behind it, one of imaginary parts;
// element t stands at `Fourier::place(t)` · 2 · lanes. Column a of 2 · lanes is
// the real part of lane a, column lanes + a the imaginary part: y = T ∗ x for a
// real T keeps the two apart, so that nothing is unpacked.
//
// A *spectrum* is one number for each frequency, for all lanes: pairs (real,
// imaginary), 2 · length floats without gaps, in the transform's own order.
// Both transforms of a product come from here, so that no user depends on it.
//
// Twiddle factors are private constants of the module, made in long double and
// rounded once: those of the butterflies take about 2 (N1 + N2) floats, those
// between columns and rows, exp(-2πi k1 t2 / N), are products of two tables of
// some 2 N1 √N2 floats each. The length is fixed when the kernel is compiled: a
// call with fewer rows fills up with zeros and takes the same time.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_FOURIER_H
#define ROPEGRAD_PASSES_FOURIER_H

#include "passes/Emitter.h"
#include "passes/FourierPlan.h"

namespace mlir::ropegrad {

using ::ropegrad::Fourier;
using ::ropegrad::planFourier;

/// Floats of a block.
int64_t blockSize(const Emitter &e, const Fourier &f);
/// Floats of a spectrum.
inline int64_t spectrumSize(const Fourier &f) { return 2 * f.length; }
/// Floats of the scratch that every transform needs (`work` below), at least 1.
int64_t workSize(const Emitter &e, const Fourier &f);

/// Where element `t` of a block that starts at `at` stands: its real parts, the
/// imaginary ones `lanes` behind.
Value elementAt(Emitter &e, const Fourier &f, Value at, Value t);

/// Forward transform of a block in place. Elements from `filled` on are taken
/// to be zero; those in [filled, f.touched(filled)) must be.
void emitForward(Emitter &e, Operation *anchor, const Fourier &f, Slice block,
                 Value work, int64_t filled);

/// Inverse transform of a block in place, divided by the length. Elements from
/// `f.touched(wanted)` on are left undefined.
void emitInverse(Emitter &e, Operation *anchor, const Fourier &f, Slice block,
                 Value work, int64_t wanted);

/// Forward transform, product with a spectrum that holds the factor 1 / length
/// (see emitSpectrum), inverse transform; in place, row by row.
void emitConvolve(Emitter &e, Operation *anchor, const Fourier &f, Slice block,
                  Slice spectrum, Value work, int64_t filled, int64_t wanted);

/// The same, and what emitCorrelate adds to `sums` for the transforms of
/// `block` and of `other`, which is left transformed: rows of both meet in the
/// nearest caches.
void emitCorrelateConvolve(Emitter &e, Operation *anchor, const Fourier &f,
                           Slice block, Slice spectrum, Slice other, Slice sums,
                           Value work, int64_t filled, int64_t wanted);

/// block *= spectrum.
void emitMultiply(Emitter &e, Operation *anchor, const Fourier &f, Slice block,
                  Slice spectrum);

/// spectrum = scale · lane `lane` of a transformed block. Scale 1 / f.length is
/// what emitConvolve wants.
void emitSpectrum(Emitter &e, Operation *anchor, const Fourier &f, Slice block,
                  Value lane, Slice spectrum, double scale);

/// sums += Σ over lanes of u · conj(x), for transformed blocks u and x: the
/// spectrum of t ↦ Σ_{i−j=t} ⟨u_i, x_j⟩ in its real part, over all real
/// columns.
void emitCorrelate(Emitter &e, Operation *anchor, const Fourier &f, Slice u,
                   Slice x, Slice sums);

/// Lane l of `block` becomes the l-th of `count` spectra that follow one
/// another, the lanes above 0. `count` is at most the lanes.
void emitSpread(Emitter &e, Operation *anchor, const Fourier &f, Slice spectra,
                Value count, Slice block);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_FOURIER_H
