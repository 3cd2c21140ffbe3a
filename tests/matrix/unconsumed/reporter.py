"""Sends 1,000 messages and ends without close. One message is consumed, and the callback reports the others."""

import gc
import sys

import linkspan

name, way = sys.argv[1:]
calls = []


def report(missed: int) -> None:
    calls.append(missed)
    print(f"unconsumed {missed}, call {len(calls)}", flush=True)


class Holder:
    """Makes a cycle of channel and callback."""

    def report(self, missed: int) -> None:
        assert self.channel.endpoint == name
        report(missed)


holder = Holder()
holder.channel = channel = linkspan.connect(name, on_unconsumed=holder.report if way == "gc" else report)
for i in range(1000):
    channel.send({"i": i})
while True:
    try:
        channel.flush(timeout=0.02)
        sys.exit(3)
    except linkspan.Timeout as error:
        if error.missed == 999:
            break
print("sent", flush=True)
sys.stdin.readline()
if way != "exit":
    del channel, holder
    gc.collect()
    assert calls == [999]
