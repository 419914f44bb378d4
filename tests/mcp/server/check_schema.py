#!/usr/bin/env python3
"""Holds messages to a revision's schema: check_schema.py SCHEMA MESSAGES, one {"definition", "value"} a line.

Exit 0: all fit. 1: each that does not is printed. 4: the jsonschema module is not installed.
"""
import json
import sys

try:
    import jsonschema
except ImportError:
    print("SKIPPED: the Python module jsonschema is not installed")
    sys.exit(4)


def main():
    schema = json.load(open(sys.argv[1], encoding="utf-8"))
    place = "$defs" if "$defs" in schema else "definitions"
    validator = jsonschema.Draft202012Validator if place == "$defs" else jsonschema.Draft7Validator
    failures = 0
    for line in open(sys.argv[2], encoding="utf-8"):
        message = json.loads(line)
        wanted = {place: schema[place], "$ref": f"#/{place}/{message['definition']}"}
        for error in validator(wanted).iter_errors(message["value"]):
            print(f"{message['definition']}: {error.message}\n  {json.dumps(message['value'])[:400]}")
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
