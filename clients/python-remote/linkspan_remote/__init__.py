"""Linkspan for programs on other machines and systems: over `linkspan gateway`, in pure Python.

The nouns and verbs, the values and the errors are those of the module `linkspan`::

    import linkspan_remote

    lab = linkspan_remote.connect("wss://lab.example:17180", token="…")
    for message in lab.subscribe("lab/*"):
        print(message.name, message["celsius"])
"""

from . import errors
from .arrays import NdArray
from .cbor import decode
from .encoder import encode
from .errors import *  # noqa: F403 - the kinds of errors
from .lab import Lab, connect
from .message import Message
from .publisher import Publisher
from .server import Request, Server
from .subscriber import Subscriber
from .timestamp import Timestamp
from .version import VERSION as __version__
__all__ = [
    "Lab", "Message", "NdArray", "Publisher", "Request", "Server", "Subscriber", "Timestamp", "connect", "decode", "encode", "errors",
    *errors.__all__,
]
