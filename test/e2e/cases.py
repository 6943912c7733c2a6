"""Few cases that together hold every pair of values: pairwise covering."""
import itertools
import random


def pairwise(axes, allowed, seed, tries=40):
    """Returns dicts, one value per axis, such that every pair of values of two
    axes that some allowed case holds is held by one of them. Greedy and
    deterministic: of `tries` random completions the one that covers most."""
    rng = random.Random(seed)
    names = sorted(axes)
    values = [[(a, i) for i in range(len(axes[a]))] for a in names]
    left = {frozenset(pair) for a, b in itertools.combinations(values, 2)
            for pair in itertools.product(a, b)}

    def complete(fixed):
        choice = {a: rng.randrange(len(axes[a])) for a in names} | dict(fixed)
        case = {a: axes[a][i] for a, i in choice.items()}
        if not allowed(case):
            return None, set()
        held = {frozenset(pair) for pair in
                itertools.combinations(choice.items(), 2)} & left
        return case, held

    cases = []
    while left:
        # Sorted: the order of a set of strings differs from run to run.
        goal = min(left, key=lambda pair: sorted(pair))
        found = [complete(goal) for _ in range(tries * 10)]
        case, held = max(found, key=lambda entry: len(entry[1]))
        if case is None:    # no allowed case seems to hold this pair
            left.discard(goal)
            continue
        left -= held
        cases.append(case)
    return cases


def name(case):
    """A readable test id: the values that are not the plain default."""
    def text(value):
        if isinstance(value, (list, tuple)):
            return "x".join(map(str, value))
        return str(value)
    return "-".join(f"{k}={text(v)}" for k, v in sorted(case.items())
                    if v not in (None, False, 0))
