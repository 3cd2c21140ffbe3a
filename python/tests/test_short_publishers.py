"""Short publishers: earlier subscribers get all messages, or an event about the publisher."""

import asyncio
import contextlib
import select
from collections.abc import Callable
from typing import Any

import pytest

import linkspan
from conftest import endpoint, run_within
from linkspan import aio

SENT = 200
PUBLISHERS = 4
#: Seconds; only guards against a hang.
SOON = 60.0

PUBLISHING = f"""
    for _ in range({PUBLISHERS}):
        with linkspan.publisher(sys.argv[1]) as publisher:
            for n in range({SENT}):
                publisher.send(n)
    last = linkspan.publisher(sys.argv[1])
    last.send("last")
    say("sent")
    sys.stdin.readline()
"""

UNMET = "had ended when this subscriber tried to connect"


class Account:
    def __init__(self, subscriber: Any) -> None:
        self.subscriber, self.received, self.missed, self.unmet, self.is_over = subscriber, 0, 0, 0, False

    def look(self, receive: Callable[[], Any]) -> None:
        with contextlib.suppress(linkspan.Empty, linkspan.Timeout, linkspan.NotFound, linkspan.Disconnected, linkspan.Stalled):
            try:
                self.add(receive())
            except linkspan.Lagged as lagged:
                self.missed += lagged.missed
        self.tell()

    def add(self, message: Any) -> None:
        self.is_over |= message.value == "last"
        self.received += not self.is_over
        self.missed += message.missed

    def tell(self) -> None:
        self.unmet += sum(UNMET in event.text for event in self.subscriber.events())


def at_once(account: Account) -> None:
    while not account.is_over:
        account.look(lambda: account.subscriber.recv(timeout=0))


def in_wait(account: Account) -> None:
    while not account.is_over:
        linkspan.wait([account.subscriber], timeout=SOON)
        account.look(account.subscriber.try_recv)


def on_the_descriptor(account: Account) -> None:
    while not account.is_over:
        assert select.select([account.subscriber], [], [], SOON)[0], "nothing wakes it"
        account.look(account.subscriber.try_recv)


def blocking(account: Account) -> None:
    while not account.is_over:
        account.look(lambda: account.subscriber.recv(timeout=SOON))


@pytest.mark.parametrize("way", [at_once, in_wait, on_the_descriptor, blocking])
@pytest.mark.parametrize("transport", ["shm", "unix", "tcp"])
def test_first_subscriber_has_each_message_or_an_event(peer: Any, transport: str, way: Callable[[Account], None]) -> None:
    name = endpoint(transport)
    with linkspan.subscribe(name) as subscriber:
        account = Account(subscriber)
        publishing = peer(PUBLISHING, name)
        way(account)
        publishing.end()
        # Over `tcp:` a publisher listens before its record exists; then its end settles the count.
        account.look(lambda: subscriber.recv(timeout=0.1))
        assert account.received + account.missed + SENT * account.unmet == SENT * PUBLISHERS, vars(account)


@pytest.mark.parametrize("transport", ["shm", "unix", "tcp"])
def test_first_subscriber_of_asyncio_has_each_message_or_an_event(peer: Any, transport: str) -> None:
    name = endpoint(transport)

    async def subscribed() -> Account:
        async with aio.subscribe(name) as subscriber:
            account = Account(subscriber)
            publishing = await asyncio.to_thread(peer, PUBLISHING, name)
            async for message in subscriber:
                account.add(message)
                if account.is_over:
                    break
            await asyncio.to_thread(publishing.end)
            with contextlib.suppress(linkspan.Timeout, linkspan.NotFound, linkspan.Disconnected):
                await subscriber.recv(timeout=0.1)
            account.tell()
            return account

    account = run_within(SOON, subscribed())
    assert account.received + account.missed + SENT * account.unmet == SENT * PUBLISHERS, vars(account)


@pytest.mark.parametrize("transport", ["shm", "unix", "tcp"])
def test_publisher_of_asyncio_that_closes_waits_for_a_subscriber_of_the_same_loop(transport: str) -> None:
    name = endpoint(transport)

    async def subscribed() -> Account:
        async with aio.subscribe(name) as subscriber:
            account = Account(subscriber)

            async def receive() -> None:
                async for message in subscriber:
                    account.add(message)
                    if account.is_over:
                        return

            receiving = asyncio.ensure_future(receive())
            for _ in range(PUBLISHERS):
                async with aio.publisher(name) as publisher:
                    await publisher.send_many(range(SENT))
            async with aio.publisher(name) as last:
                await last.send("last")
                await receiving
            with contextlib.suppress(linkspan.Timeout, linkspan.NotFound, linkspan.Disconnected):
                await subscriber.recv(timeout=0.1)
            account.tell()
            return account

    account = run_within(SOON, subscribed())
    assert account.received + account.missed + SENT * account.unmet == SENT * PUBLISHERS, vars(account)
    assert account.received >= SENT, "the first publisher waited for it"
