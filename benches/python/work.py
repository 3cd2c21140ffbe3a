"""A worker in Python with the Rust worker's protocol (benches/src/worker.rs).

`work.py CASE STARTER` prints `ready` or `absent WHY`, then answers each line `N` with the nanoseconds of one
operation: the mean of N in one go, then single ones. `work.py far CASE ADDRESS` is a case's other end. STARTER is
the benchmark's program, which starts servers that end with this process.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import subprocess
import sys
import time

READING = {
    "id": 123456,
    "name": "boiler-7",
    "temperature": 71.25,
    "pressure": 2.125,
    "unit": "bar",
    "ok": True,
    "station": "hall/3",
    "count": 98765,
    "time": 1251082000.25,
    "note": None,
}
SINGLES = 200


def serve(once):
    """Runs rounds until standard input ends; `once` does one operation."""
    print("ready", flush=True)
    clock = time.perf_counter_ns
    for line in sys.stdin:
        count = int(line)
        for _ in range(min(max(count // 8, 2), 100)):
            once()
        rounds = range(count)
        start = clock()
        for _ in rounds:
            once()
        numbers = [(clock() - start) / count]
        for _ in range(min(count, SINGLES)):
            start = clock()
            once()
            numbers.append(clock() - start)
        print(*(f"{n:.1f}" for n in numbers), flush=True)


def pin(together: bool = True, far: bool = False) -> None:
    """Pins like the Rust ends."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[-1] if far and not together else allowed[0]})


def start_far(case: str, address: str) -> None:
    """Starts the other end in a process that ends with this one."""
    subprocess.Popen([sys.executable, __file__, "far", case, address], stdin=subprocess.DEVNULL)


def end_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def encoder(case: str):
    """Returns the dict's encoder after one warm-up and check."""
    if case == "encode-linkspan":
        import linkspan

        return lambda: linkspan.encode(READING)
    if case == "encode-linkspan-json":
        import linkspan

        return lambda: linkspan.encode(READING, "json")
    if case == "encode-orjson":
        import orjson

        return lambda: orjson.dumps(READING)
    if case == "encode-msgpack":
        import msgpack

        return lambda: msgpack.packb(READING)
    if case == "encode-cbor2":
        import cbor2

        return lambda: cbor2.dumps(READING)
    if case == "encode-json":
        import json

        return lambda: json.dumps(READING)
    raise SystemExit(f"no case is called {case}")


def reading():
    """Returns a generated instance of the dict, which has null for omitted fields."""
    import boiler_reading

    return boiler_reading.BoilerReading(**READING)


def by_hand(held) -> dict:
    """Returns the dict that a program without generated code writes for an object."""
    made = {
        "id": held.id, "name": held.name, "temperature": held.temperature, "pressure": held.pressure, "unit": held.unit,
        "ok": held.ok, "station": held.station, "count": held.count, "time": held.time,
    }  # fmt: skip
    if held.note is not None:
        made["note"] = held.note
    return made


def state():
    import linkspan
    import motor_state

    return motor_state.MotorState(
        on=True, at=linkspan.Timestamp(1_251_082_000_250_000_000), mode=motor_state.MotorStateMode.FAST, speed=49.5, current=3.25,
        voltage=230.5, torque=14.75, angle=0.5, turns=98_765, errors=2,
    )  # fmt: skip


def received(value):
    """Returns a message with the value; its sender lives as long as this process."""
    import linkspan

    out = linkspan.publisher(f"unix:bench-record-{os.getpid()}")
    subscriber = linkspan.subscribe(f"unix:bench-record-{os.getpid()}")
    out.send(value)
    received.ends = (out, subscriber)
    return subscriber.recv(timeout=20.0)


def record(case: str):
    """Returns one direction of a record by generated code, or its reference."""
    import pickle
    import struct

    import linkspan

    if case in ("pack", "unpack", "struct-pack", "struct-unpack", "construct-packed"):
        held, cls = state(), type(state())
        block = held.pack()
        format = struct.Struct("<B7xqB3xf4dQI4x")
        values = format.unpack(block)
        fields = {name: getattr(held, name) for name in cls.__slots__}
        # Separate functions and class names, as in the floors and in programs.
        return {
            "pack": lambda: held.pack(),
            "unpack": lambda: cls.unpack(block),
            "struct-pack": lambda: format.pack(*values),
            "struct-unpack": lambda: format.unpack(block),
            "construct-packed": lambda: cls(**fields),
        }[case]
    held, cls = reading(), type(reading())
    block, pickled = linkspan.encode(held), pickle.dumps(held)
    message = received(held)
    if not cls.decode(message) == cls.from_value(linkspan.decode(block)) == held or linkspan.encode(by_hand(held)) != block:
        raise ValueError("generated code reads something else")
    return {
        "encode": lambda: linkspan.encode(held),
        "dict-encode": lambda: linkspan.encode(READING),
        "through-dict-encode": lambda: linkspan.encode(by_hand(held)),
        "pickle": lambda: pickle.dumps(held),
        "decode": lambda: cls.decode(message),
        "through-dict": lambda: cls.from_value(linkspan.decode(block)),
        "dict-decode": lambda: linkspan.decode(block),
        "unpickle": lambda: pickle.loads(pickled),
        "construct": lambda: cls(**READING),
    }[case]


def content(what: str):
    """Returns a dict, an array of 1 MB, or as many bytes."""
    if what == "dict":
        return READING
    if what == "bytes":
        return b"\7" * 1_000_000
    import numpy

    return numpy.arange(125_000, dtype="f8")


def answer(what: str, value):
    """Returns the dict or bytes whole; reads every page of an array and returns its length."""
    if what in ("dict", "bytes"):
        return value
    return int(value[::512].sum() >= 0) + len(value)


def near_linkspan(transport: str, what: str):
    import linkspan

    spins = transport.endswith("spin")
    address = f"{transport.removesuffix('spin')}:bench-{os.getpid()}"
    start_far(f"{transport}-{what}", address)
    channel = linkspan.connect(address, timeout=20.0, spin=100 if spins else 0)
    if what == "loan":

        def once():
            loaned(channel)
            if channel.recv().value[0] != 21.5:
                raise ValueError("something else came back")

        return once
    value = content(what)

    def once():
        channel.send(value)
        return channel.recv().value

    return once


def loaned(channel):
    """Writes 8 bytes of 1 MB of lent memory, and sends all."""
    array = channel.loan((125_000,), "f8")
    array[0] = 21.5
    channel.send(array)


def far_linkspan(what: str, address: str, spins: bool = False) -> None:
    import linkspan

    channel = linkspan.open(address, timeout=None, spin=100 if spins else 0)
    while what == "loan":
        channel.recv().value[0]
        loaned(channel)
    while True:
        channel.send(answer(what, channel.recv().value))


def near_pipe(what: str):
    import multiprocessing.connection

    address = f"{os.environ.get('LINKSPAN_DIR', '/tmp')}/bench-pipe-{os.getpid()}"
    with multiprocessing.connection.Listener(address, "AF_UNIX") as listener:
        start_far(f"multiprocessing-{what}", address)
        connection = listener.accept()
    value = content(what)

    def once():
        connection.send(value)
        return connection.recv()

    return once


def far_pipe(what: str, address: str) -> None:
    import multiprocessing.connection

    connection = multiprocessing.connection.Client(address, "AF_UNIX")
    while True:
        connection.send(answer(what, connection.recv()))


def near_zmq(what: str):
    import zmq

    socket = zmq.Context(1).socket(zmq.PAIR)
    address = f"ipc://{os.environ.get('LINKSPAN_DIR', '/tmp')}/bench-zmq-{os.getpid()}"
    socket.bind(address)
    start_far(f"pyzmq-{what}", address)
    value = content(what)
    if what == "dict":
        import orjson

        def once():
            socket.send(orjson.dumps(value))
            return orjson.loads(socket.recv())
    else:

        def once():
            socket.send(value, copy=False)
            return socket.recv()

    return once


def far_zmq(what: str, address: str) -> None:
    import zmq

    socket = zmq.Context(1).socket(zmq.PAIR)
    socket.connect(address)
    if what == "dict":
        import orjson

        while True:
            socket.send(orjson.dumps(orjson.loads(socket.recv())))
    import numpy

    while True:
        frame = socket.recv(copy=False)
        socket.send(str(answer(what, numpy.frombuffer(frame, "f8"))).encode())


def near_shared(what: str):
    """The array in shared memory, announced through a pipe, as the module's documentation shows."""
    import multiprocessing.connection
    from multiprocessing import shared_memory

    import numpy

    array = content(what)
    block = shared_memory.SharedMemory(create=True, size=array.nbytes)
    shared = numpy.ndarray(array.shape, array.dtype, block.buf)
    address = f"{os.environ.get('LINKSPAN_DIR', '/tmp')}/bench-shared-{os.getpid()}"
    with multiprocessing.connection.Listener(address, "AF_UNIX") as listener:
        start_far(f"sharedmemory-{what}", f"{address} {block.name}")
        connection = listener.accept()
    connection.recv()
    # Both ends have it, so no end leaves a file.
    block.unlink()

    # The array does not keep its block, so this function does.
    def once(block=block):
        shared[:] = array
        connection.send(len(array))
        return connection.recv()

    return once


def far_shared(what: str, address: str) -> None:
    import multiprocessing.connection
    from multiprocessing import resource_tracker, shared_memory

    import numpy

    path, name = address.split()
    # The tracker would unlink the block again, which this end does not own.
    resource_tracker.register = lambda *_: None
    block = shared_memory.SharedMemory(name)
    connection = multiprocessing.connection.Client(path, "AF_UNIX")
    connection.send("ready")
    while True:
        shared = numpy.ndarray((connection.recv(),), "f8", block.buf)
        connection.send(answer(what, shared))


def near_redis(what: str, starter: str):
    """Lists of a separate server on a Unix socket; redis-py uses hiredis if it is installed."""
    import shutil

    import redis

    if shutil.which("redis-server") is None:
        raise ImportError("not installed: apt install redis-tools")
    path = f"{os.environ.get('LINKSPAN_DIR', '/tmp')}/bench-redis-{os.getpid()}"
    # Settings come by standard input, because an empty argument would be lost.
    server = subprocess.Popen([starter, "pinned", "redis-server", "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    server.stdin.write(f"port 0\nunixsocket {path}\nsave \"\"\nappendonly no\n".encode())
    server.stdin.close()
    client = connected_redis(path)
    start_far(f"redis-{what}", path)
    value = content(what)
    if what == "dict":
        import orjson

        def once():
            client.lpush("there", orjson.dumps(value))
            return orjson.loads(client.brpop("back")[1])
    else:

        def once():
            client.lpush("there", value.data.cast("B"))
            return client.brpop("back")[1]

    return once


def connected_redis(path: str):
    import redis

    client = redis.Redis(unix_socket_path=path)
    deadline = time.monotonic() + 10
    while True:
        try:
            client.ping()
            return client
        except redis.exceptions.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def far_redis(what: str, address: str) -> None:
    client = connected_redis(address)
    if what == "dict":
        import orjson

        while True:
            client.lpush("back", orjson.dumps(orjson.loads(client.brpop("there")[1])))
    import numpy

    while True:
        client.lpush("back", answer(what, numpy.frombuffer(client.brpop("there")[1], "f8")))


def copy_array():
    """The floor of sending an array: one copy."""
    import numpy

    source, target = content("array"), numpy.empty(125_000, dtype="f8")
    return lambda: numpy.copyto(target, source)


def main(arguments: list[str]) -> None:
    if arguments[0] == "far":
        end_with_parent()
        _, case, address = arguments
        by, what = case.split("-")
        spins = by.endswith("spin")
        pin(together=not spins, far=True)
        if by == "shmspin":
            far_linkspan(what, address, spins)
        if by == "iceoryx2spin":
            import iceoryx2_peer

            iceoryx2_peer.far(what, address)
        peers = {"multiprocessing": far_pipe, "pyzmq": far_zmq, "sharedmemory": far_shared, "redis": far_redis}
        try:
            peers.get(by, far_linkspan)(what, address)
        except EOFError:
            return  # the near end has gone
        return
    case, starter = arguments
    try:
        by, _, what = case.partition("-")
        if case.startswith("record "):
            once = record(case.removeprefix("record "))
        elif by == "encode":
            once = encoder(case)
        elif case == "copy":
            once = copy_array()
        elif by == "multiprocessing":
            once = near_pipe(what)
        elif by == "pyzmq":
            once = near_zmq(what)
        elif by == "sharedmemory":
            once = near_shared(what)
        elif by == "redis":
            once = near_redis(what, starter)
        elif by == "iceoryx2spin":
            import iceoryx2_peer

            once = iceoryx2_peer.near(what, functools.partial(start_far, case), READING)
        else:
            once = near_linkspan(by, what)
        once()
    except (ImportError, AttributeError) as why:
        print(f"absent {why}", flush=True)
        return
    pin()
    serve(once)


if __name__ == "__main__":
    main(sys.argv[1:])
