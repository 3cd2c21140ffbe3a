"""Services: programs that work in steps, and that a controller can query, pause, run and shut down."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any, Unpack, cast

from ._native import ServiceLoop, Task
from .errors import Cancelled, InvalidState, WrongType, refused
from .options import Options, Seconds, ServiceOptions
from .words import Command, State


class Service:
    """The work of a service, with one method per task.

    `linkspan.run` calls the methods one at a time. Methods named `do_NAME` are commands of the service:
    `service.command("calibrate", {"gain": 2})` calls `do_calibrate(self, arguments)` and returns its result. The caller
    gets type and text of an exception. An exception of `on_start` or `step` makes the service FAILED and ends the
    program.
    """

    _loop: ServiceLoop | None = None
    _task: Task | None = None

    # Methods to override -----------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Opens the resources of the service. Called once, first."""

    def step(self) -> None:
        """Does one step of the work: once a second while RUNNING, or at the interval given to `run`."""

    def on_pause(self) -> None:
        """Checkpoints and closes, so that the files are complete. If it raises, the service continues."""

    def on_resume(self) -> None:
        """Reopens the resources that `on_pause` closed. By default it calls `on_start`."""
        self.on_start()

    def on_checkpoint(self) -> None:
        """Makes the written files complete, and continues."""

    def on_stop(self) -> None:
        """Called before the program ends, unless `on_pause` has already run. By default it calls `on_pause`."""
        self.on_pause()

    def data(self) -> Any:
        """Returns the newest data as a sendable value, and changes nothing.

        Pages plot numbers at its top level.
        """
        return None

    def on_config(self, arguments: Any) -> Any:
        """Changes the given settings and returns all settings. Without this method CONFIG is REJECTED."""
        raise NotImplementedError

    def on_backup(self, arguments: Any) -> Any:
        """Writes a copy of the data to the given path. Without this method BACKUP is REJECTED."""
        raise NotImplementedError

    # State -------------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name of the service at its controller."""
        return self._running.name

    @property
    def state(self) -> State:
        """The state of the service."""
        return self._running.state

    @property
    def cancelled(self) -> bool:
        """Whether the task must be abandoned, for long steps on a thread that no signal can interrupt."""
        return self._running.cancelled

    @property
    def remaining(self) -> float:
        """The remaining seconds of the current command; infinite in a step."""
        return float("inf") if self._task is None else self._task.remaining

    @property
    def controller(self) -> str:
        """The endpoint of the controller."""
        return str(self._running.stats()["controller"])

    @property
    def connected(self) -> bool:
        """Whether the service is connected to a controller."""
        return self._running.connected

    def log(self, text: str, level: str = "info") -> None:
        """Adds a line to the log, which the controller shows. Levels: `debug`, `info`, `warning`, `error`."""
        self._running.log(text, level)

    def problem(self, text: str) -> None:
        """Reports a problem that does not end the service, shown next to the state. An empty text clears it."""
        self._running.set_reason(text)

    def shutdown(self) -> None:
        """Requests the end of the service, like SHUTDOWN, after the current method."""
        self._running.shutdown()

    def __repr__(self) -> str:
        if self._loop is None:
            return f"<{type(self).__qualname__}, a service that is not running>"
        return f"<{type(self).__qualname__} {self._loop.name} {self._loop.state}>"

    @property
    def _running(self) -> ServiceLoop:
        if self._loop is None:
            raise InvalidState(f"{type(self).__qualname__} is not running: give it to linkspan.run")
        return self._loop


def run(
    service: Service,
    name: str,
    *,
    controller: str | None = None,
    every: Seconds = 1.0,
    paused: bool = False,
    description: str = "",
    **options: Unpack[Options],
) -> None:
    """Runs a service under this name until it has STOPPED; the program then exits with 0.

    `controller`: the endpoint of the controller; by default `$LINKSPAN_CONTROLLER`, else `unix:controller`. The service
    connects in the background and works without one. `every`: seconds between the starts of two steps; missed steps are
    not repeated. 0 means no pause, None no steps. `paused`: whether the service waits in READY for RUN. `options` are
    those of the connection to the controller.

    An exception of `on_start`, `step` or `on_stop` is raised here, after the controller has received FAILED.

    On the main thread the first SIGTERM or SIGINT means SHUTDOWN: the current method finishes, then `on_stop` is
    called. The second signal raises `linkspan.Cancelled` in that method, also out of a system call. A second SHUTDOWN,
    or a CANCEL, from the controller does so by SIGURG. The third signal has its usual effect. On any other thread the
    methods must check `cancelled`.
    """
    if not isinstance(service, Service):
        instead = f"{service.__qualname__}(), an object of it" if isinstance(service, type) else "an object of a class made from linkspan.Service"
        raise refused(WrongType, "service", service, instead)
    main = threading.current_thread() is threading.main_thread()
    given: ServiceOptions = {
        "every": every, "paused": paused, "description": description, "commands": _commands(service),
    }
    if controller is not None:
        given["controller"] = controller
    given.update(cast(ServiceOptions, options))
    run = _Run(service)
    try:
        # Installs the handlers before a controller can see the service: even an early signal then ends it properly.
        with run.signals() if main else nullcontext():
            run.begin(ServiceLoop(name, interrupt=signal.SIGURG if main else None, **given))
            run.until_stopped()
    finally:
        service._loop = service._task = None


def _commands(service: Service) -> list[str]:
    kind = type(service)
    own = [method.removeprefix("do_") for method in dir(service) if method.startswith("do_")]
    config = ["CONFIG"] if kind.on_config is not Service.on_config else []
    backup = ["BACKUP"] if kind.on_backup is not Service.on_backup else []
    return config + backup + own


class _Run:
    loop: ServiceLoop

    def __init__(self, service: Service) -> None:
        self.service = service
        self.signalled = 0
        #: The number of signals before the loop existed.
        self.early = 0
        self.urgent: Any = None
        # Whether a method that may be abandoned is running.
        self.inside = False

    def begin(self, loop: ServiceLoop) -> None:
        # From here on the handlers call the loop, which first gets the early signals.
        self.loop = self.service._loop = loop
        for _ in range(self.early):
            loop.shutdown()

    def until_stopped(self) -> None:
        try:
            self.start()
            for task in self.loop:
                self.service._task = task
                self.carry_out(task)
        finally:
            # Also after a failure, to deliver the last report.
            self.loop.close()

    def start(self) -> None:
        try:
            self.interruptible(self.service.on_start)
        except BaseException as error:
            self.inside = False
            self.loop.fail(error)
            raise

    def carry_out(self, task: Task) -> None:
        try:
            task.done(self.interruptible(lambda: self.do(task)))
        except BaseException as error:
            self.inside = False
            # An abandoned step is not a failure. An abandoned shutdown still ends the service.
            last = task.command is Command.SHUTDOWN or (task.command is Command.STEP and not self.loop.cancelled)
            task.failed(error)
            if last or not isinstance(error, Exception):
                raise

    def do(self, task: Task) -> Any:
        service = self.service
        match task.command:
            case Command.STEP:
                service.step()
            case Command.GET_DATA:
                return service.data()
            case Command.PAUSE:
                service.on_pause()
            case Command.RUN if task.before is State.READY:
                pass  # everything is open since the start
            case Command.RUN:
                service.on_resume()
            case Command.CHECKPOINT:
                service.on_checkpoint()
            case Command.SHUTDOWN if task.before is State.PAUSED:
                pass  # everything is closed since the pause
            case Command.SHUTDOWN:
                service.on_stop()
            case Command.CONFIG:
                return service.on_config(task.arguments)
            case Command.BACKUP:
                return service.on_backup(task.arguments)
            case own:
                return getattr(service, f"do_{own}")(task.arguments)
        return None

    def interruptible(self, method: Callable[[], Any]) -> Any:
        """Calls a method that a signal handler may end."""
        try:
            self.inside = True
            # The signal may have arrived just before.
            if self.loop.cancelled:
                self.give_up()
            return method()
        finally:
            self.inside = False

    def give_up(self) -> None:
        if self.inside:
            self.inside = False
            raise Cancelled(f"the method of {self.service.name} that was under way was cancelled")

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Installs the signal handlers and restores the previous ones at the end."""
        handlers = {signal.SIGTERM: self.asked_to_end, signal.SIGINT: self.asked_to_end, signal.SIGURG: self.interrupted}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        self.urgent = before[signal.SIGURG]
        try:
            yield
        finally:
            for number, handler in before.items():
                # None is a handler that was not set by Python, which cannot restore it.
                if handler is not None:
                    signal.signal(number, handler)

    def asked_to_end(self, number: int, frame: FrameType | None) -> None:
        self.signalled += 1
        if self.signalled > 2:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        if self.service._loop is None:
            self.early += 1
            return
        self.loop.shutdown()
        if self.signalled == 2:
            self.give_up()

    def interrupted(self, number: int, frame: FrameType | None) -> None:
        if self.service._loop is not None and self.loop.cancelled:
            self.give_up()
        elif callable(self.urgent):
            self.urgent(number, frame)
