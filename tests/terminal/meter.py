"""Publishes about a hundred values a second."""

import sys
import time

import linkspan

with linkspan.publisher(sys.argv[1], client_id="meter") as out:
    number = 0
    while True:
        out.send(number)
        number += 1
        time.sleep(0.01)
