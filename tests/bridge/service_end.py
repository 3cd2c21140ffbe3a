"""A service that writes each number of its command `add` to a file.

usage: service_end.py NAME FILE

Each line of FILE is `incarnation number`.
"""

import os
import sys

import linkspan


class Peer(linkspan.Service):
    def __init__(self, file: str) -> None:
        self.log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.steps, self.hooks = 0, []

    def step(self) -> None:
        self.steps += 1

    def on_pause(self) -> None:
        self.hooks.append("pause")

    def on_resume(self) -> None:
        self.hooks.append("resume")

    def on_checkpoint(self) -> None:
        self.hooks.append("checkpoint")

    def data(self) -> object:
        return {"steps": self.steps, "hooks": self.hooks}

    def do_add(self, number: object) -> object:
        os.write(self.log, f"{os.getpid()} {number}\n".encode())
        return number


if __name__ == "__main__":
    linkspan.run(Peer(sys.argv[2]), name=sys.argv[1], every=0.05)
