"""Schema vectors: fingerprints, refusals, compatible and different pairs, values and errors."""

import hashlib
import json
import pathlib

import linkspan
import pytest
from conftest import endpoint

VECTORS = pathlib.Path(__file__).parents[2] / "tests/vectors"


def rows(name):
    cases = json.loads((VECTORS / name).read_text())
    assert cases
    return cases


@pytest.mark.parametrize("case", rows("schema_texts.json"))
def test_schema_text_is_accepted_or_refused_with_its_place(case):
    if "kind" not in case:
        canonical = bytes.fromhex(case["canonical"])
        assert hashlib.sha256(canonical).hexdigest() == case["fingerprint"]
        form = linkspan.decode(canonical, "cbor")
        assert form["format"] == 1 and linkspan.encode(form, "cbor") == canonical
        linkspan.publisher(endpoint("unix"), schema=case["toml"]).close()
        return
    with pytest.raises(getattr(linkspan, case["kind"])) as caught:
        linkspan.publisher(endpoint("unix"), schema=case["toml"])
    assert caught.value.code == case["code"] and case["text"] in str(caught.value)


@pytest.mark.parametrize("case", rows("schema_pairs.json"), ids=lambda case: case["name"])
def test_reader_accepts_the_writer_or_names_the_difference(case):
    at = endpoint("unix")
    with linkspan.publisher(at, schema=case["writer"]) as out, linkspan.subscribe(at, schema=case["reader"]) as reader:
        out.send({})
        if not case["differences"]:
            assert reader.recv(timeout=60.0).value == {}
            return
        with pytest.raises(linkspan.SchemaMismatch) as caught:
            reader.recv(timeout=60.0)
        assert case["differences"][0] in str(caught.value)


@pytest.mark.parametrize("case", rows("schema_values.json"))
def test_value_is_sent_or_refused_with_its_path(case):
    value = linkspan.decode(case["json"].encode(), "json")
    with linkspan.publisher(endpoint("unix"), schema=case["schema"], validate="send") as out:
        if "kind" not in case:
            out.send(value)
            return
        with pytest.raises(getattr(linkspan, case["kind"])) as caught:
            out.send(value)
        assert (caught.value.path or "") == case["path"] and case["text"] in str(caught.value)
