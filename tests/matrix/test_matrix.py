"""Every language with every language: who serves × who calls × transport × encoding, over the same vectors."""

import itertools
import json
import subprocess
from collections.abc import Iterator

import pytest
from conftest import LANGUAGES, VECTORS

#: Only guards against a hang.
SOON = 60
TRANSPORTS = ["shm", "unix"]
ENCODINGS = ["cbor", "json", "bson", "smile"]
SERVERS = list(itertools.product(LANGUAGES, TRANSPORTS, ENCODINGS))
COUNT = len(json.loads(VECTORS.read_text(encoding="utf-8")))


@pytest.fixture(scope="module", params=SERVERS, ids="-".join)
def server(request, peers, runtime) -> Iterator[tuple[str, str]]:
    """A peer that serves; it ends when it is told to, with 0."""
    language, transport, encoding = request.param
    endpoint = f"{transport}:matrix/{language}-{encoding}"
    with subprocess.Popen(
        [*peers[language], "serve", endpoint, encoding], env=runtime, text=True, stdout=subprocess.PIPE
    ) as child:
        try:
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
            yield endpoint, encoding
            stop(peers, runtime, endpoint)
            assert child.wait(SOON) == 0
        finally:
            child.kill()


def stop(peers, runtime, endpoint: str) -> None:
    code = "import linkspan, sys; linkspan.connect(sys.argv[1]).call({'peer': 'stop'})"
    subprocess.run([peers["python"][0], "-c", code, endpoint], env=runtime, timeout=SOON, check=True)


@pytest.mark.parametrize("caller", LANGUAGES)
def test_calls_and_sends_every_vector(server, caller, peers, runtime) -> None:
    endpoint, encoding = server
    done = subprocess.run(
        [*peers[caller], "call", endpoint, encoding, VECTORS],
        env=runtime,
        text=True,
        timeout=SOON,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert (done.returncode, done.stdout) == (0, f"{COUNT} called, {COUNT} sent, 2 failed\n")
