"""TCP ports for programs that a test starts."""

import itertools
import random
import socket

# Lies below the system's ephemeral ports, so no client takes one first.
_ports = itertools.cycle(random.sample(range(20_000, 32_000), 12_000))
# Held until this process ends, so no other test process gets these ports.
_given: list[socket.socket] = []


def free_port() -> int:
    """Returns a free port at 127.0.0.1 that no other caller has."""
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
