"""Decodes the next and the newest message of a name: `decode.py ENDPOINT [SCHEMA]` prints each value, or the error's kind and text."""

import sys

from meter import Meter

import linkspan


def decoded(message: linkspan.Message) -> None:
    try:
        print(f"{Meter.decode(message).pressure:.1f}")
    except linkspan.Error as error:
        print(type(error).__name__, error)


name, options = sys.argv[1], {"schema": word for word in sys.argv[2:]}
with linkspan.subscribe(name, timeout=60.0, **options) as reader:
    decoded(reader.recv())
    decoded(linkspan.latest(name, timeout=60.0, **options))
