"""asyncio: the awaited verbs never block the loop."""

import asyncio
import contextlib
import signal

import anyio
import linkspan
import linkspan.aio
import numpy as np
import pytest
from conftest import CHANNELS, PUBLISHERS, endpoint, over, run_within


@pytest.fixture
def name(request):
    return endpoint(request.param, "lab/aio")


def run(coroutine):
    return run_within(15, coroutine)


@over(*CHANNELS)
def test_messages_both_ways_and_calls(name):
    async def main():
        async with linkspan.aio.listen(name) as listener:
            near, far = await asyncio.gather(linkspan.aio.connect(name), listener.accept())
            assert (near.role, far.role, near.endpoint) == ("connector", "listener", name)
            waiting = asyncio.create_task(far.recv())
            await asyncio.sleep(0)
            assert await near.send({"wave": np.arange(2000.0)}) == 1
            assert (await waiting)["wave"][1999] == 1999.0

            async def answer():
                async for request in far:
                    if request.value == "stop":
                        return
                    await far.reply(request, request["n"] * 2)

            answering = asyncio.create_task(answer())
            assert [(await near.call({"n": n})).value for n in range(20)] == [n * 2 for n in range(20)]
            await near.send("stop")
            await answering

    run(main())


SERVER = """
def handler(request):
    if request["n"] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if request["n"] == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    return request["n"] + 1
linkspan.serve(sys.argv[1]).run(handler)
"""


@over("shm", "unix", "tcp", "fifo")
def test_connect_waits_for_a_name_to_appear(peer, name):
    async def main():
        dialling = asyncio.create_task(linkspan.aio.connect(name))
        await asyncio.sleep(0.05)
        assert not dialling.done()
        peer(SERVER, name)
        ch = await dialling
        assert (await ch.call({"n": 41})).value == 42
        with pytest.raises(linkspan.Remote):
            await ch.call({"m": 1})
        with pytest.raises(linkspan.Disconnected):
            await ch.call({"n": "die"})
        peer(SERVER, name)
        assert (await ch.call({"n": 1})).value == 2

    run(main())


@over("shm", "unix", "tcp", "fifo")
def test_idempotent_call_is_carried_out_by_the_next_server(peer, name):
    async def main():
        loop = asyncio.get_running_loop()
        one = peer(SERVER, name)
        ch = await linkspan.aio.connect(name, idempotent=True)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await ch.call({"n": "stop"})
        calling = asyncio.create_task(ch.call({"n": 1}))
        await asyncio.sleep(0)
        one.signal(signal.SIGKILL)
        await loop.run_in_executor(None, one.end)
        peer(SERVER, name)
        # The cancelled call is not repeated; it would stop this server also.
        assert (await calling).value == 2

    run(main())


@over("shm", "unix", "tcp", "spool")
def test_handler_of_a_server_may_be_a_coroutine(peer, name, caplog):
    client = """
    ch = linkspan.connect(sys.argv[1], timeout=60.0)
    say(sum(ch.call({"n": n}).value for n in range(100)))
    try:
        ch.call({"n": None})
    except linkspan.Remote as error:
        say(error.remote_type)
    """

    async def main():
        others = [peer(client, name) for _ in range(2)]
        caplog.clear()

        async def handler(request):
            await asyncio.sleep(0)
            return request["n"] + 1

        server = linkspan.aio.serve(name)
        serving = asyncio.create_task(server.run(handler))
        loop = asyncio.get_running_loop()
        for other in others:
            assert await loop.run_in_executor(None, other.line) == "5050"
            assert await loop.run_in_executor(None, other.line) == "TypeError"
        await server.close()
        await serving
        logged = [record.exc_info[0] for record in caplog.records if record.name == "linkspan.server"]
        assert logged == [TypeError, TypeError]

    run(main())


@over(*PUBLISHERS)
def test_async_subscriber_receives_messages(name):
    async def main():
        with linkspan.publisher(name) as out:
            out.send({"n": 0})
            reader = linkspan.aio.subscribe(name)
            seen = []

            async def read():
                async for message in reader:
                    seen.append(message["n"])
                    if message["n"] < 5:
                        out.send({"n": message["n"] + 1})
                    else:
                        return

            await read()
            assert seen == [0, 1, 2, 3, 4, 5]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await reader.recv()
            out.send({"n": 6})
            assert (await reader.recv())["n"] == 6
            await reader.close()

    run(main())


@over(*CHANNELS)
def test_cancelled_wait_leaves_the_object_usable(name):
    async def main():
        server = linkspan.aio.serve(name)
        waiting = asyncio.create_task(server.next())
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        ch = await linkspan.aio.connect(name)
        calling = asyncio.create_task(ch.call(1))
        (await server.next()).reply(2)
        assert (await calling).value == 2

    run(main())


@over(*CHANNELS)
def test_full_queue_waits_for_room(name):
    async def main():
        async with linkspan.aio.listen(name, buffer=65536) as listener:
            near, far = await asyncio.gather(linkspan.aio.connect(name, buffer=65536), listener.accept())
            sending = asyncio.gather(*[near.send({"n": n, "pad": bytes(4000)}) for n in range(300)])
            got = [(await far.recv())["n"] for _ in range(300)]
            await sending
            assert sorted(got) == list(range(300))

    run(main())


@over("dgram")
def test_async_mailslot_receives_messages(name):
    async def main():
        async with linkspan.aio.listen(name) as listener:
            near, far = await asyncio.gather(linkspan.aio.connect(name), listener.accept())

            async def send():
                for n in range(50):
                    await near.send({"n": n})

            sending = asyncio.create_task(send())
            assert [(await far.recv())["n"] for _ in range(50)] == list(range(50))
            await sending
            with pytest.raises(linkspan.Unsupported):
                await near.call(1)

    run(main())


SENDER = """
name, role, end = sys.argv[1:]
if role == "connector":
    channel = linkspan.connect(name)
else:
    listener = linkspan.listen(name)
    say("listens")
    channel = listener.accept()
channel.send(1)
channel.send(2)
channel.recv(timeout=None)
if end == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
channel.close()
"""


@over("shm", "unix", "tcp", "fifo")
@pytest.mark.parametrize("end", ["close", "kill"])
def test_iteration_over_an_accepted_channel_ends_with_disconnected_behind_its_messages(peer, name, end):
    async def main():
        async with linkspan.aio.listen(name) as listener:
            peer(SENDER, name, "connector", end)
            channel = await listener.accept()
            came = []
            with pytest.raises(linkspan.Disconnected, match=f"^{name}: "):
                async for message in channel:
                    came.append(message.value)
                    if came == [1, 2]:
                        await channel.send("end")
            assert came == [1, 2]
            # The killed receiver did not acknowledge the last message.
            with contextlib.suppress(linkspan.Disconnected):
                await channel.close()

    run(main())


@over("shm", "unix", "tcp", "fifo")
@pytest.mark.parametrize("end", ["close", "kill"])
def test_iteration_over_a_connected_channel_goes_on_with_the_next_program(peer, name, end):
    async def main():
        first = peer(SENDER, name, "listener", end)
        assert first.line() == "listens"
        channel = await linkspan.aio.connect(name)

        async def follows():
            await asyncio.to_thread(first.process.wait)
            peer(SENDER, name, "listener", end)

        following, came = asyncio.create_task(follows()), []
        async for message in channel:
            came.append(message.value)
            if len(came) == 2:
                await channel.send("end")
            if len(came) == 4:
                break
        await following
        assert came == [1, 2, 1, 2]
        assert [e.kind for e in channel.events()][:3] == ["connected", "disconnected", "reconnected"]
        # The successor may not have consumed earlier messages.
        with contextlib.suppress(linkspan.Timeout, linkspan.Disconnected):
            await channel.close()

    run(main())


@over("shm", "unix", "tcp", "fifo")
def test_message_that_is_acknowledged_by_hand(name):
    async def main():
        async with linkspan.aio.listen(name, ack="manual") as listener:
            near, far = await asyncio.gather(linkspan.aio.connect(name), listener.accept())
            await near.send(1)
            assert (await far.recv()).value == 1
            assert far.stats()["consumed"] == 0 and [e.kind for e in near.events()] == ["connected"]
            far.ack()
            assert far.stats()["consumed"] == 1
            await near.close()

    run(main())


@over("shm", "unix", "tcp", "fifo")
@pytest.mark.parametrize("where", ["option", "call"])
def test_each_wait_ends_with_timeout(name, where):
    """The time-out belongs to the object or the call; `asyncio` without it would wait forever."""
    # Also limits connecting, so it allows for a busy machine.
    made, called = ({"timeout": 0.4}, {}) if where == "option" else ({}, {"timeout": 0.4})

    async def main():
        async with linkspan.aio.listen(name, **made) as listener:
            with pytest.raises(linkspan.Timeout, match=f"^{name}: nothing happened within 0.4 s; nothing was lost, try again$"):
                await listener.accept(**called)
            near, far = await asyncio.gather(linkspan.aio.connect(name, **made), listener.accept(timeout=60.0))
            for waits, what in [
                (near.recv(**called), "nothing happened within 0.4 s; nothing was lost, try again$"), (near.call(1, **called), "whether it was carried out"),
            ]:
                with pytest.raises(linkspan.Timeout, match=what):
                    await waits
            assert await far.send("after", timeout=60.0) == 1
            assert (await near.recv(timeout=60.0)).value == "after"

    run(main())


@over("shm", "unix", "tcp", "fifo", "spool")
def test_calls_on_one_channel_are_under_way_together_and_answered_in_any_order(name):
    async def main():
        async with linkspan.aio.listen(name) as listener:
            near, far = await asyncio.gather(linkspan.aio.connect(name), listener.accept(timeout=60.0))
            received = asyncio.create_task(near.recv(timeout=60.0))
            calls = [asyncio.create_task(near.call(n, timeout=60.0)) for n in range(20)]
            requests = [await far.recv(timeout=60.0) for _ in calls]
            for request in reversed(requests):
                await far.reply(request, request.value + 100, timeout=60.0)
            await far.send("data", timeout=60.0)
            assert [answer.value for answer in await asyncio.gather(*calls)] == [n + 100 for n in range(20)]
            assert (await received).value == "data"
            assert near.stats()["dropped"] == 0

    run(main())


@over("shm", "unix")
def test_calls_that_are_under_way_when_the_peer_ends_all_fail(name):
    async def main():
        async with linkspan.aio.listen(name) as listener:
            near, far = await asyncio.gather(linkspan.aio.connect(name), listener.accept(timeout=60.0))
            calls = [asyncio.create_task(near.call(n, timeout=60)) for n in range(3)]
            for _ in calls:
                await far.recv(timeout=60.0)
            await far.close()
        for failed in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(failed, linkspan.Disconnected)

    run(main())


@over("shm", "unix")
def test_answer_that_another_task_receives_reaches_its_call(name):
    """Without room a sending task receives for the library."""
    async def main():
        async with linkspan.aio.listen(name, replay_count=4) as listener:
            near, far = await asyncio.gather(linkspan.aio.connect(name, replay_count=4), listener.accept(timeout=60.0))
            call = asyncio.create_task(near.call("first", timeout=60.0))
            await far.reply(await far.recv(timeout=60.0), "answer", timeout=60.0)
            with pytest.raises(linkspan.Timeout):
                for n in range(100):
                    await near.send(n, timeout=0.05)
            assert (await call).value == "answer"

    run(main())


@over("shm", "unix")
def test_call_beside_another_one_has_a_time_out_of_its_own(name):
    async def main():
        async with linkspan.aio.listen(name) as listener:
            near, far = await asyncio.gather(linkspan.aio.connect(name), listener.accept(timeout=60.0))
            first = asyncio.create_task(near.call("first", timeout=60))
            request = await far.recv(timeout=60.0)
            with pytest.raises(linkspan.Timeout, match="within 0.05 s; the request was sent, and whether") as raised:
                await near.call("second", timeout=0.05)
            assert not raised.value.retryable
            await far.reply(request, "done", timeout=60.0)
            assert (await first).value == "done"
            await near.send("after", timeout=60.0)
            assert (await far.recv(timeout=60.0)).value == "after"

    run(main())


@over("shm", "unix", "tcp", "fifo", "dgram")
def test_connect_without_listener_ends_with_not_found(name):
    async def main():
        with pytest.raises(linkspan.NotFound, match="within 0.05 s"):
            await linkspan.aio.connect(name, timeout=0.05)

    run(main())


@over("shm", "unix")
def test_subscriber_and_server_alone_end_with_timeout(name):
    async def main():
        async with linkspan.aio.subscribe(f"{name}/out", timeout=0.05) as subscriber:
            with pytest.raises(linkspan.NotFound, match="no program listens"):
                await subscriber.recv()
            with linkspan.publisher(f"{name}/out"), pytest.raises(linkspan.Timeout, match="nothing happened within 0.05 s; nothing was lost, try again$"):
                await subscriber.recv()
        async with linkspan.aio.serve(name) as server:
            with pytest.raises(linkspan.Timeout, match="nothing happened within 0.05 s; nothing was lost, try again$"):
                await server.next(timeout=0.05)

    run(main())


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_invalid_timeout_is_refused(timeout):
    async def main():
        with pytest.raises(linkspan.OutOfRange):
            await linkspan.aio.connect("unix:lab/aio", timeout=timeout)
        async with linkspan.aio.listen("unix:lab/aio") as listener:
            with pytest.raises(linkspan.OutOfRange):
                await listener.accept(timeout=timeout)

    run(main())


def test_workers_await_handlers_at_once():
    name = endpoint("shm")

    async def main():
        together = asyncio.Barrier(3)

        async def handle(request):
            await together.wait()
            return request.value + 1

        server = linkspan.aio.serve(name)
        serving = asyncio.create_task(server.run(handle, workers=3))

        async def ask(number):
            async with await linkspan.aio.connect(name) as channel:
                return (await channel.call(number, timeout=60.0)).value

        assert await asyncio.gather(*map(ask, range(3))) == [1, 2, 3]
        with pytest.raises(linkspan.OutOfRange):
            await server.run(handle, workers=0)
        await server.close()
        await asyncio.wait_for(serving, 30)

    asyncio.run(main())


def test_what_has_no_form_of_its_own_here_is_named():
    for name, part in [("Controller", "asyncio.to_thread"), ("run", "linkspan.run"), ("encode", "linkspan.encode serves"), ("schema", "linkspan.schema serves")]:
        with pytest.raises(AttributeError, match=part):
            getattr(linkspan.aio, name)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        linkspan.aio.nothing


@over("shm", "unix", "tcp")
def test_publisher_has_all_that_waits(name):
    async def main():
        async with linkspan.aio.publisher(name) as out:
            with pytest.raises(linkspan.Timeout, match="0 of 1 subscribers connected in time; start the others"):
                await out.wait_for_subscribers(timeout=0.05)
            async with linkspan.aio.subscribe(name) as reader:
                received = asyncio.create_task(reader.recv(timeout=60.0))
                await out.wait_for_subscribers(timeout=60.0)
                assert await out.send({"n": 1}) == 1
                assert (await received)["n"] == 1
                assert await out.send_many([2, 3]) == 2
                assert [(await reader.next()).value for _ in range(2)] == [2, 3]
                with pytest.raises(linkspan.Empty):
                    reader.try_recv()
                await out.flush(timeout=60.0)
                assert out.subscribers == 1 and out.stats()["sent"] == 3
                assert repr(out) == f"<linkspan.aio.Publisher {name}: 3 sent, 1 subscribers>"
        assert repr(out).endswith(", closed>")

    run(main())


@over(*PUBLISHERS)
def test_latest_waits_where_a_time_out_is_given(name):
    async def main():
        with pytest.raises((linkspan.NotFound, linkspan.Empty)):
            await linkspan.aio.latest(name)
        awaited = asyncio.create_task(linkspan.aio.latest(name, timeout=60.0))
        await asyncio.sleep(0.05)
        assert not awaited.done()
        async with linkspan.aio.publisher(name) as out:
            await out.send("first")
            assert (await awaited).value == "first"
            await out.send("second")
            assert (await linkspan.aio.latest(name)).value == "second"

    run(main())


def test_latest_ends_with_the_error_of_the_core():
    async def main():
        with pytest.raises(linkspan.NotFound, match="within 0.05 s; start one that does"):
            await linkspan.aio.latest("unix:lab/none", timeout=0.05)
        async with linkspan.aio.publisher("unix:lab/power"):
            with pytest.raises(linkspan.NotFound, match="open is unix:lab/power"):
                await linkspan.aio.connect("unix:lab/powr", timeout=0.05)
            with pytest.raises(linkspan.NotFound, match="open is unix:lab/power"):
                async with linkspan.aio.subscribe("unix:lab/powr") as reader:
                    await reader.recv(timeout=0.05)

    run(main())


@over("shm", "unix", "tcp")
def test_wait_gives_the_objects_that_are_ready(name):
    async def main():
        other = endpoint(name.partition(":")[0] if name[:3] != "tcp" else "tcp", "lab/other")
        async with linkspan.aio.publisher(name) as out, linkspan.aio.publisher(other):
            async with linkspan.aio.subscribe(name) as one, linkspan.aio.subscribe(other) as two, linkspan.aio.serve("unix:lab/served") as server:
                def nothing():
                    for reader in (one, two):
                        with pytest.raises(linkspan.Empty):
                            reader.try_recv()

                async def settled():
                    while True:
                        for ready in await linkspan.aio.wait([one, two, server], timeout=60.0):
                            try:
                                return ready, ready.try_recv() if ready is not server else await server.next(timeout=0)
                            except (linkspan.Empty, linkspan.Timeout):
                                continue

                nothing()
                waiting = asyncio.create_task(settled())
                await out.wait_for_subscribers(timeout=60.0)
                await out.send(7)
                ready, message = await waiting
                assert ready is one and message.value == 7
                receiving = asyncio.create_task(two.recv(timeout=60.0))
                asking = asyncio.create_task(settled())
                await asyncio.sleep(0)
                async with await linkspan.aio.connect("unix:lab/served") as ch:
                    call = asyncio.create_task(ch.call(1, timeout=60.0))
                    ready, request = await asking
                    assert ready is server
                    request.reply(2)
                    assert (await call).value == 2
                receiving.cancel()
        with pytest.raises(linkspan.Timeout, match="0.05 s"):
            async with linkspan.aio.subscribe("unix:lab/none") as idle:
                await linkspan.aio.wait([idle], timeout=0.05)
        with pytest.raises(linkspan.WrongType, match="at position 0 is int"):
            await linkspan.aio.wait([5])

    run(main())


def test_names_are_listed_without_holding_up_the_loop():
    async def main():
        async with linkspan.aio.publisher("unix:lab/listed"):
            assert [name["endpoint"] for name in await linkspan.aio.names()] == ["unix:lab/listed"]

    run(main())


LOOPS = {
    "subscriber": """
        async with linkspan.aio.subscribe("unix:lab/loop") as made:
            async def loop():
                async for message in made: pass
    """,
    "server": """
        async with linkspan.aio.serve("unix:lab/loop") as made:
            async def loop():
                async for request in made: pass
    """,
    "run": """
        async with linkspan.aio.serve("unix:lab/loop") as made:
            async def loop():
                await made.run(lambda request: 1, workers=2)
    """,
}

SIGNALLED = """
import asyncio
import linkspan.aio
rounds = 0
wake = linkspan._watched.Watched._wake
def counted(self):
    global rounds
    rounds += 1
    wake(self)
linkspan._watched.Watched._wake = counted

async def main():
        {before}
{made}
            asyncio.get_running_loop().call_later(0.1, say, "waits")
            await loop()
            say("ended")
            rounds_before = rounds
            asyncio.get_running_loop().call_later(0.3, lambda: say("waits again", rounds - rounds_before < 20))
            await loop()
            say("did not wait")

asyncio.run(main())
"""


@pytest.mark.parametrize("kind", list(LOOPS))
def test_first_sigterm_ends_a_loop_and_another_one_waits_again(peer, kind):
    child = peer(SIGNALLED.format(before="", made=LOOPS[kind].strip("\n")))
    assert child.line() == "waits"
    child.signal(signal.SIGTERM)
    assert child.line() == "ended"
    assert child.line() == "waits again True"
    child.signal(signal.SIGTERM)
    assert child.end() == (-signal.SIGTERM, "", "")


@pytest.mark.parametrize("made", ["aio.subscribe", "aio.serve"])
def test_after_the_object_is_closed_sigterm_is_the_first_for_the_next_one(peer, made):
    child = peer(f"""
import asyncio
import linkspan.aio as aio

async def main():
    for number in range(4):
        async with {made}("unix:lab/next") as made:
            asyncio.get_running_loop().call_later(0.1, say, "waits")
            async for item in made: pass
            say("ended")
    asyncio.get_running_loop().call_later(0.1, say, "waits")
    async with {made}("unix:lab/next") as made, {made}("unix:lab/other") as other:
        async for item in made: pass
        say("ended")
        async for item in other: pass

asyncio.run(main())
""")
    for _ in range(5):
        assert child.line() == "waits"
        child.signal(signal.SIGTERM)
        assert child.line() == "ended"
    child.signal(signal.SIGTERM)
    assert child.end() == (-signal.SIGTERM, "", "")


def test_handler_of_the_program_keeps_sigterm(peer):
    before = "asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: say('handled'))"
    child = peer(SIGNALLED.format(before=before, made=LOOPS["subscriber"].strip("\n")))
    assert child.line() == "waits"
    for _ in range(2):
        child.signal(signal.SIGTERM)
        assert child.line() == "handled"
    child.signal(signal.SIGKILL)


def test_calls_without_a_wait_are_there():
    async def main():
        async with linkspan.aio.listen("unix:lab/one") as listener:
            near, far = await asyncio.gather(linkspan.aio.connect("unix:lab/one"), listener.accept(timeout=60.0))
            with pytest.raises(linkspan.Empty):
                far.try_recv()
            near.try_send(1)
            await linkspan.aio.wait([far], timeout=60.0)
            while not far.poll():
                await asyncio.sleep(0)
            assert far.try_recv().value == 1
            assert repr(near) == "<linkspan.aio.Channel unix:lab/one as connector: 1 sent, 0 received>"
            assert near.loan(3).shape == (3,)

    run(main())


@over("shm", "unix", "tcp")
def test_publisher_that_ended_is_disconnected_as_without_asyncio(name):
    async def main():
        async with linkspan.aio.subscribe(name) as reader:
            async with linkspan.aio.publisher(name) as out:
                await out.send(1)
                assert (await reader.recv(timeout=60.0)).value == 1
            with pytest.raises(linkspan.Disconnected):
                await reader.recv(timeout=0.2)
            waiting = asyncio.create_task(reader.next())
            await asyncio.sleep(0)
            async with linkspan.aio.publisher(name) as out:
                await out.send(2)
                assert (await waiting).value == 2

    run(main())


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@over("shm", "unix")
def test_other_event_loops_wait_by_their_own_readiness(name, backend):
    async def main():
        with anyio.fail_after(15):
            with linkspan.serve(name) as server, linkspan.connect(name) as channel:

                async def answer(count):
                    for _ in range(count):
                        request = await linkspan.aio.until(lambda: server.next(timeout=0), server, anyio.wait_readable)
                        request.reply(request["n"] * 2)

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(answer, 20)
                    for n in range(20):
                        asked = channel.start_call({"n": n})
                        answered = await linkspan.aio.until(lambda asked=asked: channel.finish_call(asked, timeout=0), channel, anyio.wait_readable)
                        assert answered.value == n * 2
                with anyio.move_on_after(0.01):
                    await linkspan.aio.until(lambda: server.next(timeout=0), server, anyio.wait_readable)
                    pytest.fail("a request has come")
                asked = channel.start_call({"n": 21})
                await answer(1)
                answered = await linkspan.aio.until(lambda: channel.finish_call(asked, timeout=0), channel, anyio.wait_readable)
                assert answered.value == 42

    anyio.run(main, backend=backend)


def test_two_thousand_absent_names_are_awaited_in_one_loop_and_each_comes():
    """Linux limits how many epoll sets reach one descriptor, so waiting objects share a name watcher."""
    count, every = 2000, 50
    names = [f"shm:lab/absent/{number:04}" for number in range(count)]

    async def main():
        subscribers = [linkspan.aio.subscribe(f"{name}*" if number % 4 == 3 else name) for number, name in enumerate(names)]
        tasks = [asyncio.create_task(subscriber.recv(timeout=None)) for subscriber in subscribers]
        await asyncio.sleep(0)
        for number in range(0, count, every + 1):
            with linkspan.publisher(names[number]) as out:
                out.send(number)
                assert (await tasks[number]).value == number
        assert sum(task.done() for task in tasks) == len(range(0, count, every + 1))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for subscriber in subscribers:
            await subscriber.close()

    async def limited():
        async with asyncio.timeout(60):
            await main()

    asyncio.run(limited())
