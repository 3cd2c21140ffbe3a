"""Lines that no honest program writes, for `framing="lines"`."""

import random
from collections.abc import Iterator

MIB = 1 << 20
CALL = b'{"jsonrpc":"2.0","method":"echo","params":[1],"id":1}\n'


def request(**members: str) -> bytes:
    members = {"jsonrpc": '"2.0"', "method": '"echo"', "params": "[1]", "id": "1", **members}
    return ("{" + ",".join(f'"{key}":{value}' for key, value in members.items()) + "}\n").encode()


def whole() -> Iterator[tuple[str, bytes]]:
    """Yields lines with line ends, named by their defect."""
    yield "nothing", b"\n" * 1000
    yield "blanks", b" \t\r\n" * 1000
    yield "carriage returns alone", b"\r" * 5000 + b"\n"
    yield "no JSON", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    yield "NUL", b"\0" * 100 + b"\n"
    yield "NUL in a text", b'"a\0b"\n'
    yield "a byte order mark", b"\xef\xbb\xbf1\n"
    yield "bad UTF-8", b'"\xff\xfe\xc3"\n'
    yield "half a code point", b'"\xe2\x82\n'
    yield "a lone surrogate", b'"\\ud800"\n'
    yield "deep lists without end", b"[" * 200_000 + b"\n"
    yield "deep lists", b"[" * 200_000 + b"]" * 200_000 + b"\n"
    yield "deep maps", b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"\n"
    yield "an integer of 100,000 digits", b"9" * 100_000 + b"\n"
    yield "a number of no size", b"1e999999999\n"
    yield "a small number", b"-1e-999999999\n"
    yield "a long fraction", b"0." + b"1" * 100_000 + b"\n"
    yield "a repeated key", b'{"a":1,"a":2}\n'
    yield "a repeated id", b'{"jsonrpc":"2.0","method":"a","id":1,"id":2}\n'
    yield "many keys", b"{" + b",".join(b'"%d":0' % n for n in range(50_000)) + b"}\n"
    yield "bytes that are none", b'{"$bytes":"!"}\n{"$time":"x"}\n{"$decimal":"1e9999999999"}\n{"$ndarray":[]}\n'
    yield "an empty batch", b"[]\n"
    yield "a batch of rubbish", b"[" + b"1," * 4000 + b"1]\n"
    yield "a batch without end", b"[" + b"1," * MIB + b"1]\n"
    yield "a batch of batches", b"[" + b"[1]," * 1000 + b"[1]]\n"
    yield "a long id", request(id='"' + "x" * MIB + '"')
    for wrong in ("true", "[]", "{}", "1.5", "null", "1" * 1000, '"\\u0000"'):
        yield f"the id {wrong[:10]}", request(id=wrong)
    for wrong in ("1", "null", "[]", '""', '"' + "x" * MIB + '"'):
        yield f"the method {wrong[:10]}", request(method=wrong)
    yield "params that are text", request(params='"x"')
    yield "another version", request(jsonrpc='"1.0"')
    for number in ("1", "0", "-1", "1.0", "1e300", "18446744073709551615", '"1"', "null"):
        yield f"an answer to {number[:10]}", f'{{"jsonrpc":"2.0","id":{number},"result":"hostile"}}\n'.encode()
        yield f"a refusal of {number[:10]}", f'{{"jsonrpc":"2.0","id":{number},"error":{{"code":1e99,"message":[]}}}}\n'.encode()
    yield "an error that is text", b'{"jsonrpc":"2.0","id":1,"error":"x","result":1}\n'
    yield "Linkspan's own framing", b"LKSP" + bytes(60)
    yield "half of that", b"LKS\n"
    yield "10 MB", b'"' + b"x" * (10 * MIB) + b'"\n'


def halves() -> Iterator[tuple[str, bytes]]:
    yield "half a request", CALL[:-5]
    yield "half a text", b'"' + b"x" * 100_000
    yield "a long half", b'"' + b"x" * (10 * MIB)


def scramble(chance: random.Random) -> bytes:
    """Returns valid lines with one change: altered, omitted, inserted or repeated."""
    good = [CALL, b"[%s]\n" % CALL.strip(), b'{"op":"x"}\n', b'"text"\n', b'{"jsonrpc":"2.0","id":1,"result":1}\n']
    data = bytearray(b"".join(chance.choices(good, k=chance.randrange(1, 5))))
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                del data[at : at + chance.randrange(1, 20)]
            case 2:
                data[at:at] = chance.choice([b'"', b"{", b"[", b"\n", b"\0", b",", b":", b"9" * 30, b"\\u", chance.randbytes(5)])
            case 3:
                data[at:at] = data[: chance.randrange(1, 100)]
        if not data:
            return b"\n"
    return bytes(data)
