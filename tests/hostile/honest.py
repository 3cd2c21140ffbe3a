"""An honest program with the real library that carries out commands: one JSON map per line in and out.

Each command has its own thread, so a hostile peer blocks only that command. A command is `{"id": …, "do": NAME,
"with": [...], "and": {...}}`; the result is `{"id": …, "gave": VALUE}` or `{"id": …, "error": KIND, "text": …}`.
`{"ready": true}` comes first.
"""

import contextlib
import json
import sys
import threading
import time
from typing import Any

import linkspan

things: dict[str, Any] = {}
taken: dict[str, list[Any]] = {}
#: A value that random data does not contain, to recognise honest messages on a shared name.
OURS = "honest"


def serve(name: str, endpoint: str, **options: Any) -> str:
    """Serves until closed: echoes requests and keeps one-way messages."""
    server = things[name] = linkspan.serve(endpoint, **options)
    kept = taken[name] = []

    def run() -> None:
        for request in server:
            try:
                value = request.value
            except linkspan.Error as error:
                # The library answered the undecodable request, or it needed no answer.
                value = f"{type(error).__name__}: {error}"
            if isinstance(value, list) and value[:1] == [OURS] and not request.wants_reply:
                kept.append(value[1:])
            if request.wants_reply and not request.answered:
                try:
                    request.reply(value)
                except linkspan.Error:
                    continue  # The client has disconnected or stopped receiving.

    threading.Thread(target=run, daemon=True).start()
    return server.endpoint


def listen(name: str, endpoint: str, **options: Any) -> str:
    listener = things[name] = linkspan.listen(endpoint, **options)
    taken[name] = []

    def run() -> None:
        while True:
            try:
                channel = listener.accept(timeout=None)
            except linkspan.Error:
                return
            threading.Thread(target=echo, args=(channel,), daemon=True).start()

    def echo(channel: linkspan.Channel) -> None:
        with_errors = 0
        while with_errors < 1000:
            try:
                message = channel.recv(timeout=None)
                channel.send(message.value, timeout=1)
            except (linkspan.Disconnected, linkspan.InvalidState, linkspan.Malformed):
                break
            except linkspan.Error:
                with_errors += 1
        with contextlib.suppress(linkspan.Error):
            channel.close(timeout=0)

    threading.Thread(target=run, daemon=True).start()
    return listener.endpoint


def connect(name: str, endpoint: str, **options: Any) -> None:
    things[name] = linkspan.connect(endpoint, **options)


def open_channel(name: str, endpoint: str, **options: Any) -> None:
    things[name] = linkspan.open(endpoint, **options)


def calls(name: str, first: int, count: int, timeout: float) -> int:
    for n in range(first, first + count):
        value = [OURS, n, "x" * (n * 131 % 5000)]
        answer = things[name].call(value, timeout=timeout).value
        assert answer == value, f"call {n} was answered with {answer!r}"
    return count


def asks(name: str, first: int, count: int, timeout: float) -> int:
    """Makes this many JSON-RPC calls and checks each answer."""
    for n in range(first, first + count):
        value = {"method": "echo", "params": [OURS, n, "x" * (n * 131 % 5000)]}
        answer = things[name].call(value, timeout=timeout).value
        assert answer == value, f"call {n} was answered with {answer!r}"
    return count


def echoes(name: str, first: int, count: int, timeout: float) -> int:
    """Sends this many messages over a channel and checks their echoes in order."""
    for n in range(first, first + count):
        things[name].send([OURS, n], timeout=timeout)
    for n in range(first, first + count):
        answer = things[name].recv(timeout=timeout).value
        assert answer == [OURS, n], f"message {n} came back as {answer!r}"
    return count


def sends(name: str, first: int, count: int, timeout: float) -> int:
    for n in range(first, first + count):
        things[name].send([OURS, n], timeout=timeout)
    return count


def send(name: str, value: Any, timeout: float) -> int:
    return things[name].send(value, timeout=timeout)


def call(name: str, value: Any, timeout: float) -> Any:
    return things[name].call(value, timeout=timeout).value


def recv(name: str, timeout: float) -> Any:
    return things[name].recv(timeout=timeout).value


def try_recv(name: str) -> Any:
    return things[name].try_recv().value


def serve_by_hand(name: str, endpoint: str) -> str:
    server = things[name] = linkspan.serve(endpoint)
    return server.endpoint


def next_request(name: str, timeout: float) -> bool:
    return things[name].next(timeout=timeout) is not None


def drain(name: str, count: int, timeout: float) -> list[str]:
    """Receives this many times; values and error kinds are both results."""
    became = []
    for _ in range(count):
        try:
            things[name].recv(timeout=timeout).value
            became.append("value")
        except linkspan.Error as error:
            became.append(type(error).__name__)
    return became


def got(name: str) -> list[Any]:
    return taken[name]


def publish(name: str, endpoint: str, **options: Any) -> str:
    publisher = things[name] = linkspan.publisher(endpoint, **options)
    return publisher.endpoint


def publishes(name: str, first: int, count: int) -> int:
    for n in range(first, first + count):
        things[name].send([OURS, n, "x" * (n * 131 % 3000)])
    return count


def subscribe(name: str, endpoint: str, **options: Any) -> None:
    """Subscribes and keeps received numbers and the missed count."""
    things[name] = linkspan.subscribe(endpoint, **options)


def follow(name: str, first: int, count: int, timeout: float) -> int:
    """Publishes this many messages and checks their complete, ordered arrival. Ignores earlier messages."""
    expected = first
    while expected < first + count:
        message = things[name].recv(timeout=timeout)
        value = message.value
        if value[1] < first:
            continue
        assert value[:2] == [OURS, expected] and len(value[2]) == expected * 131 % 3000, f"{value[:2]} for {expected}"
        expected += 1
    return count


def read_all(name: str, count: int, timeout: float) -> int:
    """Sends this many messages and checks their order; ignores messages of others."""
    expected = 0
    until = time.monotonic() + timeout
    while expected < count:
        try:
            value = things[name].recv(timeout=max(until - time.monotonic(), 0)).value
        except linkspan.Timeout:
            raise
        except linkspan.Error:
            continue
        if isinstance(value, list) and value[:1] == [OURS]:
            assert value[1] == expected, f"{value[1]} came for {expected}"
            expected += 1
    return count


class Counter(linkspan.Service):
    def data(self) -> Any:
        return {"ours": OURS}


def service(name: str, called: str, **options: Any) -> None:
    threading.Thread(target=lambda: linkspan.run(Counter(), called, **options), daemon=True).start()


def controller(name: str, endpoint: str | None = None, **options: Any) -> None:
    things[name] = linkspan.Controller(endpoint, **options) if endpoint else linkspan.Controller(**options)


def commands(name: str, called: str, count: int, timeout: float) -> int:
    """Commands a service this many times and checks each answer."""
    handle = things[name].service(called)
    for _ in range(count):
        assert handle.get_data(timeout=timeout) == {"ours": OURS}
        # A forgotten or late service returns soon.
        end = time.monotonic() + timeout
        while (view := handle.status(timeout=timeout)["view"]) != "CONNECTED":
            assert time.monotonic() < end, view
            time.sleep(0.01)
    return count


def events(name: str) -> list[str]:
    return [f"{event.kind}: {event.text}" for event in things[name].events()]


def stats(name: str) -> dict[str, Any]:
    return {key: value for key, value in things[name].stats().items() if isinstance(value, int)}


def close(name: str) -> None:
    things.pop(name).close()


def close_at_once(name: str) -> None:
    things.pop(name).close(timeout=0)


def obey(order: dict[str, Any], printing: threading.Lock) -> None:
    try:
        answer = {"gave": globals()[order["do"]](*order["with"], **order["and"])}
    except linkspan.Error as error:
        answer = {"error": type(error).__name__, "text": str(error)}
    except Exception as error:  # noqa: BLE001 - the test reports it
        answer = {"error": type(error).__name__, "text": repr(error)}
    with printing:
        # A hostile value may have no JSON form.
        print(json.dumps({"id": order["id"], **answer}, default=repr), flush=True)


def main() -> None:
    printing = threading.Lock()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        threading.Thread(target=obey, args=(json.loads(line), printing), daemon=True).start()


main()
