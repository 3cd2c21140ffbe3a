"""A runtime directory that is read-only, or deleted under running programs."""

import functools
import subprocess
from pathlib import Path

import linkspan
import pytest

import programs
from support.files import remove_used_tree
from support.namespaces import needed, unshare
from transports import ALL, ONLY_PUBLISHING, PUBLISHING, answering, endpoint

#: Seconds; only guards against a hang.
SOON = 60.0
lines = functools.partial(programs.lines, timeout=SOON)

mounting = needed("--mount")
in_the_directory = pytest.mark.parametrize("transport", [t for t in ALL if t != "tcp"])

ECHO = """
with linkspan.serve(sys.argv[1]) as server:
    print("ready")
    try:
        for request in server:
            request.reply(request.value)
    except linkspan.Error as error:
        print(type(error).__name__, error)
"""


@mounting
@in_the_directory
def test_read_only_directory(transport: str, start, runtime: Path) -> None:
    child = start(
        """
        name, pattern = sys.argv[1:]
        verb = linkspan.serve if pattern == "serve" else linkspan.publisher
        try:
            with verb(name) as made:
                if pattern == "publish": made.send(1)
            print("done")
            print("nothing said")
        except linkspan.Error as error:
            print(type(error).__name__)
            print(os.environ["LINKSPAN_DIR"] in str(error), error)
        print(became(lambda: linkspan.subscribe(name, timeout=0.1).recv(timeout=0.1) if pattern == "publish"
                     else linkspan.connect(name, timeout=0.1)))
        """,
        endpoint(transport, "ro"), "publish" if transport in ONLY_PUBLISHING else "serve",
        within=["-m"], mounts=f"mount -t tmpfs -o ro tmpfs '{runtime}'",
        env={"LINKSPAN_STATE_DIR": str(runtime)},
    )
    serving, says_where, connecting = lines(child)
    assert serving == "PermissionDenied", says_where
    assert says_where.startswith("True"), says_where
    assert connecting in {"NotFound", "PermissionDenied", "Timeout"}


@mounting
@answering
def test_directory_that_takes_no_more_names(transport: str, start, runtime: Path) -> None:
    """Connected programs continue if their transport needs no further files; later everything works again.

    The kernel refuses a read-only remount while a process holds a lock there, so the test makes the directory
    immutable.
    """
    tried = [*unshare("-m"), "sh", "-ec", f"mount -t tmpfs tmpfs '{runtime}'; chattr +i '{runtime}'"]
    if subprocess.run(tried, timeout=SOON).returncode:
        pytest.skip("this user, or this kernel, cannot make a directory in tmpfs immutable")
    child = start(
        """
        import subprocess, threading
        name, directory = sys.argv[1], os.environ["LINKSPAN_DIR"]
        def let(how):
            for folder in [directory, *(f.path for f in os.scandir(directory) if f.is_dir())]:
                for inner in [folder, *(f.path for f in os.scandir(folder) if f.is_dir())]:
                    subprocess.run(["chattr", how, inner], check=True)
        with linkspan.serve(name) as server:
            def answer():
                for request in server:
                    for _ in range(1000):
                        if became(lambda: request.reply(request.value)) == "done": break
                        time.sleep(0.01)
            threading.Thread(target=answer, daemon=True).start()
            with linkspan.connect(name, timeout=60.0) as channel:
                print(channel.call(1).value)
                let("+i")
                print(became(lambda: channel.call(2, timeout=1.0)))
                let("-i")
                print(channel.call(3).value)
        """,
        endpoint(transport, "ro"), within=["-m"], mounts=f"mount -t tmpfs tmpfs '{runtime}'",
    )
    first, second, third = lines(child)
    assert (first, third) == ("1", "3")
    assert second in {"done", "PermissionDenied", "Timeout"}


@answering
def test_directory_deleted_under_a_running_server(transport: str, start, runtime: Path) -> None:
    name = endpoint(transport, "deleted")
    server = start(ECHO, name)
    assert server.stdout.readline() == "ready\n"
    with linkspan.connect(name, timeout=SOON) as channel:
        assert channel.call(1, timeout=SOON).value == 1
        remove_used_tree(runtime)
        try:
            assert channel.call(2, timeout=1.0).value == 2
        except linkspan.Error as error:
            assert error.retryable or isinstance(error, linkspan.InvalidState), repr(error)
            assert str(error)
    if transport != "tcp":
        with pytest.raises((linkspan.NotFound, linkspan.Timeout)):
            with linkspan.connect(name, timeout=0.2) as channel:
                channel.call(3, timeout=0.2)
    server.terminate()
    line = server.stdout.readline()
    assert server.wait(SOON) == 0
    assert line == "" or (transport == "spool" and "InvalidState" in line and "listen again" in line)
    again = start(ECHO, name)
    assert again.stdout.readline() == "ready\n"
    with linkspan.connect(name, timeout=SOON) as channel:
        assert channel.call(4, timeout=SOON).value == 4


@pytest.mark.parametrize("transport", PUBLISHING)
def test_directory_deleted_under_a_running_publisher(transport: str, start, runtime: Path, monkeypatch) -> None:
    monkeypatch.setenv("LINKSPAN_STATE_DIR", str(runtime))
    name = endpoint(transport, "deleted")
    with linkspan.publisher(name) as out:
        out.send(1)
        remove_used_tree(runtime)
        try:
            out.send(2)
        except linkspan.Error as error:
            assert not isinstance(error, linkspan.Internal), repr(error)
    with linkspan.publisher(name) as out, linkspan.subscribe(name, timeout=SOON) as readings:
        out.send(3)
        while readings.recv(timeout=SOON).value != 3:
            pass
