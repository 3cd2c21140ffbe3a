"""The wheel linkspan-remote at a gateway over a failing network.

It has the nouns, values and errors of the module linkspan.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import linkspan
import numpy
import pytest
from conftest import Bench, Gateway, go
from support.tree import ROOT
from support.waiting import PATIENCE, next_line, until

sys.path.insert(0, str(ROOT / "clients/python-remote"))

import linkspan_remote  # noqa: E402
from linkspan_remote import errors  # noqa: E402

FULL = os.environ.get("LINKSPAN_GRID") == "full"
SERVER = """
import sys, time
import linkspan
def double(request):
    if request.value == "slow":
        time.sleep(30)
    if request.value == "fail":
        return request.fail("no such number", code=-7, type="lab.number", data={"most": 9})
    return {"doubled": request["n"] * 2}
with linkspan.serve("lab/double") as server:
    print("there", flush=True)
    server.run(double, workers=2)
"""
SUBSCRIBER = """
import sys
import linkspan
with linkspan.subscribe(sys.argv[1]) as subscriber:
    print("there", flush=True)
    for message in subscriber:
        print(message.sequence, message["wave"].shape, message["wave"].dtype, int(message["wave"].sum()), message["at"], flush=True)
"""
CALLER = """
import json, sys
import linkspan
print("there", flush=True)
try:
    with linkspan.connect(sys.argv[1]) as channel:
        print(json.dumps(channel.call(json.loads(sys.argv[2]), timeout=60.0).value), flush=True)
except linkspan.Remote as error:
    print("Remote", error.remote_code, error.remote_type, error.remote_text, error.data, flush=True)
except linkspan.Error as error:
    print(error.kind, error, flush=True)
"""


def everything(bench: Bench) -> str:
    return bench.token("all", "--read", "*", "--call", "*", "--write", "*")


def lab_of(gateway: Gateway, token: str | None = None, **more: object) -> linkspan_remote.Lab:
    return linkspan_remote.connect(gateway.address, token=token or gateway.token, timeout=PATIENCE, **more)


def again(bench: Bench, gateway: Gateway) -> Gateway:
    """Kills the gateway; its successor gets its address."""
    gateway.child.send_signal(signal.SIGKILL)
    gateway.child.communicate(timeout=PATIENCE)
    return bench.gateway("--listen", f"127.0.0.1:{gateway.port}")


def test_errors_are_those_of_the_module() -> None:
    for code, name, retryable, _, _ in linkspan._native.error_table():
        here, there = errors.KINDS[name], getattr(linkspan.errors, name)
        assert (here.code, here.kind, here.retryable) == (code, name, retryable)
        assert [base.__name__ for base in here.__mro__] == [base.__name__ for base in there.__mro__]
    assert len(errors.KINDS) == len(linkspan._native.error_table())


def test_every_vector_of_values_is_read_and_written_as_in_every_language() -> None:
    cases = json.loads((ROOT / "tests/vectors/values.json").read_text())
    for case in cases:
        raw = bytes.fromhex(case["cbor"])
        assert linkspan_remote.encode(linkspan_remote.decode(raw)) == raw, case["name"]
    assert len(cases) > 300


def test_bytes_that_are_no_value_raise_malformed_and_nothing_else() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    good = [bytes.fromhex(case["cbor"]) for case in json.loads((ROOT / "tests/vectors/values.json").read_text())]
    refused = 0
    for _ in range(20_000):
        data = bytearray(chance.choice(good))
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        data = data[: chance.randrange(1, len(data) + 1)]
        try:
            linkspan_remote.decode(bytes(data))
        except (errors.Malformed, errors.TooLarge, errors.OutOfRange):
            refused += 1
    assert refused > 5_000
    with pytest.raises(errors.TooLarge):
        linkspan_remote.decode(b"\x81" * 5_000)
    with pytest.raises(errors.Malformed):
        linkspan_remote.decode(b"\x9a\xff\xff\xff\xff")


def test_what_programs_have_in_hand_arrives_as_the_module_sends_it() -> None:
    import collections
    import datetime
    import decimal
    import enum
    import uuid

    class Colour(enum.Enum):
        RED = "red"

    utc = datetime.timezone.utc
    values = [
        (1, 2), {"a": range(3)}, collections.deque([1]), frozenset({1}), Colour.RED, uuid.UUID(int=7), decimal.Decimal("1.50"), 1 << 70,
        datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=utc), datetime.date(2026, 3, 1), datetime.timedelta(milliseconds=1500), 1 + 2j,
        numpy.float32(1.5), numpy.int64(-3), numpy.bool_(True), numpy.datetime64("2026-03-01T00:00:00.5"), numpy.arange(6).reshape(2, 3),
        numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)), numpy.array([True, False]), numpy.zeros(3, ">u2"), numpy.zeros(2, "f2"),
        numpy.array(["a"])[0], bytearray(b"x"), memoryview(b"xy"), numpy.complex64(1j),
    ]
    for value in values:
        assert linkspan_remote.encode(value) == linkspan.encode(value), repr(value)
    for value in (object(), {1: 2}, "\ud800", datetime.datetime(2026, 1, 1), numpy.zeros(1, "g")):
        with pytest.raises(errors.Unsupported):
            linkspan_remote.encode({"a": [value]})


def test_it_reads_names_values_schemas_and_calls(bench: Bench) -> None:
    publisher = bench.python(
        "import linkspan, numpy, sys\n"
        "out = linkspan.publisher('lab/wave')\n"
        "out.send({'wave': numpy.arange(12, dtype='u2').reshape(3, 4), 'at': linkspan.Timestamp(5), 'none': None})\n"
        "print('there', flush=True); sys.stdin.readline()"
    )
    bench.python(SERVER)
    token = everything(bench)
    gateway = bench.gateway()
    with lab_of(gateway, token) as lab:
        assert {"lab/wave", "lab/double"} <= {name["name"] for name in lab.names("lab/*")}
        message = lab.latest("lab/wave")
        assert message["wave"].dtype == numpy.uint16 and message["wave"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
        assert message.sequence == 1 and message["at"] == linkspan_remote.Timestamp(5) and message.at("none") is None
        assert message.sent is not None and abs(message.sent - linkspan_remote.Timestamp.now()) < 3600
        assert lab.call("lab/double", {"n": 21})["doubled"] == 42
        with pytest.raises(errors.Remote) as failed:
            lab.call("lab/double", "fail")
        error = failed.value
        assert (error.remote_code, error.remote_type, error.remote_text, error.data) == (-7, "lab.number", "no such number", {"most": 9})
        with pytest.raises(errors.Timeout) as late:
            lab.call("lab/double", "slow", timeout=0.5)
        assert not late.value.retryable
        with pytest.raises(errors.NotFound):
            lab.latest("lab/nobody")
        # As in the module, a missing program differs from a slow one. The gateway keeps the time.
        for seconds in (0, 0.2):
            with pytest.raises(errors.NotFound, match="no program has the name"):
                lab.call("lab/nobody", 1, timeout=seconds)
        with pytest.raises(errors.Missing):
            lab.schema("lab/wave")
        for wrong in (5, None):
            with pytest.raises(errors.WrongType):
                lab.latest(wrong)  # type: ignore[arg-type]
        with pytest.raises(errors.InvalidEndpoint):
            lab.latest("tcp://127.0.0.1:1")
        with pytest.raises(errors.WrongType):
            lab.call("lab/double", 1, timeout="soon")
    with pytest.raises(errors.InvalidState):
        lab.latest("lab/wave")
    del publisher


def test_it_publishes_arrays_that_programs_of_the_machine_read(bench: Bench) -> None:
    reader = bench.python(SUBSCRIBER, "lab/camera")
    token = everything(bench)
    gateway = bench.gateway()
    with lab_of(gateway, token) as lab, lab.publisher("lab/camera") as out:
        image = numpy.arange(64 * 48, dtype="u2").reshape(64, 48)
        at = linkspan_remote.Timestamp.parse("2026-11-27T01:34:28.5Z")

        def arrives() -> bool:
            number = out.send({"wave": image, "at": at})
            return number > 0

        assert arrives()
        expected = f"(64, 48) uint16 {int(image.sum())} 2026-11-27T01:34:28.500Z"
        assert next_line(reader.stdout, "the image").split(" ", 1)[1].strip() == expected
        assert out.send_many({"wave": image, "at": at} for _ in range(200)) == 200
        with pytest.raises(errors.AddressInUse):
            lab.publisher("lab/camera")
        with pytest.raises(errors.Unsupported):
            out.send(object())
        with pytest.raises(errors.TooLarge):
            out.send(bytes(17 << 20))
        # The refused values did not change the numbers.
        assert out.send({"wave": image, "at": at}) == 202
    with lab_of(gateway) as reading, pytest.raises(errors.PermissionDenied) as refused:
        reading.publisher("lab/camera")
    assert "--write" in str(refused.value)


def test_example_of_a_camera_publishes_its_images(bench: Bench) -> None:
    reader = bench.python(SUBSCRIBER.replace("wave", "image"), "lab/camera")
    token = bench.token("camera", "--write", "lab/camera")
    gateway = bench.gateway()
    bench.env["PYTHONPATH"] = str(ROOT / "clients/python-remote")
    bench.command(sys.executable, ROOT / "examples/remote/camera.py", gateway.address, token, 3)
    shown = next_line(reader.stdout, "an image").split()
    assert shown[1:4] == ["(480,", "640)", "uint16"] and int(shown[4]) > 0


@pytest.mark.costly
def test_every_message_is_counted_through_a_slow_program_and_killed_gateways(bench: Bench) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    bench.token("reader", "--read", "*")
    token = bench.token("reading", "--read", "*")
    gateway = bench.gateway("--buffer", "2MiB")
    count = 20_000
    publisher = bench.publisher("lab/a", count, 0.0005, 200, awaited=1)
    seen = missed = 0
    with lab_of(gateway, token) as lab, lab.subscribe("lab/a", timeout=PATIENCE) as subscriber:
        until("it is followed", lambda: gateway.metric("subscriptions") == 1)
        go(publisher)
        last = kills = 0
        while seen + missed < count:
            try:
                message = subscriber.recv()
            except errors.Lagged as lagged:
                missed += lagged.missed
                continue
            seen += 1
            assert message.sequence > last and message["i"] == message.sequence
            last = message.sequence
            if chance.random() < 0.001:
                time.sleep(0.05)
            if kills < 3 and seen > (kills + 1) * 1_000:
                kills += 1
                gateway = again(bench, gateway)
        assert kills == 3 and seen + missed == count and last == count
    print(f"{seen} messages, {missed} missed")


def test_latest_gives_the_newest_and_says_how_many_were_passed_over(bench: Bench) -> None:
    publisher = bench.publisher("lab/a", 2_000, 0.0)
    gateway = bench.gateway()
    with lab_of(gateway) as lab, lab.subscribe("lab/a", delivery="latest", timeout=PATIENCE) as subscriber:
        until("it is followed", lambda: gateway.metric("subscriptions") == 1)
        go(publisher)
        total = subscriber.recv().sequence
        while total < 2_000:
            message = subscriber.recv()
            total += 1 + message.missed
            assert total == message.sequence
            time.sleep(0.01)
        assert total == 2_000


def test_waits_end_and_say_why_nothing_came(bench: Bench) -> None:
    gateway = bench.gateway()
    with lab_of(gateway) as lab:
        with lab.subscribe("lab/*") as several, pytest.raises(errors.Timeout):
            several.recv(timeout=0.1)
        with lab.subscribe("lab/a") as subscriber:
            with pytest.raises(errors.Empty):
                subscriber.try_recv()
            with pytest.raises(errors.NotFound):
                subscriber.recv(timeout=0.1)
            publisher = bench.publisher("lab/a", 1)
            go(publisher)
            assert subscriber.recv(timeout=PATIENCE)["i"] == 1 and subscriber.names() == ["lab/a"]
            with pytest.raises(errors.Timeout):
                subscriber.recv(timeout=0.1)
            publisher.kill()
            publisher.communicate(timeout=PATIENCE)
            until("its end is known", lambda: subscriber.names() == [])
            with pytest.raises(errors.Disconnected):
                subscriber.recv(timeout=0.1)
            gateway.child.kill()
            gateway.child.communicate(timeout=PATIENCE)
            with pytest.raises((errors.NotFound, errors.Disconnected)):
                subscriber.recv(timeout=1.0)
        with pytest.raises(errors.InvalidState):
            subscriber.recv(timeout=0)
        assert subscriber.next() is None and list(subscriber) == []


def test_what_was_sent_is_not_said_to_be_good_for_another_try(bench: Bench) -> None:
    token = everything(bench)
    gateway = bench.gateway()
    bench.python(SERVER)
    with lab_of(gateway, token) as lab, lab.publisher("lab/out") as out:
        # The gateway reports a late call; the program reports a missing answer of the gateway.
        with pytest.raises(errors.Timeout) as late:
            lab.call("lab/double", "slow", timeout=0.2)
        assert not late.value.retryable
        gateway.child.send_signal(signal.SIGSTOP)
        try:
            for ask, may_retry in [
                (lambda: lab.call("lab/double", {"n": 1}, timeout=0.1), False),
                (lambda: out.send(1, timeout=0.1), False),
                (lambda: out.send_many([1, 2], timeout=0.1), False),
                (lambda: lab.latest("lab/out", timeout=0.1), True),
            ]:
                with pytest.raises(errors.Timeout) as unanswered:
                    ask()
                assert unanswered.value.retryable is may_retry
        finally:
            gateway.child.send_signal(signal.SIGCONT)


def test_it_serves_calls_and_fails_them_as_the_module_does(bench: Bench) -> None:
    token = everything(bench)
    gateway = bench.gateway()

    def handler(request: linkspan_remote.Request) -> object:
        if request.value == "raise":
            raise ValueError("not a number")
        if request.value == "remote":
            error = errors.Remote("said so")
            error.remote_code, error.remote_type, error.remote_text, error.data = 9, "lab.no", "said so", [1]
            raise error
        if request.value == "long":
            return bytes(17 << 20)
        if request.value == "none":
            return object()
        return {"sum": sum(request["numbers"])}

    def answer_to(value: object) -> str:
        caller = bench.python(CALLER, "lab/sum", json.dumps(value))
        return next_line(caller.stdout, f"the answer to {value}").strip()

    with lab_of(gateway, token) as lab, lab.serve("lab/sum") as server:
        thread = threading.Thread(target=server.run, args=(handler,), kwargs={"workers": 3})
        thread.start()
        assert answer_to({"numbers": [1, 2, 3.5]}) == '{"sum": 6.5}'
        assert answer_to("raise") == "Remote -32603 ValueError not a number None"
        assert answer_to("remote") == "Remote 9 lab.no said so [1]"
        assert answer_to("long").startswith("Remote -32603 TooLarge")
        assert answer_to("none").startswith("Remote -32603 Unsupported")
        assert answer_to({"numbers": []}) == '{"sum": 0}'
        with pytest.raises(errors.AddressInUse):
            lab.serve("lab/sum")
        gateway = again(bench, gateway)
        until("the name is there again", lambda: gateway.metric("servers") == 1)
        assert answer_to({"numbers": [4]}) == '{"sum": 4}'
        server.close()
        thread.join(PATIENCE)
        assert not thread.is_alive()
    until("the name is gone", lambda: gateway.metric("servers") == 0)


def test_calls_of_a_server_that_is_gone_fail_and_the_unanswered_are_bounded(bench: Bench) -> None:
    token = everything(bench)
    gateway = bench.gateway()
    lab = lab_of(gateway, token)
    server = lab.serve("lab/stuck")
    callers = [bench.python(CALLER, "lab/stuck", json.dumps(i)) for i in range(4)]
    taken = [server.next(timeout=PATIENCE) for _ in callers]
    assert sorted(request.value for request in taken if request) == [0, 1, 2, 3]
    one = taken.pop()
    assert one is not None
    one.reply("done")
    with pytest.raises(errors.InvalidState):
        one.reply("twice")
    # Only the dropped call fails; the other calls end with the connection.
    del one
    taken.pop()
    said = lambda: sorted(line for caller in callers if caller.poll() is not None and caller.stdout for line in caller.stdout)  # noqa: E731
    until("two have their answers", lambda: sum(caller.poll() is not None for caller in callers) == 2)
    lab.close()
    until("all have ended", lambda: all(caller.poll() is not None for caller in callers))
    lines = said()
    assert lines[0].strip() == '"done"' and len(lines) == 4
    assert all(line.startswith("Remote") for line in lines[1:]), lines
    assert any("gave no answer" in line for line in lines) and any("without an answer" in line for line in lines)


def test_wrong_addresses_tokens_and_certificates_say_what_to_do(bench: Bench, tmp_path: Path) -> None:
    gateway = bench.gateway()
    cases = [
        (dict(address="ws://127.0.0.1:1", token="x"), errors.NotFound, "linkspan gateway"),
        (dict(address=gateway.address, token="x" * 40), errors.PermissionDenied, "token"),
        (dict(address=gateway.address), errors.PermissionDenied, "token add"),
        (dict(address="ftp://a", token="x"), errors.InvalidEndpoint, "ws://HOST:PORT"),
        (dict(address="ws://host:port", token="x"), errors.InvalidEndpoint, "ws://HOST:PORT"),
        (dict(address=5, token="x"), errors.WrongType, "address=5"),
        (dict(address=gateway.address + "/nowhere", token="x"), errors.InvalidEndpoint, "404"),
        (dict(address=gateway.address.replace("http", "wss"), token="x"), errors.InvalidEndpoint, "no TLS answers there; give ws://"),
        (dict(address="ws://no-such-machine.invalid", token="x"), errors.NotFound, "name of the machine"),
        (dict(address=gateway.address, token="x", certificate=tmp_path / "none.pem"), errors.InvalidState, "PEM"),
    ]
    for words, kind, text in cases:
        with pytest.raises(kind) as raised:
            linkspan_remote.connect(**words)  # type: ignore[arg-type]
        assert text in str(raised.value), raised.value
        assert "x" * 40 not in str(raised.value)
    assert not [thread for thread in threading.enumerate() if thread.name == "linkspan-remote"]


def test_it_trusts_the_certificate_that_it_is_given(bench: Bench) -> None:
    lab, key = bench.certificate()
    gateway = bench.gateway("--certificate", lab, "--key", key)
    with pytest.raises(errors.PermissionDenied) as refused:
        lab_of(gateway)
    assert "certificate=" in str(refused.value)
    with pytest.raises(errors.InvalidEndpoint) as plain:
        linkspan_remote.connect(gateway.address.replace("https", "ws"), token=gateway.token)
    assert "wss://" in str(plain.value)
    with lab_of(gateway, certificate=lab) as connected:
        assert connected.rights["read"] == ["*"]


#: Runs without Unix-only modules. Runs without NumPy if no argument keeps it.
PLAIN = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"fcntl", "resource", "termios", "pwd", "grp", "linkspan", "numpy"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
for name in ("fcntl", "resource", "termios", "pwd", "grp"):
    sys.modules[name] = None
sys.path[:0] = sys.argv[3:]
import linkspan_remote
with linkspan_remote.connect(sys.argv[1], token=sys.argv[2]) as lab:
    with lab.publisher("lab/plain") as out, lab.subscribe("lab/plain") as back:
        while out.send({"image": linkspan_remote.NdArray(bytes(range(12)), "u16", (2, 3)), "n": 1 << 70}) < 1: pass
        message = back.recv()
        print(message["image"].tolist(), message["image"].shape, message["n"], sys.version_info[:2], flush=True)
    with lab.serve("lab/echo") as server:
        import threading
        threading.Thread(target=server.run, args=(lambda request: request.value,)).start()
        print(lab.call("lab/echo", [1.5, "x", None, b"y"]).value, flush=True)
"""


def interpreters() -> list[str]:
    """Returns this interpreter, and the oldest and newest installed CPython and PyPy of the system and pyenv."""
    places = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin/python3")
    names = [shutil.which(name) for name in ("pypy3", "python3.9", "python3.10", "python3.12", "python3.13", "python3.14")]
    found = {str(Path(name).resolve()): name for name in [*map(str, places), *names] if name}
    says = "import pip, platform, sys; print(platform.python_implementation(), *sys.version_info[:3])"
    works: dict[str, list[tuple[list[int], str]]] = {}
    for name in found.values():
        said = subprocess.run([name, "-c", says], capture_output=True, text=True, timeout=PATIENCE).stdout.split()
        version = [int(number) for number in said[1:]]
        if version >= [3, 9]:
            works.setdefault(said[0], []).append((version, name))
    chosen = [name for those in works.values() for _, name in (those if FULL else (min(those), max(those)))]
    return [sys.executable, *sorted({*chosen} - {sys.executable})]


@pytest.mark.costly
@pytest.mark.parametrize("interpreter", interpreters())
def test_it_runs_without_the_modules_of_unix_and_without_numpy(bench: Bench, interpreter: str) -> None:
    token = everything(bench)
    gateway = bench.gateway()
    paths = [str(ROOT / "clients/python-remote")]
    if interpreter != sys.executable:
        library = bench.folder / "library"
        pip = [interpreter, "-m", "pip", "install", "--quiet", "--target", str(library), "websockets>=13"]
        subprocess.run(pip, check=True, timeout=5 * PATIENCE)
        paths.append(str(library))
    else:
        import websockets

        paths.append(str(Path(websockets.__file__).parents[1]))
    out = bench.command(interpreter, "-c", PLAIN, gateway.address, token, *paths)
    lines = out.strip().splitlines()
    assert lines[0].startswith("[[256, 770, 1284], [1798, 2312, 2826]] (2, 3) 1180591620717411303424"), out
    assert lines[1] == "[1.5, 'x', None, b'y']", out


def test_a_child_of_a_fork_is_refused_and_the_parent_goes_on(bench: Bench) -> None:
    gateway = bench.gateway()
    with lab_of(gateway) as lab:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                lab.names()
                said = "nothing"
            except errors.InvalidState:
                said = "InvalidState"
            os.write(writer, said.encode())
            lab.close()
            os._exit(0)
        os.close(writer)
        assert os.waitpid(child, 0)[1] == 0
        assert os.read(reader, 100) == b"InvalidState"
        assert isinstance(lab.names(), list)
