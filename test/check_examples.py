#!/usr/bin/env python3
"""Checks the examples in the descriptions of ops, attributes and passes.

Usage: check_examples.py ROPEGRAD_OPT SOURCE

Every ```mlir block of an op is wrapped into a function whose arguments are the
names that it uses but does not define, with the types that the op itself
spells out; ropegrad-opt must accept it, and print what it printed unchanged.
Every op must occur in an example and in the lit tests of the dialect, valid and
invalid; every attribute must have an example. A pass must
show before ==> after, be run by a lit test of its name and by the fuzzer, and
have each of its options used in a lit test.
"""

import pathlib
import re
import subprocess
import sys


def blocks(text):
    """Pairs (name, body) of the top-level definitions of a tablegen file."""
    starts = list(re.finditer(r"^(?:class|def) (\w+)(.*)$", text, re.M))
    ends = [match.start() for match in starts[1:]] + [len(text)]
    for match, end in zip(starts, ends):
        if match.group(0).startswith("def "):
            yield match.group(1), text[match.start():end]


def examples(text):
    return [re.sub(r"^ {4}", "", block, flags=re.M).strip()
            for block in re.findall(r"```mlir\n(.*?)```", text, re.S)]


def split(text, separator=","):
    """Splits at separators outside of all brackets."""
    parts, depth, last = [], 0, ""
    for char in text:
        depth += (char in "(<[{") - (char in ")]}")
        depth -= char == ">" and last != "-"
        if char == separator and depth == 0:
            parts.append("")
        else:
            parts[-1:] = [(parts[-1] if parts else "") + char]
        last = char
    return [part.strip() for part in parts if part.strip()]


def operand_types(line):
    """The operands of one op and their types, as its own text spells them."""
    groups = re.findall(r"\b(?:ins|outs)\(([^:()]*) : ([^()]*)\)", line)
    if groups:
        return [pair for names, types in groups
                for pair in zip(split(names), split(types))]
    body = line.split("=", 1)[1] if re.match(r"%\w+[^(]*=", line) else line
    names = re.findall(r"%\w+", body)
    signature = split(body, ":")[-1]
    if signature.startswith("("):
        signature = signature[1:signature.index(")")]
    types = split(signature)
    if len(types) == 1:
        types *= len(names)
    return list(zip(names, types))


def wrap(example, number):
    arguments, first = {}, example.split("\n", 1)[0]
    for name, kind in operand_types(first):
        arguments.setdefault(name, kind)
    text = ", ".join(f"{name}: {kind}" for name, kind in arguments.items())
    return f"func.func @example{number}({text}) {{\n{example}\nreturn\n}}\n"


def run(opt, text):
    done = subprocess.run([opt, "-"], input=text, text=True,
                          capture_output=True)
    return done.stdout if done.returncode == 0 else None, done.stderr


def check_text(opt, name, text):
    """Reasons why ropegrad-opt does not take `text`."""
    once, error = run(opt, text)
    if once is None:
        return [f"{name}: the example is refused:\n{text}{error}"]
    if run(opt, once)[0] != once:
        return [f"{name}: the example is not printed as it was parsed"]
    return []


def occurs(mnemonic, text):
    return re.search(rf"{re.escape(mnemonic)}\b", text)


def check_ops(opt, source):
    errors, shown, mnemonics, count = [], "", {}, 0
    for file in sorted(source.glob("dialect/*Ops.td")):
        for name, text in blocks(file.read_text()):
            mnemonic = re.match(r"def \w+ : \w+<\"(\w+)\"", text)
            if not mnemonic or not name.endswith("Op"):
                continue
            mnemonics[name] = "ropegrad." + mnemonic.group(1)
            for example in examples(text):
                shown, count = shown + example + "\n", count + 1
                errors += check_text(opt, name, wrap(example, count))
    errors += [f"{name}: no example shows {mnemonic}"
               for name, mnemonic in mnemonics.items()
               if not occurs(mnemonic, shown)]
    folder = source / "test/dialect"
    for where in ("*ops.mlir", "invalid*.mlir"):
        text = "".join(file.read_text() for file in folder.glob(where))
        errors += [f"{mnemonic}: not in test/dialect/{where}"
                   for mnemonic in mnemonics.values()
                   if not occurs(mnemonic, text)]
    print(f"{count} examples of {len(mnemonics)} ops")
    return errors if count else ["no example found"]


def check_attributes(opt, source):
    errors, count = [], 0
    for name, text in blocks((source / "dialect/RopeGradBase.td").read_text()):
        mnemonic = re.match(r"def \w+ : RopeGrad_Attr<\"\w+\", \"(\w+)\">", text)
        if not mnemonic:
            continue
        shown = re.findall(rf"`(#ropegrad\.{mnemonic.group(1)}\b.*?)`", text)
        parameters = "let parameters" in text
        if parameters and not shown:
            errors.append(f"{name}: no example")
        for example in shown:
            count += 1
            errors += check_text(
                opt, name,
                f"func.func private @f() attributes {{a = {example}}}\n")
    print(f"{count} examples of attributes")
    return errors


def check_passes(source):
    errors, count = [], 0
    tests = {file.name: file.read_text()
             for file in sorted((source / "test").rglob("*.mlir"))}
    runs = "\n".join(line for text in tests.values()
                     for line in text.splitlines() if "RUN:" in line)
    text = (source / "passes/Passes.td").read_text()
    fuzzed = (source / "test/fuzz/FuzzOpt.cpp").read_text()
    # Options of a base class count for each of its passes.
    inherited = {match.group(1): re.findall(r"Option<\"\w+\", \"([\w-]+)\"",
                                            match.group(0))
                 for match in re.finditer(r"^class (\w+)<.*?^}", text,
                                          re.M | re.S)}
    for name, body in blocks(text):
        head = re.match(r"def \w+ : (\w+)<\"([\w-]+)\"", body)
        if not head:
            continue
        flag, count = head.group(2), count + 1
        if not any("==>" in example for example in examples(body)):
            errors.append(f"{flag}: no example with before ==> after")
        test = flag.removeprefix("ropegrad-") + ".mlir"
        if f"--{flag}" not in tests.get(test, ""):
            errors.append(f"{flag}: not run by test/passes/{test}")
        if not re.search(rf'"{flag}["{{]', fuzzed):
            errors.append(f"{flag}: not run by test/fuzz/FuzzOpt.cpp")
        options = re.findall(r"Option<\"\w+\", \"([\w-]+)\"", body)
        for option in options + inherited.get(head.group(1), []):
            if not re.search(rf"{flag}=\S*{option}=", runs):
                errors.append(f"{flag}: no lit test uses its option {option}")
    print(f"{count} passes")
    return errors if count else ["no pass found"]


def main():
    opt, source = sys.argv[1], pathlib.Path(sys.argv[2])
    errors = (check_ops(opt, source) + check_attributes(opt, source) +
              check_passes(source))
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
