"""Local programs that never answer, or answer only a listing."""

import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Machine, kill, publish
from support.waiting import until

# That folder has an independent implementation of the protocol.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "independent"))

import independent  # noqa: E402

#: Names of each kind: waiting for each would delay a message by minutes.
COUNT = 40


class Silent:
    """A silent name. With a pattern it answers listings, but no connection."""

    def __init__(self, directory: Path, name: str, pattern: str | None = None) -> None:
        self.listener = independent.Listener(directory, f"{name.replace('/', '@')}.unix")
        self.listener.socket.settimeout(None)
        self.pattern, self.held, self.asked = pattern, [], 0
        threading.Thread(target=self.admit, daemon=True).start()

    def admit(self) -> None:
        while True:
            try:
                s, _ = self.listener.socket.accept()
            except OSError:
                return
            self.held.append(s)
            # Ended connections of listings.
            while len(self.held) > 3:
                self.held.pop(0).close()
            if self.pattern:
                threading.Thread(target=self.answer, args=(s, self.pattern), daemon=True).start()

    def answer(self, s: socket.socket, pattern: str) -> None:
        try:
            stream = independent.Stream(s.fileno(), s.fileno(), s)
            if "ask" in independent.answered(stream.get()):
                state = {"encoding": "cbor", "messages": 1, "peers": 1, "waiting": 0, "behind": 0}
                stream.put(independent.hello(pattern, independent.random(), first=1, state=state))
                s.close()
            else:
                self.asked += 1
        except (OSError, EOFError, ValueError, AssertionError):
            pass

    def close(self) -> None:
        self.listener.socket.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for s in self.held:
            s.close()


@pytest.fixture
def silent(pair: tuple[Machine, Machine, int]) -> Iterator[list[Silent]]:
    north, _, _ = pair
    kinds = (None, "publish", "request")
    made = [Silent(north.folder, f"lab/silent-{kind}-{i}", kind) for kind in kinds for i in range(COUNT)]
    yield made
    for one in made:
        one.close()


def test_good_names_go_on_beside_silent_ones(pair: tuple[Machine, Machine, int], silent: list[Silent]) -> None:
    north, south, _ = pair
    publisher = north.publisher("lab/good")
    publish(publisher, 0)
    south.has("lab/good")
    subscriber = south.subscriber("lab/good")
    assert subscriber.next() == "0"
    until("each has been connected to", lambda: all(one.asked for one in silent if one.pattern == "publish"))
    # New names make the bridge list all names again.
    for i in range(1, 200):
        if i % 50 == 0:
            silent.append(Silent(north.folder, f"lab/late-{i}", "request"))
        publish(publisher, i)
        assert subscriber.next() == str(i)
    late = north.publisher("lab/new")
    publish(late, "new")
    south.has("lab/new")
    assert south.subscriber("lab/new").next() == '"new"'
    server = north.start("reply", "lab/server", "--command", "cat")
    south.has("lab/server")
    assert json.loads(south.run("call", "lab/server", "[1, 2]", "--json")) == [1, 2]
    kill(late)
    until("the name goes with its publisher", lambda: south.listed("lab/new") is None)
    until("that is said", lambda: north.status().get("exported") == ["lab/good", "lab/server"])

    until("each silent publisher is shown", lambda: len(shown_as_silent(north)) == COUNT)
    server.terminate()


def shown_as_silent(machine: Machine) -> list[str]:
    refused = machine.status()["refused"]
    return [name for name, why in refused.items() if "does not answer" in why and "silent-publish" in name]


def test_silent_publisher_is_shown_without_a_further_listing(pair: tuple[Machine, Machine, int]) -> None:
    north, _, _ = pair
    one = Silent(north.folder, "lab/silent-publish-alone", "publish")
    # Nothing else on this machine triggers a listing.
    until("it is shown", lambda: shown_as_silent(north) == ["lab/silent-publish-alone"])
    one.close()
    until("it is not shown any more", lambda: not shown_as_silent(north))


def test_name_that_turns_silent_holds_up_no_other(pair: tuple[Machine, Machine, int]) -> None:
    """A silent program replaces a publisher."""
    north, south, _ = pair
    publishers = [north.publisher(f"lab/turn-{i}") for i in range(10)]
    good = north.publisher("lab/good")
    for process in (*publishers, good):
        publish(process, 0)
    for i in range(10):
        south.has(f"lab/turn-{i}")
    south.has("lab/good")
    subscriber = south.subscriber("lab/good")
    assert subscriber.next() == "0"
    silent = []
    for i, process in enumerate(publishers):
        kill(process)
        (north.folder / f"lab@turn-{i}.shm").unlink(missing_ok=True)
        listener = independent.Listener(north.folder, f"lab@turn-{i}.shm")
        silent.append(listener)
    for i in range(1, 500):
        publish(good, i)
        assert subscriber.next() == str(i)
    for listener in silent:
        listener.close()
