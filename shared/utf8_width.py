#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes shared/utf8_width.h from the Unicode Character Database that Python carries.

Run it by hand when a newer database is wanted; the table is part of the source.
"""
import unicodedata

# UAX #11: unassigned code points of these blocks are wide, all others are narrow. Python answers
# F for every unassigned code point, so the database is not asked about them.
WIDE_BLOCKS = [(0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FFFD),
               (0x30000, 0x3FFFD)]
CONJOINING = [(0x1160, 0x11FF), (0xD7B0, 0xD7C6), (0xD7CB, 0xD7FB)]
# Format characters that are drawn: soft hyphen and prepended concatenation marks.
DRAWN = {0xAD, 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD} | set(range(0x600, 0x606))


def within(cp, blocks):
    return any(first <= cp <= last for first, last in blocks)


def wide(cp):
    if unicodedata.category(chr(cp)) == "Cn":
        return within(cp, WIDE_BLOCKS)
    return unicodedata.east_asian_width(chr(cp)) in "WF"


def zero(cp):
    if within(cp, CONJOINING):
        return True
    return cp not in DRAWN and unicodedata.category(chr(cp)) in ("Mn", "Me", "Cf")


def ranges(of):
    found = []
    for cp in range(0x300, 0x110000):
        if not of(cp):
            continue
        if found and found[-1][1] == cp - 1:
            found[-1][1] = cp
        else:
            found.append([cp, cp])
    return found


def table(name, found):
    lines, line = [f"static const struct utf8_range {name}[] = {{"], "\t"
    for first, last in found:
        item = f"{{0x{first:x}, 0x{last:x}}},"
        if len(line) + 7 + len(item) > 98:
            lines.append(line.rstrip())
            line = "\t"
        line += item + " "
    return "\n".join(lines + [line.rstrip(), "};"])


zeros = ranges(zero)
wides = ranges(lambda cp: wide(cp) and not zero(cp))
print(f"""// SPDX-License-Identifier: MIT
// Made by shared/utf8_width.py from the Unicode Character Database {unicodedata.unidata_version}:
// East Asian Width W and F (UAX #11), and general categories Mn, Me, Cf with the conjoining Hangul
// vowels and finals.
#ifndef YJ_SHARED_UTF8_WIDTH_H
#define YJ_SHARED_UTF8_WIDTH_H

#include <stdint.h>

struct utf8_range {{
	uint32_t first, last;
}};

{table("utf8_wide", wides)}

{table("utf8_zero", zeros)}

#endif""")
