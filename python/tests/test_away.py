"""A killed subscriber with a client_id learns its missed count after its return."""

import signal

import linkspan
import pytest
from conftest import endpoint

RECEIVES = """
sub = linkspan.subscribe(sys.argv[1], client_id="plot", timeout=60)
say("subscribed")
while True:
    try:
        say(sub.recv(timeout=None).value)
    except linkspan.Lagged as error:
        say("missed", error.missed)
"""


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_killed_subscriber_that_comes_back_gets_what_it_missed(peer, transport):
    where = endpoint(transport)
    with linkspan.publisher(where) as pub:
        first = peer(RECEIVES, where)
        assert first.line() == "subscribed"
        pub.send(1)
        assert first.line() == "1"
        first.signal(signal.SIGKILL)
        first.end()
        for number in range(2, 12):
            pub.send(number)
        second = peer(RECEIVES, where)
        assert [second.line() for _ in range(3)] == ["subscribed", "missed 9", "11"]
