"""`unpack` of flat packed classes, found on class, instance and subclass, refused equally."""

import dataclasses
import gc
import struct
import sys
from typing import Any, ClassVar

import linkspan
import pytest
from linkspan import packed


@dataclasses.dataclass(slots=True)
class State:
    __linkspan_packed__: ClassVar[bool] = True
    __linkspan_fields__: ClassVar[Any] = (("on", "on", False), ("at", "at", False), ("speed", "speed", False), ("turns", "turns", False))

    on: bool
    at: linkspan.Timestamp
    speed: float
    turns: int

    def pack(self) -> bytes:
        return LAYOUT.pack(self)

    @classmethod
    def unpack(cls, message: Any) -> Any:
        return LAYOUT.unpack(cls, message)


LAYOUT = packed.Layout(State, 32, ("on", 0, packed.boolean), ("at", 8, packed.timestamp), ("speed", 16, packed.f64), ("turns", 24, packed.u64))
BLOCK = struct.pack("<B7xqdQ", 1, -7, 2.5, 2**64 - 1)
MADE = State(True, linkspan.Timestamp(-7), 2.5, 2**64 - 1)


def test_unpack_makes_an_instance_of_the_class_that_it_is_called_on() -> None:
    class Louder(State):
        @classmethod
        def unpack(cls, message: Any) -> Any:
            return super().unpack(message)

    class Plain(State):
        pass

    kept: Any = State.unpack
    assert State.unpack(BLOCK) == kept(BLOCK) == kept(message=BLOCK) == MADE and MADE.pack() == BLOCK
    assert type(MADE.unpack(BLOCK)) is State
    for cls in (Louder, Plain):
        found = cls.unpack(BLOCK)
        assert type(found) is cls and type(found.unpack(BLOCK)) is cls and found.pack() == BLOCK
    assert State.unpack(type("Bytes", (bytes,), {})(BLOCK)) == MADE


def test_unpack_refuses_what_is_no_record_and_names_the_field() -> None:
    wrong: list[Any] = [(), (BLOCK, BLOCK), (State, BLOCK)]
    for arguments in wrong:
        with pytest.raises(TypeError):
            State.unpack(*arguments)
    call: Any = State.unpack
    for named in [{"block": BLOCK}, {"message": BLOCK, "x": 1}]:
        with pytest.raises(TypeError):
            call(**named)
    for block in [b"", BLOCK[:-1], BLOCK + b"x", bytearray(BLOCK), None]:
        with pytest.raises(linkspan.WrongType):
            State.unpack(block)
    with pytest.raises(linkspan.OutOfRange) as caught:
        State.unpack(b"\2" + BLOCK[1:])
    assert caught.value.path == "on"


def test_unpack_leaks_no_references() -> None:
    def counts() -> int:
        gc.collect()
        return sum(sys.getrefcount(each) for each in (State, BLOCK, State.unpack, linkspan.Timestamp))

    before = counts()
    for _ in range(1000):
        State.unpack(BLOCK)
        with pytest.raises(linkspan.OutOfRange):
            State.unpack(b"\2" + BLOCK[1:])
    assert counts() < before + 100
