"""The tables that a bench prints."""
import kernels
import works

COLUMNS = (("work", "work", "s"), ("contender", "contender", "s"),
           ("degree", "degree", "s"), ("ms best", "ms_best", ".3f"),
           ("median", "ms_median", ".3f"), ("calls", "calls", "d"),
           ("GF/s", "gflops", ".1f"), ("peak", "peak_gflops", ".1f"),
           ("of peak", "of_peak", ".3f"), ("B/row", "bytes_per_row", ".0f"),
           ("growth", "growth", ".2f"), ("x ours", "times_ours", ".2f"),
           ("median", "times_ours_median", ".2f"),
           ("differs", "difference", ".1e"))
WIDTHS = {"work": 12, "contender": 18, "degree": 6, "calls": 5}


def width(key):
    return WIDTHS.get(key, 9)


def cell(row, key, form):
    """One value as text; "-" where the row has none."""
    value = row.get(key)
    if value is None:
        return "-"
    if key == "contender":
        return works.LABELS[value]
    return str(value) if form == "s" else format(value, form)


def head():
    return "  ".join(f"{title:>{width(key)}}" for title, key, _ in COLUMNS)


def line(row):
    """A row of the table; for a contender that did not run, why."""
    cells = [cell(row, key, form).rjust(width(key))
             for _, key, form in COLUMNS]
    if "skipped" in row:
        return "  ".join(cells[:2]) + f"  skipped: {row['skipped']}"
    return "  ".join(cells)


def check(text, found, unit, limit, met):
    """A line of what has to be shown: found, wanted, verdict."""
    return (f"{text:<50}  {found:>9}  {limit:>9} {unit:<8}  "
            f"{'met' if met else 'MISSED'}")


def megabytes(count):
    return f"{count * 1e-6:.1f}"


def verdicts(results):
    """The lines of works.TARGETS and its fellows that the results speak of."""
    found = {(row["work"], row["contender"]): row for row in results["rows"]}
    for target in works.TARGETS:
        row = found.get((target.work, target.against), {})
        times = row.get("times_ours")
        if times:
            median = row["times_ours_median"]
            label = works.LABELS[row["contender"]]
            yield check(f"{target.work} against {label} "
                        f"(median {median:.1f}x)", f"{times:.1f}",
                        f"{target.factor:g}", "times", times >= target.factor)
    for row in results["rows"]:
        wanted, share = works.wanted_of_peak(row), row.get("of_peak")
        if wanted and share:
            yield check(f"{row['work']} of the FMA peak", f"{share:.2f}",
                        f"{wanted:g}", "", share >= wanted)
    times = found.get((works.WORK_OF_BF16, "bf16"), {}).get("times_ours")
    if times:
        yield check(f"{works.WORK_OF_BF16} in bf16, of the time in f32",
                    f"{times:.2f}", f"{works.TARGET_OF_BF16:g}",
                    "at most", times <= works.TARGET_OF_BF16)
    for one in results.get("scaling", ()):
        if "times_best" in one:
            yield check(f"{one['work']} {one['threads']} threads against one "
                        f"(median {one['times_median']:.2f}x)",
                        f"{one['times_best']:.2f}",
                        f"{works.TARGET_SCALING:g}", "times",
                        one["times_best"] >= works.TARGET_SCALING)
    for one in results.get("growth", ()):
        if "times_best" in one:
            limit = works.TARGETS_OF_GROWTH[one["route"]]
            yield check(f"{one['work']} against n={one['n']}, one thread "
                        f"(median {one['times_median']:.2f}x)",
                        f"{one['times_best']:.2f}", f"{limit:g}",
                        "at most", one["times_best"] <= limit)
    yield from cost_verdicts(results)


def cost_verdicts(results):
    """The verdicts on the guard, memory and compilation."""
    guard = results.get("guard", {})
    if "share_best" in guard:
        yield check(f"{guard['work']} measuring, of the time of a call "
                    f"(median {guard['share_median']:.4f})",
                    f"{guard['share_best']:.4f}", f"{works.TARGET_GUARD:g}",
                    "at most", guard["share_best"] <= works.TARGET_GUARD)
    memory = results.get("memory", {})
    if "peak_bytes" in memory:
        yield check(f"{memory['work']} peak memory",
                    megabytes(memory["peak_bytes"]),
                    megabytes(memory["limit_bytes"]), "MB at most",
                    memory["peak_bytes"] <= memory["limit_bytes"])
    made = [row for row in results["rows"] if "compile_seconds" in row]
    if not made:
        return
    slowest = max(made, key=lambda row: row["compile_seconds"])
    largest = max(made, key=lambda row: row["library_bytes"])
    needed = sorted({name for row in made for name in row["needed"]})
    yield check(f"slowest compilation, {slowest['work']} {slowest['route']} "
                f"(CPU {slowest['compile_cpu_seconds']:.1f} s)",
                f"{slowest['compile_seconds']:.2f}",
                f"{works.TARGET_SECONDS:g}", "s at most",
                slowest["compile_seconds"] <= works.TARGET_SECONDS)
    yield check(f"largest K.so, {largest['work']} {largest['route']}",
                f"{largest['library_bytes'] * 1e-3:.0f}",
                f"{works.TARGET_BYTES * 1e-3:.0f}", "kB at most",
                largest["library_bytes"] <= works.TARGET_BYTES)
    yield check(f"libraries needed: {' '.join(needed)}", "", "", "",
                kernels.only_allowed(needed))
