"""Objects on the air: `linkspan.share` and `linkspan.remote`."""

import enum
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Annotated, Any

import linkspan
import numpy as np
import pytest
from conftest import endpoint
from linkspan._documented import documented, unit_of
from linkspan.generated import SchemaType
from support.compilers import INCLUDE, compiled, shared_library
from support.tree import PROGRAM, php
from support.waiting import until


class Mode(enum.Enum):
    DC = "dc"
    AC = "ac"


@dataclass
class Filter:
    kind: str
    count: int = 1


class Channel:
    def __init__(self) -> None:
        self.gain = 1.0

    def double(self) -> float:
        self.gain *= 2
        return self.gain


class Dmm:
    """A meter of the tests."""

    LIMITS = (0, 10)

    def __init__(self) -> None:
        self._voltage = 1.5
        self._mode = Mode.DC
        self.label: Any = "bench"
        self.ch_1 = Channel()
        self.channels = {"A": Channel(), 2: Channel(), "MB0.H1": Channel()}
        self.calls: list[str] = []
        self.inside = 0

    @property
    def voltage(self) -> Annotated[float, SchemaType(unit="V")]:
        """The voltage at the terminals."""
        return self._voltage

    @voltage.setter
    def voltage(self, volts: Annotated[float, SchemaType(unit="V", range=(0, 10))]) -> None:
        self._voltage = volts

    @property
    def current(self):
        """Control (float) the current in amps."""
        return 0.25

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        assert isinstance(mode, Mode)
        self._mode = mode

    def only_set(self, value: int) -> None:
        self.calls.append(f"set {value}")

    secret = property(None, only_set)

    def measure(self, samples: int = 10, *, scale: float = 1.0) -> list[float]:
        """Measures.

        :param samples: how many readings
        :return: readings [V]
        """
        return [self._voltage * scale] * samples

    def wave(self, points: int):
        return np.arange(float(points))

    def of_all(self, a, /, b=2, *args, key=3, **more):
        return [a, b, list(args), key, more]

    def filtered(self, how: Filter) -> str:
        assert isinstance(how, Filter)
        return f"{how.kind} {how.count}"

    def maybe(self, value: int | None = 5):
        return ["none"] if value is None else [value]

    def fail(self, kind: str) -> None:
        raise {"value": ValueError, "exit": SystemExit, "own": OwnError, "key": KeyError}[kind]("of the device")

    def slow(self, seconds: float) -> int:
        self.inside += 1
        most = self.inside
        time.sleep(seconds)
        self.inside -= 1
        return most

    def odd(self):
        return object()

    async def later(self) -> None: ...

    def _private(self) -> str:
        return "private"


class OwnError(Exception): ...


@pytest.fixture
def shared():
    with linkspan.share(Dmm(), "lab/dmm", parts=["ch_1", "channels"]) as on_air:
        yield on_air


@pytest.fixture
def dmm(shared):
    with linkspan.remote("lab/dmm", timeout=60) as remote:
        yield remote


def test_properties_and_methods_are_those_of_the_object(dmm):
    assert dmm.voltage == 1.5 and dmm.current == 0.25 and dmm.LIMITS == [0, 10]
    dmm.voltage = 3
    assert dmm.voltage == 3 and dmm.measure(2) == [3, 3] and dmm.measure(samples=1, scale=2.0) == [6.0]
    assert np.array_equal(dmm.wave(5000), np.arange(5000.0))
    assert dmm.of_all(1) == [1, 2, [], 3, {}] and dmm.of_all(1, 2, 3, 4, key=5, z=6) == [1, 2, [3, 4], 5, {"z": 6}]
    assert dmm.mode == "dc"
    dmm.mode = Mode.AC
    assert dmm.mode == "ac" and dmm.filtered({"kind": "low", "count": 3}) == "low 3"
    assert dmm.maybe() == [5] and dmm.maybe(None) == ["none"] and dmm.maybe(7) == [7]
    dmm.label = None
    assert dmm.label is None
    dmm.secret = 4
    assert dmm.calls == ["set 4"]


@pytest.mark.parametrize("transport", ["unix", "tcp", "spool"])
def test_object_is_shared_over_other_transports(transport):
    where = endpoint(transport, "lab/there")
    with linkspan.share(Dmm(), where), linkspan.remote(where, timeout=60) as dmm:
        dmm.voltage = 4
        assert dmm.measure(1) == [4.0]
        with pytest.raises(ValueError):
            dmm.voltage = 40


def test_parts_have_members_of_their_own(dmm):
    dmm.ch_1.gain = 3.0
    assert dmm.ch_1.double() == 6.0 and dmm.ch_1.gain == 6.0
    assert dmm.channels["A"].double() == 2.0 and dmm.channels[2].gain == dmm.channels["MB0.H1"].gain == 1.0
    assert "gain" in dir(dmm.channels["A"]) and "ch_1" in dir(dmm)
    with pytest.raises(KeyError):
        dmm.channels["B"]
    with pytest.raises(TypeError):
        iter(dmm.channels)


def test_types_units_and_texts_are_the_schema(shared, dmm):
    verbs = {one["name"]: one["type"] for one in linkspan.schema("lab/dmm")["type"]["fields"]}
    settable = {one["name"]: one["type"] for one in verbs["set"]["fields"]}
    assert settable["voltage"] == {"kind": "f64", "unit": "V", "range": [0.0, 10.0]}
    assert settable["mode"] == {"kind": "enum", "values": ["dc", "ac"]} and "current" not in settable
    calls = {one["name"]: one["type"] for one in verbs["call"]["fields"]}
    assert calls["measure"]["fields"][0] == {"name": "samples", "type": {"kind": "i64"}, "optional": True}
    replies = {one["name"]: one["type"] for one in linkspan.reply_schema("lab/dmm")["type"]["fields"]}
    assert replies["voltage"] == {"kind": "f64", "unit": "V"} and replies["current"] == {"kind": "f64", "unit": "A"}
    with linkspan.connect("lab/dmm") as channel:
        text = channel.call({"help": "measure"})["_help"]
        assert text.startswith("measure(samples: int = 10, *, scale: float = 1.0)") and "how many readings" in text
        whole = channel.call({"help": ""})["_help"].splitlines()
        assert whole[0] == "A meter of the tests." and "voltage: The voltage at the terminals." in whole
    assert "how many readings" in shared.schema
    assert shared.left_out["later"].startswith("a coroutine") and "_private" not in shared.names


def test_exceptions_have_type_and_text_and_are_also_of_the_builtin_type(dmm):
    with pytest.raises(ValueError, match="of the device") as caught:
        dmm.fail("value")
    assert isinstance(caught.value, linkspan.Remote)
    assert (caught.value.remote_type, caught.value.remote_text, caught.value.endpoint) == ("ValueError", "of the device", "shm:lab/dmm")
    with pytest.raises(KeyError, match="of the device"):
        dmm.fail("key")
    with pytest.raises(linkspan.Remote) as caught:
        dmm.fail("own")
    assert caught.value.remote_type.endswith("OwnError") and type(caught.value) is linkspan.Remote
    with pytest.raises(RuntimeError, match="fail raised SystemExit"):
        dmm.fail("exit")
    with pytest.raises(linkspan.Remote) as caught:
        dmm.odd()
    assert caught.value.remote_type == "Unsupported"
    assert dmm.voltage == 1.5


def test_wrong_arguments_never_reach_the_object(dmm):
    for act, kind in [
        (lambda: dmm.measure("many"), TypeError),
        (lambda: dmm.measure(1, 2.0, 3), TypeError),
        (lambda: dmm.measure(1, samples=2), TypeError),
        (lambda: dmm.measure(nothing=2), TypeError),
        (lambda: dmm.of_all(), TypeError),
        (lambda: dmm.wave(), TypeError),
        (lambda: dmm.wave(2**70), (TypeError, linkspan.Error)),
        (lambda: setattr(dmm, "voltage", 11.0), ValueError),
        (lambda: setattr(dmm, "voltage", float("nan")), ValueError),
        (lambda: setattr(dmm, "mode", "dcc"), TypeError),
        (lambda: setattr(dmm, "current", 1.0), AttributeError),
        (lambda: setattr(dmm, "measure", 1), AttributeError),
        (lambda: setattr(dmm, "new", 1), AttributeError),
        (lambda: dmm.secret, AttributeError),
        (lambda: dmm.later, AttributeError),
    ]:
        with pytest.raises(kind):
            act()
    assert dmm.voltage == 1.5 and dmm.mode == "dc"


HOSTILE = [
    {"get": "__class__"}, {"get": "_voltage"}, {"get": "_private"}, {"get": "../../etc/passwd"}, {"get": "ch_1.gain"}, {"get": "ch_1"}, {"get": ""}, {"get": None},
    {"get": "voltage\x00"}, {"get": "x" * 1_000_000}, {"get": ["voltage"]}, {"set": {"__class__": 1}}, {"set": {"__dict__": {}}}, {"set": {"current": 1}}, {"set": {}},
    {"set": {"voltage": 1.0, "label": 2}}, {"set": {"measure": 1}}, {"call": {"_private": {}}}, {"call": {"__init__": {}}}, {"call": {"__reduce__": {}}},
    {"call": {"voltage": {}}}, {"call": {"measure": []}}, {"call": {"measure": {"self": 1}}}, {"call": {"measure": {"samples": 1, "x": 1}}}, {"call": {"later": {}}},
    {"call": {"of_all": {"a": 1, "_kwargs": {"b": 9}}}}, {"call": {"of_all": {"b": 1}}}, {"call": {"of_all": {"a": 1, "_args": [1]}}},
    {"help": "__init__"}, {"help": "x" * 1000}, {"get": "voltage", "set": {"voltage": 1}}, {}, [], None, 5, "voltage", {"eval": "1"},
]  # fmt: skip


def test_hostile_requests_are_refused_and_change_nothing(shared):
    with linkspan.connect("lab/dmm", timeout=60) as channel:
        for request in HOSTILE:
            try:
                answer = channel.call(request)
            except linkspan.Remote as error:
                assert error.remote_type in ("WrongType", "OutOfRange", "Missing", "TooLarge", "Malformed"), (request, error)
            else:
                pytest.fail(f"{request!r:.80} is answered by {answer.value}")
        deep: Any = 1
        for _ in range(60):
            deep = [deep]
        assert channel.call({"set": {"label": deep}}).value == {}
        assert channel.call({"get": "voltage"}).value == {"voltage": 1.5}


def test_huge_values_are_refused_on_either_side_and_the_object_stays_on_the_air():
    with linkspan.share(Dmm(), "lab/small", max_message_size=65536), linkspan.remote("lab/small", timeout=60) as dmm:
        with pytest.raises(linkspan.TooLarge):
            dmm.label = "x" * 1_000_000
        with pytest.raises(linkspan.Remote) as caught:
            dmm.wave(100_000)
        assert caught.value.remote_type == "TooLarge"
        with pytest.raises(linkspan.Unsupported):
            dmm.label = object()
        assert dmm.label == "bench"


def test_two_programs_use_the_object_at_once(peer):
    sharing = peer(SHARER)
    sharing.line()
    adding = """
counter = linkspan.remote("lab/counter", timeout=60)
for _ in range(200):
    counter.add()
say("added")
"""
    both = [peer(adding), peer(adding)]
    assert [one.line() for one in both] == ["added", "added"]
    assert linkspan.remote("lab/counter").value == 400


def test_names_of_a_remote_object_are_public_alone(dmm):
    for name in ("__wrapped__", "_voltage", "_private", "__foo__"):
        with pytest.raises(AttributeError):
            getattr(dmm, name)
        with pytest.raises(AttributeError):
            setattr(dmm, name, 1)
    with pytest.raises(AttributeError):
        dmm.__class__ = int


def test_wrong_uses_say_what_to_do():
    for wrong, words in [
        (lambda: linkspan.share(Dmm, "lab/x"), "an instance of a class"),
        (lambda: linkspan.share(os, "lab/x"), "an instance of a class"),
        (lambda: linkspan.share(Dmm().measure, "lab/x"), "an instance of a class"),
        (lambda: linkspan.share(Dmm(), "lab/x", allow="voltage"), "give a list of names"),
        (lambda: linkspan.share(Dmm(), "lab/x", allow=["_private"]), "no public member"),
        (lambda: linkspan.share(Dmm(), "lab/x", allow=["later"]), "coroutine"),
        (lambda: linkspan.share(Dmm(), "lab/x", parts=["_voltage"]), "no public name"),
        (lambda: linkspan.share(AlikeKeys(), "lab/x", parts=["channels"]), "no name of its own"),
        (lambda: linkspan.share(Dmm(), "lab/x", publish=["voltage"]), "readings per second"),
        (lambda: linkspan.share(Dmm(), "lab/x", publish={"measure": 1}), "no property is called"),
        (lambda: linkspan.share(Dmm(), "lab/x", publish={"voltage": 0}), "above 0"),
        (lambda: linkspan.share(Dmm(), "lab/x", publish={"voltage": float("nan")}), "above 0"),
        (lambda: linkspan.share(Dmm(), "lab/x", publish={"voltage": "5"}), "number of readings"),
        (lambda: linkspan.share(Dmm(), "tcp://127.0.0.1:9", publish={"voltage": 1}), "publish needs a name"),
        (lambda: linkspan.share(Dmm(), "lab/x", threads=0), "from 1 upwards"),
        (lambda: linkspan.share(Dmm(), "lab/x", schema="x"), "comes from the object"),
        (lambda: linkspan.share(WrongUnit(), "lab/x"), "UCUM"),
    ]:  # fmt: skip
        with pytest.raises(linkspan.Error, match=words):
            wrong()
    assert not [one for one in linkspan.names() if "lab/x" in one["endpoint"]]
    with linkspan.serve("lab/other"), pytest.raises(linkspan.Unsupported, match="shares no object"):
        linkspan.remote("lab/other", timeout=60)
    with pytest.raises(linkspan.NotFound):
        linkspan.remote("lab/none", timeout=0.05)
    with linkspan.share(Dmm(), "lab/x"), pytest.raises(linkspan.AddressInUse):
        linkspan.share(Dmm(), "lab/x")


class AlikeKeys:
    channels = {"a.b": Channel(), "a_b": Channel()}


class WrongUnit:
    @property
    def voltage(self) -> Annotated[float, SchemaType(unit="Watts")]:
        return 1.0


def test_object_with_too_many_members_is_refused_with_a_remedy():
    many = type("Many", (), {f"member_{number}": property(lambda self: 1.0, doc="A value. " * 20) for number in range(3000)})
    with pytest.raises(linkspan.TooLarge, match="3000 members .*narrow them by allow or parts"):
        linkspan.share(type("More", (many,), {f"m_{number}": (lambda self, a, b, c: None) for number in range(3000)})(), "lab/many", allow=[f"m_{n}" for n in range(3000)])
    with linkspan.share(many(), "lab/many", allow=[f"member_{number}" for number in range(2000)]) as shared, linkspan.remote("lab/many", timeout=60) as remote:
        assert remote.member_1999 == 1.0 and "A value" not in shared.reply_schema
        with linkspan.connect("lab/many") as channel:
            assert channel.call({"help": "member_7"})["_help"].startswith("A value.")


def test_allow_narrows_the_members():
    with linkspan.share(Dmm(), "lab/dmm", allow=["voltage", "measure"]) as shared, linkspan.remote("lab/dmm") as dmm:
        assert shared.names == dir(dmm) == ["measure", "voltage"]
        with pytest.raises(AttributeError):
            dmm.slow(0)
        with linkspan.connect("lab/dmm") as channel, pytest.raises(linkspan.Remote):
            channel.call({"call": {"slow": {"seconds": 0}}})


def test_one_thread_at_a_time_uses_the_object_unless_told(dmm, shared):
    def most(remote) -> int:
        found: list[int] = []
        threads = [threading.Thread(target=lambda: found.append(remote.slow(0.05))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        return max(found)

    assert most(dmm) == 1
    meeting = Meeting()
    with linkspan.share(meeting, "lab/meeting", threads=2), linkspan.remote("lab/meeting") as one:
        asking = threading.Thread(target=one.meet)
        asking.start()
        assert one.meet() is True
        asking.join()


class Meeting:
    def __init__(self) -> None:
        self._two = threading.Barrier(2, timeout=60)

    def meet(self) -> bool:
        self._two.wait()
        return True


def test_holder_of_the_lock_has_the_object_alone(dmm, shared):
    got: list[float] = []
    with shared.lock:
        asking = threading.Thread(target=lambda: got.append(dmm.voltage))
        asking.start()
        until("the request arrives", lambda: shared.stats()["received"] >= 1)
        time.sleep(0.05)
        assert got == []
    asking.join()
    assert got == [1.5]


def test_call_ends_at_its_timeout_and_the_object_stays_on_the_air(dmm, shared):
    with linkspan.remote("lab/dmm", timeout=0.1) as hasty, pytest.raises(linkspan.Timeout):
        hasty.slow(0.5)
    assert dmm.voltage == 1.5


def test_property_is_published_while_it_can_be_read():
    class Flaky:
        """Fails at every other reading."""

        def __init__(self) -> None:
            self._count = 0

        @property
        def count(self) -> Annotated[int, SchemaType("u32", unit="1")]:
            self._count += 1
            if self._count % 2:
                raise OSError("no answer")
            return self._count

    with linkspan.share(Flaky(), "lab/flaky", publish={"count": 200}):
        with linkspan.subscribe("lab/flaky/count") as readings:
            seen = [next(readings).value for _ in range(5)]
        assert all(one % 2 == 0 for one in seen) and seen == sorted(set(seen))
        assert linkspan.schema("lab/flaky/count")["type"] == {"kind": "u32", "unit": "1"}


SHARER = """
import time
class Counter:
    def __init__(self): self.value = 0
    def add(self, n: int = 1) -> int:
        self.value += n
        return self.value
    def hang(self) -> None:
        say("hangs")
        time.sleep(1000)
shared = linkspan.share(Counter(), "lab/counter")
say("shares")
shared.run()
say("ended")
"""


def test_killed_program_ends_the_call_and_the_next_one_serves_the_same_remote_object(peer):
    first = peer(SHARER)
    first.line()
    counter = linkspan.remote("lab/counter", timeout=60)
    assert counter.add() == 1 and counter.add(4) == 5
    ended: list[Exception] = []

    def hang() -> None:
        try:
            counter.hang()
        except linkspan.Error as error:
            ended.append(error)

    asking = threading.Thread(target=hang)
    asking.start()
    assert first.line() == "hangs"
    first.signal(signal.SIGKILL)
    asking.join()
    assert isinstance(ended[0], linkspan.Disconnected)
    second = peer(SHARER)
    second.line()
    assert counter.add(2) == 2
    with linkspan.remote("lab/counter") as other:
        assert other.add() == 3 and counter.value == 3


def test_sigterm_takes_the_object_off_the_air_after_the_running_call(peer):
    sharing = peer(SHARER)
    sharing.line()
    assert linkspan.remote("lab/counter").add() == 1
    sharing.signal(signal.SIGTERM)
    assert sharing.line() == "ended"


def test_end_of_the_program_takes_the_object_off_the_air():
    script = "import linkspan\nclass C:\n  x = 1\ns = linkspan.share(C(), 'lab/c')\nprint(linkspan.remote('lab/c').x)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    assert linkspan.names() == []


def test_forked_child_leaves_the_object_of_its_parent(dmm, shared):
    child = os.fork()
    if child == 0:
        shared.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert dmm.voltage == 1.5


def test_remote_object_learns_the_names_of_another_object():
    with linkspan.share(Channel(), "lab/part"):
        part = linkspan.remote("lab/part", timeout=60)
        assert part.gain == 1.0
    with linkspan.share(Dmm(), "lab/part"):
        assert part.voltage == 1.5
        with pytest.raises(AttributeError):
            part.double()


def test_shell_program_calls_with_checked_arguments(shared):
    def call(request: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([PROGRAM, "call", "lab/dmm", request, "--json"], capture_output=True, text=True, timeout=120)

    assert call('{"get": "voltage"}').stdout == '{"voltage":1.5}\n'
    assert call('{"set": {"voltage": 2.5}}').stdout == "{}\n"
    assert call('{"call": {"measure": {"samples": 2}}}').stdout == '{"measure":[2.5,2.5]}\n'
    wrong = call('{"call": {"measure": {"samples": "two"}}}')
    assert wrong.returncode != 0 and "i64 is expected, text was found, at path call/measure/samples" in wrong.stderr


def test_php_calls_with_checked_arguments(shared, tmp_path):
    (tmp_path / "call.php").write_text("""<?php
$dmm = Linkspan\\connect('lab/dmm');
echo json_encode($dmm->call(['call' => ['measure' => ['samples' => 2]]])['measure']), "\\n";
try {
    $dmm->call(['set' => ['voltage' => 11.0]]);
} catch (Linkspan\\RemoteException $error) {
    echo $error->getMessage(), "\\n";
}
""")
    done = subprocess.run([*php(), tmp_path / "call.php"], capture_output=True, text=True, timeout=120)
    first, second = done.stdout.splitlines()
    assert first == "[1.5,1.5]" and "f64 in V, [0.0, 10.0] is expected, 11.0 was found, at path set/voltage" in second


def test_cpp_calls_by_types_that_are_generated_from_the_schema(shared, tmp_path):
    (tmp_path / "dmm.schema.toml").write_text(shared.schema)
    (tmp_path / "reply.schema.toml").write_text(shared.reply_schema)
    for name in ("dmm", "reply"):
        subprocess.run([PROGRAM, "schema", "generate", f"{name}.schema.toml", "--lang", "cpp", "--output", "."], cwd=tmp_path, check=True)
    (tmp_path / "call.cpp").write_text("""
#include "lab_dmm.hpp"
#include "lab_dmm_reply.hpp"
#include <linkspan.hpp>

#include <iostream>

int main() {
    const auto dmm = linkspan::channel::connect("lab/dmm");
    LabDmmCallMeasure measure;
    measure.samples = 2;
    LabDmmCall call;
    call.alternative = measure;
    LabDmm request;
    request.alternative = call;
    linkspan::message body;
    request.encode(body);
    std::cout << LabDmmReply::decode(dmm.call(body)).measure->at(1) << "\\n";
    try {
        dmm.call(linkspan::message().put("get", "__class__"));
    } catch (const linkspan::error &error) {
        std::cout << error.what() << "\\n";
    }
}
""")
    compiled("g++", "-std=c++17", INCLUDE, f"-I{tmp_path}", tmp_path / "call.cpp", *shared_library(), out=tmp_path / "call")
    done = subprocess.run([tmp_path / "call"], capture_output=True, text=True, timeout=120)
    first, second = done.stdout.splitlines()
    assert first == "1.5" and "no property is called '__class__'" in second and done.stderr == ""


def test_docstrings_give_types_and_units():
    google = documented("Ramps.\n\nArgs:\n    volts (float): the end [V]\n    n (int, optional): steps\n\nReturns:\n    float: the voltage in volts\n")
    assert (google.parameters["volts"].type, google.parameters["volts"].unit) == ("f64", "V")
    assert google.parameters["n"].type == "i64" and (google.value.type, google.value.unit) == ("f64", "V")
    numpy = documented("Ramps.\n\nParameters\n----------\nvolts : float\n    The end in millivolts.\n\nReturns\n-------\nint\n    The steps.\n")
    assert (numpy.parameters["volts"].type, numpy.parameters["volts"].unit) == ("f64", "mV") and numpy.value.type == "i64"
    sphinx = documented("Ramps.\n\n:param float volts: the end [V]\n:type name: str\n:param name: whose\n:rtype: bool\n")
    assert (sphinx.parameters["volts"].unit, sphinx.parameters["name"].type, sphinx.value.type) == ("V", "text", "bool")
    assert documented("Control (float strictly above 0) the gain in volts.").value.unit == "V"
    assert unit_of("[V] or [A]") is None and unit_of("in volts or in amps") is None and unit_of("[0] [list] [Watts]") is None
    assert documented(None) == documented("  ") == documented(5)
