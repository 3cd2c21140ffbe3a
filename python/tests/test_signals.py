"""SIGTERM and endless loops: installing the handler, opting out, restoring it."""

import signal

import pytest
from conftest import endpoint

LOOPS = {"server": "linkspan.serve({name!r}, on_wait=tick)", "subscriber": "linkspan.subscribe({name!r}, on_wait=tick)"}

PRELUDE = """
import threading
begun = threading.Event()
def tick():
    if not begun.is_set():
        begun.set()
        say("waits")
made = {made}
"""


@pytest.fixture(params=list(LOOPS))
def begins(request, peer):
    """A peer with an object of this kind, which runs the rest of its program."""

    def begin(rest, before=""):
        made = LOOPS[request.param].format(name=endpoint("unix", f"lab/{request.param}"))
        return peer(before + PRELUDE.format(made=made) + rest)

    return begin


def until(child, word):
    line = child.line()
    assert line == word, line


def test_first_sigterm_ends_the_loop_and_the_program_continues(begins):
    child = begins("for item in made: pass\nmade.close()\nsay('goes on')")
    until(child, "waits")
    child.signal(signal.SIGTERM)
    assert child.end() == (0, "goes on\n", "")


def test_second_sigterm_ends_a_program_that_continues(begins):
    child = begins("for item in made: pass\nsay('ended')\ntime.sleep(60)")
    until(child, "waits")
    child.signal(signal.SIGTERM)
    until(child, "ended")
    child.signal(signal.SIGTERM)
    assert child.end()[0] == -signal.SIGTERM


def test_closed_object_removes_its_signal_handler(begins):
    child = begins("""
closes = threading.Thread(target=lambda: (begun.wait(), made.close()))
closes.start()
for item in made: pass
closes.join()
say("closed")
time.sleep(60)
""")
    until(child, "waits")
    until(child, "closed")
    child.signal(signal.SIGTERM)
    assert child.end()[0] == -signal.SIGTERM


def test_wait_with_a_time_out_sets_no_handler(begins):
    child = begins("made.next(timeout=60)")
    until(child, "waits")
    child.signal(signal.SIGTERM)
    assert child.end()[0] == -signal.SIGTERM


def test_ignored_signal_stays_ignored(begins):
    child = begins(
        "threading.Thread(target=lambda: (sys.stdin.readline(), made.close())).start()\nfor item in made: pass\nsay('closed')",
        before="signal.signal(signal.SIGTERM, signal.SIG_IGN)\n",
    )
    until(child, "waits")
    child.signal(signal.SIGTERM)
    child.process.stdin.write("\n")
    child.process.stdin.flush()
    assert child.end() == (0, "closed\n", "")


def test_handler_of_the_program_is_kept_and_its_exception_is_raised(begins):
    child = begins("""
try:
    for item in made: pass
except KeyError as error:
    say("raised", error.args[0])
made.close()
say(signal.getsignal(signal.SIGTERM) is handler)
""", before="""
def handler(*_):
    raise KeyError("mine")
signal.signal(signal.SIGTERM, handler)
""")
    until(child, "waits")
    child.signal(signal.SIGTERM)
    assert child.end() == (0, "raised mine\nTrue\n", "")


def test_handler_that_closes_the_object_ends_the_loop(begins):
    child = begins("""
signal.signal(signal.SIGTERM, lambda *_: made.close())
for item in made: pass
say("ended")
""")
    until(child, "waits")
    child.signal(signal.SIGTERM)
    assert child.end() == (0, "ended\n", "")


def test_what_waits_in_a_mailslot_is_served_before_the_stop(peer):
    # A server checks signals after every 64th message; six of the 66 wait at the signal.
    child = peer(f"""
server = linkspan.serve({endpoint("dgram", "lab/mailslot")!r})
writer = linkspan.connect({endpoint("dgram", "lab/mailslot")!r}, timeout=60.0)
for number in range(6):
    writer.send(number)
taken = []
for request in server:
    taken.append(request.value)
    if len(taken) <= 60:
        writer.send(len(taken) + 5)
    if len(taken) == 60:
        os.kill(os.getpid(), 15)
say(taken == list(range(66)), len(taken))
""")
    assert child.end() == (0, "True 66\n", "")


@pytest.mark.parametrize("kind", ["subscribe", "serve"])
def test_after_the_object_is_closed_a_signal_is_the_first_for_the_next_one(peer, kind):
    child = peer(f"""
import threading
for number in range(3):
    begun = threading.Event()
    def tick():
        if not begun.is_set():
            begun.set()
            say("waits")
    with linkspan.{kind}("unix:lab/next", on_wait=tick) as made:
        for item in made: pass
        say("ended")
with linkspan.{kind}("unix:lab/next", on_wait=tick) as made:
    begun.clear()
    for item in made: pass
    say("ended")
    time.sleep(60)
""")
    for _ in range(4):
        until(child, "waits")
        child.signal(signal.SIGTERM)
        until(child, "ended")
    child.signal(signal.SIGTERM)
    assert child.end() == (-signal.SIGTERM, "", "")


@pytest.mark.parametrize("again", ["made", "linkspan.subscribe('unix:lab/again', on_wait=tick)", "linkspan.serve('unix:lab/again', on_wait=tick)"])
def test_after_a_loop_that_a_signal_ended_another_one_waits_again(begins, again):
    child = begins(f"""
for item in made: pass
say("ended")
begun.clear()
for item in {again}: pass
say("did not wait")
""")
    until(child, "waits")
    child.signal(signal.SIGTERM)
    until(child, "ended")
    until(child, "waits")
    child.signal(signal.SIGTERM)
    assert child.end() == (-signal.SIGTERM, "", "")
