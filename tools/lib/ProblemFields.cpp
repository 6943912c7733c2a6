//===- ProblemFields.cpp - The fields of a problem, by name ---------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/ProblemFields.h"
#include "tools/lib/ProblemValues.h"

#include <algorithm>

using namespace llvm;

namespace ropegrad {

namespace {

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

template <auto Member> std::string text(StringRef text, Problem &problem) {
  return readText(text, problem.*Member);
}

template <auto Member>
std::string json(const json::Value &json, Problem &problem) {
  return readJson(json, problem.*Member);
}

template <auto Member> void copy(const Problem &from, Problem &to) {
  to.*Member = from.*Member;
}

#define MEMBER(m) &text<&Problem::m>, &json<&Problem::m>, &copy<&Problem::m>
#define FLAG_ONLY(m) &text<&Problem::m>, nullptr, &copy<&Problem::m>

const char *const kSizes = "Problem";
const char *const kPosition = "Position and mask";
const char *const kHeads = "Heads (entry attention)";
const char *const kRoute = "Route";

const ProblemField kFields[] = {
    {"entry", kSizes, "ENTRY", "loss-gradient or attention", "loss-gradient",
     MEMBER(entry)},
    {"n", kSizes, "N", "length of the sequence", "", MEMBER(n)},
    {"d", kSizes, "D", "width of one head", "", MEMBER(d)},
    {"channels", kSizes, "C", "columns of A1, A2 and A3", "d",
     MEMBER(channels)},
    {"bound", kSizes, "B", "largest absolute entry of Q and K", "",
     MEMBER(bound)},
    {"bounds", kSizes, "B1,...,BD",
     "largest |Q_ia K_ja| for each coordinate a; rotary: of a pair, their sum "
     "bounds the product of norms. Features drops what is too small to matter",
     "", &boundsFromText, &boundsFromJson, &copy<&Problem::bounds>},
    {"radius", kSizes, "R", "largest absolute logit; wins over --bound", "",
     MEMBER(radius)},
    {"tolerance", kSizes, "E",
     "relative error of every attention weight and its derivative", "",
     MEMBER(tolerance)},
    {"scale", kSizes, "S", "factor of the logits", "1/d", MEMBER(scale)},
    {"similarity", kSizes, "SIM", "exp or poly:c0,c1,...", "exp",
     &similarityFromText, &similarityFromJson, &copy<&Problem::similarity>},
    {"wrt", kSizes, "LIST",
     "gradients wanted: of X1,X2,Y,X,A1,A2,A3,W,bias or Q,K,V,W,bias; "
     "none: forward pass only",
     "X1,X2,Y or Q,K,V", MEMBER(wrt)},
    {"dtype", kSizes, "TYPE", "f32, f64, bf16 or f16", "f32", MEMBER(dtype)},
    {"position", kPosition, "KIND", "rotary, general or none", "rotary",
     MEMBER(position)},
    {"layout", kPosition, "KIND", "rotary pairs: interleaved or half",
     "interleaved", MEMBER(layout)},
    {"base", kPosition, "BASE", "base of the rotary angles", "10000",
     MEMBER(base)},
    {"support", kPosition, "PAIRS",
     "entries of W that may be non-zero, like 0:0,0:1; orders the columns of "
     "dX",
     "that of the position", MEMBER(support)},
    {"mask", kPosition, "KIND", "none, causal or window", "none", MEMBER(mask)},
    {"window", kPosition, "W", "keys that a query sees under mask window", "",
     MEMBER(window)},
    {"alibi", kPosition, "M", "ALiBi slope, or one per head: M1,M2,...", "0",
     &alibiFromText, &alibiFromJson, &copy<&Problem::alibi>},
    {"bias", kPosition, "KIND", "relative bias: none or learned", "none",
     MEMBER(learnedBias)},
    {"batch", kHeads, "N", "size of the batch", "1", MEMBER(batch)},
    {"heads", kHeads, "H", "heads of the queries", "1", MEMBER(heads)},
    {"kv_heads", kHeads, "H", "heads of the keys and values", "--heads",
     MEMBER(kvHeads)},
    {"centre", kRoute, "ROWS",
     "keys, queries or both: subtract their mean, after the rotation, before "
     "logits are made; bounds and radius are those of what is left. auto: "
     "where "
     "a sample says that it pays",
     "auto", MEMBER(centre)},
    {"route", kRoute, "ROUTE", "auto, exact, features, scan or fft", "auto",
     FLAG_ONLY(route)},
    {"degree", kRoute, "G", "degree of the polynomial", "from --tolerance",
     FLAG_ONLY(degree)},
    {"fit", kRoute, "FIT", "minimax, taylor or weighted", "minimax",
     FLAG_ONLY(fit)},
    {"sigma", kRoute, "S", "deviation of the logits under --fit weighted",
     "a third of the radius", FLAG_ONLY(sigma)},
};

#undef MEMBER
#undef FLAG_ONLY

} // namespace

ArrayRef<ProblemField> problemFields() { return kFields; }

std::string ProblemField::flag() const {
  std::string name = std::string("--") + key;
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

ProblemSpec::ProblemSpec(const Problem &complete) : problem(complete) {
  for (const ProblemField &field : kFields)
    given.insert(field.key);
  if (complete.learnedBias)
    given.insert(kBiasPerHead);
  auto drop = [&](const char *key, bool unset) {
    if (unset)
      given.erase(key);
  };
  drop("n", complete.n == 0);
  drop("d", complete.d == 0);
  drop("channels", complete.channels == 0);
  drop("scale", complete.scale == 0.0);
  drop("support", complete.support.empty());
  drop("window", complete.window == 0);
  drop("bound", !complete.bound);
  drop("bounds", complete.bounds.empty());
  drop("radius", !complete.radius);
  drop("tolerance", !complete.tolerance);
  drop("degree", !complete.degree);
  drop("sigma", !complete.sigma);
  drop("centre", complete.centre == Centre::None);
}

void ProblemSpec::overrideWith(const ProblemSpec &other) {
  for (const ProblemField &field : kFields) {
    if (!other.has(field.key))
      continue;
    field.copy(other.problem, problem);
    given.insert(field.key);
  }
}

} // namespace ropegrad
