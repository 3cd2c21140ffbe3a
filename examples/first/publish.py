"""Publish and subscribe: `publish.py` publishes ten readings a second, `publish.py subscribe` prints three readings."""

import sys
import time
from itertools import islice

import linkspan

if sys.argv[1:] == ["subscribe"]:
    with linkspan.subscribe("first/publish") as readings:
        for reading in islice(readings, 3):
            print(f"{reading['celsius']:.1f} °C from {reading['from']}")
else:
    with linkspan.publisher("first/publish") as out:
        celsius = 20.0
        while True:
            out.send({"celsius": celsius, "from": "Python"})
            celsius += 0.1
            time.sleep(0.1)
