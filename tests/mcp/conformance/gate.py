#!/usr/bin/env python3
"""Holds one run of the conformance suite to no FAILURE and no WARNING: gate.py REVISION OUT [--ignore PREFIX]... [BASELINE].

OUT is what `conformance server -o OUT` left. BASELINE: a file of `scenario` or `scenario:check` lines that may fail; one
that does not any more is an error too, so that it can only shrink. --ignore: scenarios of extensions we do not have.
Exit 0: kept. 1: findings, one a line.
"""
import glob
import json
import os
import re
import sys


def bad_checks(out):
    """(status, "scenario:check", message) of everything that is not as it should be; and how many checks there were."""
    bad, count = set(), 0
    for path in glob.glob(os.path.join(out, "*", "checks.json")):
        folder = os.path.basename(os.path.dirname(path))
        scenario = re.sub(r"^server-|-\d{4}-\d\d-\d\dT.*$", "", folder)
        for check in json.load(open(path, encoding="utf-8")):
            count += 1
            if check["status"] in ("FAILURE", "WARNING"):
                bad.add((check["status"], f"{scenario}:{check['id']}", check.get("errorMessage", "")))
    return bad, count


def main():
    arguments, ignored = sys.argv[1:], []
    while "--ignore" in arguments:
        at = arguments.index("--ignore")
        ignored.append(arguments[at + 1])
        del arguments[at:at + 2]
    revision, out = arguments[:2]
    allowed = set()
    if len(arguments) > 2:
        lines = open(arguments[2], encoding="utf-8").read().splitlines()
        allowed = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    bad, count = bad_checks(out)
    bad = {entry for entry in bad if not any(entry[1].startswith(prefix) for prefix in ignored)}
    hit = {name for _, name, _ in bad for name in (name, name.split(":")[0])} & allowed
    findings = [" ".join(entry) for entry in sorted(bad) if not {entry[1], entry[1].split(":")[0]} & allowed]
    findings += [f"{name}: is in the baseline and passes: take it out" for name in sorted(allowed - hit)]
    if count == 0:
        findings.append("no check ran")
    for finding in findings:
        print(f"{revision}: {finding}")
    print(f"{revision}: {count} checks, {len(bad)} not passed, {len(hit)} of them allowed")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
