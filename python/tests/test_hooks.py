"""Services with hooks under a controller: each hook, state, and error."""

import signal
import threading

import linkspan
import pytest
from services import known, start, until

SAYING = {
    hook: f"say({hook!r}, self.state, arguments)"
    for hook in ("on_start", "on_pause", "on_resume", "on_checkpoint", "on_stop", "on_config", "on_backup", "do_calibrate")
}
OWN = ["CONFIG", "BACKUP", "calibrate"]


def test_each_command_calls_its_hook(peer, controller):
    child = start(peer, **SAYING, step='say("step")', data='result = {"watts": 1.5}')
    power = known(controller, "RUNNING")
    assert [child.line(), child.line()] == ["on_start STARTING None", "step"]
    assert power.get_data() == {"watts": 1.5}
    assert power.checkpoint() is None
    assert child.line() == "on_checkpoint CHECKPOINTING None"
    assert power.pause() is None
    assert child.line() == "on_pause PAUSING None"
    assert power.get_data() == {"watts": 1.5}
    assert power.status()["state"] == linkspan.State.PAUSED
    assert power.run() is None
    assert [child.line(), child.line()] == ["on_resume PAUSED None", "step"]
    power.config({"every": 2})
    assert child.line() == "on_config RUNNING {'every': 2}"
    power.backup("/some/where.db")
    assert child.line() == "on_backup RUNNING {'path': '/some/where.db'}"
    power.command("calibrate", {"gain": 2})
    assert child.line() == "do_calibrate RUNNING {'gain': 2}"
    assert power.shutdown() is None
    assert child.end() == (0, "on_stop STOPPING None\nover\n", "")
    record = power.status()
    assert (record["state"], record["view"]) == ("STOPPED", "GONE")


def test_answers_are_what_hooks_return(peer, controller):
    start(peer, on_config="result = arguments", on_backup="result = [arguments]", do_calibrate="result = {'was': arguments}")
    power = known(controller, "RUNNING")
    assert power.config() is None
    assert power.config({"a": [1, None]}) == {"a": [1, None]}
    assert power.backup("x") == [{"path": "x"}]
    assert power.command("calibrate", 7) == {"was": 7}


def test_open_resource_is_not_opened_again(peer, controller):
    child = start(peer, {"paused": True}, **SAYING, step='say("step")')
    power = known(controller, "READY")
    assert child.line() == "on_start STARTING None"
    power.run()
    assert child.line() == "step"
    power.pause()
    power.shutdown()
    assert child.end()[:2] == (0, "on_pause PAUSING None\nover\n")


def test_shutdown_during_start_waits_for_its_end(peer, controller):
    child = start(peer, **{**SAYING, "on_start": 'say("waits"); sys.stdin.readline()'})
    power = known(controller, "STARTING")
    assert child.line() == "waits"
    answer = power.shutdown(wait=False)
    assert answer.outcome is linkspan.Outcome.ACCEPTED
    known(controller, "STOPPING")
    out, _ = child.process.communicate("go on\n", timeout=60)
    assert (child.process.returncode, out) == (0, "on_stop STOPPING None\nover\n")
    assert power.answer(answer.id).outcome is linkspan.Outcome.DONE


WAIT = 'say("waits"); sys.stdin.readline()'
STATES = {
    "STARTING": ({}, {"on_start": WAIT}, None),
    "READY": ({"paused": True}, {}, None),
    "RUNNING": ({}, {}, None),
    "PAUSING": ({}, {"on_pause": WAIT}, "PAUSE"),
    "PAUSED": ({}, {}, "PAUSE"),
    "CHECKPOINTING": ({}, {"on_checkpoint": WAIT}, "CHECKPOINT"),
    "STOPPING": ({}, {"on_stop": WAIT}, "SHUTDOWN"),
}
COMMANDS = ["GET_DATA", "PAUSE", "RUN", "CHECKPOINT", "SHUTDOWN", *OWN]
ALLOWED = {
    "STARTING": {"SHUTDOWN"},
    "READY": set(COMMANDS),
    "RUNNING": set(COMMANDS) - {"RUN"},
    "PAUSING": {"GET_DATA", "SHUTDOWN"},
    "PAUSED": set(COMMANDS) - {"PAUSE", "CHECKPOINT"},
    "CHECKPOINTING": {"GET_DATA", "SHUTDOWN"},
    "STOPPING": {"GET_DATA", "SHUTDOWN"},
}


@pytest.mark.parametrize("state", STATES)
def test_command_that_the_state_forbids_is_rejected_with_the_reason(peer, controller, state):
    options, scripts, command = STATES[state]
    start(peer, options, **scripts)
    power = known(controller, {"STARTING": "STARTING", "READY": "READY"}.get(state, "RUNNING"))
    if command:
        power.command(command, wait=False)
        power = known(controller, state)
    assert set(power.status()["allowed"]) & set(COMMANDS) == ALLOWED[state]
    for name in set(COMMANDS) - ALLOWED[state]:
        answer = power.order(name, id=f"a-{name}")
        assert (answer.outcome, answer.state, type(answer.error)) == ("REJECTED", state, linkspan.InvalidState), name
        assert state in str(answer.error) and name in str(answer.error)
        with pytest.raises(linkspan.InvalidState, match=state):
            answer.result()
        with pytest.raises(linkspan.InvalidState, match=state):
            power.command(name)
    assert power.describe()["commands"] == [*OWN, "script"]
    assert power.stats()["rejected"] == 2 * (len(COMMANDS) - len(ALLOWED[state]))
    assert power.status()["state"] == state


# Failures -----------------------------------------------------------------------------------------------------------

BROKEN = "raise LookupError('no meter')"


@pytest.mark.parametrize(
    ("hook", "command", "before"),
    [
        ("on_pause", "PAUSE", "RUNNING"),
        ("on_resume", "RUN", "PAUSED"),
        ("on_checkpoint", "CHECKPOINT", "RUNNING"),
        ("data", "GET_DATA", "RUNNING"),
        ("on_config", "CONFIG", "RUNNING"),
        ("on_backup", "BACKUP", "RUNNING"),
        ("do_calibrate", "calibrate", "PAUSED"),
    ],
)
def test_exception_of_a_hook_is_reported_and_the_state_is_kept(peer, controller, hook, command, before):
    child = start(peer)
    power = known(controller, "RUNNING")
    if before == "PAUSED":
        power.pause()
    power.command("script", {hook: BROKEN})
    answer = power.order(command, id="broken")
    assert (answer.outcome, answer.state) == ("FAILED", before)
    assert isinstance(answer.error, linkspan.Remote)
    assert (answer.error.remote_type, answer.error.remote_text) == ("LookupError", "no meter")
    with pytest.raises(linkspan.Remote, match="LookupError: no meter"):
        power.command(command)
    assert power.status()["state"] == before
    power.command("script", {hook: "raise linkspan.Stalled('a reader holds it')"})
    with pytest.raises(linkspan.Stalled, match="a reader holds it"):
        power.command(command)
    power.command("script", {hook: ""})
    power.command(command)
    power.shutdown()
    assert child.end()[0] == 0


@pytest.mark.parametrize("hook", ["on_start", "step", "on_stop"])
def test_exception_that_ends_the_program_is_reported_first(peer, controller, hook):
    child = start(peer, {"every": 0.05}, **({hook: BROKEN} if hook != "step" else {}))
    if hook == "on_stop":
        power = known(controller, "RUNNING")
        with pytest.raises(linkspan.Remote, match="LookupError: no meter"):
            power.shutdown()
    elif hook == "step":
        known(controller, "RUNNING").command("script", {"step": BROKEN})
    code, out, err = child.end()
    assert (code, out) == (1, "")
    assert err.rstrip().endswith("LookupError: no meter")
    if hook == "on_start":
        return  # over before it could be seen
    record = controller.service("power").status()
    assert (record["state"], record["reason"]) == ("FAILED", "LookupError: no meter")


def test_data_that_cannot_be_sent_are_an_error(peer, controller):
    start(peer, data="result = {'rows': [1, object()]}")
    power = known(controller, "RUNNING")
    with pytest.raises(linkspan.Unsupported, match="rows/1"):
        power.get_data()
    power.command("script", {"data": "result = 'x' * (2 << 20)"})
    with pytest.raises(linkspan.TooLarge):
        power.get_data()
    power.command("script", {"data": "result = 1"})
    assert power.get_data() == 1


def test_values_at_the_edge_pass_through_the_controller(peer, controller):
    text = "{'most': 2**64 - 1, 'least': -2**63, 'long': 2**70, 'inf': float('inf'), 'nan': float('nan'), 'none': None, 'text': '', 'list': [], 'bytes': b''}"
    start(peer, data=f"result = {text}", do_calibrate="result = arguments")
    power = known(controller, "RUNNING")
    edge = eval(text)
    assert repr(power.get_data()) == repr(power.command("calibrate", edge)) == repr(edge)
    assert power.command("calibrate") is None


def test_service_has_its_name_and_state(peer, controller):
    start(peer, do_calibrate="result = [self.name, self.state, self.controller, self.connected, self.cancelled, self.remaining]")
    answer = known(controller, "RUNNING").command("calibrate", timeout=50)
    assert answer[:-1] == ["power", "RUNNING", "unix:controller", True, False]
    assert 0 < answer[-1] <= 50


def test_problem_and_log_are_shown(peer, controller):
    start(peer, do_calibrate="self.log('calibrated', 'warning'); self.problem('drifts')")
    power = known(controller, "RUNNING")
    power.command("calibrate")
    until(lambda: power.status()["reason"] == "drifts")
    assert power.status()["state"] == "RUNNING"
    logged = until(lambda: [(line["level"], line["text"]) for line in power.log() if line["text"] == "calibrated"])
    assert logged == [("warning", "calibrated")]


# Long steps, deadlines, cancelling -----------------------------------------------------------------------------------


def test_control_is_answered_in_the_middle_of_a_long_step(peer, controller):
    start(peer, {"every": 0.05}, data="result = {'watts': 1.5}")
    power = known(controller, "RUNNING")
    power.get_data()
    power.command("script", {"step": "sys.stdin.readline()"})
    record = until(lambda: power.status() if power.status().get("doing") == "STEP" else None)
    assert (record["state"], record["doing"]) == ("RUNNING", "STEP")
    busy = record["busy"]
    until(lambda: power.status()["busy"] > busy)
    assert power.describe()["name"] == "power"
    assert power.stats()["steps"] >= 0
    # Returns the newest known data near the deadline.
    assert power.get_data(timeout=4.0) == {"watts": 1.5}
    with pytest.raises(linkspan.Timeout, match="STEP"):
        power.pause(timeout=3.0)
    assert power.status()["state"] == "RUNNING"


def test_get_data_during_the_first_step_has_no_data(peer, controller):
    start(peer, {"every": 0.05}, step="sys.stdin.readline()")
    power = known(controller, "RUNNING", doing="STEP")
    # The answer must precede the deadline, also on a slow machine.
    with pytest.raises(linkspan.Timeout, match="nothing is known"):
        power.get_data(timeout=3.0)


def test_command_that_takes_longer_than_it_has(peer, controller):
    child = start(peer, on_pause='say(self.remaining < 1); sys.stdin.readline()')
    power = known(controller, "RUNNING")
    with pytest.raises(linkspan.Timeout, match="under way"):
        power.pause(timeout=0.5)
    assert child.line() == "True"
    assert power.status()["state"] == "PAUSING"
    child.process.stdin.write("go on\n")
    child.process.stdin.flush()
    known(controller, "PAUSED")


def test_sleeping_service_receives_a_command_at_once(peer, controller):
    child = start(peer, {"every": 100000.0})
    power = known(controller, "RUNNING")
    until(lambda: power.stats()["steps"] == 1)
    for _ in range(20):
        power.pause()
        power.run()
    power.shutdown()
    assert child.end()[0] == 0


# The interpreter's jump at a loop's end is outside a surrounding `try`, so the loop is in a function.
ENDLESS = {"sleep": "time.sleep(1000)", "loop": "(lambda: [None for _ in iter(int, 1)])()"}


@pytest.mark.parametrize("wait", ENDLESS)
def test_second_shutdown_cancels_the_step(peer, controller, wait):
    child = start(peer, {"every": 0.01}, on_stop='say("on_stop")')
    power = known(controller, "RUNNING")
    power.command("script", {"step": f"say('waits')\n{ENDLESS[wait]}"})
    assert child.line() == "waits"
    first = power.shutdown(wait=False)
    assert first.outcome == "ACCEPTED"
    known(controller, "STOPPING")
    assert power.shutdown() is None
    assert child.end() == (0, "on_stop\nover\n", "")
    assert power.answer(first.id).outcome == "DONE"
    assert power.status()["state"] == "STOPPED"


def test_second_shutdown_cancels_on_stop(peer, controller):
    child = start(peer, on_stop='say("waits"); time.sleep(1000)')
    power = known(controller, "RUNNING")
    first = power.shutdown(wait=False)
    assert child.line() == "waits"
    with pytest.raises(linkspan.Error):
        power.shutdown()
    assert isinstance(power.answer(first.id).error, linkspan.Cancelled)
    code, out, err = child.end()
    assert (code, out) == (1, "")
    assert "linkspan.errors.Cancelled" in err
    assert power.status()["state"] == "FAILED"


@pytest.mark.parametrize("wait", ENDLESS)
def test_cancelled_step_is_followed_by_the_next(peer, controller, wait):
    child = start(peer, {"every": 0.01})
    power = known(controller, "RUNNING")
    power.command("script", {"step": f"try:\n    say('waits'); {ENDLESS[wait]}\nfinally: say('left', self.cancelled)"})
    for _ in range(3):
        assert child.line() == "waits"
        assert power.cancel() == {"cancelled": "asked"}
        assert child.line() == "left True"
    assert power.status()["state"] == "RUNNING"


def test_command_is_cancelled(peer, controller):
    child = start(peer, on_backup="say('waits'); time.sleep(1000)")
    power = known(controller, "RUNNING")
    answer = power.command("BACKUP", wait=False)
    assert child.line() == "waits"
    waits = power.command("calibrate", wait=False)
    power.cancel(waits.id)
    assert isinstance(power.answer(waits.id).error, linkspan.Cancelled)
    power.cancel(answer.id)
    assert isinstance(until(lambda: power.answer(answer.id).error), linkspan.Cancelled)
    with pytest.raises(linkspan.NotFound):
        power.cancel("nothing")
    power.shutdown()
    assert child.end()[0] == 0


def test_step_outside_the_main_thread_polls_for_cancellation(controller):
    class Power(linkspan.Service):
        def step(self):
            begun.set()
            while not self.cancelled:
                pass
            raise linkspan.Cancelled("given up")

    begun = threading.Event()
    thread = threading.Thread(target=linkspan.run, args=(Power(), "power"))
    thread.start()
    assert begun.wait(60)
    power = known(controller, "RUNNING")
    power.shutdown(wait=False)
    power.shutdown()
    thread.join()
    assert power.status()["state"] == "STOPPED"


# Programs that pull ---------------------------------------------------------------------------------------------------


def test_program_that_pulls_tasks_answers_or_the_library_answers(controller):
    asked = []

    def pull():
        with linkspan.ServiceLoop("power", commands=["calibrate"], paused=True) as loop:
            for task in loop:
                asked.append((task.command, task.before, task.arguments))
                match task.command:
                    case "calibrate" if task.arguments == "badly":
                        task.failed(LookupError("no meter"))
                    case "calibrate" if task.arguments == "say nothing":
                        pass
                    case linkspan.Command.PAUSE:
                        loop.fail("it cannot go on")
                        task.failed("it could not pause")
                    case _:
                        task.done(task.arguments)

    thread = threading.Thread(target=pull)
    thread.start()
    power = known(controller, "READY")
    assert power.command("calibrate", {"gain": 2}) == {"gain": 2}
    with pytest.raises(linkspan.Remote, match="LookupError: no meter"):
        power.command("calibrate", "badly")
    with pytest.raises(linkspan.Internal, match="unanswered"):
        power.command("calibrate", "say nothing")
    power.run()
    with pytest.raises(linkspan.Error):
        power.pause()
    known(controller, "FAILED", reason="it cannot go on")
    power.run()
    known(controller, "RUNNING")
    power.shutdown()
    thread.join()
    assert [command for command, _, _ in asked[3:]] == ["RUN", "PAUSE", "RUN", "SHUTDOWN"]
    assert [before for _, before, _ in asked[3:]] == ["READY", "RUNNING", "FAILED", "RUNNING"]


# Ids, epochs, controllers that come and go ---------------------------------------------------------------------------


def test_repeated_id_is_the_same_command(peer, controller):
    child = start(peer, do_calibrate="say('calibrate'); result = arguments")
    power = known(controller, "RUNNING")
    first = power.order("calibrate", 1, id="once")
    again = power.order("calibrate", 1, id="once")
    assert (first.outcome, first.value, again.value) == ("DONE", 1, 1)
    other = power.order("calibrate", 2, id="twice")
    assert other.value == 2
    power.shutdown()
    assert child.end()[1].count("calibrate") == 2


def test_another_incarnation_refuses(peer, controller):
    start(peer, do_calibrate="result = arguments")
    power = known(controller, "RUNNING")
    epoch = power.status()["epoch"]
    assert power.order("calibrate", 1, id="right", epoch=epoch).value == 1
    answer = power.order("calibrate", 1, id="wrong", epoch=epoch ^ 1)
    assert (answer.outcome, type(answer.error)) == ("REJECTED", linkspan.InvalidState)


def test_service_connects_to_a_controller_that_starts_later(peer, hub):
    child = start(peer, data="result = 7", step="say('step')")
    assert child.line() == "step"
    hub.start()
    with linkspan.Controller() as controller:
        power = known(controller, "RUNNING")
        assert power.get_data() == 7
        power.shutdown()
    assert child.end()[0] == 0


def test_service_reconnects_to_a_restarted_controller(peer, controller, hub):
    child = start(peer, data="result = 7", do_calibrate="say('calibrate'); sys.stdin.readline(); result = arguments")
    power = known(controller, "RUNNING")
    assert power.get_data() == 7
    epoch = power.status()["epoch"]
    for turn in range(2):
        begun = threading.Thread(target=lambda: answers.append(power.order("calibrate", turn, id=f"turn-{turn}")))
        answers = []
        begun.start()
        assert child.line() == "calibrate"
        hub.kill()
        hub.start()
        with linkspan.Controller() as other:
            known(other, "RUNNING", doing="calibrate")
            child.process.stdin.write("go on\n")
            child.process.stdin.flush()
            begun.join()
            assert [(answer.outcome, answer.value) for answer in answers] == [("DONE", turn)]
            assert other.service("power").status()["epoch"] == epoch
    assert power.get_data() == 7
    power.shutdown()
    assert child.end()[:2] == (0, "over\n")


def test_restarted_service_is_another_incarnation(peer, controller):
    child = start(peer, data="result = 7")
    power = known(controller, "RUNNING")
    epoch = power.status()["epoch"]
    child.signal(signal.SIGKILL)
    child.end()
    until(lambda: power.status()["view"] == "DISCONNECTED")
    assert power.status()["allowed"] == []
    start(peer, data="result = 8")
    power = known(controller, "RUNNING")
    assert power.get_data() == 8
    assert power.status()["epoch"] != epoch
