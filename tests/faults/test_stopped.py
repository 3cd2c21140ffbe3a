"""SIGSTOP beyond every time-out: waiting programs get errors in time, and later everything continues.

All transports stop together, because the test takes as long as the time-outs.
"""

import os
import signal
import subprocess
import threading
import time

import linkspan

from transports import ANSWERING, MANY, endpoint

#: Seconds, longer than any time-out: a new connection has 5 s for its hello.
STOPPED = float(os.environ.get("LINKSPAN_STOPPED", "6"))
#: Seconds; only guards against a hang.
SOON = 60.0 + STOPPED
#: Most messages sent to a stopped process; transports hold different numbers.
MOST = 2000

SERVER = """
taken = []
with linkspan.serve(sys.argv[1]) as server:
    print("ready")
    for request in server:
        if request.value == "all":
            request.reply(taken)
        elif request.wants_reply:
            request.reply(request.value)
        else:
            taken.append(request.value)
"""

CLIENT = """
with linkspan.connect(sys.argv[1], timeout=200.0) as channel:
    print("ready")
    for i in range(int(sys.argv[2])):
        assert channel.call(i, timeout=200.0).value == i
        # Slow enough to be stopped in the middle.
        time.sleep(0.001)
    print([event.kind for event in channel.events()])
"""


def line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def error_of(use) -> str:
    try:
        use()
    except linkspan.Error as error:
        return type(error).__name__
    return "done"


def test_stopped_servers(start) -> None:
    names = {transport: endpoint(transport, "stopped") for transport in ANSWERING}
    servers = {transport: start(SERVER, name) for transport, name in names.items()}
    assert all(line(server) == "ready" for server in servers.values())
    channels = {transport: linkspan.connect(name, timeout=SOON) for transport, name in names.items()}
    for channel in channels.values():
        assert channel.call("before", timeout=SOON).value == "before"
    for server in servers.values():
        os.kill(server.pid, signal.SIGSTOP)
    began = time.monotonic()
    accepted: dict[str, list[int]] = {}
    for transport, channel in channels.items():
        assert error_of(lambda: channel.call("meanwhile", timeout=0.1)) in {"Timeout", "Full"}, transport
        sent = accepted[transport] = []
        for i in range(MOST):
            became = error_of(lambda: channel.send(i, timeout=0.05))
            if became != "done":
                assert became in {"Timeout", "Full"}, transport
                break
            sent.append(i)
        if transport in MANY:
            assert error_of(lambda: linkspan.connect(names[transport], timeout=0.1).close()) in {"Stalled", "Timeout", "done"}
    came = {}

    def connect(transport: str) -> None:
        with linkspan.connect(names[transport], timeout=SOON, client_id="patient") as patient:
            came[transport] = patient.call("late", timeout=SOON).value

    waiting = [threading.Thread(target=connect, args=(transport,)) for transport in ANSWERING if transport in MANY]
    for thread in waiting:
        thread.start()
    time.sleep(max(0.0, began + STOPPED - time.monotonic()))
    for server in servers.values():
        os.kill(server.pid, signal.SIGCONT)
    for thread in waiting:
        thread.join(SOON)
    assert came == {transport: "late" for transport in ANSWERING if transport in MANY}
    for transport, channel in channels.items():
        assert channel.call("after", timeout=SOON).value == "after", transport
        assert channel.call("all", timeout=SOON).value == accepted[transport], transport
        assert [event.kind for event in channel.events()] == ["connected"], f"{transport}: a stop is no end"
        channel.close()


def test_stopped_clients(start) -> None:
    names = {transport: endpoint(transport, "stopped") for transport in ANSWERING}
    servers = {transport: start(SERVER, name) for transport, name in names.items()}
    assert all(line(server) == "ready" for server in servers.values())
    clients = {transport: start(CLIENT, name, "300") for transport, name in names.items()}
    assert all(line(client) == "ready" for client in clients.values())
    for client in clients.values():
        os.kill(client.pid, signal.SIGSTOP)
    began = time.monotonic()
    for transport in MANY:
        with linkspan.connect(names[transport], timeout=SOON, client_id="other") as other:
            assert other.call("other", timeout=SOON).value == "other"
    time.sleep(max(0.0, began + STOPPED - time.monotonic()))
    for client in clients.values():
        os.kill(client.pid, signal.SIGCONT)
    for transport, client in clients.items():
        assert line(client) == "['connected']", transport
        assert client.wait(SOON) == 0, transport
