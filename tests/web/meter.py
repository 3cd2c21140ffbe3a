"""A service for the tests of the controller's page: a meter whose values change, and which fails on command."""

import argparse
import math
import os
import time

import linkspan


class Meter(linkspan.Service):
    """Counts its steps; the other values change with the count."""

    def __init__(self):
        self.rows = 0
        self.offset = 0.0
        self.failing = False
        self.extra = None

    def on_start(self):
        self.failing = False

    def step(self):
        if self.failing:
            raise OSError(5, "Input/output error", "/dev/ttyUSB0")
        self.rows += 1

    def data(self):
        swing = math.sin(self.rows / 9)
        return {
            "rows": self.rows,
            "watts": 230.0 + 40 * swing + self.offset,
            "volts": 5.0 + 0.02 * math.cos(self.rows / 5),
            "meter": {"serial": "A-17", "closed": False, "celsius": 21.0 + swing / 2},
            "at": linkspan.Timestamp.now(),
            **({"extra": self.extra} if self.extra else {}),
        }

    def on_config(self, settings):
        if settings is not None:
            self.offset = float(settings["offset"])
        return {"offset": self.offset}

    def do_calibrate(self, arguments):
        if not arguments or "volts" not in arguments:
            raise ValueError("calibrate needs volts")
        return {"volts": arguments["volts"], "error": 0.25}

    def do_break(self, _):
        self.failing = True

    def do_grow(self, size):
        self.extra = "x" * size

    def do_report(self, value):
        self.extra = value

    def do_sleep(self, seconds):
        time.sleep(seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--every", type=float, default=0.2)
    parser.add_argument("--paused", action="store_true")
    parser.add_argument("--description", default="")
    given = parser.parse_args()
    print(os.getpid(), flush=True)
    linkspan.run(Meter(), name=given.name, every=given.every, paused=given.paused, description=given.description)
