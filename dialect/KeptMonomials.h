//===- KeptMonomials.h - A part of the monomials of a degree ---*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Which monomials are kept where most of them are too small to matter: the rule
// that `#ropegrad.kept` states, and the monomials that it leaves, in the order
// in which kernels hold them. No MLIR.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_DIALECT_KEPTMONOMIALS_H
#define ROPEGRAD_DIALECT_KEPTMONOMIALS_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ropegrad {

/// Variable v is coordinate order[v]. Kept are 1, all variables and, of degree
/// k = 2, ..., g, the products x_v t with v < ends[k-2] and t a kept monomial
/// of degree k-1, none of whose variables is above v, of which the costs sum to
/// at most budgets[k-2]. So every kept monomial is one multiplication of
/// another one.
struct KeptMonomials {
  std::vector<int64_t> order;   ///< a permutation of 0, ..., d-1
  std::vector<int64_t> costs;   ///< of each variable, not negative
  std::vector<int64_t> budgets; ///< g-1 numbers
  std::vector<int64_t> ends;    ///< g-1 numbers from 0 to d

  unsigned degree() const { return static_cast<unsigned>(budgets.size()) + 1; }
  /// The first thing that is wrong about them for d coordinates; empty if none.
  std::string check(int64_t d) const;

  bool operator==(const KeptMonomials &other) const;
};

/// A run of monomials target + i = x_factor times (source + i), i < length.
struct KeptRun {
  int64_t factor, source, length, target;
};

/// The kept monomials by degree; within a degree first those that are factors
/// of the next one, each of the two parts by last variable.
class KeptTable {
public:
  struct Monomial {
    int64_t parent;     ///< its number, -1 for 1
    int64_t last;       ///< variable, with the largest number
    int64_t exponent;   ///< of that
    int64_t cost;       ///< of all variables
    double multinomial; ///< k!/mu!
  };

  /// Nothing where there are more than `most`.
  static std::optional<KeptTable> make(const KeptMonomials &kept, int64_t most);

  std::vector<Monomial> monomials;
  std::vector<int64_t> offsets; ///< of degrees 0, ..., g, and the end
  int64_t size() const { return static_cast<int64_t>(monomials.size()); }
  /// Those of degree k >= 2 as runs as long as possible.
  std::vector<KeptRun> runs(unsigned k) const;

private:
  void addDegree(const KeptMonomials &kept, unsigned k,
                 std::vector<int64_t> &factors);
};

/// As many as a kernel can hold.
constexpr int64_t kMostKept = 65536;

} // namespace ropegrad

#endif // ROPEGRAD_DIALECT_KEPTMONOMIALS_H
