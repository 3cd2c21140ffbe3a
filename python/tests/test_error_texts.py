"""Any exception of a handler gives an answer, and the loop continues."""

import asyncio
import functools
import logging
import re
import signal

import linkspan
import linkspan.aio
import pytest
from conftest import endpoint, over
from services import until


class Broken(Exception):
    def __str__(self):
        raise LookupError("no text")


class Ending(BaseException):
    """Derives from BaseException, like exceptions that end a program."""


class EndsBy(Exception):
    def __init__(self, ends):
        self.ends = ends

    def __str__(self):
        raise self.ends


class Unpaired(Exception):
    pass


Unpaired.__qualname__ = "Unp\udce4red"


def with_remote(**attributes):
    error = linkspan.Remote("made by hand")
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


RAISED = [
    (Broken(), "Broken", "the text of this Broken cannot be made: its __str__ raised LookupError"),
    *((EndsBy(ends), "EndsBy", f"the text of this EndsBy cannot be made: its __str__ raised {ends.__name__}") for ends in (SystemExit, GeneratorExit, Ending)),
    (ValueError("caf\udce9"), "ValueError", "caf\\udce9"),
    (ValueError("\x1b[2Jgone\u202e"), "ValueError", "\x1b[2Jgone\u202e"),
    (Unpaired("x"), "Unp\\udce4red", "x"),
    (KeyError(), "KeyError", ""),
    (linkspan.Timeout("caf\udce9"), "Timeout", "caf\\udce9"),
    (with_remote(remote_type="a.b", remote_text="caf\udce9", remote_code="none"), "a.b", "caf\\udce9"),
    (with_remote(remote_type=5, remote_text=Broken(), data=object()), "5", "the text of this Broken cannot be made: its __str__ raised LookupError"),
]


def raises(request):
    if request.value == "fine":
        return "fine"
    raise RAISED[request.value][0]


def answers(call):
    for at, (_, kind, text) in enumerate(RAISED):
        with pytest.raises(linkspan.Remote) as failed:
            call(at)
        assert (failed.value.remote_type, failed.value.remote_text) == (kind, text)
        assert not {"\x1b", "\u202e"} & set(str(failed.value)), "what is shown is escaped"
    assert call("fine").value == "fine"


CLIENT = """
from test_error_texts import answers
with linkspan.connect(sys.argv[1]) as ch:
    answers(ch.call)
    say("answered")
"""


@pytest.fixture
def client(peer, monkeypatch):
    import pathlib

    monkeypatch.setenv("PYTHONPATH", f"{pathlib.Path(__file__).parent}:{pathlib.Path(__file__).parents[2] / 'tests'}")
    return lambda name: peer(CLIENT, name)


@pytest.mark.parametrize("workers", [1, 2])
def test_server_answers_an_exception_whatever_its_text_is(client, workers, caplog):
    import threading

    name = endpoint("unix")
    server = linkspan.serve(name)
    serving = threading.Thread(target=server.run, args=(raises,), kwargs={"workers": workers})
    serving.start()
    child = client(name)
    assert child.end() == (0, "answered\n", "")
    server.close()
    serving.join()
    logged = [record for record in caplog.records if record.name == "linkspan.server"]
    assert len(logged) == len([error for error, _, _ in RAISED if not isinstance(error, linkspan.Remote)])


def test_log_of_a_server_is_written_to_a_file_whatever_the_texts_of_exceptions_are(client, tmp_path, monkeypatch):
    """A UTF-8 file refuses unpaired surrogates, and `logging` would lose the line."""
    import logging
    import threading

    failed = []
    handler = logging.FileHandler(tmp_path / "server.log", encoding="utf-8", errors="strict")
    monkeypatch.setattr(handler, "handleError", failed.append)
    log = logging.getLogger("linkspan.server")
    log.addHandler(handler)
    name = endpoint("unix")
    server = linkspan.serve(name)
    serving = threading.Thread(target=server.run, args=(raises,))
    serving.start()
    try:
        child = client(name)
        assert child.end() == (0, "answered\n", "")
    finally:
        server.close()
        serving.join()
        log.removeHandler(handler)
        handler.close()
    assert failed == []
    assert (tmp_path / "server.log").read_text(encoding="utf-8").count("ValueError: caf\\udce9\n") >= 1


def test_server_of_asyncio_answers_an_exception_whatever_its_text_is(client):
    name = endpoint("unix")

    async def main():
        async def handler(request):
            return raises(request)

        async with linkspan.aio.serve(name) as server:
            serving = asyncio.create_task(server.run(handler))
            assert await asyncio.to_thread(client(name).end) == (0, "answered\n", "")
            await server.close()
            await serving

    asyncio.run(main())


def test_request_as_a_context_answers_an_exception_whatever_its_text_is(client):
    name = endpoint("unix")
    with linkspan.serve(name) as server:
        child = client(name)
        while (request := server.next(timeout=60.0)) is not None:
            try:
                with request:
                    request.reply(raises(request))
                    break
            except Exception:
                pass
        assert child.end() == (0, "answered\n", "")


def test_handler_of_the_log_that_raises_does_not_end_the_server(client, capsys):
    class Raises(logging.Handler):
        def emit(self, record):
            raise OSError("no log")

    import threading

    log, broken = logging.getLogger("linkspan.server"), Raises()
    log.addHandler(broken)
    try:
        name = endpoint("unix")
        server = linkspan.serve(name)
        serving = threading.Thread(target=server.run, args=(raises,))
        serving.start()
        assert client(name).end() == (0, "answered\n", "")
        server.close()
        serving.join()
    finally:
        log.removeHandler(broken)
    assert "OSError: no log" in capsys.readouterr().err


def test_failure_with_any_text_is_sent(peer):
    name = endpoint("unix")
    with linkspan.serve(name) as server:
        child = peer("""
            try:
                linkspan.connect(sys.argv[1]).call(1)
            except linkspan.Remote as error:
                say(error.remote_text, error.remote_type)
        """, name)
        request = server.next(timeout=60.0)
        with pytest.raises(linkspan.WrongType, match="text=5 is of type int: give text"):
            request.fail(5)
        request.fail("caf\udce9", type="l\udce4b")
        assert child.line() == "caf\\udce9 l\\udce4b"
        assert child.end()[0] == 0


def test_ctrl_c_in_the_text_of_an_exception_is_a_ctrl_c(peer):
    """It comes from a signal handler that runs there, not from the exception."""
    name = endpoint("unix")
    with linkspan.serve(name) as server:
        child = peer("""
            with linkspan.connect(sys.argv[1]) as ch:
                try:
                    ch.call(1, timeout=60.0)
                except linkspan.Error:
                    say("no answer")
        """, name)

        def raises(request):
            raise EndsBy(KeyboardInterrupt)

        with pytest.raises(KeyboardInterrupt):
            server.run(raises)
    assert child.end() == (0, "no answer\n", "")


@pytest.mark.parametrize("ends", ["LookupError", "SystemExit", "GeneratorExit"])
@pytest.mark.parametrize("method", ["step", "on_start", "command"])
def test_service_reports_an_exception_whatever_its_text_is(controller, peer, method, ends):
    failing = {"step": "def step(self)", "on_start": "def on_start(self)", "command": "def do_fail(self, arguments)"}[method]
    child = peer(f"""
        class Broken(Exception):
            def __str__(self):
                raise {ends}("no text")

        class Fails(linkspan.Service):
            def data(self):
                self.log("caf\\udce9", "warning")
                self.problem("caf\\udce9")
                return 1

            {failing}:
                # The controller must know the service before it fails.
                while not self.connected:
                    time.sleep(0.01)
                raise Broken

        try:
            linkspan.run(Fails(), "fails", every=0.01 if {method == "step"} else None)
        except Broken:
            say("ended")
    """)
    text = f"the text of this Broken cannot be made: its __str__ raised {ends}"
    if method == "command":
        service = controller.service("fails")
        until(service.status)
        assert service.get_data(timeout=60.0) == 1
        with pytest.raises(linkspan.Remote) as failed:
            service.command("fail", timeout=60.0)
        assert (failed.value.remote_type, failed.value.remote_text) == ("Broken", text)
        assert "caf\\udce9" in service.status()["reason"]
        assert [line["text"] for line in service.log() if "caf" in line["text"]]
        service.shutdown(timeout=60.0)
        assert child.end()[0] == 0
    else:
        assert child.end() == (0, "ended\n", "")
        assert text in until(lambda: controller.status("fails"))["reason"]


def test_thread_that_waits_at_the_exit_of_the_interpreter_prints_nothing(peer):
    """The interpreter's end exceeds a tick of the wait."""
    child = peer("""
        import threading
        class Slow:
            def __del__(self, sleep=time.sleep):
                sleep(0.5)
        ticked = threading.Event()
        def wait():
            with linkspan.subscribe("unix:lab/none") as reader:
                reader.next(timeout=None, on_wait=lambda: ticked.set())
        def send():
            def values():
                while True:
                    yield 1
                    time.sleep(0.01)
            linkspan.connect("unix:lab/slow").send_many(values(), timeout=None)
        listener = linkspan.listen("unix:lab/slow")
        for work in (wait, send):
            threading.Thread(target=work, daemon=True).start()
        far = listener.accept()
        far.recv()
        ticked.wait()
        slow = Slow()
    """)
    code, out, err = child.end()
    assert (code, out, err) == (0, "", "")


@pytest.fixture
def name(request):
    return endpoint(request.param)


def text_of(name, error, call):
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value).startswith(f"{name}: "), raised.value
    return str(raised.value).removeprefix(f"{name}: ")


SAME = r"see that both use the same (directory \(LINKSPAN_DIR\)|port)"
CALLS = [(0, "was looked for once"), (0.01, "did not appear within 0.01 s")]


@over("shm", "unix", "tcp", "fifo")
def test_dialled_channel_without_a_listener_says_that_none_listens_and_what_to_do(name):
    absent = rf"no program listens: .+ {{}}; start one that does, and {SAME}"
    with linkspan.Channel.dial(name) as ch:
        for timeout, sought in CALLS:
            said = text_of(name, linkspan.NotFound, lambda timeout=timeout: ch.join(timeout=timeout))
            assert re.match(absent.format(sought), said), said
        said = text_of(name, linkspan.Full, lambda: ch.try_send(1))
        assert re.fullmatch(f"not sent: {absent.format('was looked for once')}", said), said
        ch.flush(timeout=0)  # nothing was sent
    assert text_of(name, linkspan.InvalidState, lambda: ch.join(timeout=0)) == "the channel is closed"


@over("shm", "unix", "tcp", "fifo")
def test_listening_channel_without_a_peer_says_that_none_is_connected_and_what_to_do(name):
    absent = f"no program is connected: one {{}}; start one that connects, and {SAME}"
    with linkspan.Channel.begin_open(name) as ch:
        assert ch.role == "listener"
        for timeout, sought in CALLS:
            for call in ch.join, ch.recv, functools.partial(ch.send, 1):
                said = text_of(name, linkspan.Timeout, functools.partial(call, timeout=timeout))
                assert re.fullmatch(absent.format(sought), said), (call, said)
        said = text_of(name, linkspan.Full, lambda: ch.try_send(1))
        assert re.fullmatch(f"not sent: {absent.format('was looked for once')}", said), said
        ch.flush(timeout=0)


@over("shm", "unix", "fifo")
def test_join_beside_a_program_that_has_not_answered_says_that_the_answer_is_awaited(peer, name):
    """The other program is stopped, because a local listener may answer before the call ends."""
    listens = peer("""
        listener = linkspan.listen(sys.argv[1])
        say("listens")
        sys.stdin.readline()
    """, name)
    assert listens.line() == "listens"
    listens.signal(signal.SIGSTOP)
    try:
        with linkspan.Channel.dial(name) as ch:
            awaited = "no program has answered yet, and the call was not to wait; try again once the descriptor is readable, or wait for it"
            assert text_of(name, linkspan.Timeout, ch.join) == awaited
            assert text_of(name, linkspan.Full, lambda: ch.try_send(1)) == f"not sent: {awaited}"
    finally:
        listens.signal(signal.SIGCONT)
