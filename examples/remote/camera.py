"""Publishes the images of a camera on another machine through `linkspan gateway`.

Usage: python camera.py ADDRESS TOKEN [COUNT].
"""

import sys
import time

import linkspan_remote
import numpy

ADDRESS, TOKEN = sys.argv[1:3]
COUNT = int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000
HEIGHT, WIDTH = 480, 640


def image(number: int) -> numpy.ndarray:
    """Returns a bright spot that moves; the driver of a real camera returns such an array."""
    y, x = numpy.ogrid[:HEIGHT, :WIDTH]
    spot = numpy.exp(-((x - (number * 7) % WIDTH) ** 2 + (y - HEIGHT // 2) ** 2) / 2000.0)
    return (4095 * spot).astype(numpy.uint16)


with linkspan_remote.connect(ADDRESS, token=TOKEN) as lab, lab.publisher("lab/camera") as out:
    for number in range(COUNT):
        try:
            out.send({"image": image(number), "exposure": 0.02, "at": linkspan_remote.Timestamp.now()})
        except ConnectionError as error:
            # The client reconnects automatically. The gateway may or may not have this image.
            print(error, file=sys.stderr)
        time.sleep(0.1)
