"""After the death of either end, unacknowledged messages reach the next incarnation in order."""

import signal
import threading

import linkspan
import pytest
from conftest import CHANNELS, endpoint

TAKES = """
with linkspan.listen(sys.argv[1], timeout=60) as listener:
    say("listens")
    ch = listener.accept()
    while True:
        say(ch.recv(timeout=None).value)
"""


@pytest.mark.parametrize("transport", CHANNELS)
def test_killed_listener_loses_no_message(peer, transport):
    where, count = endpoint(transport), 300
    one = peer(TAKES, where)
    one.line()
    near = linkspan.connect(where, timeout=60)
    sent, seen, lives = 0, [], 0
    while len(set(seen)) < count:
        while sent < min(count, len(set(seen)) + 50):
            near.send(sent)
            sent += 1
        seen.append(int(one.line_while(near)))
        if len(seen) >= 40 + 80 * lives and lives < 2:
            one.signal(signal.SIGKILL)
            seen += [int(line) for line in one.process.stdout if line.endswith("\n")]
            one.end()
            one = peer(TAKES, where)
            assert one.line() == "listens"
            lives += 1
    assert lives == 2
    # Consumed but unacknowledged messages come again: the last one over shared memory, at most 64 elsewhere.
    unacknowledged = 1 if transport == "shm" else 64
    assert [n for i, n in enumerate(seen) if n not in seen[:i]] == list(range(count))
    assert len(seen) <= count + lives * unacknowledged
    near.close()
    assert near.stats()["unacknowledged"] == 0


TAKES_BY_HAND = """
with linkspan.listen(sys.argv[1], timeout=60, ack="manual") as listener:
    say("listens")
    ch = listener.accept()
    for line in sys.stdin:
        say(ch.recv().value if line == "recv\\n" else ch.ack())
"""


def tell(other, what):
    print(what, file=other.process.stdin, flush=True)
    return other.line()


def ask(other, what, near):
    print(what, file=other.process.stdin, flush=True)
    return other.line_while(near)


@pytest.mark.parametrize("transport", CHANNELS)
def test_message_not_acknowledged_by_hand_is_sent_again(peer, transport):
    where = endpoint(transport)
    one = peer(TAKES_BY_HAND, where)
    one.line()
    near = linkspan.connect(where, timeout=60)
    for n in range(6):
        near.send(n)
    assert [ask(one, what, near) for what in ("recv", "recv", "ack", "recv", "recv")] == ["0", "1", "None", "2", "3"]
    one.signal(signal.SIGKILL)
    one.end()
    two = peer(TAKES_BY_HAND, where)
    two.line()
    near.send(6)
    assert [ask(two, "recv", near) for _ in range(5)] == ["2", "3", "4", "5", "6"]
    ask(two, "ack", near)
    near.close()


SERVES_BY_HAND = """
with linkspan.serve(sys.argv[1], ack="manual") as server:
    say("serves")
    for request in server:
        if request.wants_reply:
            request.reply(request.value)
            continue
        say(request.value)
        if sys.stdin.readline() == "ack\\n":
            request.ack()
"""


@pytest.mark.parametrize("transport", CHANNELS)
def test_server_acknowledges_what_was_sent_to_it(peer, transport):
    where = endpoint(transport)
    one = peer(SERVES_BY_HAND, where)
    one.line()
    near = linkspan.connect(where, timeout=60, idempotent=True)
    for n in range(3):
        near.send(n)
    asked = near.start_call("x")
    assert [one.line(), tell(one, "ack"), tell(one, "no")] == ["0", "1", "2"]
    # A sender learns acknowledgements at its next wait; a spool stores them in files.
    while transport != "spool" and near.stats()["acknowledged"] < 1:
        with pytest.raises(linkspan.Timeout):
            near.finish_call(asked, timeout=0)
    one.signal(signal.SIGKILL)
    one.end()
    two = peer(SERVES_BY_HAND, where)
    two.line()
    answers = []
    calling = threading.Thread(target=lambda: answers.append(near.finish_call(asked).value))
    calling.start()
    assert [two.line(), tell(two, "ack")] == ["1", "2"]
    two.process.stdin.write("ack\n")
    two.process.stdin.flush()
    calling.join()
    assert answers == ["x"]
    near.close()


DIES_IN_ITS_HANDLER = """
with linkspan.serve(sys.argv[1]) as server:
    say("serves")
    for request in server:
        if sys.argv[2] == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        request.reply(sys.argv[2])
"""


@pytest.mark.parametrize("transport", CHANNELS)
def test_idempotent_call_is_carried_out_by_the_next_server(peer, transport):
    where = endpoint(transport)
    one = peer(DIES_IN_ITS_HANDLER, where, "dies")
    one.line()
    near = linkspan.connect(where, timeout=60, idempotent=True)
    asked = near.start_call("once more")
    assert one.end()[0] == -signal.SIGKILL
    two = peer(DIES_IN_ITS_HANDLER, where, "lives")
    assert near.finish_call(asked).value == "lives"
    two.line()
