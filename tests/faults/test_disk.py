"""A full disk: a small ext4 per test, whose writes may fail late.

Each storing transport reports `NoSpace`, keeps accepted messages, and continues after space returns.
"""

import shlex
import subprocess
from pathlib import Path

import pytest
from support.rights import mounts

from programs import lines

pytestmark = mounts


@pytest.fixture
def disk(tmp_path: Path) -> dict[str, object]:
    folder, image = tmp_path / "disk", tmp_path / "image"
    folder.mkdir()
    subprocess.run(["truncate", "-s", "4M", image], check=True)
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-m", "0", image], check=True)
    mount = shlex.join(["mount", "-o", "loop", str(image), str(folder)])
    return {"within": ["-m"], "mounts": mount, "env": {"LINKSPAN_STATE_DIR": str(folder)}}


def test_journal_on_a_full_disk(start, disk) -> None:
    child = start(
        """
        folder = os.environ["LINKSPAN_STATE_DIR"]
        accepted, kinds = [], set()
        def publish(i):
            out.send([i, "x" * 3000])
            accepted.append(i)
        with linkspan.publisher("journal:fault/disk") as out:
            for i in range(20): publish(i)
            made = fill(folder)
            for i in range(20, 2000):
                kinds.add(became(lambda: publish(i)))
                if "NoSpace" in kinds: break
            kinds.add(became(lambda: publish(i)))
            for path in made: os.remove(path)
            for i in range(2000, 2020): publish(i)
        print(kinds)
        heard = []
        with linkspan.subscribe("journal:fault/disk", timeout=60.0, **{"from": "first"}) as readings:
            while len(heard) < len(accepted): heard.append(readings.recv(timeout=60.0)[0])
            print(became(lambda: readings.recv(timeout=0.1)))
        print("well" if heard == accepted else (heard, accepted))
        """,
        **disk,
    )
    kinds, end, order = lines(child)
    assert kinds in ("{'NoSpace'}", "{'done', 'NoSpace'}", "{'NoSpace', 'done'}")
    assert end == "Timeout"
    assert order == "well"


def test_durable_spool_on_a_full_disk(start, disk) -> None:
    child = start(
        """
        folder = os.environ["LINKSPAN_STATE_DIR"]
        accepted, kinds, taken = [], set(), []
        def send(channel, i):
            channel.send([i, "x" * 3000], timeout=1.0)
            accepted.append(i)
        with linkspan.serve("spool:fault/disk", durable=True) as server:
            with linkspan.connect("spool:fault/disk", durable=True, timeout=60.0) as channel:
                for i in range(20): send(channel, i)
                made = fill(folder)
                for i in range(20, 2000):
                    kinds.add(became(lambda: send(channel, i)))
                    if "NoSpace" in kinds: break
                # Accepted messages are stored, and taking them needs no space.
                while len(taken) < len(accepted): taken.append(server.next(timeout=60.0).value[0])
                for path in made: os.remove(path)
                for i in range(2000, 2020): send(channel, i)
                while len(taken) < len(accepted): taken.append(server.next(timeout=60.0).value[0])
                print(became(lambda: server.next(timeout=0.1)))
        print(kinds)
        print("well" if taken == accepted else (taken, accepted))
        """,
        **disk,
    )
    end, kinds, order = lines(child)
    assert kinds in ("{'NoSpace'}", "{'done', 'NoSpace'}", "{'NoSpace', 'done'}")
    assert end == "Timeout"
    assert order == "well"


def test_file_on_a_full_disk(start, disk) -> None:
    child = start(
        """
        path = "file:" + os.environ["LINKSPAN_STATE_DIR"] + "/value"
        with linkspan.publisher(path) as out:
            out.send("first" * 1000)
            made = fill(os.environ["LINKSPAN_STATE_DIR"])
            print(became(lambda: out.send("second" * 1000)))
            print(linkspan.latest(path, timeout=60.0).value == "first" * 1000)
            for filled in made: os.remove(filled)
            out.send("third" * 1000)
            print(linkspan.latest(path, timeout=60.0).value == "third" * 1000)
            print([name for name in os.listdir(os.environ["LINKSPAN_STATE_DIR"]) if name.startswith(".new")])
        """,
        **disk,
    )
    assert lines(child) == ["NoSpace", "True", "True", "[]"]
