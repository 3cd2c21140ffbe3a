"""The peer in Python. See README.md."""

import json
import sys

import linkspan


def serve(endpoint: str, encoding: str) -> None:
    sent: list[bytes] = []
    with linkspan.serve(endpoint, encoding=encoding) as server:
        print("ready", flush=True)
        for request in server:
            value = request.value
            if not request.wants_reply:
                sent.append(linkspan.encode(value, "cbor"))
                continue
            match value:
                case {"peer": "sent"}:
                    request.reply(sent)
                    sent = []
                case {"peer": "fail"}:
                    request.fail("asked to fail", code=7, type="peer.fail", data=[1, 2])
                case {"peer": "drop"}:
                    del request
                case {"peer": "stop"}:
                    request.reply(None)
                    return
                case _:
                    request.reply(value)


def same(name: str, got: bytes, expected: str) -> None:
    if got.hex() != expected:
        sys.exit(f"{name}: expected {expected[:200]}, got {got.hex()[:200]}")


def read_all(encoding: str, vectors: str) -> tuple[list[dict[str, str]], list[object]]:
    """Returns the vectors and their values in the encoding."""
    with open(vectors, encoding="utf-8") as file:
        cases = json.load(file)
    return cases, [linkspan.decode(bytes_of(case, encoding), encoding) for case in cases]


def call(endpoint: str, encoding: str, vectors: str) -> None:
    cases, read = read_all(encoding, vectors)
    with linkspan.connect(endpoint, encoding=encoding, timeout=60.0) as channel:
        for case, value in zip(cases, read):
            same(case["name"], linkspan.encode(channel.call(value).value, "cbor"), case["cbor"])
        for value in read:
            channel.send(value)
        answer = channel.call({"peer": "sent"}).value
        if len(answer) != len(cases):
            sys.exit(f"{len(cases)} were sent, {len(answer)} arrived")
        for case, got in zip(cases, answer):
            same(case["name"] + " (sent)", got, case["cbor"])
        try:
            channel.call({"peer": "fail"})
            sys.exit("a failure was asked for, and none came")
        except linkspan.Remote as e:
            if (e.remote_code, e.remote_type, e.remote_text, e.data) != (7, "peer.fail", "asked to fail", [1, 2]):
                sys.exit(f"another failure came: {e!r}")
        try:
            channel.call({"peer": "drop"})
            sys.exit("a dropped request was answered")
        except linkspan.Remote as e:
            if e.remote_type != "linkspan.unanswered":
                sys.exit(f"another failure came: {e!r}")
    print(f"{len(cases)} called, {len(cases)} sent, 2 failed")


def send(endpoint: str, encoding: str, vectors: str) -> None:
    with linkspan.connect(endpoint, encoding=encoding, timeout=60.0) as channel:
        for value in read_all(encoding, vectors)[1]:
            channel.send(value)


def receive(endpoint: str, encoding: str, vectors: str) -> None:
    cases, _ = read_all(encoding, vectors)
    with linkspan.serve(endpoint, encoding=encoding, timeout=60.0) as server:
        print("ready", flush=True)
        for case, request in zip(cases, server):
            same(case["name"], linkspan.encode(request.value, "cbor"), case["cbor"])
    print(f"{len(cases)} received")


def publish(endpoint: str, encoding: str, vectors: str) -> None:
    cases, values = read_all(encoding, vectors)
    with linkspan.publisher(endpoint, encoding=encoding, timeout=60.0) as publisher:
        for i, value in enumerate(values):
            publisher.send(value)
            if i == 0:
                print("ready", flush=True)
            if (line := sys.stdin.readline()) != "received\n":
                sys.exit(f"{cases[i]['name']}: it was not received: {line}")
    print(f"{len(cases)} published")


def subscribe(endpoint: str, encoding: str, vectors: str) -> None:
    with linkspan.subscribe(endpoint, encoding=encoding, timeout=60.0) as subscriber:
        for case in read_all(encoding, vectors)[0]:
            same(case["name"], linkspan.encode(subscriber.recv().value, "cbor"), case["cbor"])
            print("received", flush=True)


def bytes_of(case: dict[str, str], encoding: str) -> bytes:
    return case["json"].encode() if encoding == "json" else bytes.fromhex(case[encoding])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", endpoint, encoding]:
            serve(endpoint, encoding)
        case ["call" | "send" | "receive" | "publish" | "subscribe" as what, endpoint, encoding, vectors]:
            globals()[what](endpoint, encoding, vectors)
        case _:
            sys.exit("usage: peer serve ENDPOINT ENCODING | call, send, receive, publish or subscribe ENDPOINT ENCODING VECTORS")
