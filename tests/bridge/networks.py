"""Two machines in network namespaces, joined by a link that loses and reorders packets, and can be cut."""

import ctypes
import fcntl
import os
import random
import select
import struct
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from conftest import SOON, TARGET, Machine
from support.waiting import until

SEED = int(os.environ.get("LINKSPAN_SEED", time.time_ns() % 1_000_000))
ADDRESS, SERVER = "tcp/10.77.0.1:7447", "nats://10.77.0.1:4222"


class Wire:
    """Two namespaces with a tunnel device each, and a thread that forwards most packets between them."""

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
        """Runs in a separate thread, which stays in the namespace."""
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
            # Sends a held packet after later ones.
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
def apart(request, machines, wire, tmp_path, exporting) -> Iterator[tuple[Machine, Machine, list[subprocess.Popen]]]:
    """North exports lab/* and its journals over the link, and south imports them.

    A NATS server is on north's side.
    """
    bridges, server = [], None
    listen, connect = ["--listen", ADDRESS], ["--peer", ADDRESS]
    if request.param == "nats":
        listen = connect = ["--engine", "nats", "--server", SERVER]
        with (tmp_path / "nats-server.log").open("ab") as log:
            command = ["ip", "netns", "exec", wire.names[0], "nats-server", "-a", "10.77.0.1"]
            server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    north, south = machines("north"), machines("south")
    for machine, name, words in (
        (north, wire.names[0], ["--export", "lab/*", "--export", "journal:lab/*", *exporting, *listen]),
        (south, wire.names[1], ["--import", "lab/*", "--import", "journal:lab/*", *connect]),
    ):
        command = ["ip", "netns", "exec", name, str(TARGET / "linkspan-bridge"), "--machine", machine.name, "--trusted-network"]
        with machine.log.open("ab") as log:
            bridges.append(subprocess.Popen([*command, *words], env=machine.env, stderr=log))
        machine.running.append(bridges[-1])
        until("the bridge runs", machine.status)
    yield north, south, bridges
    if server:
        server.kill()
        server.wait(SOON)
