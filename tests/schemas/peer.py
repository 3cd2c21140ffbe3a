"""The peer in Python. See README.md."""

import sys
from typing import Literal, cast

import linkspan
from grid_everything import GridEverything


Encoding = Literal["cbor", "json", "bson", "smile"]


def serve(endpoint: str, encoding: Encoding, following: str | None) -> None:
    channel = linkspan.connect(following, encoding=encoding, timeout=60.0) if following else None
    with linkspan.serve(endpoint, encoding=encoding, timeout=60.0) as server:
        print("ready", flush=True)
        for request in server:
            if request.value is None:
                request.reply(None)
                return
            try:
                value = GridEverything.decode(request)
                if channel:
                    value = GridEverything.decode(channel.call(value))
            except linkspan.Error as error:
                request.fail(f"{error} at {error.path}", type=error.kind)
            else:
                request.reply(value)


serve(sys.argv[1], cast(Encoding, sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
