"""After a server's death, its untaken request goes to the next one; polls only say `Timeout`."""

import signal

import linkspan
import pytest
from conftest import endpoint

SERVES = """
with linkspan.serve(sys.argv[1], timeout=60) as server:
    say("serves")
    for request in server:
        say(request.value)
        if len(sys.argv) > 3:
            time.sleep(3600)
        request.reply([sys.argv[2], request.value])
"""


def killed(server):
    server.signal(signal.SIGKILL)
    return server.end()[1]


@pytest.fixture
def serve(peer):
    def start(*arguments):
        server = peer(SERVES, *arguments)
        assert server.line() == "serves"
        return server

    return start


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_call_after_a_restart_is_answered_by_the_new_server(serve, transport):
    where = endpoint(transport)
    server = serve(where, "first")
    with linkspan.connect(where, timeout=60) as client:
        for life in range(8):
            assert client.call(life).value[1] == life
            killed(server)
            server = serve(where, str(life))
            assert client.call(-life).value == [str(life), -life]


def test_requests_under_way_at_a_kill_are_answered_or_unknown(serve):
    where = endpoint("shm")
    holds = serve(where, "first", "holds")
    with linkspan.connect(where, timeout=60) as client:
        asked = [client.start_call(n) for n in range(20)]
        assert holds.line() == "0"
        assert killed(holds) == ""
        server = serve(where, "second")
        with pytest.raises(linkspan.Disconnected, match="unknown") as error:
            client.finish_call(asked[0])
        assert not error.value.retryable
        assert [client.finish_call(one).value for one in asked[1:]] == [["second", n] for n in range(1, 20)]
    server.signal(signal.SIGTERM)
    assert server.end()[1].split() == [str(n) for n in range(1, 20)]


def test_request_that_no_server_took_in_time_was_not_carried_out(serve):
    where = endpoint("shm")
    server = serve(where, "first")
    with linkspan.connect(where, timeout=60) as client:
        assert client.call(0).value == ["first", 0]
        server.signal(signal.SIGSTOP)
        asked = client.start_call(1)
        killed(server)
        with pytest.raises(linkspan.Disconnected, match="not carried out") as error:
            client.finish_call(asked, timeout=0.1)
        assert error.value.retryable
        server = serve(where, "second")
        assert client.call(2).value == ["second", 2]
    server.signal(signal.SIGTERM)
    assert server.end()[1].split() == ["2"]


@pytest.mark.parametrize("idempotent", [False, True])
def test_poll_says_timeout_alone_from_one_server_to_the_next(serve, idempotent):
    where = endpoint("shm")
    server = serve(where, "first")
    with linkspan.connect(where, timeout=60, idempotent=idempotent) as client:
        assert client.call(0).value == ["first", 0]
        server.signal(signal.SIGSTOP)
        asked = client.start_call(1)
        for _ in range(200):
            with pytest.raises(linkspan.Timeout):
                client.finish_call(asked, timeout=0)
        killed(server)
        for _ in range(200):
            with pytest.raises(linkspan.Timeout):
                client.finish_call(asked, timeout=0)
        serve(where, "second")
        while True:
            try:
                answer = client.finish_call(asked, timeout=0)
                break
            except linkspan.Timeout:
                pass
        assert answer.value == ["second", 1]
