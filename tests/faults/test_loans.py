"""Loans, views and long messages under low memory, forks and kills: all messages arrive whole."""

import os
import signal

import pytest
from long_messages import CONTENT, LOANED, MIB, SENDER, SOON, ask, is_whole, lent, made, send_each, slot_files

import linkspan
from support.memory import leave
from support.namespaces import needed

HOLDER = CONTENT + """
import gc
name, role, kind, size = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
if role == "channel":
    lender = linkspan.connect(name, timeout=60.0)
    lender.send(0)
else:
    lender = linkspan.Publisher(name)
    print("open", flush=True)
    lender.wait_for_subscribers(1, timeout=60.0)
held = []
print("ready", flush=True)
for line in sys.stdin:
    if line == "drop\\n":
        held.clear(), gc.collect()
        print("dropped", flush=True)
    elif line == "send\\n":
        print(became(lambda: lender.send({"number": 7, "content": lent(lender, kind, 7, size)})), flush=True)
    else:
        print(became(lambda: held.append(lent(lender, kind, int(line), size))), flush=True)
lender.close(timeout=60.0)
"""


# Without a slot, encoding needs memory, and a control group would kill the process for it.
@pytest.mark.costly
@pytest.mark.parametrize(
    ("limit", "kind", "size", "room"),
    [
        ("address space", "loaned array", 8 * MIB, 20 * MIB),
        ("address space", "array", 8 * MIB, 20 * MIB),
        ("control group", "loaned array", 8 * MIB, 20 * MIB),
        ("address space", "loaned bytes", 8 * MIB, 24 * MIB),
        ("control group", "loaned bytes", 8 * MIB, 24 * MIB),
        ("address space", "bytes", 8 * MIB, 12 * MIB),
        ("address space", "text", 8 * MIB, 12 * MIB),
        ("address space", "structure", 2 * MIB, 3 * MIB),
        ("address space", "structure", 2 * MIB, 24 * MIB),
    ],
)
def test_sender_without_memory_for_slots_sends_or_fails_with_the_reason(limit: str, kind: str, size: int, room: int, start, group) -> None:
    """Memory has room for two or three messages, or for less than one. The peer's views of arrays keep slots."""
    name, is_array = f"shm:test/short-{os.getpid()}", kind.endswith("array")
    with linkspan.listen(name, ack="manual") as listener:
        sender = start(SENDER, name, kind, str(size))
        channel = listener.accept(timeout=SOON)
        channel.recv(timeout=SOON)
        channel.ack()
        assert sender.stdout.readline() == "ready\n"
        leave(limit, sender, group, room)
        held, outcomes = send_each(sender, channel, kind, range(6), size)
        assert set(outcomes) <= {"done", "OutOfMemory"}, outcomes
        received = len(held)
        if is_array:
            assert received >= 2 and "OutOfMemory" in outcomes, outcomes
        held.clear()
        if kind.endswith(("array", "loaned bytes")):
            received += send_each(sender, channel, kind, range(7, 8), size)[1].count("done")
            assert received >= 3
        sender.stdin.close()
        arrays_in_slots, _, in_slots, without_slot = (int(word) for word in sender.stdout.readline().split())
        assert arrays_in_slots >= 3 if is_array else in_slots + without_slot == received
        with pytest.raises(linkspan.Disconnected):
            channel.recv(timeout=SOON)
        assert sender.wait(SOON) == 0


@pytest.mark.costly
@pytest.mark.parametrize("limit", ["address space", "control group"])
@pytest.mark.parametrize("role", ["channel", "publisher"])
@pytest.mark.parametrize("kind", LOANED)
def test_program_that_keeps_loans_gets_the_reason_and_dropping_them_makes_room(kind: str, role: str, limit: str, start, group) -> None:
    name = f"shm:test/kept-{os.getpid()}"

    def say(verb: str) -> str:
        holder.stdin.write(f"{verb}\n")
        holder.stdin.flush()
        return holder.stdout.readline().strip()

    def use(peer) -> None:
        assert holder.stdout.readline() == "ready\n"
        leave(limit, holder, group, 20 * MIB)
        outcomes = [say(str(number)) for number in range(5)]
        assert outcomes == ["done"] * outcomes.count("done") + ["OutOfMemory"] * (5 - outcomes.count("done")), outcomes
        assert 1 <= outcomes.count("done") <= 2
        assert say("drop") == "dropped"
        for _ in range(5):
            assert say("send") == "done"
            message = peer.recv(timeout=SOON)
            assert is_whole(message["content"], kind, 7, 8 * MIB)
            del message
        holder.stdin.close()
        # The next call acknowledges the last message.
        with pytest.raises(linkspan.Disconnected):
            peer.recv(timeout=SOON)
        assert holder.wait(SOON) == 0

    if role == "channel":
        with linkspan.listen(name) as listener:
            holder = start(HOLDER, name, role, kind, str(8 * MIB))
            peer = listener.accept(timeout=SOON)
            peer.recv(timeout=SOON)
            use(peer)
    else:
        holder = start(HOLDER, name, role, kind, str(8 * MIB))
        assert holder.stdout.readline() == "open\n"
        with linkspan.Subscriber(name) as peer:
            use(peer)


@pytest.mark.parametrize("kind", [*LOANED, "bytes", "text"])
def test_receiver_without_memory_for_a_view_or_a_copy_gets_an_error_and_continues(kind: str, start) -> None:
    name = f"shm:test/narrow-{os.getpid()}"
    receiver = start(
        CONTENT
        + """
import resource
listener = linkspan.listen(sys.argv[1])
print("ready", flush=True)
channel = listener.accept(timeout=60.0)
channel.recv(timeout=60.0)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (12 << 20), resource.RLIM_INFINITY))
print("short", flush=True)
def take():
    message = channel.recv(timeout=60.0)
    # Of text there is no view.
    kind, size = sys.argv[2], message["size"]
    content = message["content"] if kind == "text" else message.view("content")
    assert is_whole(content, kind, message["number"], size)
    print(message["number"], message.missed, flush=True)
print(became(take), flush=True)
print(became(take), flush=True)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for _ in range(5):
    print(became(take), flush=True)
assert became(lambda: channel.recv(timeout=60.0)) == "Disconnected"
""",
        name, kind,
    )
    assert receiver.stdout.readline() == "ready\n"
    with linkspan.connect(name, timeout=SOON) as channel:
        channel.send(0)
        assert receiver.stdout.readline() == "short\n"

        def send(number: int, size: int) -> None:
            channel.send({"number": number, "size": size, "content": made(channel, kind, number, size)}, timeout=SOON)

        send(1, 32 * MIB)
        assert receiver.stdout.readline() == "OutOfMemory\n"
        # The message stays the next one until memory is free, and other messages do not take its slot.
        send(2, MIB)
        assert receiver.stdout.readline() == "OutOfMemory\n"
        for number, size in ((1, 0), (2, 0), (3, 32 * MIB), (4, 8 * MIB), (5, MIB)):
            if size:
                send(number, size)
            assert receiver.stdout.readline() == f"{number} 0\n" and receiver.stdout.readline() == "done\n"
        # Freed slots are reused, so the second message of a length needs no file. The message of 8 MiB may use the
        # slot of 32 if the receiver has released it.
        what = "arrays" if kind == "loaned array" else "bodies"
        assert channel.stats()[f"{what}_in_slots"] == 5 and channel.stats()[f"{what}_without_slot"] == 0
        # Slots of bytes are longer, so one more file may be in use.
        assert slot_files() in ((2, 3) if kind == "loaned array" else (2, 3, 4))
    assert receiver.wait(SOON) == 0


@needed("--mount")
@pytest.mark.parametrize("kind", [*LOANED, "bytes"])
def test_small_dev_shm_does_not_limit_slots(kind: str, start) -> None:
    """Slots are memory files outside every directory."""
    child = start(
        CONTENT
        + """
name, kind, size = sys.argv[1], sys.argv[2], 10_000_000
listener = linkspan.listen(name)
one = linkspan.connect(name, timeout=60.0)
two = listener.accept(timeout=60.0)
one.send(0)
two.recv(timeout=60.0)
one.send(made(one, kind, 3, size))
stats = one.stats()
print(is_whole(two.recv(timeout=60.0).value, kind, 3, size), stats["arrays_in_slots"] + stats["bodies_in_slots"])
""",
        f"shm:test/small-{os.getpid()}", kind, within=["-m"], mounts="mount -t tmpfs -o size=64k tmpfs /dev/shm",
    )
    assert child.stdout.readline() == "True 1\n"


@pytest.mark.parametrize("end", ["drops", "holds"])
@pytest.mark.parametrize("kind", LOANED)
def test_loan_belongs_to_the_parent_after_a_fork(kind: str, end: str, start) -> None:
    child = start(
        CONTENT
        + """
import gc
name, kind, end = sys.argv[1:]
listener = linkspan.listen(name)
one = linkspan.connect(name, timeout=60.0)
two = listener.accept(timeout=60.0)
one.send(0)
two.recv(timeout=60.0)
one.send(lent(one, kind, 1, 1 << 20))
view = two.recv(timeout=60.0).view()
loan = lent(one, kind, 2, 1 << 20)
pid = os.fork()
if pid == 0:
    # It sees both, may use neither channel, and gives nothing back.
    assert (elements(loan) == 2).all() and (elements(view) == 1).all()
    assert became(lambda: lent(one, kind, 3, 1 << 20)) == "InvalidState"
    if end == "drops":
        del loan, view
        gc.collect()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
assert place(loan) not in [place(lent(one, kind, 4, 1 << 20)) for _ in range(20)]
one.send(loan)
assert is_whole(two.recv(timeout=60.0).value, kind, 2, 1 << 20) and (elements(view) == 1).all()
print(one.stats()["arrays_in_slots"] + one.stats()["bodies_in_slots"])
""",
        f"shm:test/fork-{os.getpid()}", kind, end,
    )
    assert child.stdout.readline() == "2\n"


@pytest.mark.parametrize("kind", LOANED)
def test_loan_outlives_a_killed_peer_and_goes_to_the_next(kind: str, start) -> None:
    name = f"shm:test/next-{os.getpid()}"
    receive = CONTENT + """
listener = linkspan.listen(sys.argv[1])
print("ready", flush=True)
channel = listener.accept(timeout=60.0)
for message in iter(lambda: channel.recv(timeout=60.0), None):
    value = message.value
    print(value if isinstance(value, int) else f"{value[0]} {value[-1]} {len(value)}", flush=True)
"""
    first = start(receive, name)
    assert first.stdout.readline() == "ready\n"
    with linkspan.connect(name, timeout=SOON) as channel:
        channel.send(0)
        assert first.stdout.readline() == "0\n"
        filled, kept = lent(channel, kind, 1, MIB), lent(channel, kind, 2, MIB)
        first.send_signal(signal.SIGKILL)
        first.wait(SOON)
        # Loans keep the slots of the ended link; the next link copies them.
        second = start(receive, name)
        assert second.stdout.readline() == "ready\n"
        channel.send(filled, timeout=SOON)
        # Unacknowledged messages of the killed program arrive again.
        assert next(line for line in iter(second.stdout.readline, "") if line != "0\n") == f"1 1 {MIB}\n"
        channel.send(kept, timeout=SOON)
        assert second.stdout.readline() == f"2 2 {MIB}\n"
        assert is_whole(kept, kind, 2, MIB) and memoryview(kept).readonly
        # The next link lends its own memory.
        channel.send(lent(channel, kind, 3, MIB), timeout=SOON)
        assert second.stdout.readline() == f"3 3 {MIB}\n"


@pytest.mark.parametrize("kind", LOANED)
def test_loan_for_a_reply_to_a_killed_client_is_free_for_the_next_client(kind: str, start) -> None:
    """The client dies while the server has the loan. The reply is harmless, and the next client gets answers from
    slots."""
    name = f"shm:test/asked-{os.getpid()}"
    ask_ = """
channel = linkspan.connect(sys.argv[1], timeout=60.0)
print("ready", flush=True)
for line in sys.stdin:
    reply = channel.call(int(line), timeout=60.0)
    print(reply["number"], len(reply["content"]), flush=True)
"""
    with linkspan.serve(name) as server:
        for life in range(3):
            first = start(ask_, name)
            assert first.stdout.readline() == "ready\n"
            ask(first, life)
            request = server.next(timeout=SOON)
            loan = lent(request, kind, life, MIB)
            first.send_signal(signal.SIGKILL)
            first.wait(SOON)
            if life % 2:
                # The reply may fail, or the server notices the client's end later.
                try:
                    request.reply({"number": life, "content": loan})
                except linkspan.Disconnected:
                    pass
            second = start(ask_, name)
            assert second.stdout.readline() == "ready\n"
            for number in range(20):
                ask(second, number)
                request = server.next(timeout=SOON)
                request.reply({"number": number, "content": lent(request, kind, number, MIB)})
                assert second.stdout.readline() == f"{number} {MIB}\n"
            assert is_whole(loan, kind, life, MIB)
            second.stdin.close()
            assert second.wait(SOON) == 0


@pytest.mark.parametrize("kind", LOANED)
def test_program_that_is_killed_with_loans_open_leaves_whole_messages_and_no_files(kind: str, start) -> None:
    name = f"shm:test/open-{os.getpid()}"
    with linkspan.listen(name) as listener:
        for _ in range(5):
            sender = start(
                CONTENT
                + """
name, kind = sys.argv[1:]
channel = linkspan.connect(name, timeout=60.0)
channel.send(0)
open_ = [lent(channel, kind, 9, 1 << 20) for _ in range(3)]
for number in range(1, 4):
    channel.send({"number": number, "content": lent(channel, kind, number, 1 << 20)})
print("sent", flush=True)
while True:
    for loan in open_:
        elements(loan)[:] += 1
""",
                name, kind,
            )
            channel = listener.accept(timeout=SOON)
            channel.recv(timeout=SOON)
            assert sender.stdout.readline() == "sent\n"
            first = channel.recv(timeout=SOON)
            sender.send_signal(signal.SIGKILL)
            sender.wait(SOON)
            received = [first]
            with pytest.raises(linkspan.Disconnected):
                while True:
                    received.append(channel.recv(timeout=SOON))
            for number, message in enumerate(received, 1):
                assert message["number"] == number and is_whole(message["content"], kind, number, MIB)
            channel.close()
            del channel, first, message, received
    assert slot_files() == 0
