//===- ByHead.cpp - Problems whose heads need not go one way --------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/ByHead.h"

#include <algorithm>

namespace ropegrad {

bool isByHead(const Problem &problem) {
  bool sameSlopes =
      std::all_of(problem.alibi.begin(), problem.alibi.end(),
                  [&](double slope) { return slope == problem.alibi.front(); });
  bool sameBias = !(problem.learnedBias && problem.biasPerHead);
  return problem.entry == Entry::Attention && problem.bounds.empty() &&
         (problem.kvHeads == 1 || (sameSlopes && sameBias)) &&
         !problem.wants("W") && !problem.wants("bias");
}

Problem headsAsBatch(const Problem &problem) {
  Problem result = problem;
  result.batch = problem.batch * problem.kvHeads;
  result.heads = problem.heads / problem.kvHeads;
  result.kvHeads = 1;
  if (!result.alibi.empty() && problem.kvHeads > 1)
    result.alibi.resize(1);
  return result;
}

} // namespace ropegrad
