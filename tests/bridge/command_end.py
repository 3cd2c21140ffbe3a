"""A client of the controller: sends a service the command `add` with one number after the other, until its standard input ends.

usage: command_end.py SERVICE

It prints a line for each number: `done NUMBER`, or `failed NUMBER TEXT`.
"""

import select
import sys

import linkspan

number = 0
with linkspan.Controller() as controller:
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        number += 1
        try:
            assert controller.service(sys.argv[1]).command("add", number, timeout=10) == number
            print("done", number, flush=True)
        except linkspan.Error as error:
            print("failed", number, type(error).__name__, *str(error).split(), flush=True)
