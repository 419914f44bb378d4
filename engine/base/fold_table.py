#!/usr/bin/env python3
"""Writes fold_table.inc: Unicode's simple lower-case mappings above ASCII as runs {first, last, step, delta}.

Every step-th code point from first to last becomes itself + delta. Run by hand when the Unicode version is to change:
    python3 engine/base/fold_table.py > engine/base/fold_table.inc
"""
import sys
import unicodedata

pairs = []
for point in range(0x80, 0x110000):
    lower = chr(point).lower()
    # str.lower() applies SpecialCasing: only U+0130 expands there, and its simple mapping is "i".
    target = ord(lower) if len(lower) == 1 else ord("i")
    if target != point:
        pairs.append((point, target - point))

runs = []
for point, delta in pairs:
    if runs and runs[-1][3] == delta:
        first, last, step, _ = runs[-1]
        gap = point - last
        if gap <= 2 and (first == last or gap == step):
            runs[-1] = (first, point, gap, delta)
            continue
    runs.append((point, point, 1, delta))

sys.stdout.write(f"// Made by fold_table.py from Unicode {unicodedata.unidata_version}. Do not edit.\n")
for run in runs:
    sys.stdout.write("    {0x%X, 0x%X, %d, %d},\n" % run)
