"""Publishing between machines: order, late subscribers, counted losses, changing names."""

import json
import re

from conftest import kill, publish
from proxies import network  # noqa: F401 - a fixture
from support.waiting import until


def test_messages_arrive_in_order_and_late_subscriber_gets_the_newest(pair):
    north, south, _ = pair
    publisher = north.publisher("lab/count")
    publish(publisher, 0)
    south.has("lab/count")
    subscriber = south.subscriber("lab/count")
    assert subscriber.next() == "0"
    publish(publisher, *range(1, 2001))
    assert [int(subscriber.next()) for _ in range(2000)] == list(range(1, 2001))
    assert south.subscriber("lab/count").next() == "2000"
    assert south.run("latest", "lab/count", "--json").strip() == "2000"
    listed = south.listed("lab/count")
    assert (listed["machine"], listed["pattern"]) == ("north", "publish")
    assert north.listed("lab/count")["machine"] is None
    assert re.search(r"lab/count .* north\n", south.run("ls", "lab/count"))
    assert until("all are counted", lambda: south.status().get("received") == 2001)
    until("all are counted here, too", lambda: north.status().get("sent") == 2001)
    assert south.status()["lost"] == 0


def test_name_disappears_and_returns_with_its_publisher(pair):
    north, south, _ = pair
    first = north.publisher("lab/name")
    publish(first, "first")
    south.has("lab/name")
    subscriber = south.subscriber("lab/name")
    assert subscriber.next() == '"first"'
    kill(first)
    until("the name goes with its publisher", lambda: south.listed("lab/name") is None)
    south.run("latest", "lab/name", code=4)
    second = north.publisher("lab/name")
    publish(second, "second")
    assert subscriber.next() == '"second"'


def test_only_configured_names_are_carried(pair):
    north, south, _ = pair
    publish(north.publisher("private/key"), 1)
    publish(north.publisher("lab/open"), 2)
    south.has("lab/open")
    assert south.listed("private/key") is None
    until("one name is exported", lambda: north.status().get("exported") == ["lab/open"])


def test_live_local_name_is_never_shadowed(pair):
    north, south, _ = pair
    local = south.publisher("lab/mine")
    publish(local, "local")
    south.has("lab/mine")
    publish(north.publisher("lab/mine"), "remote")
    refused = until("the name is refused", lambda: south.status().get("refused"))
    assert "keeps it" in refused["lab/mine"]
    assert south.run("latest", "lab/mine", "--json").strip() == '"local"'
    assert south.listed("lab/mine")["machine"] is None
    kill(local)
    # A free name is carried.
    subscriber = south.subscriber("lab/mine")
    values = until("the name is carried once it is free", lambda: subscriber.next() == '"remote"')
    assert values and south.listed("lab/mine")["machine"] == "north"


def test_bridges_killed_in_turn_lose_nothing_uncounted_and_repeat_nothing(machines, meeting):
    north, south = machines("north"), machines("south")
    exports = ("--export", "lab/*", *meeting.listen())
    imports = ("--import", "lab/*", *meeting.connect())
    bridges = {"north": north.bridge(*exports), "south": south.bridge(*imports)}
    publisher = north.publisher("lab/count")
    publish(publisher, 0)
    south.has("lab/count")
    subscriber = south.subscriber("lab/count")
    taken, sent = [int(subscriber.next())], 0
    for machine, arguments in [(south, imports), (north, exports)] * 2:
        kill(bridges[machine.name])
        until("the name goes with the bridge", lambda: south.listed("lab/count") is None)
        publish(publisher, *range(sent + 1, sent + 11))
        sent += 10
        bridges[machine.name] = machine.bridge(*arguments)
        south.has("lab/count")
        # Later messages arrive. Of the ten earlier ones the newest arrives, and others count as missed.
        until("the newest is there", lambda: south.run("latest", "lab/count", "--json").strip() == str(sent))
        publish(publisher, sent + 1)
        sent += 1
        while taken[-1] < sent:
            taken.append(int(subscriber.next()))
    assert taken == sorted(set(taken)), "in order, and nothing twice"
    missed = sum(map(int, re.findall(r"Lagged \(125\)[^\n]*?(\d+) messages", south.log.read_text())))
    assert len(taken) + missed == sent + 1, (taken, missed, south.log.read_text())


def test_loop_of_three_bridges_neither_echoes_nor_grows(machines, meeting):
    ring = [machines(name) for name in ("one", "two", "three")]
    for at, machine in enumerate(ring):
        machine.bridge("--export", "*", "--import", "*", *meeting.ring(at))
    publishers = [machine.publisher(f"from/{machine.name}") for machine in ring]
    for publisher in publishers:
        publish(publisher, 0)
    for machine in ring:
        for other in ring:
            machine.has(f"from/{other.name}")
    for publisher in publishers:
        publish(publisher, *range(1, 101))
    for machine in ring:
        counts = (202, 101)
        status = until(
            "all have come", lambda m=machine: (s := m.status()) and (s["received"], s["sent"]) == counts and s
        )
        assert status["exported"] == [f"from/{machine.name}"]
        others = {f"from/{other.name}": other.name for other in ring if other is not machine}
        assert status["imported"] == others and status["refused"] == {}, status
        assert status["lost"] == 0


def test_large_messages_arrive_complete(pair):
    north, south, _ = pair
    publisher = north.publisher("lab/large")
    text = "x" * 300_000
    publish(publisher, text)
    assert json.loads(south.subscriber("lab/large").next()) == text


def test_newest_message_arrives_after_a_slow_network_lost_it(machines, meeting, network):
    north, south = machines("north"), machines("south")
    north.bridge("--export", "lab/*", *meeting.listen())
    south.bridge("--import", "lab/*", *meeting.connect(network.port))
    publisher = north.publisher("lab/large")
    publish(publisher, "first")
    south.has("lab/large")
    subscriber = south.subscriber("lab/large")
    assert subscriber.next() == '"first"'
    network.open.clear()
    # Exceeds the buffers of engine and sockets.
    count, body = 24, "x" * 1_000_000
    publish(publisher, *(f"{at} {body}" for at in range(count)))
    # The ring between publisher and bridge may overwrite some.
    until("all are sent", lambda: sum(north.status().get(key, 0) for key in ("sent", "overrun")) == 1 + count)
    network.open.set()
    received = []
    while received[-1:] != [count - 1]:
        received.append(int(json.loads(subscriber.next()).split()[0]))
    assert received == sorted(set(received)), "in order, and nothing twice"
    if meeting.engine == "zenoh":
        assert len(received) < count, "the network was too fast to lose a message"


def test_publisher_that_is_killed_ten_times_is_heard_each_time(pair):
    north, south, _ = pair
    subscribers = [south.subscriber(names) for names in ("lab/again", "lab/*")]
    for incarnation in range(10):
        publisher = north.publisher("lab/again")
        publish(publisher, incarnation)
        for subscriber in subscribers:
            # A new connection may repeat an incarnation's newest value.
            until(f"incarnation {incarnation} is heard", lambda s=subscriber, i=incarnation: s.next() == str(i))
        kill(publisher)
