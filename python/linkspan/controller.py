"""Clients of a controller: handles of services, and their events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypedDict, Unpack, cast

from . import _native
from ._native import Answer
from .options import Seconds
from .words import Command


class Waits(TypedDict, total=False):
    """How a call waits."""

    #: Seconds, None for ever; by default the `timeout` of the controller, else 30.
    timeout: Seconds
    #: Runs about every 100 ms meanwhile; False ends the wait with `Cancelled`.
    on_wait: Callable[[], bool | None] | None


class Controller(_native.Controller):
    """Queries a controller about its services, and sends them commands.

    `Controller()` connects to `$LINKSPAN_CONTROLLER`, else `unix:controller`: it waits until the controller listens,
    and reconnects. Options are those of a channel; `timeout` applies to each call.
    """

    def service(self, name: str) -> ServiceHandle:
        """Returns the handle of a service, which need not be connected yet."""
        return ServiceHandle(self, name)

    def watch(
        self, *, data_every: Seconds = None, services: Sequence[str] = ()
    ) -> Iterator[dict[str, Any]]:
        """Yields the events from now on, first the state of each service. Dicts with `what`:

        | `what` | further keys |
        |---|---|
        | `service` | `service`: its record, as `status()` returns it |
        | `gone` | `name`: the service was forgotten |
        | `data` | `name`, `at`, `value`: changed data, read every `data_every` seconds (at least 0.01) |
        | `log` | `entry`: `at`, `service`, `level`, `text` |
        | `missed` | `count`: lost events, because this program was too slow; all states follow |

        `services` limits the events to these services. Watching continues over restarts of the controller. `next`
        returns the same events with a time-out. A further call of `watch` replaces the watched services.
        """
        super().watch(data_every=data_every, services=services)
        return self._events()

    def _events(self) -> Iterator[dict[str, Any]]:
        while True:
            yield self.next()


class ServiceHandle:
    """A service behind its controller: `controller.service("power").pause()`.

    A command waits until it is done and returns its value. Its time-out is its deadline: then a waiting command is
    withdrawn (`Timeout`), and a running one continues. `Disconnected` if the service is away until the deadline,
    `NotFound` if it is unknown, `InvalidState` if its state does not allow the command, `Unsupported` if it does not
    know it. `Remote`, with `remote_type` and `remote_text`, if its method raised.

    With `wait=False` a command returns its `Answer` when the service has accepted it; `answer(id)` returns its outcome.
    """

    __slots__ = ("_controller", "name")

    def __init__(self, controller: _native.Controller, name: str) -> None:
        self._controller = controller
        #: The name of the service.
        self.name = name

    def status(self, **how: Unpack[Waits]) -> dict[str, Any]:
        """Returns the controller's record: `state`, `view`, `since`, `busy` (seconds), `reason`, `allowed` …"""
        return self._controller.status(self.name, **how)

    def get_data(self, *, wait: bool = True, **how: Unpack[Waits]) -> Any:
        """Returns the data of the service; during a long step, the newest data of the controller."""
        return self.command(Command.GET_DATA, wait=wait, **how)

    def pause(self, *, wait: bool = True, **how: Unpack[Waits]) -> Any:
        """Finishes the step, checkpoints and closes. The files can then be copied."""
        return self.command(Command.PAUSE, wait=wait, **how)

    def run(self, *, wait: bool = True, **how: Unpack[Waits]) -> Any:
        """Opens again and continues."""
        return self.command(Command.RUN, wait=wait, **how)

    def checkpoint(self, *, wait: bool = True, **how: Unpack[Waits]) -> Any:
        """Stops working, checkpoints, and continues."""
        return self.command(Command.CHECKPOINT, wait=wait, **how)

    def shutdown(self, *, wait: bool = True, **how: Unpack[Waits]) -> Any:
        """Checkpoints, closes, leaves the controller and ends. A second call abandons the current task."""
        return self.command(Command.SHUTDOWN, wait=wait, **how)

    def config(self, settings: Any = None, *, wait: bool = True, **how: Unpack[Waits]) -> Any:
        """Changes these settings and returns all settings."""
        return self.command(Command.CONFIG, settings, wait=wait, **how)

    def backup(self, path: str, *, wait: bool = True, **how: Unpack[Waits]) -> Any:
        """Writes a copy of the data to this path on the service's machine."""
        return self.command(Command.BACKUP, {"path": path}, wait=wait, **how)

    def cancel(self, id: str | None = None, **how: Unpack[Waits]) -> Any:  # noqa: A002
        """Withdraws the command with this id, or abandons it if it has begun; without an id, the current task."""
        return self.command(Command.CANCEL, None if id is None else {"id": id}, **how)

    def describe(self, **how: Unpack[Waits]) -> dict[str, Any]:
        """Returns the description and accepted commands, from the service itself."""
        return cast(dict[str, Any], self.command(Command.DESCRIBE, **how))

    def stats(self, **how: Unpack[Waits]) -> dict[str, Any]:
        """Returns the counters of the service: `steps`, `accepted`, `done`, `failed`, `rejected`, `late` …"""
        return cast(dict[str, Any], self.command(Command.STATS, **how))

    def log(self, lines: int = 100, **how: Unpack[Waits]) -> list[dict[str, Any]]:
        """Returns the newest log lines, oldest first: dicts with `at`, `service`, `level` and `text`."""
        return self._controller.log(self.name, lines=lines, **how)

    def command(
        self,
        command: Command | str,
        arguments: Any = None,
        *,
        wait: bool = True,
        **how: Unpack[Waits],
    ) -> Any:
        """Sends any command, also one of the service: `command("calibrate", {"gain": 2})`."""
        if wait:
            return self._controller.command(self.name, command, arguments, **how)
        # The time-out is the deadline of the result; acceptance takes no time.
        within = {"within": how.pop("timeout")} if "timeout" in how else {}
        return self._controller.begin(self.name, command, arguments, **within, **how)

    def order(
        self,
        command: Command | str,
        arguments: Any = None,
        *,
        id: str,  # noqa: A002 - the word for it in every language
        epoch: int | None = None,
        within: Seconds = 30.0,
        **how: Unpack[Waits],
    ) -> Answer:
        """Sends a command with an id and returns its final answer, of any kind.

        `id` (1 to 64 bytes): the service carries out an id once, and repeats the answer for ten minutes. `epoch`: the
        incarnation of the service, as in `status()["epoch"]`; others refuse the command. `within`: the deadline in
        seconds; None for none.
        """
        return self._controller.order(self.name, command, arguments, id=id, epoch=epoch, within=within, **how)

    def answer(self, id: str, **how: Unpack[Waits]) -> Answer:  # noqa: A002
        """Returns the outcome of a command: its final answer, or ACCEPTED while it runs."""
        return self._controller.answer(self.name, id, **how)

    def forget(self, **how: Unpack[Waits]) -> None:
        """Removes an absent service from the controller."""
        self._controller.forget(self.name, **how)

    def __repr__(self) -> str:
        return f"<linkspan.ServiceHandle {self.name}>"
