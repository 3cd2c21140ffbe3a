"""The driver: publishes this machine's sensors, ten times a second, at observatory/sensors."""

import os
import signal
import sys
import time
from collections import deque
from pathlib import Path

import linkspan
from generated.observatory_sensors import SCHEMA, ObservatorySensors, ObservatorySensorsReadings

PERIOD = 0.1  # seconds
SECTOR = 512  # bytes; the unit of /proc/diskstats, whatever the disk's own sectors are


def processor():
    """Returns the working ticks and all ticks of the processors since boot."""
    ticks = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)  # neither idle nor waiting for a disk


def network():
    """Returns the bytes received and sent by all interfaces, including loopback, since boot."""
    rows = [line.split(":")[1].split() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]
    return sum(int(row[0]) + int(row[8]) for row in rows)


def disk():
    """Returns the bytes read from and written to all whole disks since boot."""
    disks = set(os.listdir("/sys/block")) if os.path.isdir("/sys/block") else set()
    rows = [line.split() for line in Path("/proc/diskstats").read_text().splitlines()]
    return SECTOR * sum(int(row[5]) + int(row[9]) for row in rows if row[2] in disks)


def memory():
    """Returns the share of the memory in use, in per cent."""
    rows = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    total, free = (int(rows[key].split()[0]) for key in ("MemTotal", "MemAvailable"))
    return 100.0 * (total - free) / total


def temperature():
    """Returns the temperature of the warmest sensor in degrees Celsius; None without one.

    Most virtual machines have none.
    """
    found = []
    for pattern in ("class/thermal/thermal_zone*/temp", "class/hwmon/hwmon*/temp*_input"):
        for file in Path("/sys").glob(pattern):
            try:
                found.append(int(file.read_text()) / 1000.0)
            except (OSError, ValueError):
                pass  # a sensor that is switched off cannot be read
    return max(found, default=None)


def counters():
    return time.monotonic(), *processor(), network(), disk()


def readings(before):
    """Returns all readings; counters since boot become rates over the last second."""
    before.append(counters())
    # A reset counter, as after the removal of an interface, gives a rate of zero, not below.
    seconds, busy, ticks, sent, moved = (max(new - old, 0) for new, old in zip(before[-1], before[0], strict=True))
    return ObservatorySensorsReadings(
        cpu=100.0 * busy / max(ticks, busy, 1),
        load=os.getloadavg()[0],
        memory=memory(),
        network=sent / max(seconds, 1e-3) / 1000.0,
        disk=moved / max(seconds, 1e-3) / 1000.0,
        temperature=temperature(),
    )


def main(schema=SCHEMA):  # another schema, as a text or a file, shows a refusal
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    before = deque([counters()], maxlen=11)
    with linkspan.publisher("observatory/sensors", schema=schema, validate="send") as out:
        next_time = time.monotonic()
        while True:
            next_time = max(next_time + PERIOD, time.monotonic())  # after a stop it does not catch up
            time.sleep(max(next_time - time.monotonic(), 0.001))
            out.send(ObservatorySensors(at=linkspan.Timestamp.now(), readings=readings(before)))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        pass
