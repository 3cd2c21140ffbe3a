"""Writes the table: 1,000 rows of four columns as rows, as records and as columns, in the form of values.json.

usage: table.py FILE

It always writes the same bytes. They are generated when they are needed and not committed, because they have a megabyte.
"""

import json
import sys

import linkspan

ROWS = 1000
NAMES = ["Zürich", "Łódź", "東京", "plain", "", "naïve \"quoted\"\n", "Ω-3 🛰", "Αθήνα"]


def row(i: int) -> list[object]:
    """An integer, a text, a flag, and a text or nothing."""
    number = (i * 2_654_435_761) % (1 << 40) - (1 << 39)  # about as many below zero as above, most wider than 32 bits
    number = i - 500 if i % 3 == 0 else number  # and every third one small
    return [number, f"{NAMES[i % len(NAMES)]} {i}", i % 7 < 3, None if i % 5 else f"note № {i}"]


COLUMNS = ["id", "name", "ok", "note"]
TABLE = [row(i) for i in range(ROWS)]
SHAPES = {
    "table as rows": TABLE,
    "table as records": [dict(zip(COLUMNS, r)) for r in TABLE],
    "table as columns": {name: [r[k] for r in TABLE] for k, name in enumerate(COLUMNS)},
}


def cases() -> list[dict[str, str]]:
    """One case a shape: name, JSON text, and hex in the other encodings."""
    made = []
    for name, value in SHAPES.items():
        case = {"name": name, "json": json.dumps(value, ensure_ascii=False, separators=(",", ":"))}
        case |= {encoding: linkspan.encode(value, encoding).hex() for encoding in ("cbor", "bson", "smile")}
        made.append(case)
    return made


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(cases(), file, ensure_ascii=False)
