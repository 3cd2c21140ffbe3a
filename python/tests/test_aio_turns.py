"""asyncio: cancelling or timing out a task in any turn of the loop loses no arrival."""

import asyncio
import contextlib
import random
import time

import anyio
import linkspan
import linkspan.aio
import pytest
from conftest import endpoint, over, run_within

TURNS = range(-1, 6)
"""How many turns of the loop after an arrival the wait is given up; -1 is the turn before it."""

WAYS = ["cancelled", "in the turn", "timeout=", "asyncio.timeout", "wait_for"]
"""Who gives up the wait: another task, the very callback in which it arrives, or the time, which is over in that callback."""

SHORT = 0.002
"""Seconds of a wait that are over within the callback in which something arrives."""


@pytest.fixture
def name(request):
    return endpoint(request.param, "lab/turns")


def run(coroutine):
    return run_within(50, coroutine)


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


async def given_up(way, receive, arrive, turn, before=2):
    """Returns the wait's result as a list, or an empty list.

    `arrive` runs during the wait, which is abandoned `turn` turns later.
    """

    async def waits():
        if way == "timeout=":
            return await receive(SHORT)
        if way == "asyncio.timeout":
            async with asyncio.timeout(SHORT):
                return await receive(None)
        if way == "wait_for":
            return await asyncio.wait_for(receive(None), SHORT)
        return await receive(None)

    task = asyncio.create_task(waits())
    await turns(before)
    loop = asyncio.get_running_loop()
    has_arrived = asyncio.Event()

    def arrives(behind):
        try:
            arrive()
            behind()
        finally:
            has_arrived.set()

    if way in ("cancelled", "in the turn"):
        if turn < 0:
            loop.call_soon(task.cancel)
            await turns(1)
        loop.call_soon(arrives, task.cancel if way == "in the turn" else lambda: None)
        if turn >= 0 and way == "cancelled":
            await turns(turn + 1)
            task.cancel()
    else:
        # The time ends after the arrival, for later turns some turns after.
        await turns(max(0, turn))
        loop.call_soon(arrives, lambda: time.sleep(SHORT * 1.5))
    try:
        return [await task]
    except (asyncio.CancelledError, TimeoutError, linkspan.NotFound, linkspan.Disconnected):
        return []
    finally:
        await has_arrived.wait()


class Arrivals:
    """One kind of object: numbered arrivals, receiving, and final counters."""

    def __init__(self, name):
        self.name = name
        self.made = contextlib.AsyncExitStack()

    async def __aenter__(self):
        await self.make()
        return self

    async def __aexit__(self, *raised):
        await self.made.aclose()

    def settle(self, arrived):
        """Compares both sides' counters with the number of arrivals."""


class OfChannel(Arrivals):
    async def make(self):
        listener = await self.made.enter_async_context(linkspan.aio.listen(self.name))
        self.near, self.far = await asyncio.gather(linkspan.aio.connect(self.name), listener.accept(timeout=60.0))

    def arrive(self, n):
        self.near.try_send(n)

    async def receive(self, timeout):
        return (await self.far.recv(timeout=timeout)).value

    def settle(self, arrived):
        assert (self.near.stats()["sent"], self.far.stats()["received"]) == (arrived, arrived)
        with pytest.raises(linkspan.Empty):
            self.far.try_recv()
        assert self.far.stats()["consumed"] == arrived


class OfIteratedChannel(OfChannel):
    async def make(self):
        await super().make()
        self.iterator = aiter(self.far)

    async def receive(self, timeout):
        async with asyncio.timeout(timeout):
            return (await anext(self.iterator)).value


class OfUntil(OfChannel):
    async def receive(self, timeout):
        async with asyncio.timeout(timeout):
            return (await linkspan.aio.until(self.far.try_recv, self.far, anyio.wait_readable)).value


class OfWait(OfChannel):
    async def receive(self, timeout):
        ready = await linkspan.aio.wait([self.far], timeout=timeout)
        try:
            return ready[0].try_recv().value
        except linkspan.Empty as nothing:
            raise linkspan.Timeout("nothing but readiness") from nothing


class OfSubscriber(Arrivals):
    async def make(self):
        self.out = await self.made.enter_async_context(linkspan.aio.publisher(self.name))
        self.reader = await self.made.enter_async_context(linkspan.aio.subscribe(self.name))
        await self.out.wait_for_subscribers(timeout=60.0)
        self.iterator = aiter(self.reader)

    def arrive(self, n):
        self.out._inner.send(n)

    async def receive(self, timeout):
        return (await self.reader.recv(timeout=timeout)).value

    def settle(self, arrived):
        counted = self.reader.stats()
        assert (self.out.stats()["sent"], counted["received"], counted["missed"]) == (arrived, arrived, 0)


class OfNext(OfSubscriber):
    async def receive(self, timeout):
        return (await self.reader.next(timeout=timeout)).value


class OfIteratedSubscriber(OfSubscriber):
    async def receive(self, timeout):
        async with asyncio.timeout(timeout):
            return (await anext(self.iterator)).value


class OfServer(Arrivals):
    async def make(self):
        self.server = await self.made.enter_async_context(linkspan.aio.serve(self.name))
        self.client = self.made.enter_context(await asyncio.to_thread(linkspan.connect, self.name))
        self.iterator = aiter(self.server)
        self.asked = []

    def arrive(self, n):
        self.asked.append((n, self.client.start_call(n)))

    async def receive(self, timeout):
        return self.answered(await self.server.next(timeout=timeout))

    def answered(self, request):
        request.reply(request.value * 2)
        return request.value

    def settle(self, arrived):
        assert len(self.asked) == arrived
        for n, asked in self.asked:
            assert self.client.finish_call(asked, timeout=10).value == n * 2


class OfIteratedServer(OfServer):
    async def receive(self, timeout):
        async with asyncio.timeout(timeout):
            return self.answered(await anext(self.iterator))


class OfListener(Arrivals):
    async def make(self):
        self.listener = await self.made.enter_async_context(linkspan.aio.listen(self.name))
        self.peers, self.kept = [], []

    def arrive(self, n):
        peer = linkspan.connect(self.name, timeout=10)
        peer.send(n)
        self.peers.append(self.made.enter_context(peer))

    async def receive(self, timeout):
        self.kept.append(await self.listener.accept(timeout=timeout))
        return self.kept[-1]._inner.recv(timeout=10).value

    def settle(self, arrived):
        assert [peer.stats()["connections"] for peer in self.peers] == [1] * arrived
        for end in self.kept:
            end._inner.close(timeout=0)


KINDS = [OfChannel, OfIteratedChannel, OfUntil, OfWait, OfSubscriber, OfNext, OfIteratedSubscriber, OfServer, OfIteratedServer, OfListener]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@over("shm", "unix", "tcp")
def test_what_arrives_in_the_turn_in_which_a_wait_is_given_up_is_received_by_the_next_one(name, kind):
    async def main():
        async with kind(name) as one:
            sent, received = 0, []
            for way in WAYS:
                for turn in TURNS:
                    received += await given_up(way, one.receive, lambda: one.arrive(sent), turn)
                    sent += 1
                    while len(received) < sent:
                        with contextlib.suppress(linkspan.Timeout):
                            # A short time, so a loss fails here.
                            received.append(await one.receive(2.0))
                            continue
                        pytest.fail(f"lost where the wait was given up by {way!r}, {turn} turns behind the arrival: {sent} sent, {received[-5:]}")
            assert received == list(range(sent))
            one.settle(sent)

    run(main())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@over("shm", "unix")
def test_arrivals_and_waits_given_up_at_random_turns_lose_nothing(name, kind):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)

    async def main():
        async with kind(name) as one:
            sent, received = 0, []

            def arrive(count):
                nonlocal sent
                for _ in range(count):
                    one.arrive(sent)
                    sent += 1

            for _ in range(150):
                count = dice.choice([0, 1, 1, 2, 3])
                received += await given_up(dice.choice(WAYS), one.receive, lambda: arrive(count), dice.choice(TURNS), dice.randrange(5))
            while len(received) < sent:
                received.append(await one.receive(2.0))
            assert received == list(range(sent))
            one.settle(sent)

    run(main())


@over("shm", "unix", "tcp")
def test_missed_messages_are_counted_where_waits_are_given_up(name):
    """`Lagged` is raised once, so an abandoned wait must not take it."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)

    async def main():
        async with OfSubscriber(name) as one:
            sent, received, lagged, last = 0, 0, 0, -1

            def arrive(count):
                nonlocal sent
                for _ in range(count):
                    one.out._inner.send({"n": sent, "pad": bytes(60000)})
                    sent += 1

            async def receive(timeout):
                nonlocal lagged, received, last
                try:
                    message = await one.reader.recv(timeout=timeout)
                except linkspan.Lagged as error:
                    lagged += error.missed
                    return
                received += 1
                assert message["n"] > last
                last = message["n"]

            for _ in range(100):
                count = dice.choice([0, 1, 1, 60])
                await given_up(dice.choice(WAYS), receive, lambda: arrive(count), dice.choice(TURNS), dice.randrange(5))
            arrive(1)
            while last < sent - 1:
                await receive(5.0)
            assert received + lagged == sent
            assert one.reader.stats()["received"] == received and one.reader.stats()["missed"] == lagged

    run(main())


@over("shm", "unix", "tcp")
def test_answer_that_comes_in_the_turn_in_which_its_call_is_given_up(name):
    """A call's own time-out returns a present answer; cancelling withdraws only that call."""
    async def main():
        async with linkspan.aio.listen(name) as listener:
            near, far = await asyncio.gather(linkspan.aio.connect(name), listener.accept(timeout=60.0))
            calls, answers, given = 0, 0, []
            for way in WAYS:
                for turn in TURNS:
                    beside = asyncio.create_task(near.call(["beside", calls], timeout=20.0))
                    request = await far.recv(timeout=20.0)

                    def answer(request):
                        far._inner.reply(request, [*request.value, "answered"], timeout=5)

                    async def call(timeout, n=calls):
                        return (await near.call(["given up", n], timeout=timeout)).value

                    has_answered = []

                    def arrive():
                        with contextlib.suppress(linkspan.Empty):
                            answer(far.try_recv())
                            has_answered.append(True)

                    started = time.monotonic()
                    found = await given_up(way, call, arrive, turn)
                    answers += len(has_answered)
                    if way == "timeout=" and has_answered and turn <= 0 and time.monotonic() - started < 20 * SHORT:
                        assert found, f"the answer was there, {turn} turns"
                    assert found in ([], [["given up", calls, "answered"]])
                    given += found
                    answer(request)
                    assert (await beside).value == ["beside", calls, "answered"]
                    calls += 1
            assert 0 < len(given) <= answers
            assert (await asyncio.gather(near.call("last", timeout=20.0), last_of(far)))[0].value == "done"
            with pytest.raises(linkspan.Empty):
                near.try_recv()

    async def last_of(far):
        while True:
            request = await far.recv(timeout=20.0)
            if request.value == "last":
                return await far.reply(request, "done", timeout=20.0)

    run(main())


@over("shm", "unix", "tcp")
def test_messages_and_answers_for_many_tasks_that_are_given_up_at_random(name):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    data, callers, rounds = 300, 8, 25

    async def main():
        async with linkspan.aio.listen(name) as listener:
            near, far = await asyncio.gather(linkspan.aio.connect(name), listener.accept(timeout=60.0))
            received, answered, withdrawn, served = [], 0, 0, 0

            async def serve():
                nonlocal served
                held = []
                while True:
                    keeps = dice.randrange(4)
                    try:
                        request = await far.recv(timeout=0.01)
                        if request.value == "end":
                            return
                        held.append(request)
                    except linkspan.Timeout:
                        keeps = 0
                    dice.shuffle(held)
                    while len(held) > keeps:
                        one = held.pop()
                        await far.reply(one, one.value * 2, timeout=20.0)
                        served += 1

            async def feed():
                for n in range(data):
                    await far.send(n, timeout=20.0)
                    await turns(dice.randrange(4))

            async def receive():
                while len(received) < data:
                    try:
                        async with asyncio.timeout(dice.choice([0, 0, 0.0005, 0.002, 0.01])):
                            message = await near.recv(timeout=None)
                        received.append(message.value)
                    except TimeoutError:
                        continue

            async def call(of):
                nonlocal answered, withdrawn
                for n in range(rounds):
                    asking = asyncio.create_task(near.call(of * rounds + n, timeout=20.0))
                    if dice.random() < 0.4:
                        await turns(dice.randrange(8))
                        asking.cancel()
                    try:
                        assert (await asking).value == (of * rounds + n) * 2
                        answered += 1
                    except asyncio.CancelledError:
                        withdrawn += 1

            serving = asyncio.create_task(serve())
            await asyncio.gather(feed(), receive(), *[call(of) for of in range(callers)])
            await near.send("end", timeout=20.0)
            await serving
            assert received == list(range(data))
            assert answered + withdrawn == callers * rounds and answered > 0
            assert served >= answered
            with pytest.raises(linkspan.Empty):
                near.try_recv()

    run(main())


@over("shm", "unix")
def test_messages_whose_sending_was_given_up_are_those_that_do_not_arrive(name):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)

    async def main():
        async with linkspan.aio.listen(name, buffer=65536) as listener:
            near, far = await asyncio.gather(linkspan.aio.connect(name, buffer=65536), listener.accept(timeout=60.0))
            sent, received = [], []

            def take(count):
                with contextlib.suppress(linkspan.Empty):
                    for _ in range(count):
                        received.append(far.try_recv()["n"])

            async def send(timeout, n):
                await near.send({"n": n, "pad": bytes(20000)}, timeout=timeout)
                sent.append(n)

            for n in range(200):
                count = dice.choice([0, 0, 1])
                await given_up(dice.choice(WAYS), lambda timeout, n=n: send(timeout if timeout else 20.0, n), lambda: take(count), dice.choice(TURNS))
            while len(received) < len(sent):
                received.append((await far.recv(timeout=5.0))["n"])
            assert received == sent and 0 < len(sent) < 200
            await near.send("end", timeout=5.0)
            assert (await far.recv(timeout=5.0)).value == "end"

    run(main())


@over("shm", "unix", "tcp")
def test_connection_that_is_there_when_the_time_is_over_is_the_one_that_is_given(name, monkeypatch):
    """A second connection would leave the listener with the first, whose peer is gone."""
    made = []
    initialise = linkspan.aio.Channel.__init__

    def recorded(self, inner, options):
        made.append(self)
        initialise(self, inner, options)

    monkeypatch.setattr(linkspan.aio.Channel, "__init__", recorded)

    async def main():
        were_there = 0
        for turn in range(1, 16):
            made.clear()
            with linkspan.listen(name):
                connecting = asyncio.create_task(linkspan.aio.connect(name, timeout=0.1))
                await turns(turn)
                time.sleep(0.15)
                with contextlib.suppress(linkspan.Error):
                    made[0].poll()
                is_there = made[0].stats()["connections"] == 1
                were_there += is_there
                try:
                    near = await connecting
                except (linkspan.NotFound, linkspan.Timeout):
                    assert not is_there
                    continue
                assert near is made[0] or not is_there
                await near.close()
        assert were_there

    run(main())


@over("shm", "unix")
def test_task_that_waits_when_another_one_closes_the_object_ends(name):
    """Includes the task that a message woke in this turn."""
    async def main():
        for arrives in (False, True):
            async with linkspan.aio.listen(name) as listener:
                near, far = await asyncio.gather(linkspan.aio.connect(name), listener.accept(timeout=60.0))
                waiting = [asyncio.create_task(far.recv(timeout=None)), asyncio.create_task(far.recv(timeout=None)), asyncio.create_task(far.call(1, timeout=None))]
                await turns(3)
                if arrives:
                    near.try_send(1)
                    await turns(1)
                with contextlib.suppress(linkspan.Timeout):
                    await far.close()
                for ended in await asyncio.gather(*waiting, return_exceptions=True):
                    assert isinstance(ended, (linkspan.Error, linkspan.Message)), repr(ended)
                with contextlib.suppress(linkspan.Timeout):
                    await near.close()

    run(main())
