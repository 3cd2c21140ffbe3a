"""Received and missed messages add up to the published messages, for every name, from end to end."""

import asyncio
import random
import signal
import subprocess
from collections import Counter

import pytest
from independent.gateway_client import Client, Subscription
from conftest import Bench, Gateway, go
from support.network import free_port
from support.tree import PROGRAM
from support.waiting import PATIENCE, next_line, until

NAMES = ["lab/a", "lab/b", "lab/c"]
COUNT = 20_000


async def complete(subscription: Subscription, name: str, count: int) -> None:
    """Takes frames until the messages and losses of the name reach exactly `count`."""
    while subscription.seen(name) < count:
        await subscription.next()
    assert subscription.seen(name) == count


async def all_complete(subscription: Subscription, count: int = COUNT) -> None:
    for name in NAMES:
        await complete(subscription, name, count)


def followed(gateway: Gateway, count: int) -> None:
    until("the gateway has the subscriptions", lambda: gateway.metric("subscriptions") >= count)


@pytest.mark.costly
def test_every_message_of_three_publishers_is_counted_by_slow_cut_and_killed_clients(bench: Bench) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    gateway = bench.gateway("--buffer", "2MiB")

    async def quick(form: str) -> Subscription:
        return await (await Client.connect(gateway.address, gateway.token, form)).subscribe("lab/*")

    async def slow(subscription: Subscription) -> Subscription:
        total = 0
        while any(subscription.seen(name) < COUNT for name in NAMES):
            frame = await subscription.next()
            if frame["type"] == "message":
                total += 1
                if total % 50 == 0:
                    await asyncio.sleep(chance.random() * 0.02)
                    await subscription.client.send(type="credit", id=subscription.id, n=50)
        return subscription

    async def cut(subscription: Subscription) -> Subscription:
        """Loses its connection repeatedly and resumes after its last numbers."""
        while True:
            try:
                for _ in range(chance.randrange(200, 4000)):
                    if all(subscription.seen(name) >= COUNT for name in NAMES):
                        return subscription
                    await subscription.next()
            finally:
                subscription.client.socket.transport.abort()
            await asyncio.sleep(chance.random() * 0.05)
            client = await Client.connect(gateway.address, gateway.token)
            missed, messages, resume = subscription.missed, subscription.messages, subscription.resume()
            numbers, incarnations = subscription.numbers, subscription.incarnations
            # The gateway repeats the missed count after the last message; it starts at that message.
            for name, number in numbers.items():
                missed[name] = number - messages[name]
            subscription = await client.subscribe(*NAMES, **{"from": resume})
            subscription.missed, subscription.messages = missed, messages
            subscription.numbers, subscription.incarnations = numbers, incarnations

    async def killed() -> None:
        for _ in range(10):
            client = await Client.connect(gateway.address, gateway.token)
            await client.subscribe("lab/*")
            await asyncio.sleep(chance.random() * 0.1)
            client.socket.transport.abort()

    async def run() -> None:
        first, second = await quick("cbor"), await quick("json")
        by_credit = await (await Client.connect(gateway.address, gateway.token)).subscribe(*NAMES, credit=100)
        returning = await quick("cbor")
        newest = await (await Client.connect(gateway.address, gateway.token)).subscribe("lab/*", latest=True, rate=20)
        followed(gateway, 5)
        publishers = [bench.publisher(name, COUNT, size=100, awaited=1) for name in NAMES]
        for publisher in publishers:
            go(publisher)
        done = await asyncio.wait_for(
            asyncio.gather(all_complete(first), all_complete(second), slow(by_credit), cut(returning), all_complete(newest), killed()), 10 * PATIENCE,
        )
        for subscription in (first, second, by_credit, done[3], newest):
            for name in NAMES:
                assert subscription.seen(name) == COUNT
        # The newest message always arrives; the last of the others may be dropped.
        assert set(newest.numbers.values()) == {COUNT} and newest.missed.total() > 0
        print({name: (subscription.messages, subscription.missed) for name, subscription in (("quick", first), ("slow", by_credit), ("cut", done[3]))})

    asyncio.run(run())


@pytest.mark.costly
@pytest.mark.parametrize("form", ["cbor", "json"])
def test_client_that_stops_reading_costs_others_nothing_and_is_told_what_it_missed(bench: Bench, form: str) -> None:
    gateway = bench.gateway("--buffer", "1MiB")

    async def run() -> None:
        stopped = await Client.connect(gateway.address, gateway.token, form)
        held = await stopped.subscribe("lab/a", credit=0)
        reading = await (await Client.connect(gateway.address, gateway.token, form)).subscribe("lab/a")
        followed(gateway, 2)
        publisher = bench.publisher("lab/a", 5000, 0.0005, 200, awaited=1)
        go(publisher)
        await complete(reading, "lab/a", 5000)
        # The client gave no credit, so every message that the gateway does not hold is missed.
        assert gateway.metric("held_bytes") <= 1 << 20
        await stopped.send(type="credit", id=held.id, n=5000)
        await complete(held, "lab/a", 5000)
        assert held.missed["lab/a"] > 1000

    asyncio.run(run())


def test_killed_publisher_and_its_successor_are_counted_each(bench: Bench) -> None:
    gateway = bench.gateway()

    async def run() -> None:
        subscription = await (await Client.connect(gateway.address, gateway.token)).subscribe("lab/a")
        followed(gateway, 1)
        first = bench.publisher("lab/a", 1000, awaited=1)
        go(first)
        await complete(subscription, "lab/a", 1000)
        first.send_signal(signal.SIGKILL)
        while (await subscription.next())["type"] != "ended":
            pass
        former = subscription.incarnations["lab/a"]
        second = bench.publisher("lab/a", 500, awaited=1)
        go(second)
        await complete(subscription, "lab/a", 1500)
        assert subscription.incarnations["lab/a"] != former and subscription.numbers["lab/a"] == 500

    asyncio.run(run())


def test_killed_gateway_and_its_successor_lose_nothing_uncounted(bench: Bench) -> None:
    gateway = bench.gateway("--listen", f"127.0.0.1:{free_port()}")
    port = gateway.port

    async def run() -> None:
        nonlocal gateway
        subscription = await (await Client.connect(gateway.address, gateway.token)).subscribe("lab/a")
        followed(gateway, 1)
        publisher = bench.publisher("lab/a", 3000, 0.001, 1000, awaited=1)
        go(publisher)
        while subscription.messages["lab/a"] < 500:
            await subscription.next()
        gateway.child.kill()
        gateway.child.wait(PATIENCE)
        resume, messages = subscription.resume(), subscription.messages["lab/a"]
        last = subscription.numbers["lab/a"]
        gateway = bench.gateway("--listen", f"127.0.0.1:{port}")
        again = await (await Client.connect(gateway.address, gateway.token)).subscribe("lab/a", **{"from": resume})
        await complete(again, "lab/a", 3000 - last)
        assert messages + again.messages["lab/a"] + again.missed["lab/a"] == 3000 - subscription.missed["lab/a"]

    asyncio.run(run())


@pytest.mark.costly
def test_gateways_publishers_and_clients_that_are_killed_in_turns_lose_nothing_uncounted(bench: Bench) -> None:
    """For each incarnation it meets, a client gets every message up to the last one it saw, or the missed count."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    gateway = bench.gateway("--listen", f"127.0.0.1:{free_port()}")
    port = gateway.port

    def publisher(name: str) -> "subprocess.Popen[str]":
        one = bench.publisher(name, 1_000_000, 0.0005, 50)
        go(one)
        return one

    async def run() -> None:
        nonlocal gateway
        publishers = {name: publisher(name) for name in NAMES}
        client = await Client.connect(gateway.address, gateway.token)
        subscription = await client.subscribe(*NAMES)
        numbers, incarnations, messages, missed = {}, {}, Counter(), Counter()
        #: For each name: the first counted number of the incarnation, and all incarnations met.
        since, met = {}, {name: set() for name in NAMES}

        async def take_one() -> str:
            frame = await subscription.client.until(subscription.id)
            name, kind = frame.get("name", ""), frame["type"]
            assert kind not in ("error", "closed"), frame
            if kind == "lagged":
                missed[name] += frame["missed"]
            elif kind == "joined" and incarnations.get(name) != frame["incarnation"]:
                incarnations[name] = frame["incarnation"]
                numbers.pop(name, None)
            elif kind == "message":
                if name not in numbers:
                    met[name].add(incarnations[name])
                    since[name], messages[name], missed[name] = frame["number"] - 1, 0, 0
                messages[name] += 1
                numbers[name] = frame["number"]
                assert messages[name] + missed[name] == numbers[name] - since[name], (name, frame, messages, missed, since)
                return name
            return ""

        async def take(until_each: int) -> None:
            more = Counter()
            while any(more[name] < until_each for name in NAMES):
                more[await take_one()] += 1

        def resume() -> dict:
            for name, number in numbers.items():
                missed[name] = number - since[name] - messages[name]
            return {name: {"incarnation": incarnations[name], "number": number} for name, number in numbers.items()}

        async def connect() -> None:
            nonlocal subscription
            again = await Client.connect(gateway.address, gateway.token)
            subscription = await again.subscribe(*NAMES, **{"from": resume()})

        await take(50)
        for _ in range(4):
            for kind in chance.sample(["gateway", "publisher", "client"], 3):
                if kind == "gateway":
                    gateway.child.kill()
                    gateway.child.wait(PATIENCE)
                    subscription.client.socket.transport.abort()
                    gateway = bench.gateway("--listen", f"127.0.0.1:{port}")
                    await connect()
                elif kind == "publisher":
                    name = chance.choice(NAMES)
                    publishers[name].kill()
                    publishers[name].wait(PATIENCE)
                    former = incarnations[name]
                    publishers[name] = publisher(name)
                    while incarnations[name] == former or name not in numbers:
                        await take_one()
                else:
                    subscription.client.socket.transport.abort()
                    await asyncio.sleep(chance.random() * 0.05)
                    await connect()
                await take(chance.randrange(1, 200))
        print({name: (len(met[name]), messages[name], missed[name]) for name in NAMES})
        assert sum(len(one) for one in met.values()) == 3 + 4

    asyncio.run(run())


def test_pause_is_counted_as_missed(bench: Bench) -> None:
    bench.controller()
    gateway = bench.gateway()
    bench.seen_by_controller("gateway")

    async def run() -> None:
        subscription = await (await Client.connect(gateway.address, gateway.token)).subscribe("lab/a")
        followed(gateway, 1)
        publisher = bench.publisher("lab/a", 20_000, 0, 200)
        bench.command(PROGRAM, "service", "pause", "gateway")
        assert gateway.request("/api/latest/lab/a", gateway.token)[0] == 409
        go(publisher)
        assert next_line(publisher.stdout, "the end of publishing") == "sent\n"
        assert not subscription.messages
        bench.command(PROGRAM, "service", "run", "gateway")
        await complete(subscription, "lab/a", 20_000)
        assert subscription.missed["lab/a"] > 0

    asyncio.run(run())
