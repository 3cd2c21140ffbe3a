"""iceoryx2's Python module on the work of the rows in which both ends spin: publish-subscribe on slices of bytes, one service in each direction.

Set up as its example `publish_subscribe_dynamic_data` is, and as its own benchmarks are: slices that are lent and not initialised, a buffer of one message, busy waiting. A dict goes as
orjson's bytes, and bytes as they are; of an array that is lent 8 bytes are written, and viewed, by NumPy. https://github.com/eclipse-iceoryx/iceoryx2
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pathlib
import time

ARRAY_BYTES = 1_000_000
DICT_BYTES = 1024
# The far end polls so long after the last message, as Linkspan's does in these rows; then it sleeps between polls, so that it does not take
# the time of the cases that are measured in between.
SPIN_NS = 1_000_000
PAUSE_SECONDS = 0.0005


def prefix(near: int) -> str:
    return f"linkspan-bench-iceoryx2-{near}-"


def remove_segments(near: int) -> None:
    """The other end is killed and cannot remove its own."""
    for segment in pathlib.Path("/dev/shm").glob(f"{prefix(near)}*"):
        segment.unlink(missing_ok=True)


class Pair:
    """What one end publishes and what it subscribes to. Names and files are of this worker alone."""

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
        """The next message. It blocks without a pause: only for the end that has just sent."""
        receive = self.subscriber.receive
        while (sample := receive()) is None:
            pass
        return sample

    def awaited(self):
        """The next message, without the processor where none arrives for a while."""
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
    """One round trip of the end that measures. `start_far` gets the address of the other end, which is this process's number."""
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
    """Answers until its parent ends it."""
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
