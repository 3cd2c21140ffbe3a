"""An honest pair next to hostile peers, with checks of its results and resources."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from party import SOON, Cost, Party, busy
from support.waiting import until

#: Allowed remains after all hostile peers ended, above the state before them.
SPARE_DESCRIPTORS, SPARE_THREADS = 4, 4
#: KiB that connected hostile peers may cost, beyond the case's own allowance.
SPARE_MEMORY = 48 << 10


class Scene:
    """A host and a guest that work together. The hostile peer is a client of the host, or another server of the
    guest."""

    made = 0

    def __init__(self, directory: Path, transport: str, pattern: str, host: Party, guest: Party) -> None:
        Scene.made += 1
        self.directory, self.transport, self.pattern, self.host, self.guest = directory, transport, pattern, host, guest
        self.name = f"{transport}:lab/{pattern}{Scene.made}"
        wanted = "tcp://127.0.0.1:0" if transport == "tcp" else self.name
        match pattern:
            case "request":
                self.endpoint = host.do("serve", "host", wanted)
                guest.do("connect", "guest", self.endpoint, timeout=SOON)
            case "channel":
                self.endpoint = host.do("listen", "host", wanted)
                guest.do("connect", "guest", self.endpoint, timeout=SOON)
            case "publish":
                self.endpoint = host.do("publish", "host", wanted)
                guest.do("subscribe", "guest", self.endpoint, timeout=SOON)
                host.do("publishes", "host", 0, 1)
                guest.do("follow", "guest", 0, 1, SOON)
                host.counted["host"] = 1
        self.work()

    def work(self, count: int = 3) -> None:
        """Asserts that all messages of the honest pair arrive in order; failures and hangs are a hostile peer's
        effect."""
        match self.pattern:
            case "request":
                self.guest.numbered("calls", "guest", count, SOON)
            case "channel":
                self.guest.numbered("echoes", "guest", count, SOON)
            case "publish":
                first = self.host.counted["host"]
                self.host.numbered("publishes", "host", count)
                self.guest.do("follow", "guest", first, count, SOON)

    def newcomer(self) -> None:
        verb = "subscribe" if self.pattern == "publish" else "connect"
        self.guest.do(verb, "newcomer", self.endpoint, timeout=SOON)
        match self.pattern:
            case "request":
                self.guest.do("calls", "newcomer", 0, 2, SOON)
            case "channel":
                self.guest.do("echoes", "newcomer", 0, 2, SOON)
            case "publish":
                # The existing value shows that it is connected.
                self.guest.do("recv", "newcomer", SOON)
                first = self.host.counted["host"]
                self.host.numbered("publishes", "host", 2)
                self.guest.do("follow", "newcomer", first, 2, SOON)
                self.guest.do("follow", "guest", first, 2, SOON)
        self.guest.do("close", "newcomer")

    @contextmanager
    def judged(self, memory: int = SPARE_MEMORY) -> Iterator[None]:
        """Checks the cost of hostile peers in this block, and its release."""
        for party in (self.host, self.guest):
            party.forget_peak()
        before = {party: party.cost() for party in (self.host, self.guest)}
        yield
        self.work()
        self.newcomer()
        for party, was in before.items():
            party.check()

            def is_given_back(party: Party = party, was: Cost = was) -> bool:
                now = party.cost()
                return (
                    now.descriptors <= was.descriptors + SPARE_DESCRIPTORS
                    and now.threads <= was.threads + SPARE_THREADS
                )

            try:
                until("what hostile peers had cost was given back", is_given_back)
            except AssertionError as late:
                raise AssertionError(f"{late}: {was} before, {party.cost()} now") from None
            now = party.cost()
            assert now.peak - was.resident <= memory, f"memory grew: {was} before, {now} now"
        assert not busy(list(before)), "an honest program has nothing to do, and does it without end"
