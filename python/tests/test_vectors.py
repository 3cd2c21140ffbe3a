"""The vectors of all languages: values with bytes, equivalent bytes, refused bytes."""

import json
import pathlib
import random

import linkspan
import pytest

VECTORS = pathlib.Path(__file__).parents[2] / "tests" / "vectors"
ENCODINGS = ["json", "cbor", "bson", "smile"]


def cases(name):
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def data(case, encoding):
    return case["json"].encode() if encoding == "json" else bytes.fromhex(case[encoding])


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_vectors_are_encoded_and_decoded(encoding):
    listed = cases("values.json")
    assert len(listed) > 100
    for case in listed:
        value = linkspan.decode(data(case, encoding), encoding)
        for to in ENCODINGS:
            assert linkspan.encode(value, to) == data(case, to), (case["name"], to)
            assert linkspan.transcode(data(case, encoding), encoding, to) == data(case, to), (case["name"], to)


def test_alternative_bytes_are_decoded_to_the_same_value():
    for case in cases("accepted.json"):
        given, expected = bytes.fromhex(case["hex"]), case["json"].encode()
        assert linkspan.transcode(given, case["encoding"], "json") == expected, case["why"]
        assert linkspan.encode(linkspan.decode(given, case["encoding"]), "json") == expected, case["why"]


def test_invalid_vectors_are_refused_at_their_place():
    for case in cases("invalid.json"):
        with pytest.raises(linkspan.Error) as caught:
            linkspan.decode(bytes.fromhex(case["hex"]), case["encoding"])
        error = caught.value
        found = (error.kind, error.code, error.offset, error.path)
        assert found == (case["kind"], case["code"], case["offset"], case["path"]), case["why"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_damaged_bytes_are_refused_or_another_value(encoding):
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    good = [data(case, encoding) for case in cases("values.json")]
    refused = 0
    for _ in range(4000):
        bad = bytearray(rng.choice(good))
        for _ in range(rng.randrange(1, 4)):
            if bad:
                bad[rng.randrange(len(bad))] = rng.randrange(256)
        try:
            value = linkspan.decode(bad[: rng.randrange(len(bad) + 1)] if rng.random() < 0.2 else bad, encoding)
        except linkspan.Error as error:
            assert error.kind in {"Malformed", "TooLarge", "Unsupported", "OutOfRange"}, (bytes(bad), error)
            refused += 1
        else:
            linkspan.encode(value, encoding)
    assert refused > 400
