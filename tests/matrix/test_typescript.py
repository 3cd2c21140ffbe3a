"""TypeScript and each other language through the gateway, in each role with every encoding."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import linkspan
import pytest
from conftest import ENCODINGS, LANGUAGES, PEERS
from cover import every_pair
from play import begin, ends, published, ready
from support.npm import compiled
from support.tree import DEBUG
from support.waiting import PATIENCE, next_line

#: TypeScript's role and the transport of the other peer's name. The gateway publishes for TypeScript in shared
#: memory.
ROLES = ["call shm", "call unix", "subscribe shm", "subscribe unix", "subscribe journal", "publish shm"]
FULL = os.environ.get("LINKSPAN_GRID") == "full"
AXES = [LANGUAGES, ROLES, ENCODINGS, ["values", "table"]]
CASES = list(itertools.product(*AXES)) if FULL else every_pair(AXES)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def typescript(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    made = tmp_path_factory.mktemp("typescript")
    shutil.copy(PEERS / "peer.ts", made)
    compiled(made, made / "peer.ts")
    return ["node", str(made / "peer.js")]


@pytest.fixture(scope="module")
def gateway(runtime: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    program, tokens = DEBUG / "linkspan-gateway", tmp_path_factory.mktemp("gateway") / "tokens.json"
    words = [program, "token", "add", "peer", "--read", "*", "--read", "journal:*", "--call", "*", "--write", "*", "--tokens", tokens]
    token = subprocess.run(words, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout.strip()
    with subprocess.Popen([program, "--listen", "127.0.0.1:0", "--tokens", tokens], stdout=subprocess.PIPE, text=True) as child:
        try:
            address = next_line(child.stdout, "the address of the gateway").partition("#")[0].strip()
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("LINKSPAN_GATEWAY", f"{address}#token={token}")
                yield
        finally:
            child.kill()


@pytest.mark.costly
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_every_vector_arrives_unchanged(case: tuple[str, ...], peers: dict[str, list[str]], typescript: list[str], gateway: None, vectors: dict[str, Path]) -> None:
    language, role, encoding, kind = case
    what, transport = role.split()
    endpoint = f"{transport}:typed/{next(_numbers)}-{language}"
    words, file = [endpoint, encoding], str(vectors[kind])
    count = len(linkspan.decode(vectors[kind].read_bytes(), "json"))
    if what == "call":
        with begin(peers[language], "serve", *words) as server:
            try:
                ready(server)
                with begin(typescript, "call", *words, file) as caller:
                    try:
                        ends(caller, f"{count} called, 2 failed\n")
                    finally:
                        caller.kill()
            finally:
                server.kill()
    else:
        both = (peers[language], typescript) if what == "subscribe" else (typescript, peers[language])
        published(*both, words, file, count)
