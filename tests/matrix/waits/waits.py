"""Tries each wait of the table: `waits.py TABLE TRANSPORT` prints the rows with their results."""

import sys
from collections.abc import Callable
from typing import Any

import linkspan

KINDS: dict[str, dict[str, float]] = {
    "none": {}, "zero": {"timeout": 0}, "positive": {"timeout": 0.05}, "there": {"timeout": 0.05},
    "forever": {"timeout": float("inf")}, "negative": {"timeout": -1}, "nan": {"timeout": float("nan")},
}  # fmt: skip
table, transport = sys.argv[1:]
number = 0


def fresh() -> str:
    global number
    number += 1
    return f"{transport}:waits/{number}"


def outcome(call: Callable[[], Any]) -> str:
    try:
        got = call()
    except linkspan.Error as error:
        return type(error).__name__
    return "message" if isinstance(got, linkspan.Message) else "done"


def tried(row: str, given: dict[str, float], is_there: bool) -> str:
    """Makes the row's objects and the awaited data if `is_there`, and calls. Everything ends on return."""
    name, option = fresh(), {"timeout": 0.05}
    match row.split():
        case ["subscriber", operation]:
            out = linkspan.publisher(name)
            reader = linkspan.subscribe(name, **option)
            out.send(0)
            reader.recv(timeout=60.0)
            if is_there:
                out.send(1)
            return outcome(lambda: getattr(reader, operation)(**given))
        case ["nobody", "recv"]:
            reader = linkspan.subscribe(name, **option)
            return outcome(lambda: reader.recv(**given))
        case ["channel", operation]:
            listener = linkspan.listen(name)
            near = linkspan.connect(name, **option)
            far = listener.accept(timeout=60.0)
            if operation == "flush":
                near.send(1, timeout=60.0)
            if is_there:
                far.send(1, timeout=60.0)
            return outcome(lambda: near.call(1, **given) if operation == "call" else getattr(near, operation)(**given))
        case ["listener", "accept"]:
            listener = linkspan.listen(name, **option)
            if is_there:
                near = linkspan.connect(name, timeout=60.0)
            return outcome(lambda: listener.accept(**given))
        case ["server", "next"]:
            server = linkspan.serve(name, **option)
            if is_there:
                near = linkspan.connect(name, timeout=60.0)
                near.send(1, timeout=60.0)
            return outcome(lambda: server.next(**given))
        case ["publisher", operation]:
            out = linkspan.publisher(name, **option)
            if operation == "latest":
                if is_there:
                    out.send(1)
                return outcome(lambda: linkspan.latest(name, **given))
            out.send(0)
            if is_there:
                reader = linkspan.subscribe(name)
                reader.recv(timeout=60.0)
            return outcome(lambda: out.wait_for_subscribers(1, **given))
        case ["absent", "latest"]:
            return outcome(lambda: linkspan.latest(name, **given))
        case ["absent", "connect"]:
            return outcome(lambda: linkspan.connect(name, **given))
    raise SystemExit(f"no such row: {row}")


for line in open(table):
    words = line.split()
    if words and not line.startswith("#"):
        row = " ".join(words[:2])
        found = ["-" if expected == "-" else tried(row, KINDS[kind], kind in ("there", "forever")) for kind, expected in zip(KINDS, words[2:])]
        print(row, *found)
