"""Half-open TCP connections: a silent network, or a program that vanished without closing."""

import pytest
from programs import lines
from support.namespaces import needed

pytestmark = needed("--net")

BEGIN = """
    import subprocess, threading
    AT, NAME = "tcp://127.0.0.1:18171", "tcp://127.0.0.1:18172"
    network = lambda state: subprocess.run(["ip", "link", "set", "lo", state], check=True)

    def became(call):
        try:
            return call()
        except linkspan.Error as error:
            return type(error).__name__

    out = linkspan.publisher(NAME)
    out.send(0)
    reader = linkspan.subscribe(NAME, timeout=60)
    print(reader.recv().value)
"""


@pytest.mark.parametrize("seconds", [0.3, 3.0])
def test_connection_that_carries_nothing_for_a_while_ends_waits_and_goes_on(start, seconds: float) -> None:
    script = BEGIN + """
    server = linkspan.serve(AT)
    threading.Thread(target=lambda: server.run(lambda request: request.value), daemon=True).start()
    channel = linkspan.connect(AT, timeout=60)
    print(channel.call("before").value)
    network("down")
    print(became(lambda: channel.call("meanwhile", timeout=0.3)), became(lambda: reader.recv(timeout=0.3)), became(lambda: linkspan.connect(AT, timeout=0.3)))
    for i in range(1, 6):
        out.send(i)
    time.sleep(float(sys.argv[1]))
    network("up")
    print([reader.recv(timeout=60).value for _ in range(5)], channel.call("after", timeout=60).value, [event.kind for event in channel.events()])
    """
    assert lines(start(script, str(seconds), within=["--net"], mounts="ip link set lo up")) == [
        "0",
        "before",
        "Timeout Timeout NotFound",
        "[1, 2, 3, 4, 5] after ['connected']",
    ]


def test_client_that_vanished_holds_nothing_but_its_client_id_until_something_is_sent_to_it(start) -> None:
    """The kernel drops the last packets of the client's sockets while the network is down."""
    child = """
import sys, linkspan
channel = linkspan.connect(sys.argv[1], timeout=60, client_id="plot")
channel.send("here", timeout=60)
channel.flush(timeout=60)
reader = linkspan.subscribe(sys.argv[2], timeout=60)
print(reader.recv().value, flush=True)
sys.stdin.read()
"""
    script = BEGIN + """
    with open("/proc/sys/net/ipv4/tcp_orphan_retries", "w") as retries:
        retries.write("1")
    listener = linkspan.listen(AT)
    child = subprocess.Popen([sys.executable, "-c", sys.argv[1], AT, NAME], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    vanished = listener.accept(timeout=60)
    print(vanished.recv(timeout=60).value, became(lambda: vanished.recv(timeout=0)), child.stdout.readline().strip())
    network("down")
    child.kill()
    child.wait()
    # No socket waits for the acknowledgement of its end.
    while any(line.split()[3] in ("04", "05") for line in open("/proc/self/net/tcp").readlines()[1:]):
        time.sleep(0.01)
    network("up")
    other = linkspan.connect(AT, timeout=60, client_id="other")
    other.send("other", timeout=60)
    print(listener.accept(timeout=60).recv(timeout=60).value, became(lambda: linkspan.connect(AT, timeout=0, client_id="plot")), out.subscribers)
    # The answer of its machine to anything tells.
    vanished.send("are you there", timeout=60)
    while isinstance(successor := became(lambda: linkspan.connect(AT, timeout=1, client_id="plot")), str):
        time.sleep(0.01)
    successor.send("again", timeout=60)
    print(listener.accept(timeout=60).recv(timeout=60).value)
    while out.subscribers != 1:
        out.send(1)
        time.sleep(0.01)
    print(reader.recv().value)
    """
    assert lines(start(script, child, within=["--net"], mounts="ip link set lo up")) == ["0", "here Timeout 0", "other AddressInUse 2", "again", "1"]
