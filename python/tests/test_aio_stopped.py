"""No `linkspan.aio` call blocks the loop while the other program is stopped."""

import asyncio
import concurrent.futures
import contextlib
import inspect
import mmap
import os
import signal
import struct

import linkspan
import linkspan.aio
import pytest
from conftest import CHANNELS, PUBLISHERS, endpoint, run_within

SECONDS = 0.7
"""The time-out of each call: longer than a program has to answer."""

STRIDE = 0.01
"""Seconds between two beats of the metronome, a program of its own: the load of the machine stops it as it stops this one."""

HELD = 20
"""Beats within one step of a task that are a hold of the loop. Without the time to answer of a stopped program, which is 50, there are none."""

METRONOME = """
import mmap, struct
file = open(sys.argv[1], "r+b")
beats = mmap.mmap(file.fileno(), 8)
say("beats")
for beat in range(1, 100000):
    struct.pack_into("<Q", beats, 0, beat)
    time.sleep(float(sys.argv[2]))
"""

OTHER = """
import threading
listened, served, published, listens, serves, publishes = sys.argv[1:]
listener, server = linkspan.listen(listened), linkspan.serve(served)
if published:
    publisher = linkspan.publisher(published)
    publisher.send("first")
say("holds")
sys.stdin.readline()
channel, client = linkspan.connect(listens), linkspan.connect(serves)
for one in channel, client:
    threading.Thread(target=lambda one=one: one.call("asked", timeout=None), daemon=True).start()
if publishes:
    subscriber = linkspan.subscribe(publishes)
say("connected")
time.sleep(1000)
"""


def stop(other):
    """Returns after all threads of the program stand still."""
    os.kill(other.process.pid, signal.SIGSTOP)
    os.waitpid(other.process.pid, os.WUNTRACED)


def public():
    """The module's functions and the coroutines of its objects."""
    module = linkspan.aio
    listed = set()
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(thing):
            listed.add(name)
        elif inspect.isclass(thing):
            listed |= {f"{name}.{each}" for each, _ in inspect.getmembers(thing, inspect.iscoroutinefunction) if not each.startswith("_")}
    return listed


class Steps:
    """Awaits a coroutine and keeps the most beats within a step, which blocks the loop."""

    def __init__(self, beats, coroutine):
        self.beats, self.coroutine, self.longest = beats, coroutine, 0

    def __await__(self):
        sent = raised = None
        while True:
            began = self.beats()
            try:
                awaited = self.coroutine.send(sent) if raised is None else self.coroutine.throw(raised)
            except StopIteration as done:
                return done.value
            finally:
                self.longest = max(self.longest, self.beats() - began)
            sent = raised = None
            try:
                sent = yield awaited
            except BaseException as error:
                raised = error


async def wait_readable(descriptor):
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    loop.add_reader(descriptor, lambda: readable.done() or readable.set_result(None))
    try:
        await readable
    finally:
        loop.remove_reader(descriptor)


class Beside:
    """Objects connected to another program, which then stops, and the names that it has."""

    def __init__(self, transport):
        name = lambda what: endpoint(transport, what)  # noqa: E731
        self.has_published = transport in PUBLISHERS
        self.listened, self.served = name("other/listened"), name("other/served")
        self.published = name("other/published") if self.has_published else ""
        self.listens, self.serves = name("own/listens"), name("own/serves")
        self.publishes = name("own/publishes") if self.has_published else ""
        self.patterns = [f"{self.published[:-1]}*"] if transport != "tcp" else []
        self.names = [self.listened, self.served, self.published, self.listens, self.serves, self.publishes]

    async def connect(self, other):
        self.listener, self.server = linkspan.aio.listen(self.listens), linkspan.aio.serve(self.serves)
        self.channel, self.client = await linkspan.aio.connect(self.listened), await linkspan.aio.connect(self.served)
        if self.has_published:
            self.publisher = linkspan.aio.publisher(self.publishes)
            self.subscriber = linkspan.aio.subscribe(self.published)
            assert (await self.subscriber.recv()).value == "first"
            self.plain = linkspan.subscribe(self.published)
            self.plain.recv()
        other.process.stdin.write("\n")
        other.process.stdin.flush()
        self.accepted = await self.listener.accept()
        self.request = await self.accepted.recv()
        if self.has_published:
            await self.publisher.wait_for_subscribers()

    def calls(self):
        """A coroutine for each call except closing ones."""
        aio = linkspan.aio

        async def refused(make, name):
            with pytest.raises(linkspan.AddressInUse):
                make(name)

        async def send():
            for _ in range(10000):
                await self.channel.send(bytes(1 << 16), timeout=SECONDS)
                # A call that need not wait does not yield to the loop.
                await asyncio.sleep(0)

        async def run():
            async with asyncio.timeout(SECONDS):
                await self.server.run(lambda request: request.value)

        async def next_request():
            request = await self.server.next(timeout=SECONDS)
            request.reply("answered")

        calls = {
            "connect": lambda: aio.connect(self.listened, timeout=SECONDS),
            "open": lambda: aio.open(self.listened, timeout=SECONDS),
            "listen": lambda: refused(aio.listen, self.listened),
            "serve": lambda: refused(aio.serve, self.served),
            "names": aio.names,
            "wait": lambda: aio.wait([self.channel], timeout=SECONDS),
            "Channel.recv": lambda: self.channel.recv(timeout=SECONDS),
            "Channel.send": send,
            "Channel.flush": lambda: self.channel.flush(timeout=SECONDS),
            "Channel.call": lambda: self.client.call("asked", timeout=SECONDS),
            "Channel.reply": lambda: self.accepted.reply(self.request, bytes(1 << 20), timeout=SECONDS),
            "Listener.accept": lambda: self.listener.accept(timeout=SECONDS),
            "Server.next": next_request,
            "Server.run": run,
        }
        if not self.has_published:
            return calls

        async def publish(publish):
            for _ in range(300):
                await publish()
                await asyncio.sleep(0)

        async def subscribe():
            for names in self.published, [self.published], *self.patterns:
                async with aio.subscribe(names) as subscriber:
                    with pytest.raises((linkspan.Timeout, linkspan.Stalled, linkspan.NotFound)):
                        await subscriber.recv(timeout=0.1)

        async def latest():
            for options in {}, {"timeout": 0}, {"timeout": 0.05}, {"timeout": SECONDS}:
                for name in self.published, *self.patterns:
                    with pytest.raises((linkspan.Timeout, linkspan.Stalled, linkspan.NotFound)):
                        await aio.latest(name, **options)

        async def until():
            async with asyncio.timeout(SECONDS):
                await aio.until(self.plain.try_recv, self.plain, wait_readable)

        return calls | {
            "publisher": lambda: refused(aio.publisher, self.published),
            "subscribe": subscribe,
            "latest": latest,
            "until": until,
            "Subscriber.recv": lambda: self.subscriber.recv(timeout=SECONDS),
            "Subscriber.next": lambda: self.subscriber.next(timeout=SECONDS),
            "Publisher.send": lambda: publish(lambda: self.publisher.send(bytes(1 << 16))),
            "Publisher.send_many": lambda: publish(lambda: self.publisher.send_many([bytes(1 << 10)] * 3)),
            "Publisher.wait_for_subscribers": lambda: self.publisher.wait_for_subscribers(2, timeout=SECONDS),
            "Publisher.flush": lambda: self.publisher.flush(timeout=SECONDS),
        }

    def closes(self):
        closes = {"Channel.close": self.channel.close, "Listener.close": self.listener.close, "Server.close": self.server.close}
        if self.has_published:
            closes |= {"Subscriber.close": self.subscriber.close, "Publisher.close": lambda: self.publisher.close(timeout=SECONDS)}
        return closes


OVER = [transport for transport in CHANNELS if transport != "spool"]


@pytest.mark.parametrize("transport", OVER)
def test_no_call_holds_the_loop_beside_a_program_that_is_stopped(transport, peer, tmp_path):
    beats = tmp_path / "beats"
    beats.write_bytes(bytes(8))
    file = beats.open("r+b")
    shared = mmap.mmap(file.fileno(), 8)
    metronome = peer(METRONOME, beats, STRIDE)
    assert metronome.line() == "beats"
    count = lambda: struct.unpack_from("<Q", shared)[0]  # noqa: E731

    async def holding(coroutines):
        """Awaits all coroutines; returns the coroutines with a blocking step."""
        steps = {name: Steps(count, coroutine()) for name, coroutine in coroutines.items()}

        async def outcome(each):
            with contextlib.suppress(linkspan.Error, TimeoutError):
                made = await each
                if name := getattr(made, "endpoint", None):
                    pytest.fail(f"{name} is connected to a program that is stopped")

        await asyncio.gather(*(outcome(each) for each in steps.values()))
        return {name for name, each in steps.items() if each.longest >= HELD}

    async def main():
        beside = Beside(transport)
        other = peer(OTHER, *beside.names)
        assert other.line() == "holds"
        await beside.connect(other)
        assert await asyncio.to_thread(other.line) == "connected"
        stop(other)
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(STRIDE)
                ticks += 1

        ticking = asyncio.create_task(tick())
        try:
            held = await holding(beside.calls())
            ticked = ticks
            return held | await holding(beside.closes()), ticked
        finally:
            ticking.cancel()
            for mine in beside.client, beside.accepted:
                with contextlib.suppress(linkspan.Timeout):
                    await mine.close()
            os.kill(other.process.pid, signal.SIGCONT)
            other.signal(signal.SIGKILL)
            other.process.wait()

    # The machine may delay any step once; a blocking call does so each time.
    held, ticked = run_within(60, main())
    for _ in range(2):
        if held:
            again, ticked = run_within(60, main())
            held &= again
    assert not held, f"the loop had no turn for {HELD} beats of {STRIDE} s and more"
    # One call's time-out has room for this many.
    assert ticked >= SECONDS / STRIDE / 4
    shared.close()
    file.close()


def test_each_function_and_coroutine_of_the_module_is_called_beside_a_stopped_program():
    beside = Beside("shm")
    for name in "channel", "listener", "server", "subscriber", "publisher":
        setattr(beside, name, getattr(linkspan.aio, name.capitalize()))
    assert public() == {*beside.calls(), *beside.closes()}


LISTENS = """
listener = linkspan.listen(sys.argv[1])
say("listens")
sys.stdin.readline()
"""


def connections(port):
    """How many connections wait for acceptance at a port."""
    for line in open("/proc/net/tcp").read().splitlines()[1:]:
        _, local, _, state, queues, *_ = line.split()
        if state == "0A" and int(local.split(":")[1], 16) == port:
            return int(queues.split(":")[1], 16)
    raise AssertionError(f"no program listens at {port}")


@pytest.mark.parametrize("verb", ["connect", "open"])
def test_a_connection_that_is_given_up_was_the_only_one(verb, peer):
    name = endpoint("tcp")
    other = peer(LISTENS, name)
    assert other.line() == "listens"
    stop(other)

    async def main():
        with pytest.raises((linkspan.Timeout, linkspan.Stalled)):
            await getattr(linkspan.aio, verb)(name, timeout=0.2)
        assert connections(int(name.rsplit(":", 1)[1])) == 1

    run_within(60, main())


@pytest.mark.parametrize("way", ["one", "list", "pattern"])
@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_subscriber_that_was_awaited_has_all_that_follows(transport, way):
    name = f"{transport}:lab/{{}}"

    async def main():
        for turn in range(50):
            one = name.format(f"turn{turn}")
            asked = {"one": one, "list": [one], "pattern": f"{one[:-1]}{one[-1]}*"}[way]
            with linkspan.publisher(one) as out:
                out.send(0)
                async with linkspan.aio.subscribe(asked) as reader:
                    for number in range(1, 20):
                        out.send(number)
                    assert [(await reader.recv()).value for _ in range(20)] == list(range(20))

    run_within(60, main())


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_questions_to_a_stopped_program_take_no_thread_from_the_program_that_asks(transport, peer):
    name = endpoint(transport, "lab/one")
    other = peer("out = linkspan.publisher(sys.argv[1])\nout.send(1)\nsay(1)\nsys.stdin.readline()", name)
    assert other.line() == "1"
    stop(other)

    async def main():
        submitted = []

        class Own(concurrent.futures.ThreadPoolExecutor):
            def submit(self, *called, **options):
                submitted.append(called)
                return super().submit(*called, **options)

        asyncio.get_running_loop().set_default_executor(Own())
        questions = [asyncio.create_task(linkspan.aio.latest(name, timeout=60)) for _ in range(40)]
        await asyncio.sleep(0.05)
        assert await asyncio.to_thread(int, 7) == 7
        assert len(submitted) == 1
        os.kill(other.process.pid, signal.SIGCONT)
        assert [(await question).value for question in questions] == [1] * 40

    run_within(60, main())


@pytest.mark.parametrize("transport", ["shm", "unix", "tcp"])
def test_subscriber_to_a_publisher_that_goes_on_receives_and_tells(transport, peer):
    name = endpoint(transport, "lab/one")
    other = peer("out = linkspan.publisher(sys.argv[1])\nout.send(1)\nsay(1)\nsys.stdin.readline()\nout.send(2)\nsys.stdin.readline()", name)
    assert other.line() == "1"
    stop(other)

    async def main():
        async with linkspan.aio.subscribe(name) as reader:
            assert "neither received nor counted" in reader.events()[0].text
            newest = asyncio.create_task(linkspan.aio.latest(name, timeout=60))
            received = asyncio.create_task(reader.recv(timeout=60))
            await asyncio.sleep(0.01)
            os.kill(other.process.pid, signal.SIGCONT)
            assert (await received).value == (await newest).value == 1
            other.process.stdin.write("\n")
            other.process.stdin.flush()
            assert (await reader.recv(timeout=60)).value == 2

    run_within(60, main())


@pytest.mark.parametrize("transport", ["shm", "unix", "tcp", "fifo"])
def test_open_listens_where_the_program_that_had_the_name_ends(transport, peer):
    name = endpoint(transport, "lab/one")
    other = peer(LISTENS, name)
    assert other.line() == "listens"
    stop(other)

    async def main():
        opened = asyncio.create_task(linkspan.aio.open(name, timeout=60))
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not opened.done()
        other.signal(signal.SIGKILL)
        async with await opened as own:
            assert own.role == "listener"
            async with await linkspan.aio.open(name) as second:
                assert second.role == "connector"
                await second.send(1)
                assert (await own.recv()).value == 1

    run_within(60, main())
