"""The peer in Python: see README.md here."""

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


def call(endpoint: str, encoding: str, vectors: str) -> None:
    with open(vectors, encoding="utf-8") as file:
        cases = json.load(file)
    read = [linkspan.decode(bytes_of(case, encoding), encoding) for case in cases]
    with linkspan.connect(endpoint, encoding=encoding, timeout=20.0) as channel:
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


def bytes_of(case: dict[str, str], encoding: str) -> bytes:
    return case["json"].encode() if encoding == "json" else bytes.fromhex(case[encoding])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", endpoint, encoding]:
            serve(endpoint, encoding)
        case ["call", endpoint, encoding, vectors]:
            call(endpoint, encoding, vectors)
        case _:
            sys.exit("usage: peer serve ENDPOINT ENCODING | call ENDPOINT ENCODING VECTORS")
