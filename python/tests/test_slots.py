"""Long arrays over shared memory: views of shared slots stay valid if either side ends."""

import os
import resource
import signal

import numpy as np
import pytest
from conftest import endpoint

import linkspan

LONG = 1 << 17  # elements: 1 MiB of f8


def wave(seed, count=LONG):
    return np.arange(seed, seed + count, dtype="f8")


@pytest.fixture
def pair():
    name = endpoint("shm")
    with linkspan.listen(name) as listener:
        one = linkspan.connect(name, timeout=60.0)
        two = listener.accept(timeout=60.0)
        one.send(0)
        two.recv()
        yield one, two


def test_arrays_are_read_only_views_and_free_their_memory(pair):
    one, two = pair
    places = set()
    for seed in range(100):
        one.send({"wave": wave(seed), "seed": seed})
        message = two.recv()
        seen = message["wave"]
        assert not seen.flags.writeable
        assert np.array_equal(seen, wave(seed))
        places.add(seen.__array_interface__["data"][0])
        del message, seen
    assert one.stats()["arrays_in_slots"] == 100
    assert one.stats()["arrays_without_slot"] == 0
    assert len(places) <= 16


def test_views_outlive_message_channel_and_sender(peer):
    name = endpoint("shm")
    sender = peer(
        """
        import sys, numpy as np, linkspan
        channel = linkspan.connect(sys.argv[1], timeout=60.0)
        channel.send(0)
        channel.send(np.arange(1 << 17, dtype="f8"))
        print(channel.stats()["arrays_in_slots"], flush=True)
        channel.recv(timeout=60.0)
        """,
        name,
    )
    with linkspan.open(name) as channel:
        channel.recv(timeout=60.0)
        seen = channel.recv(timeout=60.0).value
        assert sender.line() == "1"
        sender.signal(signal.SIGKILL)
        sender.process.wait()
        assert np.array_equal(seen, wave(0))
    assert np.array_equal(seen, wave(0))


def test_receiver_killed_with_views_does_not_harm_the_sender(peer):
    name = endpoint("shm")
    with linkspan.open(name, client_id="sender") as channel:
        for seed in range(3):
            receiver = peer(
                """
                import sys, linkspan
                channel = linkspan.connect(sys.argv[1], client_id="receiver", timeout=60.0)
                channel.send(0)
                views = [channel.recv(timeout=60.0).value for _ in range(5)]
                print(*(int(view[-1]) for view in views), flush=True)
                channel.recv(timeout=60.0)
                """,
                name,
            )
            channel.recv(timeout=60.0)
            for i in range(5):
                channel.send(wave(100 * seed + i))
            last = [int(word) - (LONG - 1) for word in receiver.line().split()]
            # Unconsumed messages of the predecessor come first.
            assert last[-1] >= 100 * seed and last == sorted(last)
            receiver.signal(signal.SIGKILL)
            receiver.process.wait()
        peer(
            """
            import sys, linkspan
            with linkspan.connect(sys.argv[1], client_id="receiver", timeout=60.0) as channel:
                channel.send(0)
                while channel.recv(timeout=60.0).value is not None:
                    pass
            """,
            name,
        )
        channel.recv(timeout=60.0)
        channel.send(None)


def test_forked_child_reads_views_and_frees_nothing(pair):
    one, two = pair
    one.send(wave(7))
    seen = two.recv().value
    child = os.fork()
    if child == 0:
        right = np.array_equal(seen, wave(7))
        del seen
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    for seed in range(20):
        one.send(wave(seed))
        two.recv()
    assert np.array_equal(seen, wave(7))


def test_without_memory_for_slots_arrays_go_through_the_ring(pair):
    one, two = pair
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        small = wave(3, LONG // 8 - 1024)  # fits into the ring, because no side receives now
        for _ in range(3):
            one.send(small)
            assert np.array_equal(two.recv().value, small)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert one.stats()["arrays_in_slots"] == 0
    assert one.stats()["arrays_without_slot"] == 3
