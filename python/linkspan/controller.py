"""The controller's side: handles of services, and their events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypedDict, Unpack, cast

from . import _native
from ._native import Answer
from .options import Seconds
from .words import Command


class Waits(TypedDict, total=False):
    """How a call waits."""

    #: Seconds, None for ever; left out, the `timeout` of the controller, else 30.
    timeout: Seconds
    #: Runs about every 100 ms meanwhile; False ends the wait with `Cancelled`.
    on_wait: Callable[[], bool | None] | None


class Controller(_native.Controller):
    """Queries a controller about its services, and sends them commands.

    `Controller()` is the one of this machine: `unix:controller`, or `$LINKSPAN_CONTROLLER`. It waits until that is there, and
    connects again if it restarts. Options are those of a channel; `timeout` is that of each call.
    """

    def service(self, name: str) -> ServiceHandle:
        """A service by its name. It need not be connected yet."""
        return ServiceHandle(self, name)

    def watch(
        self, *, data_every: Seconds = None, services: Sequence[str] = ()
    ) -> Iterator[dict[str, Any]]:
        """The events from now on; first the state of each service. Maps with `what`:

        | `what` | and |
        |---|---|
        | `service` | `service`: its record, as `status()` gives it |
        | `gone` | `name`: it was forgotten |
        | `data` | `name`, `at`, `value`: its data, read every `data_every` seconds (0.01 and more), when they changed |
        | `log` | `entry`: `at`, `service`, `level`, `text` |
        | `missed` | `count` of these that were lost, because this program was too slow; how each service is follows |

        `services`: those that it is about; all where none is named. Watching goes on over restarts of the controller. `next`
        gives the same with a time-out; another call of `watch` watches others instead.
        """
        super().watch(data_every=data_every, services=services)
        return self._events()

    def _events(self) -> Iterator[dict[str, Any]]:
        while True:
            yield self.next()


class ServiceHandle:
    """A service behind its controller: `controller.service("power").pause()`.

    A command waits until it is done and gives its value. Its time-out is its deadline: where it passes before the command
    was begun, that is withdrawn (`Timeout`, and the state is as before); where the command is under way by then, the
    state becomes what it becomes. While the service is away the controller waits for it, and says `Disconnected` in the
    end; `NotFound` where the controller does not have it. `InvalidState` where the state does not allow it, `Unsupported` where the
    service does not know it, `Remote` with `remote_type` and `remote_text` where its method raised.

    With `wait=False` a command gives its `Answer` as soon as the service has accepted it; `answer(id)` says what became of it.
    """

    __slots__ = ("_controller", "name")

    def __init__(self, controller: _native.Controller, name: str) -> None:
        self._controller = controller
        #: Its name.
        self.name = name

    def status(self, **how: Unpack[Waits]) -> dict[str, Any]:
        """What the controller knows of it: `state`, `view`, `since`, `busy` (seconds), `reason`, `allowed` … Queries the controller alone."""
        return self._controller.status(self.name, **how)

    def get_data(self, *, wait: bool = True, **how: Unpack[Waits]) -> Any:
        """Its data. During a long step the newest data that the controller has."""
        return self.command(Command.GET_DATA, wait=wait, **how)

    def pause(self, *, wait: bool = True, **how: Unpack[Waits]) -> Any:
        """Finishes the step, checkpoints, closes: then its files can be copied."""
        return self.command(Command.PAUSE, wait=wait, **how)

    def run(self, *, wait: bool = True, **how: Unpack[Waits]) -> Any:
        """Opens again and goes on."""
        return self.command(Command.RUN, wait=wait, **how)

    def checkpoint(self, *, wait: bool = True, **how: Unpack[Waits]) -> Any:
        """Stops working, checkpoints, goes on."""
        return self.command(Command.CHECKPOINT, wait=wait, **how)

    def shutdown(self, *, wait: bool = True, **how: Unpack[Waits]) -> Any:
        """Checkpoints, closes, leaves its controller and ends. A second call abandons the task under way."""
        return self.command(Command.SHUTDOWN, wait=wait, **how)

    def config(self, settings: Any = None, *, wait: bool = True, **how: Unpack[Waits]) -> Any:
        """Changes these settings and returns all of them."""
        return self.command(Command.CONFIG, settings, wait=wait, **how)

    def backup(self, path: str, *, wait: bool = True, **how: Unpack[Waits]) -> Any:
        """Writes a copy of its data to this path on its machine."""
        return self.command(Command.BACKUP, {"path": path}, wait=wait, **how)

    def cancel(self, id: str | None = None, **how: Unpack[Waits]) -> Any:  # noqa: A002
        """Withdraws the command of this id, or abandons it if it has begun; without an id, the task under way, a step too."""
        return self.command(Command.CANCEL, None if id is None else {"id": id}, **how)

    def describe(self, **how: Unpack[Waits]) -> dict[str, Any]:
        """Its description and the commands that it accepts, from the service itself."""
        return cast(dict[str, Any], self.command(Command.DESCRIBE, **how))

    def stats(self, **how: Unpack[Waits]) -> dict[str, Any]:
        """Its counters, from the service itself: `steps`, `accepted`, `done`, `failed`, `rejected`, `late`, `longest_step` (seconds) …"""
        return cast(dict[str, Any], self.command(Command.STATS, **how))

    def log(self, lines: int = 100, **how: Unpack[Waits]) -> list[dict[str, Any]]:
        """The newest lines of its log, oldest first: `at`, `service`, `level`, `text`. The lines that the controller has."""
        return self._controller.log(self.name, lines=lines, **how)

    def command(
        self,
        command: Command | str,
        arguments: Any = None,
        *,
        wait: bool = True,
        **how: Unpack[Waits],
    ) -> Any:
        """Any command, also one of the service's own: `command("calibrate", {"gain": 2})`."""
        if wait:
            return self._controller.command(self.name, command, arguments, **how)
        # Its time-out is for the result; to be accepted takes no time.
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
        """The full form of a command: returns the final answer of any kind.

        `id` (1 to 64 bytes): the same id is the same command, which is carried out once, however often it is said, and gives the
        same answer for ten minutes. `epoch`: the incarnation of the service that it is for, as `status()["epoch"]` says;
        another one refuses it. `within`: seconds that it has; None for as long as it takes.
        """
        return self._controller.order(self.name, command, arguments, id=id, epoch=epoch, within=within, **how)

    def answer(self, id: str, **how: Unpack[Waits]) -> Answer:  # noqa: A002
        """The outcome of the command of this id: its final answer, or ACCEPTED while it is under way."""
        return self._controller.answer(self.name, id, **how)

    def forget(self, **how: Unpack[Waits]) -> None:
        """Removes a service that has gone from the controller."""
        self._controller.forget(self.name, **how)

    def __repr__(self) -> str:
        return f"<linkspan.ServiceHandle {self.name}>"
