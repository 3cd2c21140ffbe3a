"""Decodes the next message of a name, and the newest: `decode.py ENDPOINT [SCHEMA]` prints the value or the kind and text of the error of each."""

import sys

from meter import Meter

import linkspan


def decoded(message: linkspan.Message) -> None:
    try:
        print(f"{Meter.decode(message).pressure:.1f}")
    except linkspan.Error as error:
        print(type(error).__name__, error)


name, schema = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
with linkspan.subscribe(name, timeout=30.0, schema=schema) as reader:
    decoded(reader.recv())
    decoded(linkspan.latest(name, timeout=30.0, schema=schema))
