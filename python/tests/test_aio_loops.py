"""asyncio objects in several event loops: sequentially after an abandoned wait, and in two threads."""

import asyncio
import threading

import linkspan
import linkspan.aio
import pytest
from conftest import endpoint, over, run_within

SOON = 50
TRANSPORTS = ["shm", "unix", "tcp"]


@pytest.fixture
def name(request):
    return endpoint(request.param, "lab/loops")


async def begins(coroutine):
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(0.05)
    assert not task.done()
    return task


def in_a_loop_that_ends(coroutine, close):
    """The loop stops like Ctrl-C, or closes, with its waits."""
    loop = asyncio.new_event_loop()
    result = loop.run_until_complete(asyncio.wait_for(coroutine, SOON))
    if close:
        loop.close()
    return loop, result


@over(*TRANSPORTS)
@pytest.mark.parametrize("close", [False, True], ids=["stopped", "closed"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_loop_that_ends_while_a_task_receives_keeps_no_message_from_the_next_one(name, close):
    with linkspan.publisher(name) as publisher:

        async def first():
            subscriber = await linkspan.aio.subscribe(publisher.endpoint)
            return subscriber, await begins(subscriber.recv(timeout=None))

        old, (subscriber, waiting) = in_a_loop_that_ends(first(), close)

        async def second():
            receiving = await begins(subscriber.recv(timeout=None))
            publisher.send(1)
            assert (await asyncio.wait_for(receiving, SOON)).value == 1
            publisher.send(2)
            assert (await subscriber.next(timeout=SOON)).value == 2

        run_within(SOON, second())
        publisher.send(3)
        if not close:
            assert old.run_until_complete(asyncio.wait_for(waiting, SOON)).value == 3
            old.close()


@over(*TRANSPORTS)
@pytest.mark.parametrize("close", [False, True], ids=["stopped", "closed"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_loop_that_ends_while_a_task_calls_keeps_no_answer_from_the_next_one(name, close):
    with linkspan.serve(name) as server:

        async def first():
            channel = await linkspan.aio.connect(server.endpoint)
            return channel, await begins(channel.call("first", timeout=None))

        old, (channel, waiting) = in_a_loop_that_ends(first(), close)
        first_request = server.next(timeout=SOON)

        async def second():
            calling = await begins(channel.call("second", timeout=None))
            request = server.next(timeout=SOON)
            assert request.value == "second"
            request.reply(2)
            assert (await asyncio.wait_for(calling, SOON)).value == 2

        run_within(SOON, second())
        if not close:
            first_request.reply(1)
            assert old.run_until_complete(asyncio.wait_for(waiting, SOON)).value == 1
            old.close()


@over(*TRANSPORTS)
def test_answers_reach_the_callers_in_the_loops_of_two_threads(name):
    """Either loop may receive an answer and wake the other's task."""
    rounds, got = 40, {}
    with linkspan.serve(name) as server:
        replies = threading.Thread(target=lambda: server.run(lambda request: request.value + 1))
        replies.start()

        async def opens():
            return await linkspan.aio.connect(server.endpoint)

        channel = run_within(SOON, opens())

        async def calls(base):
            return [(await channel.call(base + at, timeout=None)).value for at in range(rounds)]

        threads = [
            threading.Thread(target=lambda base=base: got.update({base: run_within(SOON, calls(base))})) for base in (0, 1000)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        server.close()
        replies.join()
    assert got == {base: [base + at + 1 for at in range(rounds)] for base in (0, 1000)}


@over(*TRANSPORTS)
def test_close_in_one_loop_ends_the_wait_in_that_of_another_thread(name):
    waits, ended = threading.Event(), []
    with linkspan.publisher(name) as publisher:

        async def opens():
            return await linkspan.aio.subscribe(publisher.endpoint)

        subscriber = run_within(SOON, opens())

        async def receives():
            task = await begins(subscriber.recv(timeout=None))
            waits.set()
            try:
                await task
            except linkspan.InvalidState as error:
                ended.append(error)

        thread = threading.Thread(target=lambda: run_within(SOON, receives()))
        thread.start()
        assert waits.wait(SOON)
        run_within(SOON, subscriber.close())
        thread.join()
    assert len(ended) == 1
