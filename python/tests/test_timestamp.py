"""Timestamps: exact nanoseconds, text form, and conversion from and to datetime."""

import datetime
import pickle

import linkspan
import pytest
from linkspan import Timestamp

UTC = datetime.timezone.utc


def test_text_and_back():
    at = Timestamp.parse("2009-08-24T02:46:40.250000001Z")
    assert at.nanoseconds == 1_251_082_000_250_000_001
    assert str(at) == "2009-08-24T02:46:40.250000001Z"
    assert repr(at) == "<linkspan.Timestamp 2009-08-24T02:46:40.250000001Z>"
    assert Timestamp.parse("2009-08-24T04:46:40.250000001+02:00") == at
    with pytest.raises(linkspan.Malformed):
        Timestamp.parse("yesterday")


def test_now_is_between_two_readings_of_the_clock():
    import time

    before = time.time_ns()
    now = Timestamp.now().nanoseconds
    assert before <= now <= time.time_ns()


def test_datetime_and_back():
    when = datetime.datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    assert Timestamp.from_datetime(when).to_datetime() == when
    assert Timestamp(-1).to_datetime() == datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    with pytest.raises(linkspan.Unsupported, match="time zone"):
        Timestamp.from_datetime(datetime.datetime(2026, 3, 1))
    with pytest.raises(linkspan.OutOfRange):
        Timestamp.from_datetime(datetime.datetime(2999, 1, 1, tzinfo=UTC))


def test_order_hash_pickle():
    assert Timestamp(1) < Timestamp(2) <= Timestamp(2)
    assert len({Timestamp(1), Timestamp(1), Timestamp(2)}) == 2
    assert pickle.loads(pickle.dumps(Timestamp(5))) == Timestamp(5)
    assert Timestamp(1) != 1


def test_sums_and_differences():
    at = Timestamp(5_000_000_000)
    assert at - Timestamp(4_500_000_000) == 0.5
    assert at + 1 == 1 + at == at + 1.0 == at + datetime.timedelta(seconds=1) == Timestamp(6_000_000_000)
    assert at - 1.5 == at - datetime.timedelta(milliseconds=1500) == Timestamp(3_500_000_000)
    assert at.seconds == 5.0
    with pytest.raises(linkspan.OutOfRange):
        Timestamp(2**63 - 1) + 1
    with pytest.raises(linkspan.OutOfRange):
        at + float("nan")
    for wrong in ("1", None, at):
        with pytest.raises(TypeError):
            at + wrong


def test_nothing_can_be_assigned():
    with pytest.raises(AttributeError):
        Timestamp(1).nanoseconds = 2


def test_asdict_and_copies_keep_instants():
    import copy
    import dataclasses

    @dataclasses.dataclass
    class Reading:
        at: Timestamp
        all: list[Timestamp]

    at = Timestamp(1_251_082_000_250_000_001)
    assert dataclasses.asdict(Reading(at, [at])) == {"at": at, "all": [at]}
    assert copy.deepcopy(at) == copy.copy(at) == pickle.loads(pickle.dumps(at)) == at and {at: 1}[Timestamp(at.nanoseconds)] == 1
    assert at < Timestamp(at.nanoseconds + 1) <= Timestamp(at.nanoseconds + 1) and at != at.nanoseconds
    with pytest.raises(AttributeError):
        at.nanoseconds = 1
    with pytest.raises(TypeError):
        assert at < 5
