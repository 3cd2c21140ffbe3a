"""Networks and bridges that fail during requests: each request ends with an answer, or with an error that has the reason."""

import os
import re
import signal
import subprocess

import pytest
from conftest import SOON
from support.waiting import until
from networks import apart, wire  # noqa: F401 - fixtures

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make network namespaces everywhere")


@pytest.mark.parametrize("fault", ["partition", "stop", "loss", "kill"])
def test_requests_end_in_an_answer_or_an_error_with_its_reason(apart, wire, fault):
    north, south, bridges = apart
    north.start("reply", "lab/slow", "--shell", "--command", "sleep 1; cat")
    south.has("lab/slow")
    callers = [south.start("call", "lab/slow", str(at), "-t", "15", "--json", stdout=subprocess.PIPE) for at in range(4)]
    until("the requests have come", lambda: north.status().get("requests_in") == 4)
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
    output = south.log.read_text()
    if fault == "loss":
        assert (codes, answers) == ([0] * 4, ["0", "1", "2", "3"]), output
    else:
        assert not any(answers) or fault == "kill", output
        lines = [line for line in output.splitlines() if line.startswith("linkspan: ")]
        assert len(lines) == len([code for code in codes if code]), output
        assert all(re.search("Timeout|Disconnected|NotFound", line) for line in lines), output
    if fault == "stop":
        bridges[0].send_signal(signal.SIGCONT)
