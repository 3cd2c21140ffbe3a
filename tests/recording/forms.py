"""Recordings of any names and values, made without a recorder: as another program may have written them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import linkspan
from mcap.writer import Writer


def written(path: Path, messages: Iterable[tuple[str, Any]], schemas: dict[str, str] | None = None) -> Path:
    """A recording of these values in CBOR, each at its name, a second apart."""
    with path.open("wb") as file:
        # Short chunks, so that what is cut is not all.
        writer = Writer(file, chunk_size=1_000)
        writer.start(profile="linkspan")
        channels: dict[str, int] = {}
        numbers: dict[str, int] = {}
        for second, (name, value) in enumerate(messages, 1_000):
            if name not in channels:
                schema = (schemas or {}).get(name)
                metadata = {"linkspan.incarnation": "0000000000000007", "linkspan.source": "sensor-1", "linkspan.first": "1"}
                if schema is not None:
                    metadata["linkspan.schema"] = schema
                channels[name] = writer.register_channel(name, "cbor", 0, metadata)
            numbers[name] = numbers.get(name, 0) + 1
            time = second * 1_000_000_000
            writer.add_message(channels[name], time, linkspan.encode(value), time, numbers[name])
        writer.finish()
    return path
