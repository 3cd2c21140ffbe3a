"""The notifications of a controller, of a service with hooks, and of a supervised program."""

import os
import signal
import subprocess

from conftest import PATIENCE, PROGRAM, python

#: Its step hangs while the file exists.
SERVICE = """
import os, sys, time, linkspan

class Stuck(linkspan.Service):
    def step(self):
        while os.path.exists("stuck"):
            time.sleep(0.01)
    def on_pause(self):
        pass

linkspan.run(Stuck(), name="it", every=0.05)
"""


def controller(supervisor):
    program = supervisor.start(PROGRAM, "controller", "--no-tcp", supervised=False, stderr=subprocess.PIPE, text=True)
    assert "listens at unix:controller" in program.stderr.readline()
    return program


def service(supervisor, tmp_path, **more):
    return supervisor.start(*python(SERVICE), cwd=tmp_path, **more)


def test_controller_is_ready_when_it_listens(supervisor):
    program = supervisor.start(PROGRAM, "controller", "--no-tcp", "--quiet", watchdog=0.4)
    assert supervisor.until("READY=1") == []
    assert supervisor.linkspan("service", "ls").strip() != "unreachable"
    supervisor.until("STATUS=0 services; listens at unix:controller")
    supervisor.until("WATCHDOG=1")
    supervisor.until("WATCHDOG=1")
    adopted = supervisor.start(PROGRAM, "service", "run", "--name", "it", "--", "sleep", "1000", supervised=False)
    supervisor.until("STATUS=1 services; listens at unix:controller")
    adopted.terminate()
    assert adopted.wait(PATIENCE) == 0
    program.send_signal(signal.SIGTERM)
    assert program.wait(PATIENCE) == 0
    supervisor.until("STOPPING=1")
    assert not any(word.startswith("READY") for word in supervisor.all())
    assert supervisor.received.count("READY=1") == 1


def test_service_notifies_systemd_of_its_states(supervisor, tmp_path):
    controller(supervisor)
    program = service(supervisor, tmp_path)
    # A fast program is RUNNING before the start is notified.
    assert supervisor.until("READY=1") in ([], ["STATUS=STARTING"])
    supervisor.until("STATUS=RUNNING")
    supervisor.until_known()
    supervisor.linkspan("service", "pause", "it", "--wait")
    supervisor.until("STATUS=PAUSED")
    supervisor.linkspan("service", "run", "it", "--wait")
    supervisor.until("STATUS=RUNNING")
    program.send_signal(signal.SIGTERM)
    supervisor.until("STOPPING=1")
    assert program.wait(PATIENCE) == 0
    assert supervisor.all()[-1] == "STATUS=STOPPED"
    assert supervisor.received.count("READY=1") == 1 and supervisor.received.count("STOPPING=1") == 1
    assert "WATCHDOG=1" not in supervisor.received, "it has no watchdog"


def test_stuck_step_sends_no_watchdog_message(supervisor, tmp_path):
    program = service(supervisor, tmp_path, watchdog=0.4)
    supervisor.until("READY=1")
    for _ in range(4):
        supervisor.until("WATCHDOG=1")
    (tmp_path / "stuck").touch()
    # The watchdog is fed until the step has hung this long.
    words = supervisor.within(1.5)
    assert words.count("WATCHDOG=1") <= 4, words
    assert supervisor.within(1.5) == []
    (tmp_path / "stuck").unlink()
    supervisor.until("WATCHDOG=1")
    supervisor.until("WATCHDOG=1")
    program.send_signal(signal.SIGTERM)
    supervisor.until("STOPPING=1")
    assert program.wait(PATIENCE) == 0


def test_paused_service_sends_watchdog_messages(supervisor, tmp_path):
    controller(supervisor)
    service(supervisor, tmp_path, watchdog=0.4)
    supervisor.until("READY=1")
    supervisor.until_known()
    supervisor.linkspan("service", "pause", "it", "--wait")
    supervisor.until("STATUS=PAUSED")
    supervisor.all()
    for _ in range(5):
        supervisor.until("WATCHDOG=1")


def test_watchdog_of_another_process_is_ignored(supervisor, tmp_path):
    supervisor.env["WATCHDOG_PID"] = str(os.getpid())
    service(supervisor, tmp_path, watchdog=0.1)
    supervisor.until("READY=1")
    assert "WATCHDOG=1" not in supervisor.within(1.0)


def test_wrapper_notifies_for_an_adopted_program(supervisor, tmp_path):
    controller(supervisor)
    script = "env > variables; trap 'exit 0' TERM; while :; do sleep 0.05; done"
    words = ["service", "run", "--name", "it", "--cwd", tmp_path, "--", "sh", "-c", script]
    program = supervisor.start(PROGRAM, *words, watchdog=0.4)
    supervisor.until("READY=1")
    supervisor.until("WATCHDOG=1")
    supervisor.until_known()
    supervisor.linkspan("service", "pause", "it", "--wait")
    supervisor.until("STATUS=PAUSED")
    for _ in range(3):
        supervisor.until("WATCHDOG=1")
    supervisor.linkspan("service", "run", "it", "--wait")
    supervisor.until("STATUS=RUNNING")
    program.send_signal(signal.SIGTERM)
    supervisor.until("STOPPING=1")
    assert program.wait(PATIENCE) == 0
    # The watchdog is fed to the end; the count depends on time.
    assert [word for word in supervisor.all() if word != "WATCHDOG=1"][-1] == "STATUS=STOPPED"
    variables = (tmp_path / "variables").read_text()
    assert "NOTIFY_SOCKET" not in variables and "WATCHDOG" not in variables


def test_service_that_cannot_start_reports_the_reason(supervisor):
    options = ["--restart", "on-failure", "--restart-delay", "0.01", "--restart-limit", "1/60s"]
    # The signal follows the failure's notification, which the end must not overtake.
    for _ in range(12):
        program = supervisor.start(
            PROGRAM, "service", "run", *options, "--", "sh", "-c", "exit 3", stderr=subprocess.DEVNULL
        )
        supervisor.until("STATUS=FAILED: the program ended with exit code 3, after 1 restarts in 60 s")
        program.send_signal(signal.SIGTERM)
        supervisor.until("STOPPING=1")
        assert program.wait(PATIENCE) == 3
        supervisor.all()


def test_idle_supervised_service_uses_little_processor_time(supervisor):
    program = supervisor.start(PROGRAM, "service", "run", "--", "sleep", "1000", watchdog=1)
    supervisor.until("READY=1")
    for _ in range(4):
        supervisor.until("WATCHDOG=1")
    with open(f"/proc/{program.pid}/stat") as stat:
        ticks = sum(map(int, stat.read().rsplit(")")[1].split()[11:13]))
    # A process that does not sleep uses 200 ticks in two seconds.
    assert ticks < 50
