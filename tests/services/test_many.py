"""Two hundred services with a command per second, while their controller is killed and restarted.

It takes 12 s, and a minute in `make test-all`.
"""

import json
import os
import random
import subprocess
import threading
import time

import linkspan
import pytest
from conftest import SOON
from support.tree import DEBUG, PROGRAM
from support.waiting import until

SERVICES = 200
PROCESSES = 4
SECONDS = int(os.environ.get("LINKSPAN_CROWD_SECONDS", "12"))
CALLERS = 8


class Caller(threading.Thread):
    def __init__(self, endpoint: str, share: range, until: float) -> None:
        super().__init__()
        self.endpoint, self.share, self.until = endpoint, share, until
        self.given: dict[int, list[int]] = {at: [] for at in share}
        self.done: dict[int, list[int]] = {at: [] for at in share}
        self.wrong: list[str] = []

    def run(self) -> None:
        controller = linkspan.Controller(self.endpoint)
        number = 0
        while time.monotonic() < self.until:
            begun = time.monotonic()
            number += 1
            for at in self.share:
                self.given[at].append(number)
                try:
                    count = controller.service(f"crowd/{at}").command("add", number, timeout=SOON)
                except linkspan.Error as error:
                    self.wrong.append(f"crowd/{at} {number}: {error!r}")
                    continue
                self.done[at].append(number)
                if count != len(self.done[at]):
                    self.wrong.append(f"crowd/{at} {number}: the service counts {count}, we {len(self.done[at])}")
            time.sleep(max(0.0, begun + 1 - time.monotonic()))
        controller.close()


def usage(controller: linkspan.Controller) -> dict[str, object]:
    return {key: value for key, value in controller.stats().items() if isinstance(value, int | float)}


@pytest.mark.costly
def test_each_command_is_carried_out_exactly_once(bench, capsys):
    endpoint = bench.env["LINKSPAN_CONTROLLER"]
    seed = int(os.environ.get("LINKSPAN_SEED", random.randrange(2**32)))
    chance = random.Random(seed)
    share = SERVICES // PROCESSES
    crowds = [bench.start([str(DEBUG / "test-crowd")], str(n * share), str(share)) for n in range(PROCESSES)]
    controller = linkspan.Controller(endpoint)
    running = lambda: sum(one["state"] == "RUNNING" for one in controller.services())
    until(f"{SERVICES} services", lambda: running() == SERVICES, SOON)
    before = usage(controller)
    end = time.monotonic() + SECONDS
    each = SERVICES // CALLERS
    callers = [Caller(endpoint, range(n * each, (n + 1) * each), end) for n in range(CALLERS)]
    for caller in callers:
        caller.start()
    time.sleep(SECONDS * chance.uniform(0.3, 0.7))
    peak = usage(controller)
    bench.controller.kill()
    bench.controller.wait()
    bench.controller = bench.start_controller()
    for caller in callers:
        caller.join()
    wrong = [text for caller in callers for text in caller.wrong]
    assert not wrong, (seed, wrong[:10])
    given = 0
    for caller in callers:
        for at, numbers in caller.given.items():
            data = controller.service(f"crowd/{at}").get_data(timeout=SOON)
            assert data == numbers, (seed, at, data, numbers)
            given += len(numbers)
    after = usage(controller)
    with capsys.disabled():
        print(f"\n{given} commands to {SERVICES} services in {SECONDS} s, the controller killed once (seed {seed});")
        print(f"  the controller before {json.dumps(before)}\n  before its death {json.dumps(peak)}\n  at the end {json.dumps(after)}")
    # Counts both phases around the kill; the rate depends on the machine.
    assert given >= 2 * SERVICES, given
    done = subprocess.run(
        [str(PROGRAM), "service", "shutdown", "--all", "--wait"], env=bench.env, capture_output=True, text=True, timeout=SOON
    )
    assert done.returncode == 0, done.stderr
    for crowd in crowds:
        assert crowd.wait(timeout=SOON) == 0
