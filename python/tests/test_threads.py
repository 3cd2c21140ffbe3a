"""Threads share an object: calls, sends and publishing alternate, one receives at a time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import linkspan
import pytest
from conftest import CHANNELS, endpoint

THREADS, EACH = 8, 50


@pytest.fixture(params=CHANNELS)
def name(request):
    return endpoint(request.param, "lab/shared")


@pytest.fixture
def server(name):
    with linkspan.serve(name) as server:
        thread = threading.Thread(target=server.run, args=(lambda request: request.value,))
        thread.start()
        yield server
        server.close()
        thread.join(30)


def test_calls_of_many_threads_on_one_channel_are_each_answered(name, server):
    with linkspan.connect(name) as channel, ThreadPoolExecutor(THREADS) as pool:
        asked = list(range(THREADS * EACH))
        answers = list(pool.map(lambda n: channel.call({"n": n}, timeout=60)["n"], asked))
        assert answers == asked


def test_messages_of_many_threads_on_one_channel_all_arrive(name):
    with linkspan.listen(name) as listener, ThreadPoolExecutor(THREADS) as pool:
        near = linkspan.connect(name, replay_count=5)
        far = listener.accept(timeout=60.0)
        sent = [pool.submit(lambda n=n: near.send(n, timeout=60)) for n in range(THREADS * EACH)]
        got = sorted(far.recv(timeout=60).value for _ in sent)
        assert got == list(range(THREADS * EACH))
        assert sorted(one.result() for one in sent) == list(range(1, THREADS * EACH + 1))
        with pytest.raises(linkspan.Empty):
            far.try_recv()  # consumes the last message
        near.close()


@pytest.mark.parametrize("transport", ["shm", "unix", "tcp"])
def test_values_of_many_threads_on_one_publisher_are_all_numbered(transport):
    with linkspan.publisher(endpoint(transport)) as out, linkspan.subscribe(out.endpoint) as reader:
        with ThreadPoolExecutor(THREADS) as pool:
            numbers = list(pool.map(out.send, range(THREADS * EACH)))
        assert sorted(numbers) == list(range(1, THREADS * EACH + 1))
        assert sorted(reader.recv(timeout=60.0).value for _ in numbers) == list(range(THREADS * EACH))


def test_calls_of_several_threads_are_under_way_together():
    with linkspan.serve("unix:lab/slow") as server, linkspan.connect("unix:lab/slow") as channel, ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(lambda n=n: channel.call(n, timeout=60).value) for n in range(4)]
        requests = [server.next(timeout=60.0) for _ in calls]
        for request in reversed(requests):
            request.reply(request.value * 2)
        assert [call.result() for call in calls] == [0, 2, 4, 6]


def test_call_beside_one_that_waits_has_a_time_out_of_its_own():
    with linkspan.serve("unix:lab/slow") as server, linkspan.connect("unix:lab/slow") as channel:
        first = threading.Thread(target=lambda: channel.call("first", timeout=60))
        first.start()
        request = server.next(timeout=60.0)
        with pytest.raises(linkspan.Timeout, match="the request was sent") as caught:
            channel.call("second", timeout=0.05)
        assert not caught.value.retryable
        with pytest.raises(linkspan.Timeout):
            server.next(timeout=0)  # it was withdrawn
        request.reply(None)
        first.join(30)


def test_on_wait_is_called_while_a_thread_waits_beside_another_call():
    with linkspan.serve("unix:lab/slow") as server, linkspan.connect("unix:lab/slow") as channel:
        first = threading.Thread(target=lambda: channel.call("first", timeout=60))
        first.start()
        request = server.next(timeout=60.0)
        with pytest.raises(linkspan.Cancelled):
            channel.call("second", timeout=60, on_wait=lambda: False)
        request.reply(None)
        first.join(30)


def test_call_within_a_callback_of_a_call_is_refused():
    with linkspan.serve("unix:lab/slow"), linkspan.connect("unix:lab/slow") as channel:
        with pytest.raises(linkspan.InvalidState, match="this thread calls"):
            channel.call("outer", timeout=60, on_wait=lambda: channel.call("inner", timeout=60))


def test_second_thread_that_receives_is_refused_with_the_remedy():
    with linkspan.publisher("unix:lab/heard") as out, linkspan.subscribe("unix:lab/heard") as reader:
        begun = threading.Event()
        thread = threading.Thread(target=lambda: reader.recv(timeout=60, on_wait=begun.set))
        thread.start()
        assert begun.wait(30)
        with pytest.raises(linkspan.InvalidState, match="a subscriber of its own"):
            reader.recv(timeout=0)
        out.send(1)
        thread.join(30)


@pytest.mark.parametrize("make", [linkspan.serve, linkspan.subscribe])
def test_next_without_a_time_out_ignores_the_option_of_that_name(make):
    with make("unix:lab/loop", timeout=0.05) as loop:
        closer = threading.Timer(0.4, loop.close)
        began = time.monotonic()
        closer.start()
        assert loop.next() is None
        assert time.monotonic() - began > 0.3
        closer.join()
