"""Runs linkspan-remote against a lying gateway: client.py ADDRESS [stays].

Prints the kind of each error. With `stays` it takes one message and ends after a line of standard input.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "clients/python-remote"))

import linkspan_remote  # noqa: E402

#: Seconds during which the program listens to lies.
STAYS = "stays" in sys.argv
LISTENS = 600.0 if STAYS else 1.5
said: dict[str, str] = {}
foreign: list[str] = []
threading.excepthook = lambda args: foreign.append(f"in a thread: {args.exc_value!r}")


def attempt(name: str, what) -> None:
    try:
        what()
        said[name] = "fine"
    except linkspan_remote.Error as error:
        said[name] = error.kind
        assert len(str(error)) < 10_000
    except BaseException as error:
        foreign.append(f"{name}: {error!r}")


def listen(**more) -> None:
    until = time.monotonic() + LISTENS
    with lab.subscribe(["lab/a", "lab/*"], **more) as subscriber:
        while (left := until - time.monotonic()) > 0:
            try:
                message = subscriber.recv(timeout=left)
                len(repr(message.value)[:100])
            except linkspan_remote.Lagged:
                pass
            time.sleep(LISTENS if STAYS else 0.02)


def publish() -> None:
    with lab.publisher("lab/out", timeout=LISTENS) as out:
        for number in range(10):
            out.send(number, timeout=LISTENS)


def serve() -> None:
    with lab.serve("lab/sum", timeout=LISTENS) as server:
        request = server.next(timeout=LISTENS)
        time.sleep(LISTENS)
        if request is not None:
            request.reply(request.value)


lab = None


def connect() -> None:
    global lab
    lab = linkspan_remote.connect(sys.argv[1], token="t", timeout=2 * LISTENS, max_message_size=8 << 20)


attempt("connect", connect)
if lab is not None:
    calls = {
        "listen": listen, "newest": lambda: listen(delivery="latest"), "latest": lambda: lab.latest("lab/a", timeout=LISTENS), "names": lambda: lab.names(timeout=LISTENS),
        "schema": lambda: lab.schema("lab/a", timeout=LISTENS), "call": lambda: lab.call("lab/a", 1, timeout=LISTENS), "publish": publish, "serve": serve,
    }
    threads = [threading.Thread(target=attempt, args=each, daemon=True) for each in calls.items()]
    for thread in threads:
        thread.start()
    if STAYS:
        sys.stdin.readline()
    else:
        for thread in threads:
            thread.join()
        attempt("close", lab.close)
print(json.dumps({"said": said, "foreign": foreign, "status": Path("/proc/self/status").read_text()}), flush=True)
if STAYS:
    os._exit(0)
