"""A remote program in a network namespace whose network fails silently for a while."""

import sys

from conftest import GATEWAY, Bench
from support.namespaces import needed, unshare
from support.tree import ROOT
from support.waiting import PATIENCE

pytestmark = needed("--net")

SCRIPT = """
import subprocess, sys, time
gateway, tokens, token, client = sys.argv[1:]
sys.path.insert(0, client)
import linkspan, linkspan_remote
network = lambda state: subprocess.run(["ip", "link", "set", "lo", state], check=True)
child = subprocess.Popen([gateway, "--tokens", tokens, "--listen", "127.0.0.1:0", "--ping", "500ms"], stdout=subprocess.PIPE, text=True)
address = child.stdout.readline().partition("#")[0].rstrip("/\\n")
out = linkspan.publisher("lab/a")
lab = linkspan_remote.connect(address, token=token, timeout=60)
reader, writer = lab.subscribe("lab/a", timeout=60), lab.publisher("lab/b")
out.wait_for_subscribers(1, timeout=60)
out.send(1)
print(reader.recv().value, writer.send(1, timeout=60))
network("down")
# Only the client's pings notice: nothing else waits for an answer.
limit = time.monotonic() + 30
while lab.machine is not None and time.monotonic() < limit:
    time.sleep(0.01)
print("noticed" if lab.machine is None else "nothing was noticed")
for i in range(2, 6):
    out.send(i)
try:
    reader.recv(timeout=0.1)
except linkspan_remote.Error as error:
    print(type(error).__name__)
network("up")
received, missed = [], 0
while not received or received[-1] != 5:
    try:
        received.append(reader.recv().value)
    except linkspan_remote.Lagged as lagged:
        missed += lagged.missed
print(len(received) + missed, writer.send(2, timeout=60) > 0)
lab.close()
child.terminate()
print(child.wait(60))
"""


def test_dead_network_is_noticed_and_everything_goes_on_with_its_losses_counted(bench: Bench) -> None:
    token = bench.token("all", "--read", "*", "--write", "*")
    within = [*unshare("--net"), "sh", "-ec", 'ip link set lo up; exec "$@"', "sh"]
    child = bench.start(*within, sys.executable, "-c", SCRIPT, GATEWAY, bench.tokens, token, ROOT / "clients/python-remote")
    out, err = child.communicate(timeout=2 * PATIENCE)
    assert child.returncode == 0, err
    assert out.splitlines() == ["1 1", "noticed", "Disconnected", "4 True", "0"], (out, err)
