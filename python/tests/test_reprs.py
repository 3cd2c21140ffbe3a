"""The `repr` of each public object states its class and state in Linkspan's words."""

import contextlib
import re
import types
import typing

import linkspan
import linkspan.aio
import pytest
from conftest import Hub
from test_wrong_arguments import World

#: `test_controller.py` tests it with a service.
WITHOUT = {linkspan.Answer}
#: Python's default representations.
DEFAULT = re.compile(r"^<[\w.]+ object at 0x|^<(map|generator|built-in)")


@pytest.fixture
def world(tmp_path, runtime_dir):
    hub = Hub()
    hub.start()
    try:
        with linkspan.Controller() as controller:
            yield World(tmp_path, controller)
    finally:
        hub.kill()


def classes():
    for module in (linkspan, linkspan.aio):
        for name in linkspan.__all__ if module is linkspan else vars(module):
            thing = getattr(module, name)
            is_own = module is linkspan or getattr(thing, "__module__", "") == "linkspan.aio"
            if name.startswith("_") or not isinstance(thing, type) or isinstance(thing, types.GenericAlias) or not is_own:
                continue
            if not issubclass(thing, (BaseException, str)) and thing not in WITHOUT and not typing.is_typeddict(thing):
                yield thing


def test_each_public_object_says_its_state(world):
    made = world.objects() | {
        linkspan.Service: lambda _: linkspan.Service(),
        linkspan.Event: lambda _: linkspan.Event("connected", linkspan.Timestamp(5), 0, "x"),
        linkspan.RecordedName: lambda _: linkspan.Recording(world.file).names["lab/a"],
    }
    missing = {thing for thing in classes() if thing not in made}
    assert not missing
    for kind in classes():
        with contextlib.ExitStack() as ended:
            shown = repr(made[kind](ended))
            assert not DEFAULT.search(shown), f"{kind}: {shown}"
            assert re.fullmatch(rf"<(linkspan\.(aio\.)?)?{kind.__name__}[ ,:].+>|{kind.__name__}\(\w+=.+\)", shown, re.DOTALL), f"{kind}: {shown}"


def test_what_public_calls_return_says_its_state(world):
    recording = linkspan.Recording(world.file)
    with contextlib.ExitStack() as ended:
        client, other = world.pair(ended)
        subscriber = ended.enter_context(linkspan.subscribe(world.name()))
        for thing in [recording.batches("lab/a"), recording.messages(), iter(recording), subscriber.try_iter(), client.start_call(1, timeout=60.0)]:
            assert not DEFAULT.search(repr(thing)), repr(thing)


def test_batches_say_how_many_they_have_given(world):
    batches = linkspan.Recording(world.file).batches("lab/a", rows=1)
    assert repr(batches) == f"<linkspan.RecordingTables of {world.file}, 1 rows each: 0 given>"
    next(batches)
    assert repr(batches).endswith(": 1 given>")
    assert len(list(batches)) == 1 and repr(batches).endswith(": 2 given>")


def test_listener_says_how_many_it_has_accepted_and_that_it_is_closed(world):
    with linkspan.listen("unix:lab/one") as listener:
        assert repr(listener) == "<linkspan.Listener unix:lab/one: 0 accepted>"
        with linkspan.connect("unix:lab/one", timeout=60.0) as near, listener.accept(timeout=60.0) as far:
            assert repr(listener) == "<linkspan.Listener unix:lab/one: 1 accepted>"
            near.close(), far.close()
    assert repr(listener) == "<linkspan.Listener unix:lab/one: 1 accepted, closed>"


def test_pending_reply_says_whether_its_answer_is_to_come(world):
    with contextlib.ExitStack() as ended:
        client, request = world.served(ended)
        assert repr(world.pending) == "<linkspan._native.PendingReply: its answer is still to be taken>"
        request.reply(2)
        assert client.finish_call(world.pending, timeout=60.0).value == 2
        assert repr(world.pending) == "<linkspan._native.PendingReply: finished>"
