"""Values of demonstration and laboratory names, for tests of viewers."""

from pathlib import Path
from typing import Any

import linkspan
import numpy

from support.tree import ROOT

SCHEMAS = ROOT / "examples/observatory/schemas"
TIME = linkspan.Timestamp(1_790_000_000_123_456_789)
SUMMARY = {"count": 7, "mean": 1.5, "sd": 0.25, "min": 1.0, "max": 2.0}


def values(number: int) -> dict[str, tuple[Path | None, Any]]:
    return {
        "observatory/sensors": (
            SCHEMAS / "sensors.schema.toml",
            {"at": TIME, "readings": {"cpu": 1.5 + number, "load": 0.25, "memory": 40.0, "network": 1e5, "disk": 0.0, **({"temperature": 41.5} if number % 2 else {})}},
        ),
        "observatory/waveform": (
            SCHEMAS / "waveform.schema.toml",
            {
                "at": TIME, "rate": 100.0, "first": 7 * number, "restart": number % 2 == 0, "components": ["up", "north", "east"],
                "samples": numpy.arange(12.0).reshape(3, 4) + number,
            },
        ),
        "observatory/statistics": (SCHEMAS / "statistics.schema.toml", {"at": TIME, "seconds": 60.0, "statistics": {"cpu": SUMMARY, "a b": {**SUMMARY, "count": number}}}),
        "lab/temperature": (None, {"celsius": 21.5 + number, "ok": True, "sensor": "größer"}),
        "lab/number": (None, 7 + number),
        "lab/text": (None, f"message {number}"),
        "lab/fft": (None, numpy.linspace(0.0, 1.0, 64) + number),
        "lab/camera": (None, (numpy.arange(48 * 64, dtype="u2") + number).reshape(48, 64)),
        "lab/colour": (None, numpy.full((4, 5, 3), number % 256, "u1")),
        "lab/spectrum": (None, {"power": numpy.array([1.5, 2.5], "f4"), "image": numpy.full((2, 3), number % 256, "u1"), "phases": numpy.array([1 + 2j])}),
        "lab/counts": (None, {"by name": {"x y": number, "z": 1}}),
    }
