"""Long messages between two users of a group use slots, and a kill of either frees the memory."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from conftest import BEGIN
from long_messages import CONTENT, KINDS, SOON, ask
from support.rights import several_users

pytestmark = several_users

GROUP, OWNER, FELLOW = 20200, 20001, 20002
SIZE = 300_000

#: Changes the user after all imports, because the interpreter may lie in root's folder. A process that changed its
#: user must become dumpable again.
BEGUN = f"""
import ctypes, os, sys, time, numpy, linkspan
uid = int(os.environ["LONG_USER"])
os.setgroups([{GROUP}]), os.setresgid(uid, uid, uid), os.setresuid(uid, uid, uid)
assert ctypes.CDLL(None).prctl(4, 1, 0, 0, 0) == 0
"""

OWNERS = CONTENT + f"""
name, kind, way = sys.argv[1:]
rights = {{"mode": 0o660, "group": {GROUP}}}
if way == "publish":
    publisher = linkspan.Publisher(name, **rights)
    print("ready", flush=True)
    publisher.wait_for_subscribers(1, timeout=60.0)
    for line in sys.stdin:
        publisher.send({{"number": int(line), "content": made(publisher, kind, int(line), {SIZE})}})
        stats = publisher.stats()
        print(stats["arrays_in_slots"] + stats["bodies_in_slots"], stats["arrays_without_slot"] + stats["bodies_without_slot"], flush=True)
else:
    listener = linkspan.listen(name, **rights)
    print("ready", flush=True)
    channel = listener.accept(timeout=60.0)
    for line in sys.stdin:
        number = channel.recv(timeout=60.0)["number"]
        channel.send({{"number": number, "content": made(channel, kind, number, {SIZE})}}, timeout=60.0)
        stats = channel.stats()
        print(stats["arrays_in_slots"] + stats["bodies_in_slots"], stats["arrays_without_slot"] + stats["bodies_without_slot"], flush=True)
"""

FELLOWS = CONTENT + f"""
name, kind, way = sys.argv[1:]
if way == "publish":
    subscriber = linkspan.Subscriber(name, timeout=60.0)
    receive = lambda: subscriber.recv(timeout=60.0)
else:
    channel = linkspan.connect(name, timeout=60.0)
    receive = lambda: channel.recv(timeout=60.0)
print("ready", flush=True)
held = []
for line in sys.stdin:
    if way == "channel":
        channel.send({{"number": int(line), "content": made(channel, kind, int(line), {SIZE})}}, timeout=60.0)
    message = receive()
    # The newest earlier message comes first.
    while message["number"] < int(line):
        message = receive()
    held.append(message)
    del held[:-3]
    print(message["number"] if is_whole(message["content"], kind, message["number"], {SIZE}) else "damaged", flush=True)
"""


@pytest.fixture
def shared():
    path = Path(tempfile.mkdtemp(prefix="long-users-"))
    path.chmod(0o755)
    (path / "run").mkdir()
    os.chown(path / "run", 0, GROUP)
    (path / "run").chmod(0o2775)
    yield path / "run"
    shutil.rmtree(path)


@pytest.fixture
def program(shared):
    started = []

    def begin(uid: int, text: str, *words: str) -> subprocess.Popen:
        code = BEGUN + BEGIN + textwrap.dedent(text)
        environment = {**os.environ, "LINKSPAN_DIR": str(shared), "LINKSPAN_STATE_DIR": str(shared)}
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", code, *words], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**environment, "LONG_USER": str(uid)}, cwd="/",
        )
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()


@pytest.mark.costly
@pytest.mark.parametrize("way", ["channel", "publish"])
@pytest.mark.parametrize("kind", KINDS)
def test_two_users_of_a_group_exchange_long_messages_by_slots(kind: str, way: str, program) -> None:
    name = f"shm:long-{os.getpid()}"
    owner = program(OWNER, OWNERS, name, kind, way)
    for life in range(2):
        fellow = program(FELLOW, FELLOWS, name, kind, way)
        if way == "channel" and life:
            break
        for number in range(20 * life, 20 * life + 12):
            ask(owner, number)
            ask(fellow, number)
            assert fellow.stdout.readline() == f"{number}\n"
            in_slots, without = map(int, owner.stdout.readline().split())
            assert (in_slots, without) == (number - 8 * life + 1, 0)
        fellow.send_signal(signal.SIGKILL)
        fellow.wait(SOON)
