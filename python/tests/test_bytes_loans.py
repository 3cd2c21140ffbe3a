"""Lent memory for opaque bytes: writable until sent, without a copy at the sender."""

import asyncio
import gc
import io
import threading

import pytest
from conftest import endpoint
from test_loans import pair_over

import linkspan
import linkspan.aio

MIB = 1 << 20


def filled(loan, seed, length):
    with memoryview(loan) as view:
        assert io.BytesIO(bytes([seed]) * length).readinto(view) == length
    loan.truncate(length)
    return loan


def test_bytes_are_sent_where_they_were_written_and_are_read_only_then():
    one, two = pair_over("shm")
    for seed in range(1, 21):
        loan = one.loan_bytes(MIB)
        assert len(loan) == MIB and loan.is_shared and not memoryview(loan).readonly
        filled(loan, seed, MIB - seed)
        assert len(loan) == MIB - seed
        one.send({"camera": "left", "image": loan, "time": 1.5})
        assert two.recv().value == {"camera": "left", "image": bytes([seed]) * (MIB - seed), "time": 1.5}
        view = memoryview(loan)
        assert view.readonly and view[0] == seed and len(view) == MIB - seed
        with pytest.raises(TypeError):
            view[0] = 1
        view.release()
        with pytest.raises(linkspan.InvalidState, match="was sent"):
            loan.truncate(1)
        one.send([loan, seed])
        assert two.recv().value == [bytes([seed]) * (MIB - seed), seed]
    assert one.stats()["bodies_in_slots"] == 40 and one.stats()["bodies_without_slot"] == 0


@pytest.mark.parametrize("encoding", ["cbor", "raw", "json", "bson", "smile"])
def test_bytes_arrive_in_each_encoding_and_over_each_transport(encoding):
    for transport in ("shm", "unix", "tcp"):
        name = endpoint(transport)
        listener = linkspan.listen(name, encoding=encoding)
        sender = linkspan.connect(listener.endpoint, timeout=60.0, encoding=encoding)
        receiver = listener.accept(timeout=60.0)
        for length in (0, 10, 70_000, 300_000):
            loan = filled(sender.loan_bytes(300_000), 7, length)
            value = loan if encoding == "raw" else {"image": loan}
            sending = threading.Thread(target=sender.send, args=[value])
            sending.start()
            got = receiver.recv().value
            sending.join()
            assert (got if encoding == "raw" else got["image"]) == b"\7" * length, (transport, length)
        for end in (receiver, sender, listener):
            end.close()


def test_bytes_that_something_may_still_write_are_copied_and_stay_as_they_were_sent():
    one, two = pair_over("shm")
    loan = one.loan_bytes(MIB)
    view = memoryview(loan)
    view[:] = b"a" * MIB
    with pytest.raises(BufferError, match="in use"):
        loan.truncate(5)
    one.send({"image": loan})
    view[:] = b"b" * MIB
    assert two.recv()["image"] == b"a" * MIB
    one.send({"image": loan})
    assert two.recv()["image"] == b"b" * MIB
    view.release()
    one.send({"image": loan})
    assert memoryview(loan).readonly
    assert two.recv()["image"] == b"b" * MIB


def test_bytes_that_are_encoded_and_not_sent_can_still_be_written():
    one, two = pair_over("shm")
    loan = filled(one.loan_bytes(MIB), 1, MIB)
    assert linkspan.decode(linkspan.encode({"image": loan})) == {"image": b"\1" * MIB}
    filled(loan, 2, 70_000)
    one.send(loan)
    assert two.recv().value == b"\2" * 70_000


def test_loan_outlives_its_channel_and_is_refused_where_it_cannot_be():
    one, two = pair_over("shm", max_message_size=MIB)
    with pytest.raises(linkspan.TooLarge):
        one.loan_bytes(MIB + 1)
    with pytest.raises(linkspan.OutOfRange):
        one.loan_bytes(-1)
    with pytest.raises(linkspan.WrongType):
        one.loan_bytes(1.5)
    loan = one.loan_bytes(100_000)
    with pytest.raises(linkspan.InvalidState, match="100001"):
        loan.truncate(100_001)
    assert len(loan) == 100_000
    with pytest.raises(linkspan.Timeout):
        one.close(timeout=0)
    del one, two
    gc.collect()
    filled(loan, 5, 90_000)
    other, far = pair_over("shm")
    other.send(loan)
    assert far.recv().value == b"\5" * 90_000
    assert repr(loan) == "<linkspan.BytesLoan: 90000 bytes, sent>"


def test_bytes_are_published_and_answer_a_request():
    name = endpoint("shm")
    publisher = linkspan.publisher(name)
    subscriber = linkspan.subscribe(name)
    publisher.wait_for_subscribers(1, timeout=60.0)
    for seed in range(10):
        publisher.send({"image": filled(publisher.loan_bytes(MIB), seed, MIB - 1), "n": seed})
        assert subscriber.recv(timeout=60.0).value == {"image": bytes([seed]) * (MIB - 1), "n": seed}
    assert publisher.stats()["bodies_in_slots"] == 10

    server = linkspan.serve(endpoint("shm", "lab/served"))
    replies = []

    def ask():
        channel = linkspan.connect(server.endpoint, timeout=60.0)
        replies.extend(channel.call(n, timeout=60.0)["image"] for n in range(3))

    asking = threading.Thread(target=ask)
    asking.start()
    for n in range(3):
        request = server.next(timeout=60.0)
        loan = request.loan_bytes(MIB)
        assert loan.is_shared
        request.reply({"image": filled(loan, n, 80_000)})
        with pytest.raises(linkspan.InvalidState):
            request.loan_bytes(1)
    asking.join()
    assert replies == [bytes([n]) * 80_000 for n in range(3)]


def test_bytes_are_sent_by_tasks_of_asyncio():
    async def exchange():
        name = endpoint("shm")
        listener = linkspan.aio.listen(name)
        sender = await linkspan.aio.connect(name, timeout=60.0)
        receiver = await listener.accept(timeout=60.0)
        await sender.send(0)
        await receiver.recv()
        loan = sender.loan_bytes(MIB)
        assert loan.is_shared
        await sender.send({"image": filled(loan, 3, MIB)})
        assert (await receiver.recv())["image"] == b"\3" * MIB

    asyncio.run(exchange())
