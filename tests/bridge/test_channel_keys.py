"""Channels over TLS: a machine uses only its permitted channels, under its own name."""

import struct
import sys
import time
from queue import Empty, Queue

import zenoh
from conftest import ROOT as TREE
from conftest import SOON, kill
from support.waiting import until
from test_channels import End
from test_keys import PATIENCE, ROOT, authority, keys, secure, session, started

sys.path.insert(0, str(TREE / "tests/independent"))
from independent import hello  # noqa: E402

__all__ = ["authority", "secure"]
UNIT, CALL, ANSWER, HEAD = 0, 0, 1, 56


class Probe:
    """A zenoh program with the certificate of the machine probe, which speaks the bridges' protocol."""

    def __init__(self, opened: zenoh.Session) -> None:
        self.opened, self.number, self.own = opened, 0, 0x77
        self.came: Queue[tuple[str, bytes]] = Queue()
        self.here = opened.liveliness().declare_token(f"{ROOT}/@alive/bridge/probe/{self.own:x}/bridge")
        remote = zenoh.Locality.REMOTE
        # It also requests forbidden packets.
        self.packets = [
            opened.declare_subscriber(f"{ROOT}/@link/{keys}", self.received, allowed_origin=remote)
            for keys in (f"probe/*/{self.own:x}", "**", "south/**")
        ]

    def received(self, sample: zenoh.Sample) -> None:
        self.came.put((str(sample.key_expr), sample.payload.to_bytes()))

    def bridge(self, machine: str) -> int:
        key = f"{ROOT}/@alive/bridge/{machine}/*/bridge"
        ids = until(
            f"the bridge of {machine} is there",
            lambda: [str(one.ok.key_expr).split("/")[-2] for one in self.opened.liveliness().get(key, timeout=0.3) if one.ok],
        )
        return int(ids[-1], 16)

    def call(self, name: str, machine: str = "probe", own: int | None = None) -> None:
        """Calls a channel of north; the key names `machine`, the packet names `own`."""
        to, own = self.bridge("north"), own or self.own
        self.number += 1
        greeting = hello("channel", self.number, machine="probe", keeps=[16, 1 << 20], first=1).to_bytes()
        unit = struct.pack("<H", len(name)) + name.encode() + greeting
        packet = struct.pack("<BBBxxxxxQQQQQQ", UNIT, CALL, 0, own, own, self.number, 1, 0, 0) + unit
        self.opened.put(f"{ROOT}/@link/north/{machine}/{to:x}", packet)

    def answer(self, patience: float = SOON) -> bytes | None:
        """Returns the answer to the last call, or None. Every packet must come from north to this machine."""
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            try:
                key, packet = self.came.get(timeout=left)
            except Empty:
                break
            assert key.startswith(f"{ROOT}/@link/probe/north/"), key
            what, kind, number = packet[0], packet[1], struct.unpack_from("<Q", packet, 24)[0]
            if (what, kind, number) == (UNIT, ANSWER, self.number):
                return packet[HEAD:]
        return None


def test_messages_arrive_once_and_in_order_while_bridges_are_killed(secure, authority):
    north, south, port = secure
    pace = {"PACE": "0.002"}
    far, near = End(north, "open", "lab/line", env=pace), End(south, "connect", "lab/line", env=pace)
    far.start(500)
    south.has("lab/line")
    near.start(500)
    far.has(set(range(50)))
    imports = ("--import", "*", "--peer", f"tls/127.0.0.1:{port}", "--tls", authority / "south.1", "--trust", "north")
    for machine, arguments in ((south, imports), (north, ("--config", north.folder / "bridge.toml"))):
        kill(next(one for one in machine.running if one.args[1] == "bridge" and one.poll() is None))
        started(machine, *arguments)
    for end in (far, near):
        end.has(set(range(500)))
        end.check_once_and_in_order()


def test_machine_has_only_the_channels_configured_for_it(secure, authority):
    north, south, port = secure
    for name in ("lab/line", "secret/line"):
        End(north, "hold", name).start(0)
        south.has(name)
    with session(port, authority / "probe.1") as opened:
        probe = Probe(opened)
        probe.call("lab/line")
        assert probe.answer()[:1] == b"\1", "what it was given lets it in"
        for name in ("secret/line", "lab/none"):
            probe.call(name)
            assert probe.answer() == b"\0", f"{name} is the same as one that is not there"
        until("one link", lambda: north.status()["links"] == 1)
        # Another machine's name in the key or packet gets no answer and reaches no program.
        probe.call("secret/line", machine="south")
        assert probe.answer(PATIENCE) is None
        probe.call("lab/line", own=0x99)
        assert probe.answer(PATIENCE) is None
        assert north.status()["links"] == 1
        # It does not receive the traffic between north and south either, which `Probe.answer` checks.
        south.run("send", "secret/line", "1", "-t", "5", code=3)
        assert probe.answer(PATIENCE) is None


def test_revoked_machine_is_cut_off_from_its_channels(secure, authority):
    north, south, port = secure
    held = End(north, "open", "lab/line")
    held.start(0)
    south.has("lab/line")
    south.run("send", "lab/line", '{"number": 1}')
    keys("revoke", authority, "south")
    (authority / "north.1/revoked").write_bytes((authority / "revoked").read_bytes())
    until("north has the revocation", lambda: "certificates were revoked" in north.log.read_text())
    until("the name goes with the connection", lambda: south.listed("lab/line") is None)
    south.run("send", "lab/line", '{"number": 2}', "-t", "1", code=4)
    assert [number for _, number in held.given()] == [1]
