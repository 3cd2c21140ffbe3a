"""Servers: they answer each request of many clients once."""

from __future__ import annotations

import contextlib
import inspect
import logging
import operator
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from . import _native
from ._native import Request
from .errors import Error, OutOfRange, Remote, WrongType
from .words import shown


class Server(_native.Server):
    """Answers the requests of many clients: iterate over it, or give `run` a handler."""

    __slots__ = ()

    def run(self, handler: Callable[[Request], Any], *, workers: int = 1) -> None:
        """Answers each request with the result of the handler, until close or SIGTERM.

        An exception of the handler is answered as `Remote` with type and text, and the logger `linkspan.server` logs it
        with its traceback, unless it is a `Remote`. Then the next request is taken. Only a `KeyboardInterrupt` ends the
        loop. The handler also gets messages that were sent instead of called; they need no answer.

        With `workers` above 1, that many threads run the handler. Taken requests are answered before `run` returns. Use
        `linkspan.aio.serve` for coroutine functions.
        """
        check_handler(self.endpoint, handler)
        if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None)):
            raise WrongType(f"{self.endpoint}: the handler is a coroutine function{_FOR_AIO}")
        workers = number_of_workers(self.endpoint, workers, "threads that run the handler")
        if workers == 1:
            for request in self:
                self._answer(handler, request)
            return
        # Only as many requests are taken as threads are free. The senders of the others see that they wait.
        free = threading.Semaphore(workers)
        idle = threading.Semaphore(0)
        taken: queue.SimpleQueue[Request | None] = queue.SimpleQueue()

        def work() -> None:
            while (request := taken.get()) is not None:
                try:
                    self._answer(handler, request)
                except BaseException:  # such as SystemExit, which ends neither the server nor this thread
                    _LOG.exception("%s: the handler has ended without an answer", self.endpoint)
                del request
                idle.release()
                free.release()

        # Not a pool of `concurrent.futures`, whose threads end before daemon threads and `atexit` functions do.
        threads: list[threading.Thread] = []
        try:
            free.acquire()
            for request in self:
                taken.put(request)
                del request
                if not idle.acquire(blocking=False):
                    thread = threading.Thread(target=work, name=f"linkspan-worker_{len(threads)}")
                    thread.start()
                    threads.append(thread)
                free.acquire()
        finally:
            for _ in threads:
                taken.put(None)
            for thread in threads:
                thread.join()

    def _answer(self, handler: Callable[[Request], Any], request: Request) -> None:
        try:
            answer = handler(request)
            # For a lambda or partial only the result shows that it is a coroutine.
            if inspect.isawaitable(answer):
                if inspect.iscoroutine(answer):
                    answer.close()
                raise WrongType(f"{self.endpoint}: the handler returned a {type(answer).__name__}{_FOR_AIO}")
            if not request.answered:
                request.reply(answer)
        except Exception as error:  # the caller gets every exception
            fail_with(self.endpoint, request, error)


_FOR_AIO = ", which this loop cannot await: await linkspan.aio.serve(endpoint).run(handler), or give a function"


def check_handler(endpoint: str, handler: object) -> None:
    """Raises `WrongType` for a handler that is not callable, before a request is taken."""
    if not callable(handler):
        error = WrongType(f"{endpoint}: handler={shown(handler)}: give a function that accepts a request and returns its answer")
        error.endpoint, error.path = endpoint, "handler"
        raise error


def number_of_workers(endpoint: str, workers: object, what: str) -> int:
    """Raises `WrongType` or `OutOfRange` if invalid; `what` describes the number."""
    try:
        if isinstance(workers, bool):
            raise TypeError
        number = operator.index(workers)  # type: ignore[arg-type]
    except TypeError:
        raise _named_workers(WrongType, endpoint, workers, what) from None
    if number < 1:
        raise _named_workers(OutOfRange, endpoint, workers, what)
    return number


def _named_workers(kind: type[Error], endpoint: str, workers: object, what: str) -> Error:
    error = kind(f"{endpoint}: workers={shown(workers)}: give the number of {what}, an int from 1 upwards")
    error.endpoint, error.path = endpoint, "workers"
    return error


_LOG = logging.getLogger("linkspan.server")


def _written_anywhere(record: logging.LogRecord) -> bool:
    """Escapes lone surrogates, which files, sockets and pipes in UTF-8 would refuse, losing the line."""
    if record.exc_info:
        record.exc_text = logging.Formatter().formatException(record.exc_info).encode("utf-8", "backslashreplace").decode()
    return True


_LOG.addFilter(_written_anywhere)


def fail_with(endpoint: str, request: Request, error: BaseException) -> None:
    """Neither the contents of the exception nor a log handler can end the loop."""
    if not request.answered:
        request._fail_with(error)
    if isinstance(error, Remote):
        return
    try:
        _LOG.error("%s: the handler failed for a request of %s", endpoint, request.source, exc_info=error)
    except KeyboardInterrupt:  # Ctrl-C
        raise
    except BaseException:  # as `logging` treats exceptions of its handlers
        if logging.raiseExceptions and sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):  # closed or missing
                sys.stderr.write(traceback.format_exc().encode("utf-8", "backslashreplace").decode())
