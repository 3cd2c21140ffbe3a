"""The sensors of this machine's kernel. A virtual machine has only counters, and no thermometer."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SECTOR = 512  # bytes; the unit of /proc/diskstats, whatever the disk's own sectors are

Quantity = tuple[str, str]  # name, unit


def counters() -> Iterator[tuple[Quantity, float]]:
    """Yields counters since boot, scaled so that the rate per second has the given unit."""
    busy, total = 0, 0
    for i, ticks in enumerate(int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]):
        total += ticks
        busy += ticks if i not in (3, 4) else 0  # neither idle nor waiting for a disk
    yield ("cpu", "%"), 100.0 * busy / (os.sysconf("SC_CLK_TCK") * (os.cpu_count() or 1))
    links = [line.split(":")[1].split() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]
    yield ("network_in", "kB/s"), sum(int(link[0]) for link in links) / 1e3
    yield ("network_out", "kB/s"), sum(int(link[8]) for link in links) / 1e3
    whole = set(os.listdir("/sys/block")) if os.path.isdir("/sys/block") else set()
    disks = [line.split() for line in Path("/proc/diskstats").read_text().splitlines()]
    yield ("disk_read", "kB/s"), sum(int(disk[5]) for disk in disks if disk[2] in whole) * SECTOR / 1e3
    yield ("disk_written", "kB/s"), sum(int(disk[9]) for disk in disks if disk[2] in whole) * SECTOR / 1e3


def gauges() -> Iterator[tuple[Quantity, float]]:
    """Yields the current values."""
    yield ("load", "tasks"), os.getloadavg()[0]
    sizes = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    total, free = (int(sizes[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    yield ("memory", "%"), 100.0 * (total - free) / total
    # The sensors of the board: the pattern of their files, the unit, and the kernel's part of the unit.
    for pattern, unit, scale in (("temp", "°C", 1e-3), ("fan", "rpm", 1), ("in", "V", 1e-3), ("power", "W", 1e-6)):
        for file in sorted(Path("/sys/class/hwmon").glob(f"hwmon*/{pattern}*_input")):
            chip, own = file.with_name("name"), file.with_name(file.name.replace("_input", "_label"))
            yield from sensor(file, scale, unit, chip, own, file.name.removesuffix("_input"))
    for zone in sorted(Path("/sys/class/thermal").glob("thermal_zone*")):
        yield from sensor(zone / "temp", 1e-3, "°C", zone / "type", None, zone.name.removeprefix("thermal_"))


def sensor(
    file: Path, scale: float, unit: str, chip: Path, label: Path | None, name: str
) -> Iterator[tuple[Quantity, float]]:
    """Yields the value in one file of the kernel; none if the sensor is switched off."""
    try:
        value = int(file.read_text()) * scale
        own = label.read_text() if label is not None and label.exists() else name
        yield ("_".join(f"{chip.read_text()} {own}".lower().split()), unit), value
    except (OSError, ValueError):
        return


def sensors() -> Callable[[], dict[Quantity, float]]:
    """Returns a function that measures everything; counters become rates since its last call."""
    before, then = dict(counters()), time.monotonic()

    def read() -> dict[Quantity, float]:
        nonlocal before, then
        now, counted = time.monotonic(), dict(counters())
        rates = {name: (value - before[name]) / max(now - then, 1e-3) for name, value in counted.items()}
        before, then = counted, now
        return rates | dict(gauges())

    return read
