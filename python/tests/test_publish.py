"""Publishing between processes: the latest first, then each new message, and a slow reader's losses."""

import contextlib
import select
import signal
import threading

import linkspan
import numpy as np
import pytest
from conftest import PUBLISHERS, STORES, endpoint


@pytest.fixture(params=["shm", "unix"])
def name(request):
    return f"{request.param}:lab/temperature"


PUBLISHER = """
out = linkspan.publisher(sys.argv[1])
out.send({"n": 0})
say("publishes")
for line in sys.stdin:
    say(out.send({"n": int(line)}))
"""


def tell(other, n):
    print(n, file=other.process.stdin, flush=True)
    return int(other.line())


def test_late_subscriber_gets_the_latest_first(peer, name):
    other = peer(PUBLISHER, name)
    other.line()
    assert tell(other, 1) == 2
    with linkspan.subscribe(name, timeout=60.0) as readings:
        first = readings.recv()
        assert first["n"] == 1 and first.sequence == 2 and str(other.process.pid) in first.source
        tell(other, 2)
        assert next(readings)["n"] == 2
        with pytest.raises(linkspan.Empty):
            readings.try_recv()
        with pytest.raises(linkspan.Timeout):
            readings.next(timeout=0)


def test_latest_without_waiting(peer, name):
    with pytest.raises(linkspan.NotFound):
        linkspan.latest(name, timeout=0)
    other = peer(PUBLISHER, name)
    other.line()
    assert linkspan.latest(name)["n"] == 0
    tell(other, 5)
    assert linkspan.latest(name).value == {"n": 5}
    with linkspan.publisher(name + "2"):
        with pytest.raises(linkspan.Empty):
            linkspan.latest(name + "2", timeout=0)


def test_latest_after_a_restart_is_that_of_the_new_publisher(peer, name):
    seen = []
    for n in (7, 8):
        other = peer(PUBLISHER, name)
        other.line()
        tell(other, n)
        first, second = linkspan.latest(name, timeout=60.0), linkspan.latest(name, timeout=60.0)
        assert first.value == second.value == {"n": n} and first.sequence == second.sequence == 2
        seen.append(first.source)
        other.signal(signal.SIGKILL)
        other.end()
        with pytest.raises(linkspan.NotFound):
            linkspan.latest(name, timeout=0)
    assert seen[0] != seen[1]


def test_subscribers_wait_for_their_publisher_and_its_successor(peer, name):
    readings = linkspan.subscribe(name, timeout=60.0)
    with pytest.raises(linkspan.NotFound):
        readings.recv(timeout=0.01)
    other = peer(PUBLISHER, name)
    assert readings.recv()["n"] == 0
    other.line()
    other.signal(signal.SIGKILL)
    other.end()
    again = peer(PUBLISHER, name)
    assert readings.recv()["n"] == 0
    again.line()
    tell(again, 7)
    assert readings.recv()["n"] == 7
    assert [e.kind for e in readings.events()].count("reconnected") == 1


def test_many_subscribers_and_arrays(name):
    with linkspan.publisher(name) as out:
        readers = [linkspan.subscribe(name, timeout=60.0) for _ in range(3)]
        wave = np.arange(3000.0)
        out.send({"wave": wave})
        for reader in readers:
            got = reader.recv()["wave"]
            assert np.array_equal(got, wave) and not got.flags.writeable
        assert out.subscribers == 3 and out.endpoint == name
        assert out.stats()["sent"] == 1
        assert repr(out) == f"<linkspan.Publisher {name}: 1 sent, 3 subscribers>"
        assert repr(readers[0]) == f"<linkspan.Subscriber {name}: 1 received, 0 missed>"


def test_overtaken_subscriber_gets_the_number_of_missed_messages(name):
    with linkspan.publisher(name, buffer=65536) as out:
        reader = linkspan.subscribe(name, timeout=60.0)
        out.send({"n": 0})
        assert reader.recv()["n"] == 0
        for n in range(1, 5001):
            out.send({"n": n, "pad": bytes(1000)})
        seen, missed = [], 0
        while not seen or seen[-1] != 5000:
            try:
                seen.append(reader.recv()["n"])
            except linkspan.Lagged as lagged:
                missed += lagged.missed
        assert missed > 0 and missed + len(seen) == 5000
        assert seen == sorted(seen)


def test_iteration_ends_at_close(name):
    reader = linkspan.subscribe(name)
    closer = threading.Timer(0.05, reader.close)
    closer.start()
    assert list(reader) == []
    closer.join()


def test_iteration_ends_at_sigterm(peer, name):
    other = peer("[say('got') for m in linkspan.subscribe(sys.argv[1])]; say('ended')", name)
    # Before the first iteration the signal ends the process as usual.
    with linkspan.publisher(name) as out:
        out.send(1)
        assert other.line() == "got"
    other.signal(signal.SIGTERM)
    assert other.end() == (0, "ended\n", "")


def test_select_waits_for_the_descriptor(name):
    with linkspan.publisher(name) as out:
        reader = linkspan.subscribe(name)
        sender = threading.Timer(0.05, lambda: out.send("x"))
        sender.start()
        got = None
        while got is None:
            assert select.select([reader], [], [], 10)[0]
            try:
                got = reader.try_recv()
            except linkspan.Empty:
                pass
        sender.join()
        assert got.value == "x"


def test_wrong_verb_names_the_right_one(name):
    with linkspan.publisher(name), pytest.raises(linkspan.InvalidState, match="subscribe"):
        linkspan.connect(name, timeout=60.0)
    with linkspan.serve(name), pytest.raises(linkspan.InvalidState):
        linkspan.subscribe(name).recv(timeout=60.0)


def test_subscriber_to_patterns_names_each_message():
    first = linkspan.publisher("lab/a")
    with linkspan.subscribe("lab/*", timeout=60.0) as all_of_lab, linkspan.subscribe(["sim/?", "lab/a"], timeout=60.0) as given:
        assert all_of_lab.endpoint == "lab/*" and given.endpoint == "sim/?, lab/a"
        first.send(1)
        second = linkspan.publisher("lab/b")
        second.send(2)
        third = linkspan.publisher("unix:sim/c")
        third.send(3)
        received = {message.name: message.value for message in (all_of_lab.recv(), all_of_lab.recv())}
        assert received == {"shm:lab/a": 1, "shm:lab/b": 2}
        received = {message.name: message.value for message in given.recv_many(1) + [next(given)]}
        assert received == {"shm:lab/a": 1, "unix:sim/c": 3}
        assert given.stats()["names"]["unix:sim/c"] == {"received": 1, "missed": 0}
        with pytest.raises(linkspan.Empty):
            all_of_lab.try_recv()
        with linkspan.subscribe("lab/a") as one:
            assert next(one).name is None
        for publisher in first, second, third:
            publisher.close()
    for wrong in ("lab/ *", [], ["lab/*", "spool:jobs"]):
        with pytest.raises(linkspan.Error):
            linkspan.subscribe(wrong)
    with pytest.raises(TypeError):
        linkspan.subscribe(7)


@pytest.mark.parametrize("transport", PUBLISHERS)
def test_flush_waits_until_what_was_published_has_been_given(transport):
    with linkspan.publisher(endpoint(transport)) as out, linkspan.subscribe(out.endpoint, timeout=60.0) as readings:
        out.flush(timeout=0)
        readings.poll()
        if transport not in STORES:
            out.wait_for_subscribers(timeout=60.0)
        out.send_many([1, 2, 3])
        if transport == "shm":
            with pytest.raises(linkspan.Timeout, match="3 messages are left for one subscriber") as caught:
                out.flush(timeout=0.02)
            assert caught.value.missed == 3
            with pytest.raises(linkspan.Cancelled):
                out.flush(timeout=None, on_wait=lambda: False)
        else:
            out.flush(timeout=60.0)
        if transport == "shm":
            thread = threading.Thread(target=out.flush)
            thread.start()
            assert [readings.recv().value for _ in range(3)] == [1, 2, 3]
            thread.join(30)
        out.flush(timeout=0)
    with pytest.raises(linkspan.InvalidState):
        out.flush()


def test_messages_and_events_have_the_name_and_the_incarnation_of_their_publisher(peer, name):
    for asked in (name, [name, "shm:lab/other"]):
        lives = []
        with linkspan.subscribe(asked, timeout=60.0) as readings:
            for _ in range(2):
                other = peer(PUBLISHER, name)
                other.line()
                lives.append(readings.recv().incarnation)
                other.process.kill()
                other.process.wait()
            met = []
            # The next look at several names returns their events.
            while len(met) < 2:
                met += [(event.name, event.incarnation) for event in readings.events() if event.kind in ("connected", "reconnected")]
                with contextlib.suppress(linkspan.Timeout, linkspan.Disconnected):
                    readings.recv(timeout=0.05)
        assert len(set(lives)) == 2 and all(len(one) == 16 and int(one, 16) for one in lives)
        assert met == [(name, one) for one in lives]


def test_array_of_a_message_has_its_dimensions(peer, name):
    other = peer("out = linkspan.publisher(sys.argv[1])\nfor value in ([[1, 2, 3], [4, 5, 6]], 7.5):\n    out.send(value)\n    say('sent')\n    sys.stdin.readline()", name)
    other.line()
    with linkspan.subscribe(name, timeout=60.0) as readings:
        message = readings.recv()
        assert np.asarray(message).shape == (2, 3) and np.asarray(message, dtype="f4").dtype == np.float32
        assert np.array(message).sum() == 21 and (np.asarray(message) * 2)[1, 2] == 12
        print(file=other.process.stdin, flush=True)
        assert float(np.asarray(readings.recv())) == 7.5
