"""Reads messages into generated packed records, writes them from those: `packed.py FOLDER MODULE CLASS IN OUT` for files with one message each,
in CBOR."""

import importlib
import sys
from pathlib import Path

import linkspan

folder, module, name, before, after = sys.argv[1:]
sys.path.insert(0, folder)
record = getattr(importlib.import_module(module), name)
try:
    made = linkspan.encode(record.unpack(linkspan.decode(Path(before).read_bytes())))
except linkspan.Error as error:
    sys.exit(f"{error} at {error.path}")
Path(after).write_bytes(made)
