"""Listing many names in a runtime directory costs linear time."""

import json
import re
import signal
import subprocess
from pathlib import Path

from support.tree import PROGRAM

NAMES = 300

HOLDER = """
made = [linkspan.listen(f"unix:many/{sys.argv[1]}{i}") for i in range(int(sys.argv[2]))]
print("ready")
time.sleep(120)
"""


def hold(start, which: str, count: int) -> subprocess.Popen[str]:
    holder = start(HOLDER, which, str(count))
    assert holder.stdout is not None and holder.stdout.readline() == "ready\n"
    return holder


def test_names_of_dead_processes_are_removed_with_few_directory_reads(start, runtime: Path, tmp_path: Path) -> None:
    dead = hold(start, "dead", NAMES)
    dead.send_signal(signal.SIGKILL)
    dead.wait()
    hold(start, "living", 20)
    # A killed process leaves such files of a name under construction; they go with the name.
    begun = runtime / ".new.many@dead7.unix~0123456789abcdef"
    begun.mkdir(mode=0o700)
    trace = tmp_path / "trace"
    # fmt: off
    listed = subprocess.run(["strace", "-f", "-qq", "-e", "trace=getdents64", "-o", trace, PROGRAM, "ls", "--json"],
                            capture_output=True, text=True, timeout=120, check=True)
    # fmt: on
    names = re.findall(r'"endpoint": ?"unix:many/(.*?)"', listed.stdout)
    assert len(names) == 20 and all("living" in name for name in names), listed.stdout
    assert not begun.exists() and len(list(runtime.glob("many@*"))) == 20
    looks = len(trace.read_text().splitlines())
    assert looks < NAMES // 5, f"{looks} looks at directories for {NAMES + 20} names"


def test_live_names_are_listed_without_testing_their_locks(start, runtime: Path, tmp_path: Path) -> None:
    hold(start, "living", NAMES)
    trace = tmp_path / "trace"
    # fmt: off
    listed = subprocess.run(["strace", "-f", "-qq", "-e", "trace=fcntl", "-o", trace, PROGRAM, "ls", "--json"],
                            capture_output=True, text=True, timeout=120, check=True)
    # fmt: on
    living = [one for one in map(json.loads, listed.stdout.splitlines()) if one["endpoint"].startswith("unix:many/living")]
    assert len(living) == NAMES, listed.stdout
    # A starved holder may answer for only some names within half a second; no tested name is among them.
    late = [one["problem"] for one in living if one["problem"] is not None]
    assert len(late) < NAMES // 2 and all("answer" in problem for problem in late), late
    # The kernel scans the locks of all names for each query.
    looks = [line for line in trace.read_text().splitlines() if "F_OFD_" in line or "F_RDLCK" in line or "F_WRLCK" in line]
    assert len(looks) < NAMES // 5, f"{len(looks)} looks at locks for {NAMES} names, such as {looks[0]}"
