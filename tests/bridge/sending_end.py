"""Sends to a server and calls it over one connection: lines `send VALUE`, `call VALUE`, or `close`.

usage: sending_end.py NAME

For each line it prints a map: `outcome` is the value or the kind of the error; `unacknowledged` is a number of
messages.
"""

import json
import sys

import linkspan


def main() -> None:
    channel = linkspan.connect(sys.argv[1])
    for line in sys.stdin:
        what, _, value = line.strip().partition(" ")
        outcome = None
        try:
            match what:
                case "send":
                    channel.send(value)
                case "call":
                    outcome = channel.call(value, timeout=5).value
                case "close":
                    channel.close(timeout=1)
        except linkspan.Error as error:
            outcome = type(error).__name__
        print(json.dumps({"outcome": outcome, "unacknowledged": channel.stats()["unacknowledged"]}), flush=True)


if __name__ == "__main__":
    main()
