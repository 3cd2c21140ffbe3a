"""Programs in different languages on one machine talk: channels, publish and subscribe, services."""

from __future__ import annotations

from . import errors
from ._native import NdArray, __version__, decode, encode, transcode
from .errors import *  # noqa: F403 - one class for each kind of error
from .timestamp import Timestamp

__all__ = [
    "NdArray",
    "Timestamp",
    "__version__",
    "decode",
    "encode",
    "errors",
    "transcode",
    *errors.__all__,
]
