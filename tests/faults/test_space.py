"""Exhausted space: runtime directory, disk, /dev/shm, descriptors.

The error has a kind of the table, the peer lives, accepted messages stay, and the objects work again later. Each
test has small file systems in a mount namespace that ends with its program.
"""

import functools
from pathlib import Path

import linkspan
import pytest

import programs
from support.namespaces import needed
from support.tree import PROGRAM
from support.waiting import until
from transports import ALL, ONLY_PUBLISHING, answering, endpoint, publishing

#: Seconds; only guards against a hang.
SOON = 60.0
lines = functools.partial(programs.lines, timeout=SOON)
NO_SPACE = {"NoSpace", "OutOfMemory"}

mounting = needed("--mount")


def small(folder: Path) -> str:
    return f"mount -t tmpfs -o size=256k,nr_inodes=64 tmpfs '{folder}'"


@mounting
@pytest.mark.parametrize("transport", ALL)
def test_full_runtime_directory(transport: str, start, runtime: Path) -> None:
    child = start(
        """
        directory, name, pattern = os.environ["LINKSPAN_DIR"], sys.argv[1], sys.argv[2]
        verb = linkspan.serve if pattern == "serve" else linkspan.publisher
        def take():
            with verb(name) as made:
                if pattern == "publish": made.send(1)
        made = fill(directory)
        print(became(take))
        for path in made: os.remove(path)
        print(became(take))
        print(sorted(n for n in os.listdir(directory) if n.startswith(".new")))
        """,
        endpoint(transport, "full"), "publish" if transport in ONLY_PUBLISHING else "serve",
        within=["-m"], mounts=small(runtime), env={"LINKSPAN_STATE_DIR": str(runtime)},
    )
    full, free, left = lines(child)
    assert full in NO_SPACE
    assert free == "done"
    assert left == "[]"


@mounting
def test_full_spool_is_drained_by_its_receiver(start, runtime: Path) -> None:
    """Receiving needs no space and frees some; the doctor reports the cause."""
    child = start(
        """
        import subprocess
        directory, name, program = os.environ["LINKSPAN_DIR"], sys.argv[1], sys.argv[2]
        with linkspan.connect(name, durable=True) as sender:
            sent = 0
            try:
                while True:
                    sender.send("x" * 1000, timeout=1.0)
                    sent += 1
            except linkspan.Error as error:
                print(type(error).__name__)
            sender.close(timeout=0.0)
        made = fill(directory)
        doctor = subprocess.run([program, "doctor"], capture_output=True, text=True).stdout
        print(("no space" in doctor or "no inode" in doctor) and "open names can still be reached" in doctor)
        with linkspan.listen(name) as listener:
            receiver = listener.accept(timeout=60.0)
            received = sum(len(receiver.recv(timeout=60.0).value) == 1000 for _ in range(sent))
        print(sent > 0 and received == sent)
        """,
        endpoint("spool", "drained"), str(PROGRAM),
        within=["-m"], mounts=small(runtime), env={"LINKSPAN_STATE_DIR": str(runtime)},
    )
    full, closed, drained = lines(child)
    assert full in NO_SPACE
    assert (closed, drained) == ("True", "True")


@mounting
def test_doctor_says_what_fails_on_a_full_disk(start, runtime: Path) -> None:
    """An open name and stored messages stay available; the doctor names each failing operation."""
    child = start(
        """
        import subprocess
        directory, program = os.environ["LINKSPAN_DIR"], sys.argv[1]
        def run(*words): return subprocess.run([program, *words], capture_output=True, text=True)
        with linkspan.publisher("unix:open") as publisher:
            publisher.send(1)
            run("pub", "file:kept", "2")
            with open(os.path.join(directory, "rest"), "wb", buffering=0) as rest:
                try:
                    while rest.write(bytes(4096)): pass
                except OSError: pass
            found = run("doctor")
            print(found.returncode, "open names can still be reached, and stored messages read" in found.stdout)
            print(*(run("latest", name).stdout.strip() for name in ("unix:open", "file:kept")))
            failing = [("send", "spool:new", "1", "-o", "durable=true"), ("pub", "file:new", "1"), ("recv", "fifo:new", "-t", "0.1"), ("recv", "dgram:new", "-t", "0.1")]
            print(all("NoSpace" in run(*words).stderr and words[1].split(":")[0] + ":" in found.stdout for words in failing))
        """,
        str(PROGRAM), within=["-m"], mounts=small(runtime), env={"LINKSPAN_STATE_DIR": str(runtime)},
    )
    assert lines(child) == ["1 True", "1 2", "True"]


@mounting
def test_doctor_tells_a_read_only_disk_from_missing_rights(start, runtime: Path) -> None:
    """Root has every permission, but nothing can be written."""
    child = start(
        """
        import subprocess
        directory, program = os.environ["LINKSPAN_DIR"], sys.argv[1]
        def run(*words): return subprocess.run([program, *words], capture_output=True, text=True)
        with linkspan.publisher("unix:open") as publisher:
            publisher.send(1)
            # The publisher's own mount stays writable: it has files open there.
            subprocess.run(["mount", "--bind", directory, directory], check=True)
            subprocess.run(["mount", "-o", "remount,bind,ro", directory], check=True)
            for words in (("doctor",), ("doctor", "unix:new"), ("doctor", "journal:new")):
                found = run(*words)
                print(found.returncode, "Read-only file system" in found.stdout, "remount,rw" in found.stdout, "group" in found.stdout.replace("setup --group", ""))
            print(run("doctor", "unix:open").returncode, run("latest", "unix:open").stdout.strip())
        """,
        str(PROGRAM), within=["-m"], mounts=small(runtime), env={"LINKSPAN_STATE_DIR": str(runtime)},
    )
    assert lines(child) == [*["1 True True False"] * 3, "0 1"]


@mounting
@answering
def test_call_while_the_runtime_directory_is_full(transport: str, start, runtime: Path) -> None:
    """Connected programs continue now or after an error; no message or connection is lost."""
    child = start(
        """
        import threading
        directory, name = os.environ["LINKSPAN_DIR"], sys.argv[1]
        seen = []
        with linkspan.serve(name) as server:
            def answer():
                for request in server:
                    seen.append(request.value)
                    for _ in range(1000):
                        # A transport that stores answers in files also needs space for them.
                        if became(lambda: request.reply(request.value)) == "done": break
                        time.sleep(0.01)
            thread = threading.Thread(target=answer, daemon=True)
            thread.start()
            with linkspan.connect(name, timeout=60.0) as channel:
                print(channel.call(1).value)
                made = fill(directory)
                what = became(lambda: channel.call(2, timeout=1.0))
                more = became(lambda: linkspan.connect(name, timeout=0.5).close())
                for path in made: os.remove(path)
                print(channel.call(3).value)
                print(what)
                print(more)
            with linkspan.connect(name, timeout=60.0) as channel:
                print(channel.call(4).value)
            wanted = [1, 3, 4] if 2 not in seen else [1, 2, 3, 4]
            print("well" if seen == wanted else seen)
        """,
        endpoint(transport, "full"), within=["-m"], mounts=small(runtime),
    )
    first, third, second, another, fourth, order = lines(child)
    assert (first, third, fourth, order) == ("1", "3", "4", "well")
    assert second in NO_SPACE | {"done", "Timeout"}
    assert another in NO_SPACE | {"done", "Timeout"} or transport == "fifo" and another == "AddressInUse"


@mounting
@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_subscriber_with_a_client_id_in_a_full_runtime_directory(transport: str, start, runtime: Path) -> None:
    """Existing positions stay, and no signal ends the subscriber. A new one without room receives, and reports the
    missing count."""
    child = start(
        """
        directory, name = os.environ["LINKSPAN_DIR"], sys.argv[1]
        def subscriber(client_id): return linkspan.subscribe(name, client_id=client_id, timeout=60.0)
        with linkspan.publisher(name) as out:
            out.send(1)
            with subscriber("early") as early:
                print(early.recv().value)
                fill(directory)
                with subscriber("late") as late:
                    print(late.recv().value, any("are not counted" in event.text for event in late.events()))
                out.send(2)
                print(early.recv().value)
            for number in range(3, 6): out.send(number)
            with subscriber("early") as early:
                for message in early:
                    print(message.missed, message.value)
                    break
        """,
        endpoint(transport, "full"), within=["-m"], mounts=small(runtime),
    )
    assert lines(child) == ["1", "1 True", "2", "2 5"]


@mounting
@pytest.mark.parametrize("size", ["4m", "missing"])
@answering
def test_small_or_missing_dev_shm(transport: str, size: str, start, tmp_path: Path) -> None:
    """Linkspan has no files in /dev/shm."""
    devices = tmp_path / "dev"
    devices.mkdir()
    mounts = {
        "4m": "mount -t tmpfs -o size=4m tmpfs /dev/shm",
        "missing": f"mount -t tmpfs tmpfs '{devices}'; for name in null zero urandom; do touch '{devices}'/$name;"
        f" mount --bind /dev/$name '{devices}'/$name; done; mount --rbind '{devices}' /dev; test ! -e /dev/shm",
    }[size]
    child = start(
        """
        import threading
        name = sys.argv[1]
        with linkspan.serve(name) as server:
            threading.Thread(target=server.run, args=(lambda r: r.value,), daemon=True).start()
            with linkspan.connect(name, timeout=60.0) as channel:
                for size in (1, 1000, 10_000_000):
                    print(len(channel.call("x" * size, timeout=60.0).value))
        """,
        endpoint(transport, "shm"), within=["-m"], mounts=mounts,
    )
    assert lines(child) == ["1", "1000", "10000000"]


@mounting
@publishing
def test_publishing_without_dev_shm(transport: str, start) -> None:
    child = start(
        """
        name = sys.argv[1]
        with linkspan.publisher(name) as out, linkspan.subscribe(name, timeout=60.0) as readings:
            out.send("x" * 1_000_000)
            print(len(readings.recv().value))
        """,
        endpoint(transport, "shm"), within=["-m"], mounts="mount -t tmpfs -o size=4k tmpfs /dev/shm",
    )
    assert lines(child) == ["1000000"]


@answering
def test_few_descriptors(transport: str, start) -> None:
    """A hundred clients meet a server with 64 descriptors. Some are admitted and others fail; after the first ones
    disconnect, others are admitted."""
    server = start(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        with linkspan.serve(sys.argv[1]) as server:
            print("ready")
            for request in server:
                request.reply(request.value)
        """,
        name := endpoint(transport, "few"),
    )
    assert server.stdout.readline() == "ready\n"
    if transport == "fifo":
        with linkspan.connect(name, timeout=SOON) as channel:
            assert channel.call(1).value == 1
        return
    connected, closed = [], set()
    for i in range(100):
        try:
            connected.append(linkspan.connect(name, timeout=0.05, client_id=f"c{i}"))
        except linkspan.Error as error:
            closed.add(type(error).__name__)
    assert connected
    assert closed <= {"Stalled", "Timeout", "NotFound", "Full", "Disconnected", "OutOfMemory"}, closed
    answered = 0
    for i, channel in enumerate(connected):
        try:
            assert channel.call(i, timeout=60.0).value == i
            answered += 1
        except linkspan.Error as error:
            assert error.retryable, repr(error)
    assert answered
    for channel in connected:
        channel.close()

    def reconnected() -> linkspan.Channel | None:
        try:
            return linkspan.connect(name, timeout=SOON)
        except linkspan.Full as error:
            assert error.retryable, repr(error)
            return None

    # Room returns after the server notices the disconnects.
    with until("room at the server", reconnected, SOON) as channel:
        assert channel.call("after", timeout=SOON).value == "after"
    assert server.poll() is None


@answering
def test_client_with_few_descriptors(transport: str, start) -> None:
    server = start(
        """
        with linkspan.serve(sys.argv[1]) as server:
            print("ready")
            for request in server:
                request.reply(request.value)
        """,
        name := endpoint(transport, "few"),
    )
    assert server.stdout.readline() == "ready\n"
    child = start(
        """
        import resource
        name = sys.argv[1]
        channel = linkspan.connect(name, timeout=60.0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        taken = []
        try:
            while True: taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError: pass
        print(became(lambda: channel.call(1, timeout=60.0).value))
        print(became(lambda: linkspan.connect(name, timeout=0.2, client_id="other")))
        print(became(lambda: linkspan.serve(sys.argv[2])))
        for one in taken: os.close(one)
        print(channel.call(2, timeout=60.0).value)
        channel.close()
        with linkspan.connect(name, timeout=60.0) as another:
            print(another.call(3, timeout=60.0).value)
        """,
        name, endpoint(transport, "others"),
    )
    first, connecting, serving, second, third = lines(child)
    # A spool opens a file for each message.
    assert first == ("OutOfMemory" if transport == "spool" else "done")
    assert (second, third) == ("2", "3")
    assert connecting == "OutOfMemory" and serving == "OutOfMemory"


def test_flush_moves_what_was_begun_without_descriptors(start) -> None:
    """A long message begun in pieces is completed after descriptors return."""
    child = start(
        """
        import resource, threading
        most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with linkspan.listen(sys.argv[1]) as listener:
            channel = linkspan.connect(sys.argv[1], timeout=60.0)
            far = listener.accept(timeout=60.0)
            channel.send(b"x", timeout=60.0)
            far.recv(timeout=60.0)
            # One is the list's own. Threads of the library may close descriptors of the connection a moment later.
            counts = [0]
            while counts[-5:] != [counts[-1]] * 5:
                time.sleep(0.05)
                counts.append(len(os.listdir("/proc/self/fd")))
            resource.setrlimit(resource.RLIMIT_NOFILE, (counts[-1] - 1, most[1]))
            # The message does not fit into the ring, and no thread writes the rest.
            channel.send(bytes(4_000_000), timeout=1.0)
            print(channel.stats()["bodies_without_slot"])
            resource.setrlimit(resource.RLIMIT_NOFILE, most)
            got = []
            def take():
                got.append(len(far.recv(timeout=60.0).value))
                # It is consumed once the receiver comes again.
                far.recv(timeout=60.0)
            taker = threading.Thread(target=take)
            taker.start()
            channel.flush(timeout=40.0)
            print(got)
            channel.send(b"end", timeout=60.0)
            taker.join(60.0)
        """,
        endpoint("shm", "few-flush"),
    )
    assert lines(child) == ["1", "[4000000]"]



