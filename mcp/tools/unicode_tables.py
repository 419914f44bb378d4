#!/usr/bin/env python3
"""Writes unicode_tables.inc: the code points that may not be shown, and the combining marks, as ranges.

Run it by hand after a Python with newer Unicode data is at hand:  python3 unicode_tables.py > unicode_tables.inc
"""
import sys
import unicodedata

HIDDEN = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}
MARKS = {"Mn", "Me", "Mc"}
# Assigned, of other categories, and drawn as nothing: Default_Ignorable_Code_Point without the variation selectors,
# which have a rule of their own.
IGNORABLE = [(0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x3164, 0x3164), (0xFFA0, 0xFFA0),
             (0xE0000, 0xE00FF), (0xE01F0, 0xE0FFF)]
SELECTORS = [(0xFE00, 0xFE0F), (0xE0100, 0xE01EF)]


def within(ranges, point):
    return any(first <= point <= last for first, last in ranges)


def kind(point):
    if within(SELECTORS, point):
        return "visible"
    category = unicodedata.category(chr(point))
    if category in HIDDEN or within(IGNORABLE, point):
        return "hidden"
    return "mark" if category in MARKS else "visible"


def ranges_of(wanted, kinds):
    first = None
    for point in range(0x110001):
        inside = point <= 0x10FFFF and kinds[point] == wanted
        if inside and first is None:
            first = point
        if not inside and first is not None:
            yield first, point - 1
            first = None


def table(name, ranges):
    cells = [f"{{0x{first:X}, 0x{last:X}}}" for first, last in ranges]
    print(f"constexpr CodePointRange {name}[] = {{")
    for start in range(0, len(cells), 5):
        print("    " + ", ".join(cells[start:start + 5]) + ",")
    print("};")


def main():
    kinds = [kind(point) for point in range(0x110000)]
    print(f"// Made by unicode_tables.py from Unicode {unicodedata.unidata_version}. Do not edit.")
    table("kHidden", ranges_of("hidden", kinds))
    table("kMarks", ranges_of("mark", kinds))


if __name__ == "__main__":
    sys.exit(main())
