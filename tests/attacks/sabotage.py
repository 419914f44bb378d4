#!/usr/bin/env python3
"""Switches off every check of engine/verify, one at a time, and asks that some test goes red.

A check is a line that adds a finding or asks amiss() (engine/verify/sabotage.h). Which there are is read from the
source; each must be reached by a test, must be missed by a test when it is off, and every finding code must be among
what they found. The tests: those of engine/verify, then the sweep of flipped bits, then the attacks on real roots; the
later ones only where the earlier ones stay green.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

# Words of the finding, on the line of the check or shortly above -> why no test reaches it, or why none goes red
# without it.
EXPLAINED = {
    "rows the signed root covers are not there": "the right edge of the tree cannot be had without these rows' hashes",
    "statement->table != TableId::kLogs && statement->table != TableId::kAccess": "such a RETENTION does not decode",
}

CALL = re.compile(r"\bfindings_?\.add\(|\badd_fault\(|\bamiss\(")


def run(command, **environment):
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, check=False)


def checks_in(source):
    """FILE:LINE -> text, of every line that holds a check; declarations aside."""
    found = {}
    for path in sorted(source.glob("*.cc")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            text = line.strip()
            if CALL.search(text) and ", where)" not in text and not text.startswith(("//", "void ")):
                found[f"{path.name}:{number}"] = text
    return found


def main():
    parser = argparse.ArgumentParser()
    for name in ("source", "verify", "attacks", "programs"):
        parser.add_argument("--" + name, required=True, type=pathlib.Path)
    parser.add_argument("--every", type=int, default=1,
                        help="switch off each Nth only, of those that the tests of engine/verify reach; what nothing "
                             "reaches is then not looked for")
    parser.add_argument("--only", nargs="*", help="switch off these FILE:LINE only")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    room = options.source / "engine" / "verify"
    suites = [
        ([options.verify, "--abort", "~sweep:*"], {}),
        ([options.verify, "--abort", "sweep:*"], {"KHIPU_SWEEP_STRIDE": "5"}),
        ([options.attacks, "--abort", "real attack*"], {"KHIPU_BIN": str(options.programs)}),
    ]
    with tempfile.TemporaryDirectory() as folder:
        listed = os.path.join(folder, "list")
        for command, environment in suites if options.every == 1 else suites[:1]:
            whole = run(command, KHIPU_SABOTAGE_LIST=listed, **environment)
            if whole.returncode != 0:
                sys.stdout.buffer.write(whole.stdout)
                sys.exit("sabotage: tests fail with every check in place")
        reached, codes = set(), set()
        for line in pathlib.Path(listed).read_text().splitlines():
            place, _, code = line.partition(" ")
            reached.add(place)
            codes.add(code)

    text = {path.name: path.read_text().splitlines() for path in room.glob("*.cc")}

    def line_of(place):
        name, number = place.split(":")
        return text[name][int(number) - 1].strip()

    def explained(place):
        name, number = place.split(":")
        near = "\n".join(text[name][max(0, int(number) - 4) : int(number)])
        return any(words in near for words in EXPLAINED)

    def caught(place):
        return any(run(command, KHIPU_SABOTAGE_OFF=place, **environment).returncode != 0 for command, environment in suites)

    faults = []
    declared = re.findall(r'std::string_view k\w+ = "([a-z-]+)"', (room / "report.h").read_text())
    if options.every == 1:
        faults += [f"no test makes a finding {code}" for code in declared if code not in codes]
    in_source = checks_in(room) if options.every == 1 else {}
    for place in in_source:
        name, number = place.split(":")
        # A call over several lines: the compiler names one of them.
        near = {f"{name}:{n}" for n in range(int(number), int(number) + 4)}
        if not near & reached and not explained(place):
            faults.append(f"no test reaches {place}: {in_source[place]}")
    switches = options.only or sorted(reached)[:: options.every]
    with concurrent.futures.ThreadPoolExecutor(max_workers=options.jobs) as pool:
        missed = [place for place, red in zip(switches, pool.map(caught, switches)) if not red]
    faults += [f"no test goes red without {place}: {line_of(place)}" for place in missed if not explained(place)]
    print(f"sabotage: {len(reached)} checks, {len(switches)} switched off, {len(switches) - len(missed)} caught, "
          f"{len(codes - {''})} of {len(declared)} codes")
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
