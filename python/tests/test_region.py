"""Foreign shared memory, read as bytes, text and struct fields."""

import ctypes
import mmap
import os
import struct

import linkspan
import numpy as np
import pytest

LAYOUT = """
u32 count           # how often it was written
f64 celsius
char name[16]
i16 raw[2][4] @64
c64 z
bytes blob[3]
bool ok
"""
SIZE = 104


def image(count=2):
    memory = bytearray(SIZE)
    struct.pack_into("=Id16s", memory, 0, count, 0.0, b"")
    struct.pack_into("=I4xd16s", memory, 0, count, 21.5, "Messgerät".encode())
    struct.pack_into("=8hff3s?", memory, 64, *range(-4, 4), 1.5, -2.0, b"\1\2\3", True)
    return bytes(memory)


@pytest.fixture
def shared():
    name = f"linkspan-test-{os.getpid()}"
    with open(f"/dev/shm/{name}", "w+b") as file:
        file.write(image())
        file.flush()
        with mmap.mmap(file.fileno(), SIZE) as memory:
            yield name, memory
    os.unlink(f"/dev/shm/{name}")


@pytest.mark.parametrize("form", ["posix:/{}", "/dev/shm/{}", "path:/dev/shm/{}"])
def test_bytes_text_and_fields(shared, form):
    name, memory = shared
    with linkspan.Region(form.format(name)) as region:
        assert len(region) == SIZE and region.source == form.format(name) and name in repr(region)
        assert region.bytes(64, 4) == struct.pack("=hh", -4, -3)
        assert region.text(16) == "Messgerät"
        got = region.read(LAYOUT)
        assert list(got) == ["count", "celsius", "name", "raw", "z", "blob", "ok"]
        assert (got["count"], got["celsius"], got["name"], got["blob"], got["ok"]) == (2, 21.5, "Messgerät", b"\1\2\3", True)
        assert type(got["count"]) is int and type(got["ok"]) is bool
        assert got["raw"].dtype == np.int16 and np.array_equal(got["raw"], np.arange(-4, 4).reshape(2, 4))
        memory[0:4] = struct.pack("=I", 9)
        assert region.read("u32 count")["count"] == 9
        assert region.read("i16 x", offset=66) == {"x": -3}
        assert linkspan.Region.sizeof("u32 a; f64 b") == 16


def test_struct_whose_owner_counts_its_writes(shared):
    name, memory = shared
    with linkspan.Region(f"posix:/{name}") as region:
        assert region.read(LAYOUT, counter="count")["celsius"] == 21.5
        memory[0:4] = struct.pack("=I", 3)
        with pytest.raises(linkspan.Stalled, match="count"):
            region.read(LAYOUT, counter="count")
        with pytest.raises(linkspan.WrongType):
            region.read(LAYOUT, counter="celsius")


def test_system_v_memory():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    key = 0x4C530000 | (os.getpid() & 0xFFFF)
    number = libc.shmget(key, 4096, 0o1600)
    assert number >= 0, os.strerror(ctypes.get_errno())
    try:
        at = libc.shmat(number, None, 0)
        ctypes.memmove(at, image(), SIZE)
        for source in (f"sysv:{key:#x}", f"sysv:{key}"):
            with linkspan.Region(source) as region:
                assert region.read(LAYOUT)["name"] == "Messgerät" and len(region) == 4096
        libc.shmdt(ctypes.c_void_p(at))
    finally:
        libc.shmctl(number, 0, None)


def test_invalid_region_is_refused_with_the_reason(shared):
    name, _ = shared
    with pytest.raises(linkspan.NotFound):
        linkspan.Region("posix:/nobody-has-this")
    with pytest.raises(linkspan.InvalidEndpoint):
        linkspan.Region("sensors")
    region = linkspan.Region(f"posix:/{name}")
    with pytest.raises(linkspan.OutOfRange, match="the memory has 104 bytes"):
        region.bytes(100, 5)
    with pytest.raises(linkspan.OutOfRange):
        region.read("u8 x[200]")
    with pytest.raises(linkspan.Malformed, match="f63"):
        region.read("f63 x")
    region.close()
    region.close()
    with pytest.raises(linkspan.InvalidState, match="closed"):
        region.bytes(0, 1)
    with pytest.raises(linkspan.InvalidState):
        len(region)


def test_region_keeps_the_memory_of_an_owner_that_has_restarted(shared):
    name, _ = shared
    region = linkspan.Region(f"posix:/{name}")
    # Its next incarnation recreates the object.
    os.unlink(f"/dev/shm/{name}")
    with open(f"/dev/shm/{name}", "wb") as file:
        file.write(image(count=9))
    assert [region.read("u32 count")["count"] for _ in range(2)] == [2, 2]
    assert linkspan.Region(f"posix:/{name}").read("u32 count")["count"] == 9
