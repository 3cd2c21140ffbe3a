"""Channels that end without close, and `on_unconsumed`. tests/matrix/unconsumed has further cases."""

import gc
import os
import sys
import threading
import weakref

import linkspan
import pytest

NAME = "unix:lab/end"


@pytest.fixture
def listener():
    with linkspan.listen(NAME, timeout=60.0) as listener:
        yield listener


def sender(**options):
    channel = linkspan.connect(NAME, timeout=60.0, **options)
    assert channel.send_many([1, 2, 3]) == 3
    return channel


class Holder:
    def __init__(self, then=lambda holder: None):
        self.calls = []
        self.then = then
        self.channel = sender(on_unconsumed=self.report)

    def report(self, missed):
        self.calls.append(missed)
        self.then(self)


def test_last_reference_calls_back_and_close_does_not(listener, capfd):
    calls = []
    channel = sender(on_unconsumed=calls.append)
    del channel
    assert calls == [3] and capfd.readouterr().err.startswith(f"linkspan: {NAME}: 3 of the messages that were sent")
    channel = sender(on_unconsumed=calls.append)
    with pytest.raises(linkspan.Timeout):
        channel.close(timeout=0)
    del channel
    linkspan.connect(NAME, on_unconsumed=calls.append)
    assert calls == [3] and capfd.readouterr().err == ""


def test_cycle_of_a_channel_and_its_callback_is_whole_when_it_runs_and_is_freed(listener):
    endpoints = []
    holder = Holder(lambda holder: endpoints.append(holder.channel.endpoint))
    calls, gone = holder.calls, weakref.ref(holder)
    del holder
    assert calls == []
    gc.collect()
    assert calls == [3] and endpoints == [NAME]
    gc.collect()
    assert gone() is None and calls == [3]


def test_callback_may_use_and_close_its_channel(listener):
    def close(holder):
        with pytest.raises(linkspan.Timeout) as caught:
            holder.channel.close(timeout=0)
        assert caught.value.missed == 3
        with pytest.raises(linkspan.InvalidState):
            holder.channel.send(4)
        with linkspan.connect(NAME, timeout=60.0) as other:
            holder.calls.append(other.role)
            other.close()

    holder = Holder(close)
    calls = holder.calls
    del holder
    gc.collect()
    assert calls == [3, "connector"]


def test_exception_of_the_callback_is_unraisable(listener, monkeypatch):
    raised = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: raised.append((args.exc_type, str(args.exc_value), args.object)))

    def fail(missed):
        raise OSError(f"{missed} of them")

    channel = sender(on_unconsumed=fail)
    del channel
    assert raised == [(OSError, "3 of them", fail)]
    try:
        (lambda channel: 1 / 0)(sender(on_unconsumed=fail))
    except ZeroDivisionError as error:
        error.__traceback__ = None
    assert len(raised) == 2


def test_accepted_channel_has_the_callback_of_its_listener():
    calls = []
    with linkspan.listen(NAME, on_unconsumed=calls.append) as listener, linkspan.connect(NAME):
        channel = listener.accept(timeout=60.0)
        channel.send("an answer")
        del channel
    assert calls == [1]


@pytest.mark.parametrize("options", [{}, {"on_unconsumed": print}], ids=["linger", "linger and callback"])
def test_other_threads_run_while_a_channel_lingers(listener, options, capfd):
    channel = sender(linger=60, **options)
    far = listener.accept()
    ends = threading.Event()

    def receive():
        ends.wait(60)
        assert [far.recv(timeout=60).value for _ in range(3)] == [1, 2, 3]
        far.close()

    thread = threading.Thread(target=receive)
    thread.start()
    ends.set()
    del channel
    thread.join(60)
    assert capfd.readouterr() == ("", "")


def test_forked_child_neither_reports_nor_calls_back(listener, capfd):
    calls = []
    channel = sender(on_unconsumed=calls.append)
    child = os.fork()
    if child == 0:
        del channel
        linkspan.ending._at_exit()
        os._exit(len(calls))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert calls == [] and capfd.readouterr().err == ""


@pytest.mark.parametrize("given", [5, "x", [], object()])
def test_what_cannot_be_called_is_refused(given):
    with pytest.raises(linkspan.WrongType, match="on_unconsumed is something that can be called with a number") as caught:
        linkspan.listen(NAME, on_unconsumed=given)
    assert caught.value.path == "on_unconsumed"


SENDER = """
import atexit, threading
def report(missed): say("unconsumed", missed, sys.is_finalizing())
def sender():
    channel = linkspan.connect("unix:lab/end", on_unconsumed=report)
    channel.send_many([1, 2, 3])
    return channel
"""

ENDS = {
    "returns": ("kept = sender()", 0),
    "exits": ("kept = sender(); sys.exit(4)", 4),
    "raises": ("kept = sender(); raise KeyError", 1),
    "leaks a cycle": ("class Cycle: pass\ncycle = Cycle(); cycle.self = cycle; cycle.channel = sender(); gc = __import__('gc'); gc.disable(); del cycle", 0),
    "has a thread that receives": (
        "kept = sender(); threading.Thread(target=lambda: kept.recv(timeout=None), daemon=True).start(); time.sleep(0.05)", 0),
    "has a function's local": ("def run(channel):\n    sys.exit(5)\nrun(sender())", 5),
}


@pytest.mark.parametrize("way", ENDS)
def test_exit_of_the_program_calls_back_before_the_interpreter_is_taken_down(listener, peer, way):
    code, expected = ENDS[way]
    status, out, err = peer(SENDER + code).end()
    assert (status, out) == (expected, "unconsumed 3 False\n"), err
    assert err.count("linkspan: unix:lab/end: 3 of the messages") == 1


def test_function_of_atexit_closes_a_channel_before_its_end_is_reported(listener, peer):
    code = "kept = sender(); atexit.register(lambda: kept.close(timeout=60.0)); say('sent')"
    other = peer(SENDER + code)
    far = listener.accept()
    assert other.line() == "sent" and [far.recv().value for _ in range(3)] == [1, 2, 3]
    with pytest.raises(linkspan.Disconnected):
        far.recv()
    assert other.end() == (0, "", "")


def test_channel_that_is_left_when_the_interpreter_is_taken_down_reports_on_stderr_alone(listener, peer):
    # Handlers registered before the first channel run after the channels end.
    code = "def late():\n    global kept\n    kept = sender()\natexit.register(late)\nfirst = sender()"
    status, out, err = peer(SENDER + code).end()
    assert (status, out) == (0, "unconsumed 3 False\n"), err
    assert err.count("linkspan: unix:lab/end: 3 of the messages") == 2
