"""Equal behaviour over every transport: messages, calls, publishing, tables, refusals, Ctrl-C."""

import contextlib
import re
import signal
import threading

import linkspan
import numpy as np
import pytest
from conftest import CHANNELS, PUBLISHERS, TRANSPORTS, endpoint

VALUES = [
    None, True, -(2**70), 0.5, "é\n", b"\0\xff", [], {}, {"": [1, {"a": None}]}, linkspan.Timestamp(5), "x" * 300_000,
]
ARRAYS = [np.arange(12.0).reshape(3, 4), np.asfortranarray(np.arange(6, dtype="i2").reshape(2, 3)), np.array([True, False])]


def rows():
    return [{"id": i, "name": f"row {i} é", "ok": i % 3 == 0, "mean": None if i % 7 == 0 else i / 8} for i in range(1000)]


def columns():
    return {name: [row[name] for row in rows()] for name in ("id", "name", "ok", "mean")}


def same(a, b):
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return a == b


def pair(where, **options):
    with linkspan.listen(where, timeout=60.0, **options) as listener:
        near = linkspan.connect(where, timeout=60.0, **options)
        return near, listener.accept()


@pytest.mark.parametrize("transport", [*CHANNELS, "dgram"])
def test_every_value_arrives_as_it_was_sent(transport):
    near, far = pair(endpoint(transport))
    ways = [(near, far)] if transport == "dgram" else [(near, far), (far, near)]
    for value in [*VALUES, *ARRAYS]:
        for sender, receiver in ways:
            # A value larger than both waits for its reader in the middle.
            sending = threading.Thread(target=sender.send, args=(value,))
            sending.start()
            assert same(receiver.recv().value, value)
            sending.join()
    with contextlib.suppress(linkspan.Timeout):
        far.close(timeout=0)


@pytest.mark.parametrize("table", [rows(), columns()], ids=["records", "columns"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_table_of_mixed_types_arrives_unchanged(transport, table):
    where = endpoint(transport)
    if transport in PUBLISHERS:
        with linkspan.publisher(where) as out, linkspan.subscribe(where, timeout=60.0) as reader:
            out.send(table)
            assert same(reader.recv().value, table)
            assert same(linkspan.latest(where).value, table)
    if transport in CHANNELS or transport == "dgram":
        where = endpoint(transport, "lab/table")
        near, far = pair(where)
        near.send(table)
        assert same(far.recv().value, table)
        far.close(timeout=0)


SERVER = """
def handler(request):
    return request.value if isinstance(request.value, list) else request["n"] * 2
with linkspan.serve(sys.argv[1]) as server:
    say("serves")
    server.run(handler)
"""


@pytest.mark.parametrize("transport", CHANNELS)
def test_calls_return_replies_and_errors(peer, transport):
    where = endpoint(transport)
    other = peer(SERVER, where)
    other.line()
    with linkspan.connect(where, timeout=60.0) as ch:
        assert [ch.call({"n": n}).value for n in range(20)] == [n * 2 for n in range(20)]
        assert same(ch.call(rows()).value, rows())
        with pytest.raises(linkspan.Remote) as caught:
            ch.call({"m": 1})
        assert caught.value.remote_type == "Missing"
    other.signal(signal.SIGTERM)
    code, out, err = other.end()
    assert (code, out) == (0, "") and err.count("the handler failed for a request of") == 1, err


@pytest.mark.parametrize("transport", PUBLISHERS)
def test_subscribers_receive_published_messages(transport):
    where = endpoint(transport)
    with linkspan.publisher(where) as out, linkspan.subscribe(where, timeout=60.0) as reader:
        for n, value in enumerate([*VALUES, *ARRAYS], 1):
            assert out.send(value) == n
            got = reader.recv()
            assert same(got.value, value) and got.sequence == n
            assert same(linkspan.latest(where).value, value)
        with pytest.raises(linkspan.Empty):
            reader.try_recv()
        assert out.stats()["sent"] == n and reader.stats()["received"] == n


REFUSED = {
    "a channel in a file": (lambda: linkspan.listen("file:x"), "publish to it"),
    "a server of a file": (lambda: linkspan.serve("file:x"), "publish to it"),
    "a channel in a journal": (lambda: linkspan.connect("journal:x"), "read by subscribers"),
    "a server of a journal": (lambda: linkspan.serve("journal:x"), "read by subscribers"),
    "to publish on a fifo": (lambda: linkspan.publisher("fifo:x"), "one reader"),
    "to publish on a spool": (lambda: linkspan.publisher("spool:x"), "one message to one reader"),
    "to subscribe to a mailslot": (lambda: linkspan.subscribe("dgram:x"), "goes one way"),
    "durable shared memory": (lambda: linkspan.listen("shm:x", durable=True), "dies with its owners"),
    "durable sockets": (lambda: linkspan.listen("unix:x", delivery="durable"), "keeps nothing"),
    "lines in shared memory": (lambda: linkspan.listen("shm:x", framing="lines"), "holds frames, not text"),
    "lines in a spool": (lambda: linkspan.serve("spool:x", framing="lines"), "option framing"),
    "users of TCP": (lambda: linkspan.listen("tcp://127.0.0.1:1", allow_uids=[0]), "does not say which user"),
    "the mode of TCP": (lambda: linkspan.listen("tcp://127.0.0.1:1", mode=0o600), "mode and group"),
    "users of a fifo": (lambda: linkspan.serve("fifo:x", allow_gids=[0]), "does not say who writes"),
    "a lock of a socket": (lambda: linkspan.listen("unix:x", locked=True), "option locked"),
    "to begin anywhere but in a journal": (lambda: linkspan.subscribe("unix:x", from_="first"), "option from"),
    "to keep what is shared": (lambda: linkspan.publisher("shm:x", retain_bytes=1 << 20), "retain_bytes"),
    "acknowledged by hand in lines": (lambda: linkspan.listen("unix:x", framing="lines", ack="manual"), "no header"),
    "the latest of a channel": (lambda: linkspan.listen("shm:x", delivery="latest"), "gives every message"),
    "CBOR in lines": (lambda: linkspan.listen("unix:x", framing="lines", encoding="cbor"), "JSON"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_unsupported_pattern_of_a_transport_is_refused_with_the_reason(runtime_dir, what):
    attempt, reason = REFUSED[what]
    with pytest.raises(linkspan.Unsupported, match=reason):
        attempt()
    assert not [path for path in runtime_dir.rglob("*") if path.is_file()], "before anything is made"


def test_mailslot_has_no_replies():
    near, far = pair("dgram:lab/slot")
    for attempt in (lambda: near.call(1), lambda: near.recv(timeout=0), lambda: far.send(1)):
        with pytest.raises(linkspan.Unsupported, match="goes one way"):
            attempt()


def test_every_option_of_the_core_has_its_type_here():
    with pytest.raises(linkspan.Unsupported) as caught:
        linkspan.connect("shm:x", colour="red")
    names = re.search("there are ([a-z_, ]+) and ([a-z_]+)", str(caught.value))
    names = [*names[1].split(", "), names[2]]
    assert set(linkspan.Options.__annotations__) == {*names}


@pytest.mark.parametrize("transport", CHANNELS)
def test_sessions_are_counted(transport):
    near, far = pair(endpoint(transport))
    for n in range(5):
        near.send(n)
    assert [far.recv().value for _ in range(5)] == [0, 1, 2, 3, 4]
    figures = far.stats()
    assert figures["received"] == 5 and figures["endpoint"] == far.endpoint and figures["role"] == "listener"
    for name in ("acknowledged", "unacknowledged", "replayed", "consumed", "unconsumed", "duplicates", "missed", "dropped"):
        assert isinstance(figures[name], int), name
    assert near.stats()["sent"] == 5
    assert [e.kind for e in near.events()] == ["connected"]


WAITS = {
    "recv": (CHANNELS, "linkspan.open('WHERE').recv(timeout=None)"),
    "recv alone": (["dgram"], "linkspan.open('WHERE').recv(timeout=None)"),
    "accept": (["tcp", "fifo"], "linkspan.listen('WHERE').accept(timeout=None)"),
    "connect": ([*CHANNELS, "dgram"], "linkspan.connect('WHERE', timeout=None)"),
    "next": (CHANNELS, "linkspan.serve('WHERE').next(timeout=None)"),
    "iteration": (PUBLISHERS, "[m for m in linkspan.subscribe('WHERE')]"),
    "subscriber": (PUBLISHERS, "linkspan.subscribe('WHERE').recv(timeout=None)"),
    "latest": (PUBLISHERS, "linkspan.latest('WHERE', timeout=None)"),
}


@pytest.mark.parametrize(
    ("what", "transport"), [(w, t) for w, (transports, _) in WAITS.items() for t in transports if t not in ("shm", "unix")]
)
def test_ctrl_c_ends_every_wait(peer, what, transport):
    code = f"""
    try:
        say("waits")
        {WAITS[what][1].replace("WHERE", endpoint(transport))}
    except KeyboardInterrupt as error:
        say("interrupted", type(error).__name__, error.args)
    """
    other = peer(code)
    assert other.line() == "waits"
    other.signal(signal.SIGINT)
    code, out, err = other.end()
    assert out == "interrupted KeyboardInterrupt ()\n", err
    assert code == 0
