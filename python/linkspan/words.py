"""The words of services and controllers: states, views, commands, outcomes. Each equals its text."""

from __future__ import annotations

import reprlib
from enum import StrEnum


def shown(given: object) -> str:
    """A short form of an argument for an error, even if its `repr` fails."""
    try:
        return reprlib.repr(given)
    except KeyboardInterrupt:  # Ctrl-C
        raise
    except BaseException:  # `reprlib` handles `Exception` itself
        return f"<{type(given).__qualname__}>"


def said(error: BaseException) -> str:
    """Empty if making the text fails."""
    try:
        return str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # as above
        return ""


class State(StrEnum):
    """The state of a service."""

    STARTING = "STARTING"  #: opens what it needs
    READY = "READY"  #: set up, waits for RUN
    RUNNING = "RUNNING"  #: does its work, step by step
    PAUSING = "PAUSING"  #: finishes its step, checkpoints, closes
    PAUSED = "PAUSED"  #: checkpointed and closed, waits for RUN
    CHECKPOINTING = "CHECKPOINTING"  #: stops working and checkpoints
    STOPPING = "STOPPING"  #: finishes its step, checkpoints, closes, leaves
    STOPPED = "STOPPED"  #: ended in order
    FAILED = "FAILED"  #: could not continue, for the given reason


class View(StrEnum):
    """The connection of a service, as its controller sees it."""

    CONNECTED = "CONNECTED"  #: connected, and a heartbeat arrived in time
    STALE = "STALE"  #: connected, and silent for longer than three heartbeats
    DISCONNECTED = "DISCONNECTED"  #: its connection has ended; it may come back
    GONE = "GONE"  #: it has ended in order, or has been disconnected for ten minutes


class Command(StrEnum):
    """The commands for a service. A service's own commands are plain `str`."""

    STEP = "STEP"  #: do the next step; sent by the service's clock, never by a controller
    GET_DATA = "GET_DATA"  #: answer with the data; change nothing
    PAUSE = "PAUSE"  #: finish the step, checkpoint, close, wait
    RUN = "RUN"  #: open again and continue
    CHECKPOINT = "CHECKPOINT"  #: stop working, checkpoint, continue
    SHUTDOWN = "SHUTDOWN"  #: checkpoint, close, leave the controller, end
    STATUS = "STATUS"  #: return the state; answered by the library
    DESCRIBE = "DESCRIBE"  #: return its description and the commands that it accepts; answered by the library
    STATS = "STATS"  #: return the counters; answered by the library
    CONFIG = "CONFIG"  #: return or change the settings
    LOG = "LOG"  #: return the last lines of its log; answered by the library
    BACKUP = "BACKUP"  #: write a copy of its data
    CANCEL = "CANCEL"  #: abandon the current task; answered by the library

    @classmethod
    def of(cls, name: str) -> Command | str:
        """Returns the member of this name, or the name of a service's own command."""
        return cls._value2member_map_.get(name, name)  # type: ignore[return-value]


class Outcome(StrEnum):
    """The current outcome of a command."""

    ACCEPTED = "ACCEPTED"  #: the service will carry it out
    DONE = "DONE"  #: it is done
    FAILED = "FAILED"  #: it could not be done, or not in time
    REJECTED = "REJECTED"  #: the state does not allow it, or the service does not know it; nothing was done
