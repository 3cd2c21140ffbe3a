"""Clients at a lying gateway.

Their memory and work are bounded, each failure is a client error, and they reconnect with growing pauses.
"""

import itertools
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from lying.gateway import ALL, WHOLE, Liar
from support.tree import ROOT
from support.waiting import PATIENCE, until

sys.path.insert(0, str(ROOT / "clients/python-remote"))

from linkspan_remote import errors, limits  # noqa: E402

HERE = Path(__file__).parent / "lying"
CLIENTS = {
    "python": [sys.executable, HERE / "client.py"],
    "node": [shutil.which("node"), "--max-old-space-size=256", HERE / "client.mjs"],
}
#: Maximum resident bytes of a client. Both accept values of 8 MiB and hold four times as much.
RESIDENT = {"python": 160 << 20, "node": 320 << 20}
#: Maximum processor seconds of a client: far above honest work, far below the cost of a lie.
WORK = 20


def run(client: str, lie: str) -> tuple[int, str, str]:
    words = ["prlimit", f"--cpu={WORK}", *map(str, CLIENTS[client])]
    liar = Liar(lie)
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with liar.running() as address, subprocess.Popen([*words, address, *(["stays"] if lie in WHOLE else [])], text=True, **pipes) as child:  # type: ignore[call-overload]
        late = threading.Timer(4 * PATIENCE, child.kill)
        late.start()
        # A lie that was not sent fails only its own test.
        is_told = lie not in WHOLE or liar.told.wait(3 * PATIENCE)
        out, error = child.communicate("\n")
        late.cancel()
        return child.returncode, out, error if is_told else f"the lie was not told whole; {error}"


@pytest.mark.costly
@pytest.mark.parametrize("lie", ALL)
@pytest.mark.parametrize("client", CLIENTS)
def test_client_at_a_lying_gateway_has_bounded_memory_and_work_and_its_own_errors(client: str, lie: str) -> None:
    code, out, error = run(client, lie)
    print(out, error)
    assert code == 0 and "not told whole" not in error, f"exit code {code}: {error[-2000:]}"
    said = json.loads(out)
    resident = int(re.findall(r"VmHWM:\s+(\d+) kB", said["status"])[0]) << 10
    assert not said["foreign"] and set(said["said"].values()) <= {*errors.KINDS, "fine"}
    assert resident < RESIDENT[client], f"{resident >> 20} MiB"


def test_there_are_lies_about_everything() -> None:
    assert len(ALL) > 90


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("lie", ["deep lists", "end within a frame", "empty pieces without an end"])
def test_client_comes_back_ever_more_rarely(client: str, lie: str) -> None:
    """The pauses also grow if the gateway breaks its protocol right after the greeting."""
    liar = Liar(lie)
    with liar.running() as address:
        child = subprocess.Popen([*map(str, CLIENTS[client]), address, "stays"], stdout=subprocess.DEVNULL, stdin=subprocess.PIPE)
        try:
            until("it has come back five times", lambda: len(liar.connected) > 5)
        finally:
            child.kill()
            child.wait()
    pauses = [later - before for before, later in itertools.pairwise(liar.connected)]
    # Jitter at most halves a pause; connecting takes extra time.
    assert all(pause >= limits.FIRST_PAUSE * 2**at / 2 for at, pause in enumerate(pauses)), pauses


def test_tables_of_both_clients_and_of_the_page_have_the_same_limits() -> None:
    page = (ROOT / "docs/security.md").read_text()
    client = (ROOT / "clients/js/client.js").read_text()
    of_client = json.loads(subprocess.run(["node", "--input-type=module", "-e", TABLE, client], capture_output=True, text=True, check=True, timeout=PATIENCE).stdout)
    common = {
        "message": limits.MESSAGE, "values": limits.Limits().values, "levels": limits.Limits().levels, "key": limits.Limits().key, "integer": limits.INTEGER_BYTES, "digits": limits.DIGITS,
        "dimensions": limits.DIMENSIONS, "held": limits.HELD_MESSAGES, "cost": limits.VALUE_COST, "names": limits.NAMES, "requests": limits.REQUESTS, "fragments": limits.FRAGMENTS,
        "unread": limits.OUTBOX, "text": limits.TEXT, "pause": limits.FIRST_PAUSE, "longestPause": limits.LAST_PAUSE, "steady": limits.STEADY,
    }  # fmt: skip
    assert {name: of_client[name] for name in common} == common
    (rows,) = re.findall(r"\n### What a gateway can do to a client\n.*?\n(\| limit .*?)\n\n", page, re.DOTALL)
    written = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|", rows, re.MULTILINE))
    assert written.keys() == of_client.keys()
    for name, value in of_client.items():
        numbers = [value] if not isinstance(value, (list, dict)) else list(value.values()) if isinstance(value, dict) else value
        assert all(f"{number:,}" in written[name] for number in numbers), (name, numbers, written[name])


TABLE = r"""
const text = process.argv[1].match(/const LIMITS = (\{.*?\n\});/s)[1];
console.log(JSON.stringify((0, eval)(`(${text})`)));
"""
