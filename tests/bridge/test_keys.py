"""Machines with certificates: without one they learn nothing, and each stays within its rights."""

import json
import re
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest
import zenoh
from conftest import PROGRAM, SOON, Machine, free_port, publish
from support.waiting import until

ROOT = "linkspan/default"
#: Seconds to wait for forbidden messages; allowed ones need a fraction.
PATIENCE = 2


def keys(*arguments: object, code: int = 0) -> str:
    command = [str(PROGRAM), "bridge", "keys", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SOON)
    assert done.returncode == code, (command, done)
    return done.stdout if code == 0 else done.stderr


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    folder = tmp_path / "authority"
    keys("init", folder)
    for machine in ("north", "south", "probe"):
        keys("issue", folder, machine)
    return folder


@pytest.fixture
def secure(machines, authority) -> tuple[Machine, Machine, int]:
    """North exports lab/* and secret/* to south and lab/* to probe; it imports far/* from both."""
    north, south, port = machines("north"), machines("south"), free_port()
    file = north.folder / "bridge.toml"
    file.write_text(f"""
export = ["lab/*", "secret/*"]
import = ["far/*", "lab/*"]
[tls]
folder = "{authority}/north.1"
[machines.south]
import = ["far/*"]
[machines.probe]
export = ["lab/*"]
import = ["far/probe/*"]
[zenoh]
listen = ["tls/127.0.0.1:{port}"]
""")
    started(north, "--config", file)
    peer = ("--peer", f"tls/127.0.0.1:{port}", "--tls", authority / "south.1", "--trust", "north")
    started(south, "--import", "*", "--export", "far/*", "--export", "lab/*", *peer)
    return north, south, port


def started(machine: Machine, *arguments: object) -> subprocess.Popen:
    process = machine.start("bridge", *arguments)
    until("the bridge runs", lambda: process.poll() is not None or machine.status())
    assert process.poll() is None, machine.log.read_text()
    return process


def session(port: int, folder: Path | None, protocol: str = "tls") -> zenoh.Session:
    config = zenoh.Config()
    settings: dict[str, object] = {
        "connect/endpoints": [f"{protocol}/127.0.0.1:{port}"],
        "connect/timeout_ms": -1,
        "connect/exit_on_failure": False,
        "connect/retry": {"period_init_ms": 100, "period_max_ms": 300},
        "listen/endpoints": [],
        "scouting/multicast/enabled": False,
        "transport/link/tls/verify_name_on_connect": False,
    }
    if folder is not None:
        settings |= {
            "transport/link/tls/root_ca_certificate": f"{folder}/authority.pem",
            "transport/link/tls/enable_mtls": True,
            "transport/link/tls/connect_private_key": f"{folder}/machine.key",
            "transport/link/tls/connect_certificate": f"{folder}/machine.pem",
        }
    for key, value in settings.items():
        config.insert_json5(key, json.dumps(value))
    return zenoh.open(config)


def learned(opened: zenoh.Session, patience: float = PATIENCE) -> tuple[list[str], list[str]]:
    """Returns received keys with values, and tokens, after a query for everything."""
    values: list[str] = []
    subscriber = opened.declare_subscriber(f"{ROOT}/**", lambda sample: values.append(str(sample.key_expr)))
    tokens: list[str] = []
    watch = opened.liveliness().declare_subscriber(
        f"{ROOT}/@alive/**", lambda sample: tokens.append(str(sample.key_expr)), history=True
    )
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        for name in ("lab/a", "secret/a"):
            values += [str(reply.ok.key_expr) for reply in opened.get(f"{ROOT}/{name}", timeout=0.3) if reply.ok]
        tokens += [str(reply.ok.key_expr) for reply in opened.liveliness().get(f"{ROOT}/@alive/**", timeout=0.3) if reply.ok]
    subscriber.undeclare()
    watch.undeclare()
    names = (token.rpartition("/@alive/")[2].split("/", 3) for token in tokens)
    # The presence of a bridge is visible to the machines that it trusts.
    return sorted(set(values)), sorted({name[3] for name in names if name[0] != "bridge"})


def test_bridges_with_certificates_carry_and_answer(secure):
    north, south, _ = secure
    publisher = north.publisher("lab/a")
    publish(publisher, 1)
    south.has("lab/a")
    subscriber = south.subscriber("lab/a")
    assert subscriber.next() == "1"
    publish(publisher, *range(2, 500))
    assert [int(subscriber.next()) for _ in range(498)] == list(range(2, 500))
    north.start("reply", "lab/echo", "--command", "cat")
    south.has("lab/echo")
    assert south.run("call", "lab/echo", '{"a":1}', "--json").strip() == '{"a":1}'
    publish(south.publisher("far/b"), 2)
    north.has("far/b")
    assert north.listed("far/b")["machine"] == "south"
    assert re.match(r"north\.1", north.status()["certificate"]["name"])


def test_machine_exports_and_imports_only_configured_names(secure, authority):
    north, south, port = secure
    publish(north.publisher("lab/a"), 1)
    publish(north.publisher("secret/a"), 1)
    # South may not export names in lab/, which north imports from others.
    publish(south.publisher("lab/forged"), 1)
    publish(south.publisher("far/b"), 1)
    north.has("far/b")
    south.has("secret/a")
    with session(port, authority / "probe.1") as probe:
        values, tokens = learned(probe)
        assert values == [f"{ROOT}/lab/a"] and tokens == ["lab/a"], "nothing of secret/, nothing of south"
        for name in ("far/probe/x", "far/other", "lab/forged"):
            probe.put(f"{ROOT}/{name}", "1", encoding="application/json")
        # A name in the name of another machine.
        forged = [
            probe.liveliness().declare_token(f"{ROOT}/@alive/publish/{machine}/77/{name}")
            for machine, name in (("south", "far/probe/y"), ("probe", "far/other"), ("probe", "far/probe/z"))
        ]
        north.has("far/probe/x")
        north.has("far/probe/z")
        for token in forged:
            token.undeclare()
    assert all(north.listed(name) is None for name in ("far/other", "lab/forged", "far/probe/y"))


def test_peer_without_certificate_learns_nothing(secure, authority, tmp_path):
    north, south, port = secure
    publish(north.publisher("lab/a"), 1)
    south.has("lab/a")
    other = tmp_path / "other"
    keys("init", other)
    keys("issue", other, "probe")
    keys("issue", authority, "unknown")
    shutil.copy(authority / "authority.pem", other / "probe.1/authority.pem")
    for folder, protocol in ((None, "tls"), (None, "tcp"), (other / "probe.1", "tls"), (authority / "unknown.1", "tls")):
        with session(port, folder, protocol) as outsider:
            assert learned(outsider, 1) == ([], []), folder
            assert not list(outsider.liveliness().get("**", timeout=0.3)), "not even that there is a bridge"
            outsider.put(f"{ROOT}/far/probe/outsider", "1", encoding="application/json")
    with session(port, authority / "probe.1") as probe:
        assert learned(probe)[1] == ["lab/a"], "the same program learns it with a certificate"
    assert north.listed("far/probe/outsider") is None


def test_revoked_certificate_ends_connections_and_its_successor_is_accepted(secure, authority):
    north, south, port = secure
    publish(north.publisher("lab/a"), 1)
    south.has("lab/a")
    assert "revoked probe.1" in keys("revoke", authority, "probe")
    with session(port, authority / "probe.1") as probe:
        assert learned(probe)[1] == ["lab/a"], "north does not have the revocation yet"
        shutil.copy(authority / "revoked", authority / "north.1/revoked")
        until("north has the revocation", lambda: "certificates were revoked" in north.log.read_text())
        south.has("lab/a")
        assert learned(probe) == ([], [])
    keys("issue", authority, "probe")
    with session(port, authority / "probe.2") as probe:
        assert learned(probe)[1] == ["lab/a"]
    listed = keys("list", authority)
    assert re.search(r"^probe\.1  revoked$", listed, re.M) and re.search(r"^probe\.2  until \d{4}-", listed, re.M)


def test_revoked_machine_does_not_start(authority, machines):
    keys("revoke", authority, "south")
    shutil.copy(authority / "revoked", authority / "south.1/revoked")
    output = machines("south").run(
        "bridge", "--import", "*", "--peer", "tls/127.0.0.1:1", "--tls", authority / "south.1", "--trust", "north", code=1
    )
    assert "south.1 was revoked" in output


def test_keys_are_private_and_never_overwritten(authority):
    for key in authority.rglob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(authority.stat().st_mode) == 0o700
    before = {path: path.read_bytes() for path in authority.rglob("*") if path.is_file()}
    assert "authority" in keys("init", authority, code=1)
    assert "north.2" in keys("issue", authority, "north")
    assert all(path.read_bytes() == text for path, text in before.items())
    assert re.search(r"until \d{4}-\d\d-\d\d", keys("issue", authority, "west", "--days", "3"))
    assert "is not a valid name of a machine" in keys("issue", authority, "../north", code=1)
    assert "no such certificate" in keys("revoke", authority, "east", code=1)


def test_number_of_a_certificate_whose_folder_was_moved_is_not_issued_again(authority, tmp_path):
    shutil.move(authority / "south.1", tmp_path / "south.1")
    assert "south.2" in keys("issue", authority, "south")
    shutil.move(authority / "south.2", tmp_path / "south.2")
    listed = keys("list", authority)
    assert re.findall(r"^(\S+)  until ", listed, re.M) == ["north.1", "probe.1", "south.1", "south.2"]
    assert "revoked south.1;" in keys("revoke", authority, "south", "--number", "1")
    assert "revoked south.1, south.2;" in keys("revoke", authority, "south")
    assert re.findall(r"^(\S+)  revoked$", keys("list", authority), re.M) == ["south.1", "south.2"]
    assert "south.3" in keys("issue", authority, "south")
    # An earlier version's authority kept no copies. Its folders and the list of revoked certificates count.
    shutil.rmtree(authority / "issued")
    shutil.rmtree(authority / "south.3")
    assert "south.3" in keys("issue", authority, "south")
    assert "probe.2" in keys("issue", authority, "probe")


def test_mistakes_with_keys_are_reported(authority, machines):
    south = machines("south")

    def output(*arguments: object) -> str:
        return south.run("bridge", "--import", "*", "--peer", "tls/127.0.0.1:1", *arguments, code=1)

    folder = authority / "south.1"
    assert "without tls" in output()
    assert "is not an address with tls" in output("--tls", folder, "--trust", "north", "--listen", "tcp/127.0.0.1:1")
    assert "--trust" in output("--tls", folder)
    assert "leave machine out" in output("--tls", folder, "--trust", "north", "--machine", "north")
    (folder / "machine.key").chmod(0o640)
    assert "chmod 600" in output("--tls", folder, "--trust", "north")
    (folder / "machine.key").chmod(0o600)
    shutil.copy(authority / "north.1/machine.pem", folder / "machine.pem")
    assert "linkspan-bridge: " in output("--tls", folder, "--trust", "north"), "the key is another one's"
