"""Channels between and within processes: messages, calls, time-outs, failures."""

import gc
import os
import select
import signal
import threading
import weakref

import linkspan
import numpy as np
import pytest

TRANSPORTS = ["shm", "unix"]
ENCODINGS = ["cbor", "json", "bson", "smile"]

ECHO = """
with linkspan.open(sys.argv[1]) as ch:
    say(ch.role)
    while (message := ch.recv(timeout=60.0)).value != "end":
        ch.send(message.value)
"""


@pytest.fixture(params=TRANSPORTS)
def name(request):
    return f"{request.param}:lab/one"


def pair(name, **options):
    with linkspan.listen(name, **options) as listener:
        a = linkspan.connect(name, timeout=60.0, **options)
        return a, listener.accept(timeout=60.0)


def test_open_listens_first_and_connects_then(peer, name):
    other = peer(ECHO, name)
    assert other.line() == "listener"
    with linkspan.open(name, timeout=60.0) as ch:
        assert (ch.role, ch.endpoint) == ("connector", name)
        assert ch.send({"n": 1}) == 1
        got = ch.recv()
        assert got.value == {"n": 1} and got["n"] == 1 and got.get("n") == 1
        assert got.sequence == 1 and got.encoding == "cbor" and got.missed == 0
        assert str(other.process.pid) in got.source
        assert abs(linkspan.Timestamp.now() - got.sent) < 60
        ch.send("end")
    assert other.end() == (0, "", "")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_values_and_arrays_travel_in_every_encoding(peer, name, encoding):
    other = peer(ECHO, name)
    other.line()
    with linkspan.connect(name, encoding=encoding, timeout=60.0) as ch:
        wave = np.asfortranarray(np.arange(6000.0).reshape(2, 3000))
        ch.send({"wave": wave, "at": linkspan.Timestamp(5), "text": "é", "n": [None, True, 2**70, 0.5, b"\0"]})
        got = ch.recv()
        assert np.array_equal(got["wave"], wave) and got["wave"].flags.f_contiguous
        assert not got["wave"].flags.writeable
        assert got["at"] == linkspan.Timestamp(5) and got["n"] == [None, True, 2**70, 0.5, b"\0"]
        ch.send("end")
    assert other.end() == (0, "", "")


def test_array_outlives_its_channel_and_its_message(name):
    a, b = pair(name)
    a.send(np.arange(10_000.0))
    wave = b.recv(timeout=60.0).value
    for i in range(20):
        a.send(np.full(1_000, float(i)))
        b.recv(timeout=60.0)
    del a, b
    gc.collect()
    assert wave[9_999] == 9_999.0 and wave.sum() == 49995000.0


def test_arrays_of_cbor_are_aligned_views(name):
    a, b = pair(name)
    for n in range(1, 12):
        a.send({"k" * n: np.arange(1000.0)})
        wave = b.recv(timeout=60.0)["k" * n]
        assert wave.ctypes.data % 8 == 0 and wave.flags.aligned and wave[999] == 999.0


def test_missing_path_or_key_names_the_existing_ones(name):
    a, b = pair(name)
    a.send({"rows": [{"a/b": 7}], "x": 1})
    got = b.recv(timeout=60.0)
    assert got.at("rows/0/a~1b") == 7 and got["rows"] == [{"a/b": 7}] and got.at("") == got.value
    with pytest.raises(KeyError) as caught:
        got["colour"]
    assert isinstance(caught.value, linkspan.Missing) and "rows" in str(caught.value)
    with pytest.raises(linkspan.Missing):
        got.at("rows/1")
    assert got.get("rows/1") is None and got.get("rows/1", 5) == 5
    assert got.get("x/y") is None
    with pytest.raises(linkspan.WrongType):
        got.at("x/y")
    assert got.value is got.value


def test_recv_without_message_is_empty_or_a_timeout(name):
    a, b = pair(name)
    assert b.poll() is False
    with pytest.raises(linkspan.Empty):
        b.try_recv()
    for timeout in (0, 0.01):
        with pytest.raises(TimeoutError) as caught:
            b.recv(timeout=timeout)
        assert isinstance(caught.value, linkspan.Timeout) and caught.value.retryable
        assert caught.value.endpoint == name
    a.try_send(None)
    assert b.recv(timeout=60.0).value is None
    a.send(1)
    while not b.poll():
        pass
    assert b.try_recv().value == 1


def test_full_queue_is_full_or_a_timeout_and_nothing_is_lost(name):
    a, b = pair(name, buffer=65536)
    sent = 0
    with pytest.raises(linkspan.Full):
        while True:
            a.try_send({"n": sent, "pad": bytes(1000)})
            sent += 1
    with pytest.raises(linkspan.Timeout):
        a.send({"n": sent, "pad": bytes(1000)}, timeout=0.01)
    assert [b.recv(timeout=60.0)["n"] for _ in range(sent)] == list(range(sent))
    a.send({"n": sent}, timeout=60.0)
    assert b.recv(timeout=60.0)["n"] == sent


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_time_out_is_checked(name, timeout):
    a, _ = pair(name)
    with pytest.raises(linkspan.OutOfRange):
        a.recv(timeout=timeout)
    with pytest.raises(TypeError, match="give seconds from 0 upwards, a timedelta, or None"):
        a.recv(timeout="soon")


def test_wrong_names_options_and_missing_listeners_are_errors(name):
    with pytest.raises(linkspan.InvalidEndpoint) as caught:
        linkspan.connect("shm:../x")
    assert isinstance(caught.value, ValueError)
    with pytest.raises(linkspan.NotFound) as caught:
        linkspan.connect(name, timeout=0.01)
    assert isinstance(caught.value, (ConnectionError, FileNotFoundError)) and caught.value.errno is None
    assert os.environ["LINKSPAN_DIR"] in str(caught.value)
    with pytest.raises(linkspan.Unsupported):
        linkspan.connect(name, encoding="yaml")
    with linkspan.listen(name):
        with pytest.raises(linkspan.AddressInUse):
            linkspan.listen(name)


def test_close_waits_until_the_other_side_has_consumed_it(name):
    a, b = pair(name)
    a.send("last words")
    with pytest.raises(linkspan.Timeout, match="1 message was sent"):
        a.close(timeout=0)
    a, b = pair(name)
    got = []

    def receive():
        try:
            while True:
                got.append(b.recv(timeout=60.0).value)
        except linkspan.Disconnected:
            b.close()

    thread = threading.Thread(target=receive)
    thread.start()
    with a:
        for i in range(3):
            a.send(i)
    thread.join()
    assert got == [0, 1, 2]


def test_exception_leaves_a_with_block_at_once(name):
    a, b = pair(name)
    with pytest.raises(ZeroDivisionError), a:
        a.send("nobody takes this")
        1 / 0
    with pytest.raises(linkspan.InvalidState):
        a.send(1)


def test_closed_channel_raises_invalid_state(name):
    a, b = pair(name)
    b.close(timeout=0)
    b.close()
    for call in (lambda: b.recv(timeout=0), lambda: b.send(1), lambda: b.try_recv(), lambda: b.fileno()):
        with pytest.raises(linkspan.InvalidState):
            call()
    assert "Channel" in repr(a)


def test_value_that_cannot_be_encoded_is_refused_before_anything_is_sent(name):
    a, b = pair(name)
    with pytest.raises(linkspan.Unsupported) as caught:
        a.send({"rows": [object()]})
    assert caught.value.path == "rows/0" and caught.value.endpoint == name
    a.send(1)
    assert b.recv(timeout=60.0).sequence == 1


def test_select_waits_for_the_descriptor(name):
    a, b = pair(name)
    fd = b.fileno()
    assert select.select([fd], [], [], 0)[0] == []
    sender = threading.Timer(0.05, lambda: a.send("x"))
    sender.start()
    got = None
    while got is None:
        assert select.select([b], [], [], 10)[0]
        try:
            got = b.try_recv()
        except linkspan.Empty:
            pass
    sender.join()
    assert got.value == "x"


def test_each_direction_has_one_thread_at_a_time(name):
    a, b = pair(name)
    entered = threading.Event()
    results = []

    def receive():
        results.append(b.recv(timeout=60.0, on_wait=entered.set).value)

    thread = threading.Thread(target=receive)
    thread.start()
    entered.wait(30)
    with pytest.raises(linkspan.InvalidState, match="thread"):
        b.recv(timeout=1)
    b.send("the other direction is free")
    assert a.recv(timeout=60.0).value
    a.send("done")
    thread.join(30)
    assert results == ["done"]


def test_on_wait_runs_cancels_and_raises(name):
    _, b = pair(name)
    calls = []
    with pytest.raises(linkspan.Timeout):
        b.recv(timeout=0.35, on_wait=lambda: calls.append(1))
    assert calls
    with pytest.raises(linkspan.Cancelled):
        b.recv(timeout=None, on_wait=lambda: False)
    with pytest.raises(ZeroDivisionError):
        b.recv(timeout=None, on_wait=lambda: 1 / 0)
    with pytest.raises(linkspan.Cancelled):
        linkspan.connect("shm:nobody", timeout=None, on_wait=lambda: False)
    with linkspan.listen(name + "2", on_wait=lambda: False) as listener, pytest.raises(linkspan.Cancelled):
        listener.accept(timeout=None)


def test_callback_that_holds_its_object_is_collected(name):
    class Probe:
        pass

    held = [Probe()]
    held.append(linkspan.subscribe(name, on_wait=lambda: held))
    held.append(linkspan.listen(name, on_wait=lambda: held))
    gone = weakref.ref(held[0])
    del held
    gc.collect()
    assert gone() is None


def test_signal_handler_that_raises_ends_the_wait(name):
    _, b = pair(name)

    class Alarm(Exception):
        pass

    def ring(*_):
        raise Alarm("mine")

    old = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Alarm, match="mine"):
            b.recv(timeout=None)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


WAITS = {
    "recv": "linkspan.open('WHERE').recv(timeout=None)",
    "accept": "linkspan.listen('WHERE').accept(timeout=None)",
    "connect": "linkspan.connect('WHERE', timeout=None)",
    "next": "linkspan.serve('WHERE').next(timeout=None)",
    "serve": "[r for r in linkspan.serve('WHERE')]",
    "run": "linkspan.serve('WHERE').run(print)",
    "subscribe": "[r for r in linkspan.subscribe('WHERE')]",
    "subscriber": "linkspan.subscribe('WHERE').recv(timeout=None)",
}


@pytest.mark.parametrize("what", WAITS)
def test_ctrl_c_ends_every_wait(peer, name, what):
    code = f"""
    try:
        say("waits")
        {WAITS[what].replace("WHERE", name)}
    except KeyboardInterrupt as error:
        say("interrupted", type(error).__name__, error.args)
    """
    other = peer(code)
    assert other.line() == "waits"
    other.signal(signal.SIGINT)
    code, out, err = other.end()
    assert out == "interrupted KeyboardInterrupt ()\n", err
    assert code == 0


def test_waits_let_other_threads_run(name):
    _, b = pair(name)
    counted = threading.Event()
    thread = threading.Thread(target=lambda: (sum(range(100_000)), counted.set()))
    thread.start()
    with pytest.raises(linkspan.Cancelled):
        b.recv(timeout=None, on_wait=lambda: not counted.is_set())
    thread.join()


def test_child_of_fork_may_not_use_its_parents_channel(name):
    a, b = pair(name)
    child = os.fork()
    if child == 0:
        try:
            a.send("from the child")
        except linkspan.InvalidState:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    a.send("from the parent")
    assert b.recv(timeout=60.0).value == "from the parent"


def test_connector_reconnects_to_a_restarted_listener(peer, name):
    other = peer(ECHO, name)
    other.line()
    ch = linkspan.connect(name, timeout=60.0)
    ch.send(1)
    assert ch.recv().value == 1
    other.signal(signal.SIGKILL)
    other.end()
    again = peer(ECHO, name)
    assert again.line() == "listener"
    ch.send(2)
    got = ch.recv().value
    if got == 1:
        # The first call's consumption did not arrive, so it is answered again.
        got = ch.recv().value
    assert got == 2
    kinds = [event.kind for event in ch.events()]
    assert sorted(kinds) == ["connected", "disconnected", "reconnected"] and kinds[0] == "connected"
    assert ch.stats()["connections"] == 2 and ch.events() == []


def test_listener_reports_losses_of_disconnected_clients(name):
    with linkspan.listen(name, absent_clients=1) as listener:
        assert listener.events() == [] and listener.stats() == {"forgotten": 0, "dropped": 0}
        for client in ["first", "second"]:
            with linkspan.connect(name, client_id=client, timeout=60.0) as ch:
                ours = listener.accept(timeout=60.0)
                ours.send("kept")
                ch.recv()
                ours.send("and lost")
            del ours
        with linkspan.connect(name, client_id="third", timeout=60.0), listener.accept(timeout=60.0):
            pass
        events = listener.events()
        assert {event.kind for event in events} == {"forgotten"} and "first" in events[0].text
        assert listener.stats()["forgotten"] == sum(event.missed for event in events) > 0
        assert listener.events() == []
