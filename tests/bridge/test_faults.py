"""Networks that fail: two machines of network namespaces, joined by a wire that loses packets, changes their order, and is cut."""

import ctypes
import fcntl
import json
import os
import random
import re
import select
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from conftest import SOON, TARGET, Lines, Machine, eventually, say

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make network namespaces everywhere")
SEED = int(os.environ.get("LINKSPAN_SEED", time.time_ns() % 1_000_000))
ADDRESS, SERVER = "tcp/10.77.0.1:7447", "nats://10.77.0.1:4222"


class Wire:
    """Two namespaces with a tunnel device each, and a thread that carries packets from one to the other: those that are not lost."""

    def __init__(self, seed: int) -> None:
        self.chance, self.loss, self.swaps, self.is_cut = random.Random(seed), 0.0, 0.0, False
        self.carried = self.lost = self.swapped = 0
        self.names = [f"linkspan-{os.getpid()}-{end}" for end in (1, 2)]
        self.devices: list[int] = []
        for name in self.names:
            ip("netns", "add", name)
            opener = threading.Thread(target=self.open, args=[name])
            opener.start()
            opener.join()
            ip("-n", name, "link", "set", "lo", "up")
        for (name, own, other) in ((self.names[0], 1, 2), (self.names[1], 2, 1)):
            ip("-n", name, "addr", "add", f"10.77.0.{own}", "peer", f"10.77.0.{other}", "dev", "wire")
            ip("-n", name, "link", "set", "wire", "up")
        self.ended, self.end_writer = os.pipe()
        self.thread = threading.Thread(target=self.carry)
        self.thread.start()

    def open(self, name: str) -> None:
        """In a thread of its own, which goes to the namespace and ends there."""
        with open(f"/run/netns/{name}", "rb") as namespace:
            assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        # TUNSETIFF with IFF_TUN | IFF_NO_PI
        fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22s", b"wire", 0x1001, b""))
        self.devices.append(device)

    def carry(self) -> None:
        other = dict(zip(self.devices, reversed(self.devices), strict=True))
        held: list[tuple[int, bytes]] = []
        while True:
            ready = select.select([*self.devices, self.ended], [], [], 0.005 if held else None)[0]
            if self.ended in ready:
                return
            packets = []
            for device in ready:
                try:
                    packets.append((other[device], os.read(device, 65536)))
                except (BlockingIOError, OSError):
                    continue
            # What was held back goes behind the packets that came after it.
            late, held = held, []
            for packet in packets:
                if self.is_cut or self.chance.random() < self.loss:
                    self.lost += 1
                elif self.chance.random() < self.swaps:
                    self.swapped += 1
                    held.append(packet)
                else:
                    self.send(*packet)
            for packet in late:
                self.send(*packet)

    def send(self, device: int, packet: bytes) -> None:
        self.carried += 1
        try:
            os.write(device, packet)
        except OSError:
            self.lost += 1

    def end(self) -> None:
        os.write(self.end_writer, b"x")
        self.thread.join()
        for descriptor in (*self.devices, self.ended, self.end_writer):
            os.close(descriptor)
        for name in self.names:
            ip("netns", "del", name)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=SOON)


@pytest.fixture
def wire() -> Iterator[Wire]:
    print(f"LINKSPAN_SEED={SEED}")
    made = Wire(SEED)
    yield made
    made.end()


@pytest.fixture(params=["zenoh", "nats"])
def apart(request, machines, wire, tmp_path) -> Iterator[tuple[Machine, Machine, list[subprocess.Popen]]]:
    """North exports lab/* and its journals, south imports them, over the wire; and the two bridges. A NATS server is on north's side."""
    bridges, server = [], None
    listen, connect = ["--listen", ADDRESS], ["--peer", ADDRESS]
    if request.param == "nats":
        listen = connect = ["--engine", "nats", "--server", SERVER]
        with (tmp_path / "nats-server.log").open("ab") as log:
            command = ["ip", "netns", "exec", wire.names[0], "nats-server", "-a", "10.77.0.1"]
            server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    north, south = machines("north"), machines("south")
    for machine, name, words in (
        (north, wire.names[0], ["--export", "lab/*", "--export", "journal:lab/*", *listen]),
        (south, wire.names[1], ["--import", "lab/*", "--import", "journal:lab/*", *connect]),
    ):
        command = ["ip", "netns", "exec", name, str(TARGET / "linkspan-bridge"), "--machine", machine.name, "--trusted-network"]
        with machine.said.open("ab") as log:
            bridges.append(subprocess.Popen([*command, *words], env=machine.env, stderr=log))
        machine.running.append(bridges[-1])
        eventually(machine.status, "the bridge runs")
    yield north, south, bridges
    if server:
        server.kill()
        server.wait(SOON)


class Counting:
    """Numbers that are published without an end, and those that arrive."""

    def __init__(self, north: Machine, south: Machine) -> None:
        self.north, self.south, self.sent = north, south, 0
        self.publisher = north.publisher("lab/count")
        say(self.publisher, 0)
        south.has("lab/count")
        self.subscriber: Lines = south.subscriber("lab/count")
        self.taken = [int(self.subscriber.next())]

    def publish(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            say(self.publisher, *range(self.sent + 1, self.sent + 11))
            self.sent += 10
            time.sleep(0.02)

    def settle(self) -> int:
        """Publishes until it arrives again; gives how many were missed, when every one is accounted for."""

        def arrives() -> bool:
            self.publish(0.05)
            return int(json.loads(self.south.run("latest", "lab/count", "--json"))) > self.sent - 200

        eventually(lambda: self.south.listed("lab/count") and arrives(), "messages arrive again")
        time.sleep(0.2)
        say(self.publisher, self.sent + 1)
        self.sent += 1
        while self.taken[-1] < self.sent:
            self.taken.append(int(self.subscriber.next()))
        assert self.taken == sorted(set(self.taken)), "in order, and nothing twice"
        told = re.findall(r"Lagged \(125\)[^\n]*?(\d+) messages", self.south.said.read_text())
        missed = sum(map(int, told))
        assert len(self.taken) + missed == self.sent + 1, (len(self.taken), missed, self.sent)
        return missed


@pytest.mark.parametrize("seconds", [0.1, 1, 10])
def test_every_loss_of_a_partition_is_counted(apart, wire, seconds):
    north, south, _ = apart
    counting = Counting(north, south)
    counting.publish(0.5)
    for name in wire.names:
        ip("-n", name, "link", "set", "wire", "down")
    counting.publish(seconds)
    for name in wire.names:
        ip("-n", name, "link", "set", "wire", "up")
    counting.publish(0.5)
    print(f"a partition of {seconds} s: {counting.settle()} of {counting.sent} missed, and told")


def test_lost_and_reordered_packets(apart, wire):
    north, south, _ = apart
    counting = Counting(north, south)
    wire.loss, wire.swaps = 0.05, 0.05
    counting.publish(5)
    wire.loss = wire.swaps = 0.0
    print(f"5 % loss and reordering: {counting.settle()} of {counting.sent} missed, and told")
    assert wire.lost > 10 and wire.swapped > 10, (wire.lost, wire.swapped)


@pytest.mark.parametrize("which", [0, 1])
def test_stopped_bridge_goes_on_and_every_loss_is_counted(apart, which):
    north, south, bridges = apart
    counting = Counting(north, south)
    counting.publish(0.2)
    bridges[which].send_signal(signal.SIGSTOP)
    counting.publish(3)
    bridges[which].send_signal(signal.SIGCONT)
    print(f"a bridge stopped for 3 s: {counting.settle()} of {counting.sent} missed, and told")


@pytest.mark.parametrize("fault", ["partition", "stop", "loss", "kill"])
def test_requests_end_in_an_answer_or_an_error_with_its_reason(apart, wire, fault):
    north, south, bridges = apart
    north.start("reply", "lab/slow", "--shell", "--command", "sleep 1; cat")
    south.has("lab/slow")
    callers = [south.start("call", "lab/slow", str(at), "-t", "15", "--json", stdout=subprocess.PIPE) for at in range(4)]
    eventually(lambda: north.status().get("requests_in") == 4, "the requests have come")
    if fault == "partition":
        wire.is_cut = True
    elif fault == "stop":
        bridges[0].send_signal(signal.SIGSTOP)
    elif fault == "loss":
        wire.loss = 0.2
    else:
        bridges[0].kill()
    codes = [caller.wait(SOON) for caller in callers]
    answers = [caller.stdout.read().decode().strip() for caller in callers]
    said = south.said.read_text()
    if fault == "loss":
        assert (codes, answers) == ([0] * 4, ["0", "1", "2", "3"]), said
    else:
        assert not any(answers) or fault == "kill", said
        lines = [line for line in said.splitlines() if line.startswith("linkspan: ")]
        assert len(lines) == len([code for code in codes if code]), said
        assert all(re.search("Timeout|Disconnected|NotFound", line) for line in lines), said
    if fault == "stop":
        bridges[0].send_signal(signal.SIGCONT)


@pytest.mark.parametrize("fault", ["partition", "cut", "loss", "stop"])
def test_journal_arrives_once_and_whole(apart, wire, fault):
    north, south, bridges = apart
    publisher, sent = north.publisher("journal:lab/log"), 0

    def publish(seconds: float) -> None:
        nonlocal sent
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            say(publisher, *range(sent, sent + 10))
            sent += 10
            time.sleep(0.02)

    publish(0.3)
    eventually(lambda: south.run("ls", "journal:lab/log"), "the journal is there")
    follower = Lines(south.start("sub", "journal:lab/log", "--from", "first", "--json", stdout=subprocess.PIPE))
    if fault == "loss":
        wire.loss = wire.swaps = 0.05
    elif fault == "stop":
        bridges[SEED % 2].send_signal(signal.SIGSTOP)
    for name in wire.names if fault == "partition" else []:
        ip("-n", name, "link", "set", "wire", "down")
    wire.is_cut = fault == "cut"
    publish(4)
    for name in wire.names if fault == "partition" else []:
        ip("-n", name, "link", "set", "wire", "up")
    wire.loss, wire.swaps, wire.is_cut = 0.0, 0.0, False
    bridges[SEED % 2].send_signal(signal.SIGCONT)
    publish(0.3)
    assert [int(follower.next()) for _ in range(sent)] == list(range(sent))
    full = [machine.run("sub", "journal:lab/log", "--from", "first", "-n", str(sent), "--json", "--full") for machine in (north, south)]
    assert full[0] == full[1], "the same numbers, times and sources"


def test_full_disk_of_a_replica_is_reported_and_writing_resumes(machines, meeting):
    """In a mount namespace of south's own, with a small disk there."""
    north, south = machines("north"), machines("south")
    state = south.env["LINKSPAN_STATE_DIR"]
    os.mkdir(state, 0o700)
    north.bridge("--export", "journal:lab/*", *meeting.listen())
    words = ["--machine", "south", "--import", "journal:lab/*", *meeting.connect()]
    mounts = f"mount -t tmpfs -o size=256k,mode=700 tmpfs {state}"
    command = ["unshare", "-m", "sh", "-ec", f'{mounts}; exec "$@"', "sh", str(TARGET / "linkspan-bridge"), *words]
    with south.said.open("ab") as log:
        bridge = subprocess.Popen(command, env=south.env, stderr=log)
    south.running.append(bridge)
    publisher, text = north.publisher("journal:lab/log"), "x" * 1000
    say(publisher, *([text] * 500))
    refused = eventually(lambda: south.status().get("refused"), "south says that its disk is full")
    assert "No space left" in refused["journal:lab/log"] and "tried again" in refused["journal:lab/log"], refused
    within = ["nsenter", "-t", str(bridge.pid), "-m"]
    subprocess.run([*within, "mount", "-o", "remount,size=64m", state], check=True, timeout=SOON)
    say(publisher, "last")
    eventually(lambda: not south.status().get("refused"), "south says that it goes on")
    command = [*within, str(TARGET / "linkspan"), "sub", "journal:lab/log", "--from", "first", "-n", "501", "--json", "--full"]
    read = subprocess.run(command, env=south.env, capture_output=True, text=True, timeout=SOON)
    assert read.stdout == north.run("sub", "journal:lab/log", "--from", "first", "-n", "501", "--json", "--full"), read.stderr
