"""Several messages per call: batches, and earlier messages of a failed one."""

import linkspan
import pytest


@pytest.fixture(params=["shm", "unix"])
def name(request):
    return f"{request.param}:lab/batch"


def pair(name, **options):
    with linkspan.listen(name) as listener:
        a = linkspan.connect(name, timeout=60.0, **options)
        return a, listener.accept(timeout=60.0)


def received(channel, count):
    values = []
    while len(values) < count:
        some = channel.recv_many(7, timeout=60.0)
        assert 1 <= len(some) <= 7
        values += [message.value for message in some]
    return values


def test_iterable_is_sent_and_received_in_order(name):
    a, b = pair(name)
    assert a.send_many({"n": n} for n in range(1000)) == 1000
    assert received(b, 1000) == [{"n": n} for n in range(1000)]
    assert a.send_many([]) == 0
    with pytest.raises(linkspan.Timeout):
        b.recv_many(timeout=0)
    with pytest.raises(linkspan.OutOfRange):
        b.recv_many(0)
    with pytest.raises(TypeError):
        a.send_many(5)


def test_error_of_a_batch_has_the_number_sent_before_it(name):
    a, b = pair(name, replay_count=10)
    with pytest.raises(linkspan.Timeout) as late:
        a.send_many(range(25), timeout=0.05)
    assert late.value.sent == 10 and "10 messages of the batch" in str(late.value)
    assert received(b, 10) == list(range(10))
    with pytest.raises(linkspan.Unsupported) as refused:
        a.send_many([1, 2, object()])
    assert refused.value.sent == 2 and received(b, 2) == [1, 2]
    with pytest.raises(linkspan.Timeout) as none:
        b.recv(timeout=0)
    assert none.value.sent is None


def test_exception_of_an_iterable_is_raised_after_its_values_are_sent(name):
    a, b = pair(name)

    def some():
        yield 1
        yield 2
        raise KeyError("third")

    with pytest.raises(KeyError) as raised:
        a.send_many(some())
    assert raised.value.args == ("third",)
    assert raised.value.__notes__ == ["2 messages of the batch were sent before it"]
    assert received(b, 2) == [1, 2]


def test_endless_iterable_is_sent_as_it_yields(name):
    a, b = pair(name)
    asked = []

    def endless():
        n = 0
        while True:
            asked.append(n)
            yield n
            n += 1
            if n % 100 == 0:
                assert received(b, 30)

    with pytest.raises(linkspan.InvalidState):
        for_ever = endless()

        def until_closed():
            for n in for_ever:
                if n == 1000:
                    a.close(timeout=0)
                yield n

        a.send_many(until_closed())
    assert 1000 <= asked[-1] < 1200, "encoded at most a run ahead"


def test_batches_are_published_and_received(name):
    with linkspan.publisher(name) as out, linkspan.subscribe(name, timeout=60.0) as readings:
        assert out.send_many(range(100)) == 100
        heard = []
        while len(heard) < 100:
            heard += [message.value for message in readings.recv_many(30)]
        assert heard == list(range(100))
