"""The service in Python, with hooks. See README.md."""

import sys
import time
from pathlib import Path

import linkspan


class Peer(linkspan.Service):
    """The common parts of every service of this folder."""

    def __init__(self, gates: str) -> None:
        self.gates = Path(gates)
        self.steps = 0
        self.breaks = False

    def gate(self, name: str) -> None:
        while (self.gates / name).exists():
            time.sleep(0.005)

    def on_start(self) -> None:
        self.gate("START")

    def step(self) -> None:
        self.gate("STEP")
        if self.breaks:
            raise RuntimeError("asked to break")
        self.steps += 1

    def on_pause(self) -> None:
        self.gate("PAUSE")

    def on_resume(self) -> None:
        self.gate("RUN")

    def on_checkpoint(self) -> None:
        self.gate("CHECKPOINT")

    def on_stop(self) -> None:
        self.gate("SHUTDOWN")

    def data(self) -> object:
        self.gate("GET_DATA")
        return {"language": "python", "steps": self.steps}

    def on_config(self, settings: object) -> object:
        return settings

    def on_backup(self, arguments: object) -> object:
        return arguments

    def do_echo(self, arguments: object) -> object:
        return arguments

    def do_fail(self, arguments: object) -> object:
        raise RuntimeError("asked to fail")

    def do_break(self, arguments: object) -> object:
        self.breaks = True


linkspan.run(Peer(sys.argv[2]), name=sys.argv[1], every=0.02, paused=sys.argv[3:] == ["ready"])
