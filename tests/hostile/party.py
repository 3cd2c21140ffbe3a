"""Honest programs in a test: commands, results and resources."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from support.waiting import next_line

HERE = Path(__file__).resolve().parent
#: Seconds; only guards against a hang.
SOON = float(os.environ.get("LINKSPAN_HOSTILE_PATIENCE", "60"))
#: The factor that lengthens random parts at night.
EFFORT = int(os.environ.get("LINKSPAN_HOSTILE", "1"))
T = TypeVar("T")


def some(chance: random.Random, cases: Iterable[T], most: int) -> list[T]:
    """Returns all cases by night, or at most this many random ones by day, in order."""
    every = list(cases)
    if EFFORT > 1 or len(every) <= most:
        return every
    return [every[at] for at in sorted(chance.sample(range(len(every)), most))]


class Became(Exception):
    """A failed command: kind and text of the error."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


@dataclass
class Cost:
    """Descriptors, threads, and KiB of memory (current and peak)."""

    descriptors: int
    threads: int
    resident: int
    peak: int

    @staticmethod
    def of(pid: int) -> "Cost":
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
        number = lambda key: int(status[key].split()[0])  # noqa: E731
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        return Cost(descriptors, number("Threads"), number("VmRSS"), number("VmHWM"))


def busy(parties: "list[Party]") -> "list[Party]":
    """Returns threads that use most of a processor in repeated samples; a program whose peers all wait must be
    idle."""
    for _ in range(int(SOON * 10)):
        before = [party.ticks() for party in parties]
        time.sleep(0.1)
        most = 0.05 * os.sysconf("SC_CLK_TCK")
        parties = [party for party, was in zip(parties, before, strict=True) if party.ticks() - was >= most]
        if not parties:
            break
    return parties


class Party:
    def __init__(self, directory: Path, state: Path, log: Path, prepare: Callable[[], None] | None = None) -> None:
        environment = {
            **os.environ, "LINKSPAN_DIR": str(directory), "LINKSPAN_STATE_DIR": str(state), "RUST_BACKTRACE": "1",
        }
        self.log = log
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-u", str(HERE / "honest.py")], text=True, env=environment, preexec_fn=prepare,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            )
        self.pid = self.process.pid
        self.orders: dict[int, Future[Any]] = {}
        self.last = 0
        self.counted: dict[str, int] = {}
        assert self.process.stdout is not None
        assert json.loads(next_line(self.process.stdout, "an honest program that is ready", SOON)) == {"ready": True}
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            answer = json.loads(line)
            future = self.orders.pop(answer["id"])
            if "error" in answer:
                future.set_exception(Became(answer["error"], answer["text"]))
            else:
                future.set_result(answer["gave"])

    def begin(self, do: str, *words: Any, **more: Any) -> "Future[Any]":
        self.last += 1
        future: Future[Any] = Future()
        self.orders[self.last] = future
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"id": self.last, "do": do, "with": words, "and": more}) + "\n")
        self.process.stdin.flush()
        return future

    def do(self, do: str, *words: Any, **more: Any) -> Any:
        """Sends a command and waits for its result. An unfinished command is a hang."""
        try:
            return self.begin(do, *words, **more).result(SOON)
        except TimeoutError:
            raise AssertionError(f"{do}{words} did not end in {SOON:.0f} s: {self.problems()}") from None

    def outcome(self, do: str, *words: Any, **more: Any) -> str:
        """Returns the kind of the error, or "done"."""
        try:
            self.do(do, *words, **more)
        except Became as became:
            return became.kind
        return "done"

    def numbered(self, do: str, name: str, count: int, *words: Any) -> Any:
        """Continues to count after the last command of its name."""
        first = self.counted.get(name, 0)
        self.counted[name] = first + count
        return self.do(do, name, first, count, *words)

    def cost(self) -> Cost:
        return Cost.of(self.pid)

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def ticks(self) -> int:
        after = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(after[11]) + int(after[12])

    def problems(self) -> str:
        return self.log.read_text(errors="replace")

    def check(self) -> None:
        assert self.process.poll() is None, f"an honest program ended: {self.process.returncode}\n{self.problems()}"
        assert self.problems() == "", self.problems()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                pass  # It no longer reads commands.
