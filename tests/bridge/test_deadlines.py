"""Deadlines between machines: a command or request beyond its deadline is never carried out, with any clocks."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from conftest import SOON, TARGET, Machine, kill
from support.waiting import until
from networks import ADDRESS, SERVER, Wire, wire
from test_services_of_machines import END, control, data, records, runs

__all__ = ["wire"]
#: Seconds between the clocks of the machines (time namespaces). Real machines start at different times.
AHEAD = 5_000_000
#: Number of cuts: an engine may deliver delayed packets or have replaced the link.
ROUNDS = 5
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make network namespaces everywhere")


class Apart:
    def __init__(self, engine: str, machines: Callable[[str], Machine], wire: Wire) -> None:
        self.engine, self.wire = engine, wire
        self.north, self.south = machines("north"), machines("south")
        self.bridges: dict[str, subprocess.Popen] = {}

    def start(self, machine: Machine, *words: str, ahead: int = 0) -> None:
        namespace = self.wire.names[0 if machine is self.north else 1]
        where = ["--listen" if machine is self.north else "--peer", ADDRESS]
        if self.engine == "nats":
            where = ["--engine", "nats", "--server", SERVER]
        program = [str(TARGET / "linkspan-bridge"), "--machine", machine.name, "--trusted-network", *words, *where]
        with machine.log.open("ab") as log:
            command = ["ip", "netns", "exec", namespace, *clock(ahead), *program]
            self.bridges[machine.name] = subprocess.Popen(command, env=machine.env, stderr=log)
        machine.running.append(self.bridges[machine.name])
        until("the bridge runs", machine.status)

    def cut(self, during: Callable[[], None]) -> None:
        self.wire.is_cut = True
        try:
            during()
        finally:
            self.wire.is_cut = False


def clock(ahead: int) -> list[str]:
    """Returns the prefix for a program whose clocks since boot are this many seconds ahead."""
    return ["unshare", "--time", "--kill-child", "--monotonic", str(ahead), "--boottime", str(ahead)] if ahead else []


@pytest.fixture
def apart(request, machines, wire, tmp_path) -> Iterator[Apart]:
    server = None
    if request.param == "nats":
        with (tmp_path / "nats-server.log").open("ab") as log:
            command = ["ip", "netns", "exec", wire.names[0], "nats-server", "-a", "10.77.0.1"]
            server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    yield Apart(request.param, machines, wire)
    if server:
        server.kill()
        server.wait(SOON)


@needs_root
@pytest.mark.parametrize(
    ("apart", "ahead"),
    [("zenoh", ("north", AHEAD)), ("zenoh", ("south", AHEAD)), ("zenoh", ("south", 0)), ("nats", ("south", 0))],
    ids=["zenoh-north-ahead", "zenoh-south-ahead", "zenoh", "nats"],
    indirect=["apart"],
)
def test_request_that_the_network_holds_back_beyond_its_time_is_never_carried_out(apart: Apart, ahead: tuple[str, int]):
    north, south = apart.north, apart.south
    file = north.folder / "done"
    north.start("reply", "lab/work", "--shell", "--command", f"read x; echo $x >> '{file}'; echo $x")
    by = {machine: seconds for machine, seconds in [ahead] if seconds}

    def begin(machine: Machine) -> None:
        words = ("--export", "lab/*") if machine is north else ("--import", "lab/*")
        apart.start(machine, *words, ahead=by.get(machine.name, 0))

    def call(value: int, seconds: float) -> bool:
        # A machine's programs share its clocks.
        command = [*clock(by.get("south", 0)), str(TARGET / "linkspan"), "call", "lab/work", str(value), "-t", str(seconds)]
        done = subprocess.run(command, env=south.env, capture_output=True, text=True, timeout=SOON)
        assert done.returncode in (0, 3), done.stderr
        assert done.returncode == 0 or "Timeout" in done.stderr, done.stderr
        return done.returncode == 0

    for machine in (north, south):
        begin(machine)
    south.has("lab/work")
    answered, late = [0], 0
    assert call(0, 20)
    for cut in range(1, ROUNDS + 1):
        apart.cut(lambda cut=cut: [call(100 * cut + at, 0.7) for at in range(2)])
        until("the name is there again", lambda: south.listed("lab/work"))
        answered.append(cut)
        until("requests are answered again", lambda cut=cut: call(cut, 10))
        late = north.status().get("late", 0)
        if late:
            break
        # The next round has another incarnation of either bridge.
        for machine in (north, south)[: cut % 3]:
            kill(apart.bridges[machine.name])
            begin(machine)
        south.has("lab/work")
    done = [int(value) for value in file.read_text().split()]
    assert sorted(set(done)) == answered, "what its caller had given up was carried out"
    assert late > 0, "no request arrived late: the network held none back"


def test_request_that_waits_in_a_stopped_server_beyond_its_time_is_never_carried_out(pair):
    north, south, _ = pair
    file = north.folder / "done"
    server = north.start("reply", "lab/work", "--shell", "--command", f"read x; echo $x >> '{file}'; echo $x")
    south.has("lab/work")
    south.run("call", "lab/work", "0", "-t", "20")
    server.send_signal(signal.SIGSTOP)
    for value in (1, 2):
        south.run("call", "lab/work", value, "-t", "4", code=3)
    # The bridge and its caller give up at one deadline, and both need some processor time.
    time.sleep(2)
    server.send_signal(signal.SIGCONT)
    south.run("call", "lab/work", "3", "-t", "20")
    assert file.read_text().split() == ["0", "3"]


class Stopped:
    """A server of north that is stopped after its first request, with the results of later requests."""

    def __init__(self, north: Machine, south: Machine) -> None:
        self.north, self.south, self.file = north, south, north.folder / "done"
        work = f"read x; echo $x >> '{self.file}'; echo $x"
        self.server = north.start("reply", "lab/work", "--shell", "--command", work)
        south.has("lab/work")
        south.run("call", "lab/work", "0", "-t", "20")
        # The state appears up to half a second later; a late first request would change the count.
        until("the first request is counted", lambda: north.status().get("requests_in") == 1)
        self.server.send_signal(signal.SIGSTOP)

    def came(self) -> int:
        return self.north.status().get("requests_in", 0) - 1

    def is_over(self) -> bool:
        status = self.north.status()
        # A caller withdraws its request at its time-out, maybe before this bridge does.
        over = sum(status.get(key, 0) for key in ("expired", "late", "withdrawn"))
        return over == status.get("requests_in", 0) - 1

    def check_that_it_begins_with_none(self) -> None:
        until("the time of each request is over", self.is_over)
        self.server.send_signal(signal.SIGCONT)
        self.south.run("call", "lab/work", "3", "-t", "20")
        assert self.file.read_text().split() == ["0", "3"]


def caller(south: Machine, program: str, *words: object) -> subprocess.Popen:
    command = [sys.executable, "-c", program, *map(str, words)]
    process = subprocess.Popen(command, env=south.env, stderr=subprocess.PIPE, text=True)
    south.running.append(process)
    return process


IN_TWO_STEPS = {
    "aio": """
import asyncio
from linkspan import aio
async def main():
    await (await aio.connect("lab/work")).call(1, timeout=4)
asyncio.run(main())
""",
    "start_call": """
import linkspan, time
channel = linkspan.connect("lab/work")
channel.finish_call(channel.start_call(1, within=4), timeout=4)
""",
}


@pytest.mark.parametrize("program", IN_TWO_STEPS.values(), ids=IN_TWO_STEPS.keys())
def test_request_in_two_steps_is_never_carried_out_after_its_time(pair, program: str):
    north, south, _ = pair
    stopped = Stopped(north, south)
    _, output = caller(south, program).communicate(timeout=SOON)
    assert "Timeout" in output, output
    until("the request has arrived", lambda: stopped.came() == 1)
    stopped.check_that_it_begins_with_none()


#: Callers without a deadline: the first withdraws and continues, the second waits and is killed.
WITHDRAWS = {
    "given up": """
import linkspan, sys, time
channel = linkspan.connect("lab/work")
request = channel.start_call(1)
sys.stdin.readline()
try:
    channel.finish_call(request, timeout=0.01)
except linkspan.Timeout:
    print("Timeout", file=sys.stderr, flush=True)
time.sleep(600)
""",
    "killed": """
import linkspan
linkspan.connect("lab/work").call(1, timeout=600)
""",
}


@pytest.mark.parametrize("program", WITHDRAWS.values(), ids=WITHDRAWS.keys())
def test_withdrawn_request_is_not_begun_by_a_server_of_another_machine(pair, program: str):
    north, south, _ = pair
    stopped = Stopped(north, south)
    command = [sys.executable, "-c", program]
    calling = subprocess.Popen(command, env=south.env, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    south.running.append(calling)
    until("the request has arrived", lambda: stopped.came() == 1)
    assert north.status()["withdrawn"] == 0, "it is not withdrawn yet"
    if "stdin" in program:
        calling.stdin.write("\n")
        calling.stdin.flush()
        assert calling.stderr.readline() == "Timeout\n"
    else:
        kill(calling)
    until("the withdrawal has arrived", lambda: north.status()["withdrawn"] == 1)
    status = north.status()
    assert (status["expired"], status["late"]) == (0, 0), status
    stopped.check_that_it_begins_with_none()
    calling.kill()
    calling.wait(SOON)
    calling.stderr.close()


def test_idempotent_request_that_is_sent_again_keeps_its_deadline(machines, meeting):
    north, south = machines("north"), machines("south")
    north.bridge("--export", "lab/*", *meeting.listen())
    bridge = south.bridge("--import", "lab/*", *meeting.connect())
    stopped = Stopped(north, south)
    program = "import linkspan, sys; linkspan.connect('lab/work', idempotent=True).call(1, timeout=float(sys.argv[1]))"
    # On a slow machine the bridge restarts after the first of these times.
    for seconds in (10, 20, 60):
        before = stopped.came()
        calling = caller(south, program, seconds)
        until("the request has arrived", lambda before=before: stopped.came() == before + 1)
        kill(bridge)
        bridge = south.bridge("--import", "lab/*", *meeting.connect())
        ended = lambda: stopped.came() >= before + 2 or calling.poll() is not None  # noqa: B023, E731
        until("it has come again", ended)
        is_repeated = stopped.came() >= before + 2
        _, output = calling.communicate(timeout=2 * seconds)
        assert "Timeout" in output or "Disconnected" in output, output
        if is_repeated:
            break
        until("the time of each request is over", stopped.is_over)
    assert is_repeated, "the request did not come again in time"
    stopped.check_that_it_begins_with_none()


@needs_root
@pytest.mark.parametrize("ahead", [AHEAD, 0], ids=["south ahead", "alike"])
def test_command_that_the_network_holds_back_beyond_its_time_is_never_carried_out(machines, wire, ahead):
    apart = Apart("zenoh", machines, wire)
    north, south = apart.north, apart.south
    control(north)
    apart.start(north, "--export", "controller")
    apart.start(south, "--import", "controller", ahead=ahead)
    added = south.folder / "added"
    with south.log.open("ab") as log:
        command = [*clock(ahead), sys.executable, str(END), "power", str(added)]
        south.running.append(subprocess.Popen(command, env=south.env, stderr=log))
    runs(north, "power@south")
    done, late = [], 0
    for cut in range(1, ROUNDS + 1):
        # Runs hooks and a command while the network is cut beyond their time.
        def give(cut: int = cut) -> None:
            assert "Timeout" in north.run("service", "pause", "power@south", "--timeout", "1", "--wait", code=3)
            assert "Timeout" in north.run("service", "call", "power@south", "add", 100 * cut, "--timeout", "1", code=3)

        apart.cut(give)
        runs(north, "power@south")
        done.append(cut)
        assert north.run("service", "call", "power@south", "add", cut, "--timeout", "20", "--json").strip() == str(cut)
        late = json.loads(north.run("service", "stats", "power@south", "--json"))["late"]
        if late:
            break
    assert [int(number) for number in added.read_text().split()[1::2]] == done, "what had timed out was carried out"
    assert data(north, "power@south")["hooks"] == [], "it was paused late"
    assert records(north)["power@south"]["state"] == "RUNNING"
    assert late > 0, "no command arrived late: the network held none back"
