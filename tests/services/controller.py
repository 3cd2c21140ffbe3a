"""The controller in Python. See README.md."""

import sys

import linkspan

controller = linkspan.Controller()
for line in sys.stdin:
    service, command, within, arguments = line.split()
    try:
        value = controller.service(service).command(
            command, linkspan.decode(arguments.encode(), "json"), timeout=float(within)
        )
        print("DONE", linkspan.encode(value, "json").decode(), flush=True)
    except linkspan.Error as error:
        print("ERROR", error.code, *str(error).split(), flush=True)
