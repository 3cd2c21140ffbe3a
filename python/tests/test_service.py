"""Services without a controller: hooks, signals, tasks. test_controller.py has the controller's side."""

import select
import signal
import threading

import linkspan
import pytest
from linkspan import _native

HOOKS = ["on_start", "step", "on_pause"]


class Recorded(linkspan.Service):
    """Ends itself at its second step."""

    def __init__(self):
        self.calls = []

    def on_start(self):
        self.calls.append(("on_start", self.state))

    def step(self):
        self.calls.append(("step", self.state))
        if len(self.calls) == 3:
            self.shutdown()

    def on_pause(self):
        self.calls.append(("on_pause", self.state))


def test_states_and_commands_are_those_of_the_core():
    for name, words in _native.service_words():
        assert [str(word) for word in getattr(linkspan, name)] == words
    assert linkspan.State.RUNNING == "RUNNING"
    assert linkspan.decode(linkspan.encode(linkspan.State.RUNNING)) == "RUNNING"


def test_service_needs_no_controller_and_runs_on_any_thread():
    service = Recorded()
    thread = threading.Thread(target=linkspan.run, args=(service, "power"), kwargs={"every": 0})
    thread.start()
    thread.join()
    expected = [("on_start", "STARTING"), ("step", "RUNNING"), ("step", "RUNNING"), ("on_pause", "STOPPING")]
    assert service.calls == expected
    with pytest.raises(linkspan.InvalidState, match=r"linkspan\.run"):
        service.log("too late")


def test_signal_handlers_are_restored_however_run_ends():
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGURG)
    before = [signal.getsignal(number) for number in numbers]
    linkspan.run(Recorded(), "power", every=0)
    assert [signal.getsignal(number) for number in numbers] == before

    class Broken(linkspan.Service):
        def step(self):
            assert [signal.getsignal(number) for number in numbers] != before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        linkspan.run(Broken(), "power", every=0)
    assert [signal.getsignal(number) for number in numbers] == before


def test_signal_while_the_service_is_made_ends_it_in_good_order(monkeypatch):
    class Signalled(linkspan.ServiceLoop):
        def __new__(cls, *given, **options):
            # From here on a controller can see it.
            loop = super().__new__(cls, *given, **options)
            signal.raise_signal(signal.SIGINT)
            return loop

    monkeypatch.setattr(f"{linkspan.run.__module__}.ServiceLoop", Signalled)
    missed = []
    before = signal.signal(signal.SIGINT, lambda *_: missed.append("by the service"))
    service = Recorded()
    try:
        linkspan.run(service, "power", every=0)
    finally:
        signal.signal(signal.SIGINT, before)
    assert [call for call, _ in service.calls] == ["on_start", "on_pause"] and not missed


@pytest.mark.parametrize("hook", HOOKS)
def test_exception_of_a_hook_is_raised(hook):
    class Broken(Recorded):
        pass

    def broken(self):
        raise LookupError(f"nothing there in {hook}")

    setattr(Broken, hook, broken)
    with pytest.raises(LookupError, match=f"nothing there in {hook}"):
        linkspan.run(Broken(), "power", every=0)


def test_options_and_names_are_checked():
    for name in ("", "unix:power", "two words"):
        with pytest.raises(linkspan.InvalidEndpoint):
            linkspan.run(Recorded(), name)
    with pytest.raises(linkspan.OutOfRange):
        linkspan.run(Recorded(), "power", every=-1.0)
    with pytest.raises(linkspan.Error, match="nonsense"):
        linkspan.run(Recorded(), "power", nonsense=True)

    class Capitals(Recorded):
        def do_PAUSE(self, arguments):  # noqa: N802
            pass

    with pytest.raises(linkspan.OutOfRange, match="PAUSE"):
        linkspan.run(Capitals(), "power")


# Signals -------------------------------------------------------------------------------------------------------------

SERVICE = """
    import threading

    # Two threads speak, each a line at a time.
    say = lambda *words: os.write(1, (" ".join(map(str, words)) + "\\n").encode())

    class Power(linkspan.Service):
        def on_start(self):
            say("on_start", self.state)
            threading.Thread(target=hears, args=[self], daemon=True).start()
            IN_START
        def step(self):
            IN_STEP
        def on_pause(self):
            say("on_pause", self.state)
            IN_PAUSE

    def hears(service):
        # The kernel may give a signal to any thread that accepts it. Only a signal of the waiting thread ends its wait
        # for a lock.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
        # Two signals of one number that come at once are one: the second is sent once the first was handled.
        try:
            while service.state != linkspan.State.STOPPING:
                time.sleep(0.01)
        except linkspan.InvalidState:
            return  # it has ended between two looks
        say("heard")

    def waits():
        try:
            say("waits")
            wait()
        finally:
            say("left")

    def wait():
        WAIT

    linkspan.run(Power(), "power", every=1000)
    say("over")
"""

WAITS = {
    "sleep": "time.sleep(1000)",
    "loop": "while True: len(sys.argv)",
    "channel": 'linkspan.connect("lab/nobody", timeout=1000)',
    "lock": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "pipe": "os.read(os.pipe()[0], 1)",
}


def service(wait="time.sleep(1000)", *, start="pass", step="pass", pause="pass"):
    text = SERVICE.replace("IN_START", start).replace("IN_STEP", step).replace("IN_PAUSE", pause)
    return text.replace("WAIT", wait)


def lines(child, *expected):
    for line in expected:
        assert child.line() == line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_between_steps_shuts_down(peer, number):
    child = peer(service(step='say("step")'))
    lines(child, "on_start STARTING", "step")
    child.signal(number)
    code, out, err = child.end()
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if line != "heard"] == ["on_pause STOPPING", "over"]


def test_signal_waits_for_the_end_of_the_step(peer):
    child = peer(service("sys.stdin.readline()", step="waits()"))
    lines(child, "on_start STARTING", "waits")
    child.signal(signal.SIGTERM)
    lines(child, "heard")
    out, err = child.process.communicate("go on\n", timeout=60)
    assert (child.process.returncode, out.split("\n"), err) == (0, ["left", "on_pause STOPPING", "over", ""], "")


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("wait", WAITS)
def test_second_signal_cancels_the_step(peer, wait, second):
    child = peer(service(WAITS[wait], step="waits()"))
    lines(child, "on_start STARTING", "waits")
    child.signal(signal.SIGTERM)
    lines(child, "heard")
    child.signal(second)
    code, out, err = child.end()
    assert (code, out.split("\n"), err) == (0, ["left", "on_pause STOPPING", "over", ""], "")


@pytest.mark.parametrize("hook", ["start", "pause"])
def test_second_signal_cancels_other_hooks(peer, hook):
    """An unfinished opening or closing makes the program fail."""
    child = peer(service(**{hook: "waits()"}))
    lines(child, "on_start STARTING")
    if hook == "start":
        lines(child, "waits")
    child.signal(signal.SIGTERM)
    rest = [child.line() for _ in range({"start": 1, "pause": 3}[hook])]
    assert sorted(rest) == {"start": ["heard"], "pause": ["heard", "on_pause STOPPING", "waits"]}[hook]
    child.signal(signal.SIGTERM)
    code, out, err = child.end()
    assert (code, out) == (1, "left\n")
    assert "linkspan.errors.Cancelled: the method of power that was under way was cancelled" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_third_signal_kills(peer, number):
    """The hook swallows the second signal."""
    stubborn = """
        try: time.sleep(1000)
        except linkspan.Cancelled: say("gave up")
        while True: time.sleep(1000)"""
    child = peer(service(stubborn, step="waits()"))
    lines(child, "on_start STARTING", "waits")
    child.signal(signal.SIGTERM)
    lines(child, "heard")
    child.signal(signal.SIGTERM)
    lines(child, "gave up")
    child.signal(number)
    assert child.end()[0] == -number


def test_urgent_signals_of_other_senders_reach_their_handler(peer):
    child = peer("""
        import threading
        urgent = []
        signal.signal(signal.SIGURG, lambda *_: urgent.append(1))
        class Power(linkspan.Service):
            def step(self):
                os.kill(os.getpid(), signal.SIGURG)
                self.shutdown()
        linkspan.run(Power(), "power", every=0)
        say(urgent)
    """)
    assert child.end() == (0, "[1]\n", "")


# Tasks ---------------------------------------------------------------------------------------------------------------


def test_tasks_are_pulled():
    with linkspan.ServiceLoop("power", every=0, description="for a test") as loop:
        assert (loop.name, loop.state, loop.connected) == ("power", "STARTING", False)
        assert 0 <= loop.epoch < 2**64
        task = loop.next()
        assert (task.command, task.before, task.arguments, task.id) == (linkspan.Command.STEP, "RUNNING", None, "")
        assert task.remaining == float("inf")
        task.done()
        with pytest.raises(linkspan.InvalidState, match="answered once"):
            task.done()
        loop.next()
        loop.next()
        assert loop.stats()["steps"] == 2
        loop.shutdown()
        commands = []
        for task in loop:
            commands.append((task.command, task.before))
            task.done()
        assert commands == [("SHUTDOWN", "RUNNING")]
        assert loop.state is linkspan.State.STOPPED
        assert loop.next() is None


def test_failed_step_is_reported_with_its_reason():
    with linkspan.ServiceLoop("power", every=0) as loop:
        loop.next().failed(LookupError("no meter"))
        assert loop.state == "FAILED"
        assert "LookupError: no meter" in str(loop.stats())
        with pytest.raises(linkspan.Timeout):
            loop.next(timeout=0.01)


def test_task_is_cancelled_by_a_poll_or_a_signal():
    came = []
    before = signal.signal(signal.SIGUSR1, lambda *_: came.append(1))
    try:
        with linkspan.ServiceLoop("power", every=0, interrupt=signal.SIGUSR1) as loop:
            task = loop.next()
            loop.shutdown()
            assert not loop.cancelled
            loop.shutdown()
            assert loop.cancelled
            assert came == [1]
            task.failed("given up")
            task = loop.next()
            assert (task.command, task.before, loop.cancelled) == ("SHUTDOWN", "RUNNING", False)
            task.done()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_waiting_for_a_task_handles_signals(peer):
    child = peer("""
        loop = linkspan.ServiceLoop("power")
        try:
            say("waits")
            loop.next()
        except KeyboardInterrupt:
            say("ended", loop.state)
    """)
    assert child.line() == "waits"
    child.signal(signal.SIGINT)
    code, out, _ = child.end()
    assert (code, out.split()[0]) == (0, "ended")


def test_descriptor_of_a_service_is_readable_with_a_task():
    with linkspan.ServiceLoop("power", every=0.01) as loop:
        for _ in range(3):
            while True:
                try:
                    task = loop.next(timeout=0)
                    break
                except linkspan.Timeout:
                    assert select.select([loop], [], [], 60)[0]
            task.done()
