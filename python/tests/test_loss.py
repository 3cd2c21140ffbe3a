"""Messages reach existing subscribers, even if their publisher ends at once."""

import threading

import linkspan
import pytest

from conftest import endpoint

SOON = 60.0


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_short_publisher_serves_a_waiting_subscriber(transport: str) -> None:
    name = endpoint(transport)
    received: list[int] = []
    waits = threading.Event()

    def receive() -> None:
        with linkspan.subscribe(name) as subscriber:
            # The first call follows a wait, which marks the subscriber as waiting.
            received.extend(subscriber.recv(timeout=SOON, on_wait=lambda: waits.set() or True).value for _ in range(10))

    thread = threading.Thread(target=receive)
    thread.start()
    assert waits.wait(SOON), "the subscriber does not wait"
    with linkspan.publisher(name) as publisher:
        for i in range(10):
            publisher.send(i)
    thread.join(SOON)
    assert received == list(range(10))


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_ended_subscriber_is_not_counted(transport: str) -> None:
    """Its connection has ended, whether or not the publisher's thread knows."""
    name = endpoint(transport)
    with linkspan.publisher(name) as publisher:
        for _ in range(200):
            with linkspan.subscribe(name):
                publisher.wait_for_subscribers(1, timeout=SOON)
            assert publisher.subscribers == 0


def test_subscriber_in_the_same_program_receives_later_messages() -> None:
    name = endpoint("unix")
    with linkspan.publisher(name) as publisher, linkspan.subscribe(name) as subscriber:
        publisher.wait_for_subscribers(1, timeout=SOON)
        for i in range(10):
            publisher.send(i)
        assert [subscriber.recv(timeout=SOON).value for _ in range(10)] == list(range(10))
        with pytest.raises(linkspan.Timeout, match="1 of 2"):
            publisher.wait_for_subscribers(2, timeout=0.05)
