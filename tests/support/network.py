"""TCP ports for programs that a test starts."""

import itertools
import random
import socket

# Below the ports that the system gives to those who connect, so that none of them takes one first.
_ports = itertools.cycle(random.sample(range(20_000, 32_000), 12_000))
# A name for each port that was given, held until this process ends: no other test's process is given one of them.
_given: list[socket.socket] = []


def free_port() -> int:
    """A port at 127.0.0.1 that no process holds, and that no other caller has."""
    for port in _ports:
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0linkspan test port {port}")
        except OSError:
            name.close()
            continue
        _given.append(name)
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable")
