"""iceoryx2's Python module in the rows whose ends both spin: byte slices, one service per direction.

The set-up follows its example `publish_subscribe_dynamic_data` and its benchmarks: lent, uninitialised slices, a
buffer of one message, busy waiting. A dict travels as orjson's bytes, and bytes as they are. NumPy writes 8 bytes
of a lent array and views it. https://github.com/eclipse-iceoryx/iceoryx2
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pathlib
import time

ARRAY_BYTES = 1_000_000
DICT_BYTES = 1024
# Nanoseconds that the far end polls after the last message, like Linkspan's; then it sleeps between polls, so other
# cases keep their time.
SPIN_NS = 1_000_000
PAUSE_SECONDS = 0.0005


def prefix(near: int) -> str:
    return f"linkspan-bench-iceoryx2-{near}-"


def remove_segments(near: int) -> None:
    """The killed other end cannot remove its segments."""
    for segment in pathlib.Path("/dev/shm").glob(f"{prefix(near)}*"):
        segment.unlink(missing_ok=True)


class Pair:
    """One end's publisher and subscriber. Names and files belong to this worker."""

    def __init__(self, near: int, far: bool, what: str):
        import iceoryx2

        iceoryx2.set_log_level(iceoryx2.LogLevel.Fatal)
        config = iceoryx2.config.default()
        settings = config.global_cfg
        settings.prefix = iceoryx2.FileName.new(prefix(near))
        if directory := os.environ.get("LINKSPAN_DIR"):
            settings.root_path = iceoryx2.Path.new(directory)
        self.bytes = DICT_BYTES if what == "dict" else ARRAY_BYTES
        self.node = iceoryx2.NodeBuilder.new().config(config).create(iceoryx2.ServiceType.Ipc)
        there, back = (
            self.node.service_builder(iceoryx2.ServiceName.new(f"bench-{near}-{way}"))
            .publish_subscribe(iceoryx2.Slice[ctypes.c_uint8])
            .history_size(0)
            .subscriber_max_buffer_size(1)
            .enable_safe_overflow(True)
            .open_or_create()
            for way in ("there", "back")
        )
        self.outgoing, incoming = (back, there) if far else (there, back)
        self.publisher = self.outgoing.publisher_builder().initial_max_slice_len(self.bytes).create()
        self.subscriber = incoming.subscriber_builder().create()

    def wait_for_other_end(self) -> None:
        deadline = time.monotonic() + 20
        while self.outgoing.dynamic_config.number_of_subscribers == 0:
            if time.monotonic() > deadline:
                raise TimeoutError("the other end of iceoryx2's Python module did not begin within 20 s")
            time.sleep(0.005)

    def send_bytes(self, block: bytes) -> None:
        sample = self.publisher.loan_slice_uninit(len(block))
        ctypes.memmove(sample.payload_ptr, block, len(block))
        sample.assume_init().send()

    def send_array(self, first: float) -> None:
        import numpy

        sample = self.publisher.loan_slice_uninit(self.bytes)
        numpy.frombuffer(sample.payload().as_memory_view(), "f8")[0] = first
        sample.assume_init().send()

    def received(self):
        """Returns the next message by spinning, for the end that has just sent."""
        receive = self.subscriber.receive
        while (sample := receive()) is None:
            pass
        return sample

    def awaited(self):
        """Returns the next message; sleeps while none arrives."""
        receive, clock = self.subscriber.receive, time.perf_counter_ns
        until = clock() + SPIN_NS
        while (sample := receive()) is None:
            if clock() > until:
                time.sleep(PAUSE_SECONDS)
        return sample


def first_of(sample) -> float:
    import numpy

    return numpy.frombuffer(sample.payload().as_memory_view(), "f8")[0]


def bytes_of(sample) -> bytes:
    return bytes(sample.payload().as_memory_view())


def near(what: str, start_far, value):
    """Returns one round trip of the measuring end. `start_far` gets the address, this process's number."""
    pair = Pair(os.getpid(), far=False, what=what)
    start_far(str(os.getpid()))
    pair.wait_for_other_end()
    atexit.register(remove_segments, os.getpid())
    if what == "loan":

        def once():
            pair.send_array(21.5)
            if first_of(pair.received()) != 21.5:
                raise ValueError("something else came back")

        return once
    if what == "bytes":
        block = b"\7" * ARRAY_BYTES

        def once():
            pair.send_bytes(block)
            return bytes_of(pair.received())

        return once
    import orjson

    def once():
        pair.send_bytes(orjson.dumps(value))
        return orjson.loads(bytes_of(pair.received()))

    return once


def far(what: str, address: str) -> None:
    pair = Pair(int(address), far=True, what=what)
    if what == "loan":
        while True:
            first = first_of(pair.awaited())
            pair.send_array(first)
    while what == "bytes":
        pair.send_bytes(bytes_of(pair.awaited()))
    import orjson

    while True:
        pair.send_bytes(orjson.dumps(orjson.loads(bytes_of(pair.awaited()))))
