"""Publishers at a gateway: wrong numbers, messages that are too long, thousands of short-lived names."""

import asyncio
import os
from pathlib import Path

import pytest
from conftest import Bench, go
from independent.gateway_client import Client, Refused, Subscription
from support.waiting import next_line, until

TESTS = Path(__file__).resolve().parents[1]
#: Publishes messages with these numbers through a ring that it writes itself, prints a line, and ends with its
#: standard input.
HOSTILE = f"""
import sys
from pathlib import Path
sys.path[:0] = [{str(TESTS / "hostile")!r}, {str(TESTS / "independent")!r}, {str(TESTS)!r}]
from peer import Pulpit
while True:
    hostile = Pulpit(Path(sys.argv[1]), "shm:lab/hostile")
    hostile.listener.socket.settimeout(5)
    try:
        hostile.admit()
        break
    except TimeoutError:
        # The gateway gave its attempt up before the answer: it connects again when the name appears again.
        hostile.close()
for number in sys.argv[2:]:
    hostile.publish("any", int(number))
print("sent", flush=True)
sys.stdin.read()
hostile.close()
"""

#: Publishes one message of the given size for each line of standard input; an empty line ends it.
LONG = """
import sys, linkspan
with linkspan.publisher(sys.argv[1], max_message_size=1 << 28) as out:
    print("there", flush=True)
    for line in sys.stdin:
        out.send(bytes(int(line)))
        print("sent", flush=True)
"""
#: Publishes a message on each of many names and closes them at once.
CHURN = """
import sys, linkspan
print("there", flush=True)
first, count = int(sys.argv[1]), int(sys.argv[2])
for i in range(first, first + count):
    with linkspan.publisher(f"churn/n{i}") as out:
        out.send(i)
"""


@pytest.mark.parametrize("numbers", [(1, 1 << 63, (1 << 64) - 1), ((1 << 64) - 1,) * 2, (1 << 63, 5, (1 << 64) - 2)])
def test_numbers_of_one_publisher_end_no_subscription_of_another_name(bench: Bench, numbers: tuple[int, ...]) -> None:
    gateway = bench.gateway()
    honest = bench.publisher("lab/honest", 300, 0.001)

    async def next_honest(subscription: Subscription) -> None:
        frame = await subscription.client.until(subscription.id)
        assert frame["type"] != "closed", frame
        # The hostile publisher's numbers may fall.
        if frame["name"] == "lab/honest":
            subscription.take(frame)

    async def run() -> None:
        client = await Client.connect(gateway.address, gateway.token)
        subscription = await client.subscribe("lab/*")
        bench.python(HOSTILE, bench.run, *numbers)
        go(honest)
        while subscription.seen("lab/honest") < 300:
            await next_honest(subscription)
        late = await (await Client.connect(gateway.address, gateway.token)).subscribe("lab/*")
        while "lab/honest" not in late.numbers:
            await next_honest(late)

    asyncio.run(run())
    assert "panicked" not in gateway.stop()


@pytest.mark.parametrize("form", ["each", "newest"])
def test_message_beyond_the_limit_is_reported_before_the_next_one(bench: Bench, form: str) -> None:
    gateway = bench.gateway("--max-published-size", "1MiB", "--buffer", "16MiB")
    publisher = bench.python(LONG, "lab/long")
    assert publisher.stdin

    def send(size: int) -> None:
        assert publisher.stdin
        publisher.stdin.write(f"{size}\n")
        publisher.stdin.flush()
        assert next_line(publisher.stdout, "a message").strip() == "sent"

    async def run() -> None:
        client = await Client.connect(gateway.address, gateway.token)
        subscription = await client.subscribe("lab/*", **({"latest": True} if form == "newest" else {}))
        send(1_000)
        while subscription.seen("lab/long") < 1:
            await subscription.next()
        send(2 << 20)
        frame = await subscription.next()
        assert (frame["type"], frame["missed"]) == ("lagged", 1)
        send(1_000)
        while subscription.seen("lab/long") < 3:
            frame = await subscription.next()
        assert frame["number"] == 3 and frame.get("passed", 0) == 0
        assert subscription.missed["lab/long"] == 1

    asyncio.run(run())


def test_limit_of_published_messages_can_be_raised(bench: Bench) -> None:
    gateway = bench.gateway("--max-published-size", "128MiB", "--buffer", "512MiB")
    publisher = bench.python(LONG, "lab/long")

    async def run() -> None:
        client = await Client.connect(gateway.address, gateway.token)
        subscription = await client.subscribe("lab/long")
        assert publisher.stdin
        publisher.stdin.write(f"{65 << 20}\n")
        publisher.stdin.flush()
        message = await subscription.message()
        assert message["number"] == 1 and len(message["value"]) == 65 << 20

    asyncio.run(run())


@pytest.mark.costly
def test_names_that_came_and_went_are_forgotten(bench: Bench) -> None:
    gateway = bench.gateway()
    honest = bench.publisher("lab/honest", 3_000, 0.01)

    async def run() -> None:
        client = await Client.connect(gateway.address, gateway.token)
        subscription = await client.subscribe("*")
        go(honest)
        churning = [bench.python(CHURN, i * 3_000, 3_000) for i in range(3)]
        while any(child.poll() is None for child in churning) or subscription.seen("lab/honest") < 3_000:
            frame = await subscription.next()
            assert frame["type"] != "closed", frame
        assert all(child.returncode == 0 for child in churning)

    asyncio.run(run())


def test_newer_connection_of_a_client_takes_over_its_names(bench: Bench) -> None:
    gateway = bench.gateway("--ping", "1h")
    token = bench.token("writer", "--write", "lab/*", "--read", "lab/*")

    async def run() -> None:
        me, another = "0123456789abcdef" * 2, "fedcba9876543210" * 2
        older = await Client.connect(gateway.address, token, client=me)
        assert (await older.ask("publish", name="lab/a"))["type"] == "ack"
        # Only the client that holds the name gets it again. The older connection is still open.
        other = await Client.connect(gateway.address, token, client=another)
        with pytest.raises(Refused, match="AddressInUse"):
            await other.ask("publish", name="lab/a")
        newer = await Client.connect(gateway.address, token, client=me)
        assert (await newer.ask("publish", name="lab/a"))["type"] == "ack"
        assert (await other.ask("ping"))["type"] == "pong"
        with pytest.raises(Refused, match="16 to 64"):
            await Client.connect(gateway.address, token, client="short")

    asyncio.run(run())


def descriptors(process: int) -> int:
    return len(os.listdir(f"/proc/{process}/fd"))


def test_spellings_of_one_pattern_share_the_connection_to_each_name(bench: Bench) -> None:
    token = bench.token("reader", "--read", "lab/*")
    gateway = bench.gateway()
    publisher = bench.publisher("lab/a", 20, awaited=1)
    quiet = bench.publisher("lab/b", 0)
    children = (gateway.child, publisher, quiet)

    def spellings(count: int) -> list[str]:
        texts = ["lab/*", "lab/a", *("lab/" + "*" * stars + "a" * ends + "*" * more for stars in range(1, 40) for more in range(20) for ends in (0, 1))]
        return list(dict.fromkeys(texts))[:count]

    async def run() -> None:
        first = await Client.connect(gateway.address, token)
        second = await Client.connect(gateway.address, token)
        subscriptions = [await first.subscribe("lab/a")]
        others = await second.subscribe("lab/b")
        until("both names are followed", lambda: gateway.metric("names") == 2)
        before = [descriptors(child.pid) for child in children]
        texts = spellings(500)
        for at, text in enumerate(texts):
            subscriptions.append(await (first if at % 2 else second).subscribe(text))
            if len(subscriptions) == 250:
                await first.ask("ping")
        for client in (first, second):
            await client.ask("ping")
        assert gateway.metric("feeds") >= len(texts)
        until("the gateway is at rest", lambda: [descriptors(child.pid) for child in children] == before)
        go(publisher)
        for subscription in subscriptions:
            numbers = [(await subscription.message())["number"] for _ in range(20)]
            assert numbers == list(range(1, 21)) and not subscription.missed.total()
        assert gateway.metric("names") == 2
        until("descriptors are as before", lambda: [descriptors(child.pid) for child in children] == before)
        assert others.id

    asyncio.run(run())
