"""The monomials up to a degree, in prefix-closed graded order, for peers.

The block of degree k + 1 is, for each variable v in turn, x_v times the first
C(v + k, k) monomials of degree k: those in the variables 0 to v.
"""
import math

import numpy as np


def prefix_lengths(d, k):
    """How many monomials of degree k use the variables 0 to v only, per v."""
    return [math.comb(v + k, k) for v in range(d)]


def tables(d, degree):
    """Per degree 1, 2, ...: (variable, index in the block of the degree below)
    of which each monomial is the product."""
    return [(np.repeat(np.arange(d), prefix_lengths(d, k)),
             np.concatenate([np.arange(c) for c in prefix_lengths(d, k)]))
            for k in range(degree)]


def weights(d, coefficients, scale):
    """w with sum_k c_k (scale <q, k>)^k = sum_m w_m phi_m(q) phi_m(k), in
    float64: c_k scale^k times the multinomial coefficient of each monomial."""
    found = [np.full(1, float(coefficients[0]))]
    multinomial, last, run = np.ones(1), np.full(1, -1), np.zeros(1)
    for k, (variable, parent) in enumerate(tables(d, len(coefficients) - 1), 1):
        run = np.where(last[parent] == variable, run[parent] + 1, 1)
        multinomial = multinomial[parent] * k / run
        last = variable
        found.append(coefficients[k] * scale ** k * multinomial)
    return np.concatenate(found)
