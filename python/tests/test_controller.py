"""Controllers: listing, two-step commands, watching, and missing controllers."""

import os
import select
import signal
import threading

import linkspan
import pytest
from services import PROGRAM, known, start, until


def named(peer, name, **scripts):
    import json

    return peer(PROGRAM.replace('"power"', repr(name)), json.dumps(scripts), json.dumps({"every": 0.02}))


def test_controller_lists_services(peer, controller):
    assert controller.services() == []
    assert controller.endpoint == "unix:controller"
    child = start(peer, {"description": "logs the meter"})
    power = known(controller, "RUNNING")
    assert repr(power) == "<linkspan.ServiceHandle power>"
    (record,) = controller.services()
    assert record["name"] == "power"
    assert record["description"] == "logs the meter"
    assert record["pid"] == child.process.pid
    assert record["commands"] == ["CONFIG", "BACKUP", "calibrate", "script"]
    assert record["every"] == 1000.0
    assert isinstance(record["since"], linkspan.Timestamp)
    assert record["view"] == linkspan.View.CONNECTED
    assert "PAUSE" in record["allowed"] and "RUN" not in record["allowed"]
    stats = controller.stats()
    assert (stats["services"], stats["views"]["CONNECTED"]) == (1, 1)


def test_command_to_an_unknown_service_is_not_found(peer, controller):
    with pytest.raises(linkspan.NotFound, match="nothing-here"):
        controller.service("nothing-here").pause()
    start(peer)
    known(controller, "RUNNING")
    with pytest.raises(linkspan.NotFound, match="power"):
        controller.service("nothing-here").status()


def test_unknown_commands_are_refused(peer, controller):
    start(peer)
    power = known(controller, "RUNNING")
    for word in ("", "RESTART", "two words", "STEP"):
        with pytest.raises(linkspan.OutOfRange):
            power.command(word)
    with pytest.raises(linkspan.Unsupported, match="polish"):
        power.command("polish")
    for seconds in (-1, float("nan")):
        with pytest.raises(linkspan.OutOfRange):
            power.pause(timeout=seconds)
        with pytest.raises(linkspan.OutOfRange):
            power.pause(wait=False, timeout=seconds)
    with pytest.raises(linkspan.OutOfRange):
        power.order("PAUSE", id="x" * 65)
    with pytest.raises(linkspan.Unsupported):
        power.command("calibrate", object())
    assert power.status()["state"] == "RUNNING"


def test_command_in_two_steps(peer, controller):
    child = start(peer, do_calibrate="say(self.remaining); sys.stdin.readline(); result = arguments")
    power = known(controller, "RUNNING")
    answer = power.command("calibrate", 7, wait=False, timeout=50)
    assert (answer.outcome, answer.value, answer.error) == (linkspan.Outcome.ACCEPTED, None, None)
    assert 0 < float(child.line()) <= 50
    assert power.answer(answer.id).outcome == "ACCEPTED"
    child.process.stdin.write("go on\n")
    child.process.stdin.flush()
    done = until(lambda: (now := power.answer(answer.id)).outcome == "DONE" and now)
    assert (done.id, done.value, done.result(), done.state) == (answer.id, 7, 7, linkspan.State.RUNNING)
    assert done.id in repr(done)
    forever = power.command("calibrate", 8, wait=False, timeout=None)
    assert float(child.line()) > 1e6
    assert power.answer(forever.id).outcome == "ACCEPTED"
    with pytest.raises(linkspan.NotFound):
        power.answer("nobody-said-this")


def test_command_waits_for_a_disconnected_service(peer, controller):
    child = start(peer)
    power = known(controller, "RUNNING")
    child.signal(signal.SIGKILL)
    child.end()
    until(lambda: power.status()["view"] == "DISCONNECTED")
    with pytest.raises(linkspan.Disconnected):
        power.get_data(timeout=0.3)
    answers = []

    def data():
        try:
            return [power.get_data()]
        except linkspan.InvalidState:
            # On a slow machine the starting service receives the command and refuses it.
            return []

    waiting = threading.Thread(target=lambda: answers.extend(until(data)))
    waiting.start()
    start(peer, data="result = 'back'")
    waiting.join()
    assert answers == ["back"]


def test_forgotten_service_is_not_listed(peer, controller):
    child = start(peer)
    power = known(controller, "RUNNING")
    with pytest.raises(linkspan.InvalidState):
        power.forget()
    power.shutdown()
    child.end()
    until(lambda: power.status()["view"] == "GONE")
    power.forget()
    assert controller.services() == []


def test_watcher_receives_changes(peer, controller):
    first = start(peer, {"every": 0.02}, step="self.watts = getattr(self, 'watts', 0) + 1", data="result = {'watts': self.watts}")
    other = named(peer, "other")
    until(lambda: len(controller.services()) == 2)
    events = controller.watch(data_every=0.05, services=["power"])
    seen = next(events)
    assert (seen["what"], seen["service"]["name"]) == ("service", "power")
    watts = []
    while len(watts) < 3:
        event = next(events)
        if event["what"] == "data":
            assert event["name"] == "power" and isinstance(event["at"], linkspan.Timestamp)
            watts.append(event["value"]["watts"])
    assert watts == sorted(set(watts))
    controller.service("power").pause()
    while not (event := next(events)).get("service", {}).get("state") == "PAUSED":
        assert event["what"] in ("service", "data", "log")
    controller.service("other").shutdown()
    assert other.end()[0] == 0
    controller.service("power").shutdown()
    assert first.end()[0] == 0
    while not (event := next(events)).get("service", {}).get("view") == "GONE":
        assert event.get("service", {}).get("name", "power") == "power"
    controller.service("power").forget()
    while (event := next(events))["what"] != "gone":
        pass
    assert event["name"] == "power"
    with pytest.raises(linkspan.Timeout):
        controller.next(timeout=0.05)


def test_watcher_continues_after_a_restart_of_the_controller(peer, controller, hub):
    start(peer)
    known(controller, "RUNNING")
    events = controller.watch()
    assert next(events)["service"]["name"] == "power"
    hub.kill()
    hub.start()
    while next(events).get("service", {}).get("view") != "CONNECTED":
        pass


def test_descriptor_of_a_controller_client_is_readable_at_an_event(peer, controller):
    with pytest.raises(linkspan.InvalidState, match="watch"):
        controller.fileno()
    with pytest.raises(linkspan.InvalidState, match="watch"):
        controller.next()
    controller.watch()
    start(peer)
    names = []
    while not names:
        assert select.select([controller], [], [], 60)[0]
        try:
            event = controller.next(timeout=0)
        except linkspan.Timeout:
            continue
        names += [event["service"]["name"]] if event["what"] == "service" else []
    assert names == ["power"]


def test_logs_of_the_controller_and_of_a_service(peer, controller):
    start(peer, do_calibrate="self.log('calibrated', 'warning')")
    named(peer, "other", do_calibrate="self.log('calibrated too')")
    for name in ("power", "other"):
        known(controller, "RUNNING", name).command("calibrate")
    expected = {("power", "warning", "calibrated"), ("other", "info", "calibrated too")}
    lines = lambda name: {(line["service"], line["level"], line["text"]) for line in controller.service(name).log()}
    until(lambda: expected <= lines("power") | lines("other"))
    assert {line[0] for line in lines("other")} == {"other"}
    done = [line["service"] for line in controller.log() if line["text"] == "calibrate DONE"]
    assert done == ["power", "other"]
    assert [line["text"] for line in controller.log(lines=1)] == ["calibrate DONE"]


def test_connect_without_a_controller_is_an_error():
    with pytest.raises(linkspan.NotFound, match="linkspan controller"):
        linkspan.Controller(timeout=0.2)
    with linkspan.listen("unix:controller") as listener:
        with pytest.raises(linkspan.InvalidState):
            linkspan.Controller(timeout=60.0)
        listener.close()


def test_environment_names_the_controller(peer, controller, monkeypatch):
    monkeypatch.setenv("LINKSPAN_CONTROLLER", "unix:somewhere/else")
    with pytest.raises(linkspan.NotFound, match="somewhere/else"):
        linkspan.Controller(timeout=0.1)
    monkeypatch.setenv("LINKSPAN_CONTROLLER", controller.endpoint)
    start(peer)
    with linkspan.Controller() as other:
        known(other, "RUNNING")


def test_controller_client_is_closed_and_ctrl_c_ends_its_waits(controller, peer):
    controller.watch()
    ended = []

    def wait():
        try:
            while True:
                controller.next()
        except linkspan.InvalidState:
            ended.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    controller.close()
    thread.join()
    assert ended == [True]
    with pytest.raises(linkspan.InvalidState):
        controller.services()
    child = peer("""
        power = linkspan.Controller().service("power")
        try:
            say("waits")
            linkspan.Controller("unix:nobody", timeout=None)
        except KeyboardInterrupt:
            say("ended")
    """)
    assert child.line() == "waits"
    child.signal(signal.SIGINT)
    assert child.end()[:2] == (0, "ended\n")


def test_on_wait_ends_a_command(controller, peer):
    start(peer, do_calibrate="time.sleep(1000)")
    power = known(controller, "RUNNING")
    with pytest.raises(linkspan.Cancelled):
        power.command("calibrate", timeout=None, on_wait=lambda: False)
    known(controller, "RUNNING", doing="calibrate")
    assert os.getpid() != power.status()["pid"]
