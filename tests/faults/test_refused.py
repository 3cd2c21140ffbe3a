"""Programs without a system call, a thread, /proc, or variables (set-user-ID).

Each ends with a precise error, without endless retries or panics.
"""

import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.compilers import INCLUDE, compiled, shared_library
from support.namespaces import needed, unshare
from support.network import free_port
from support.refused import CALLS, NOBODY, PATIENCE, begun_with, built, folder_of_another, run_with
from support.tree import DEBUG, PROGRAM
from support.waiting import until

RECORD = DEBUG / "linkspan-record"


@pytest.fixture(scope="module")
def refuse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("refuse"))


def ended(command: list[object], **more) -> tuple[int, str]:
    done = subprocess.run(
        [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, **more
    )
    assert "panicked" not in done.stderr, done.stderr
    return done.returncode, done.stderr


@pytest.fixture
def publisher(runtime: Path):
    child = subprocess.Popen([PROGRAM, "pub", "unix:lab/value", '{"n": 1}', "--for", "600"], stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    done = subprocess.run([PROGRAM, "latest", "unix:lab/value", "--timeout", "60"], capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    yield child
    child.kill()
    child.communicate()


def test_wait_that_is_refused_ends_with_the_name_of_the_call(refuse: Path, publisher) -> None:
    code, text = ended([refuse, CALLS["ppoll"], errno.EPERM, PROGRAM, "sub", "unix:lab/value", "--timeout", "3", "--count", "5"])
    assert code not in (0, -signal.SIGKILL) and "ppoll" in text, (code, text)


@pytest.mark.parametrize("call", ["epoll_pwait", "ppoll"])
@pytest.mark.parametrize("words", [[], ["--for", "2s"]], ids=["forever", "for"])
@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_recorder_whose_wait_is_refused_ends_and_is_not_complete(
    refuse: Path, publisher, tmp_path: Path, call: str, words: list[str], number: int
) -> None:
    """The recorder receives by one call; its controller's thread waits by the other."""
    file = tmp_path / "refused.mcap"
    code, text = ended([refuse, CALLS[call], number, RECORD, "record", "unix:lab/value", "-o", file, *words])
    assert code == 1 and call.split("_")[0] in text, (code, text)
    if file.exists():
        checked = subprocess.run([RECORD, "recording", "check", file], capture_output=True, text=True, timeout=PATIENCE)
        assert checked.returncode == 6 and "complete" not in checked.stdout, checked


@pytest.mark.parametrize("call", ["epoll_pwait", "ppoll"])
@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
@pytest.mark.parametrize(
    "words",
    [
        [PROGRAM, "service", "run", "--", "sleep", "600"], [DEBUG / "linkspan-gateway", "--listen", "127.0.0.1:0"],
        [PROGRAM, "controller", "--no-tcp"],
    ],
    ids=["service", "gateway", "controller"],
)
def test_service_whose_wait_is_refused_ends_with_the_name_of_the_call(refuse: Path, runtime: Path, words: list[object], call: str, number: int) -> None:
    """The library's threads also wait by this call, and must not retry forever."""
    code, text = ended([refuse, CALLS[call], number, *words])
    assert code == 1 and call in text, (code, text)


@pytest.mark.parametrize("transport", ["unix", "shm", "tcp"])
def test_server_whose_accept_is_refused_ends_with_the_name_of_the_call(refuse: Path, runtime: Path, transport: str) -> None:
    endpoint = "tcp://127.0.0.1:17393" if transport == "tcp" else f"{transport}:lab/refused"
    command = [refuse, CALLS["accept4"], errno.EPERM, PROGRAM, "reply", endpoint, "-c", "cat"]
    server = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(PATIENCE):
            if server.poll() is not None:
                break
            # A call wakes the acceptor; before the server exists it finds nobody.
            subprocess.run([PROGRAM, "call", endpoint, "1", "--timeout", "1"], capture_output=True, timeout=PATIENCE)
        assert server.poll() is not None, "the server goes on for ever"
        text = server.communicate(timeout=PATIENCE)[1]
    finally:
        server.kill()
    assert server.returncode == 1 and "accept4" in text and "panicked" not in text, text


@pytest.mark.parametrize("transport", ["unix", "shm"])
@pytest.mark.parametrize("words", [["--wait-for", "1"], ["--for", "5"]], ids=["waits", "stays"])
def test_publisher_whose_accept_is_refused_ends_with_the_name_of_the_call(refuse: Path, runtime: Path, transport: str, words: list[str]) -> None:
    endpoint = f"{transport}:lab/refused"
    command = [refuse, CALLS["accept4"], errno.EPERM, PROGRAM, "pub", endpoint, "1", *words]
    publisher = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(PATIENCE):
            if publisher.poll() is not None:
                break
            subprocess.run([PROGRAM, "latest", endpoint, "--timeout", "1"], capture_output=True, timeout=PATIENCE)
        assert publisher.poll() is not None, "the publisher goes on for ever"
        text = publisher.communicate(timeout=PATIENCE)[1]
    finally:
        publisher.kill()
    assert publisher.returncode == 1 and "accept4" in text and "panicked" not in text, text


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES])
@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("connect", ["sub", "unix:lab/value", "--timeout", "3"]),
        ("connect", ["sub", "tcp://127.0.0.1:17394", "--timeout", "3"]),
        ("socket", ["sub", "unix:lab/value", "--timeout", "3"]),
        ("socket", ["sub", "tcp://127.0.0.1:17394", "--timeout", "3"]),
        ("socket", ["pub", "shm:lab/other", "1", "--for", "0.2"]),
        ("bind", ["pub", "unix:lab/other", "1", "--for", "0.2"]),
        ("bind", ["pub", "tcp://127.0.0.1:17394", "1", "--for", "0.2"]),
    ],
    ids=" ".join,
)
def test_refused_call_does_not_ask_for_a_mode(refuse: Path, publisher, call: str, number: int, words: list[str]) -> None:
    code, text = ended([refuse, CALLS[call], number, PROGRAM, *words])
    assert code == 1 and text.count("seccomp") == 1 and "a mode and a group" not in text, text
    assert "lab/" not in words[1] or "lab@" in text or "(socket)" in text, text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
@pytest.mark.parametrize("transport", ["unix", "shm"])
def test_socket_alone_that_is_refused_by_its_mode_is_named_with_what_to_do(transport: str) -> None:
    """Everybody may enter the directory; only the owner may connect to the socket."""
    folder = Path(subprocess.run(["mktemp", "-d", "/var/tmp/refused-XXXXXX"], capture_output=True, text=True, check=True).stdout.strip())
    environment = {**os.environ, "LINKSPAN_DIR": str(folder), "LINKSPAN_STATE_DIR": str(folder / "state")}
    name = f"{transport}:lab/alone"
    folder.chmod(0o777)
    shutil.copy(PROGRAM, folder / "program")
    child = subprocess.Popen([PROGRAM, "pub", name, "1", "--for", "600"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def other() -> None:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    try:
        done = subprocess.run([PROGRAM, "latest", name, "--timeout", "60"], env=environment, capture_output=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        code, text = ended([folder / "program", "latest", name, "--timeout", "3"], env=environment, preexec_fn=other, cwd="/")
        assert code == 1 and "PermissionDenied" in text and "seccomp" not in text, text
        socket = f"{folder}/lab@alone.{transport}"
        for part in (f"uid {NOBODY} may not connect to {socket}", f"{socket} belongs to uid 0 and gid 0 with mode 0600", "options mode and group"):
            assert part in text, (part, text)
    finally:
        child.kill()
        child.communicate()
        shutil.rmtree(folder)


#: A memfd_create flag that kernels before 6.3 do not know.
NOEXEC_SEAL = 8


def test_kernel_that_does_not_know_memory_without_execution_is_used_without(refuse: Path, runtime: Path) -> None:
    old = [refuse, f"{CALLS['memfd_create']}:{NOEXEC_SEAL}", errno.EINVAL, PROGRAM]
    server = subprocess.Popen([*map(str, old), "reply", "shm:lab/old", "-c", "cat"], stderr=subprocess.PIPE, text=True)
    try:
        done = subprocess.run(
            [*map(str, old), "call", "shm:lab/old", '"hello"', "--timeout", "20"], capture_output=True, text=True, timeout=PATIENCE
        )
        assert (done.returncode, done.stdout.strip()) == (0, "hello"), done.stderr
    finally:
        server.kill()
        server.communicate()
    code, text = ended([*old, "pub", "shm:lab/value", "1", "--for", "0.2"])
    assert code == 0, text


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_memory_that_is_refused_is_named_by_its_call(refuse: Path, runtime: Path, number: int) -> None:
    code, text = ended([refuse, CALLS["memfd_create"], number, PROGRAM, "pub", "shm:lab/value", "1", "--for", "0.2"])
    assert code == 1 and "memfd_create" in text, (code, text)


@pytest.mark.parametrize(
    ("call", "number", "limit"),
    [
        ("inotify_init1", errno.EMFILE, "fs.inotify.max_user_instances"),
        ("inotify_add_watch", errno.ENOSPC, "fs.inotify.max_user_watches"),
    ],
)
def test_limit_of_inotify_is_named_by_its_sysctl(refuse: Path, runtime: Path, call: str, number: int, limit: str) -> None:
    code, text = ended([refuse, CALLS[call], number, PROGRAM, "sub", "lab/*", "--timeout", "3"])
    assert code == 1 and limit in text, text


@pytest.mark.parametrize(
    ("call", "number", "limit"),
    [
        ("inotify_init1", errno.EMFILE, "fs.inotify.max_user_instances"),
        ("inotify_add_watch", errno.ENOSPC, "fs.inotify.max_user_watches"),
    ],
)
def test_doctor_names_the_limit_of_inotify_that_is_reached(refuse: Path, runtime: Path, call: str, number: int, limit: str) -> None:
    done = subprocess.run([str(word) for word in (refuse, CALLS[call], number, PROGRAM, "doctor")], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1 and f"as the sysctl {limit} allows" in done.stdout + done.stderr, done


@needed("--pid", "--fork")
@pytest.mark.parametrize("endpoint", ["unix:lab/there", "shm:lab/there", "fifo:lab/there", "journal:lab/there", "tcp://127.0.0.1:17396"])
def test_process_of_another_container_has_no_number_here(runtime: Path, endpoint: str) -> None:
    """The number there belongs to another process here, which must stay alive."""
    words = ["recv", endpoint, "--timeout", "600"] if endpoint.startswith("fifo:") else ["pub", endpoint, "1", "--for", "600"]
    inside = [*unshare("--kill-child", "--pid", "--fork", "--mount-proc"), PROGRAM]
    child = subprocess.Popen([PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def told(*command: object) -> str:
        return subprocess.run([*map(str, (*inside, *command))], capture_output=True, text=True, timeout=PATIENCE).stdout

    try:
        until("it is listed", lambda: endpoint in told("ls"))
        if not endpoint.startswith("tcp:"):
            # A journal is listed before its writer records its identity.
            until("its holder is known", lambda: "is served by a process whose number is not known here" in told("doctor", endpoint))
            text = told("doctor", endpoint)
            assert "kill " not in text and "no process has it" not in text, text
        [listed] = [one for one in map(json.loads, told("ls", "--json").splitlines()) if one["endpoint"] == endpoint]
        assert listed["pid"] is None, listed
    finally:
        child.kill()
        child.communicate()


@needed("--mount")
@pytest.mark.parametrize("words", [["recv", "fifo:lab/other", "--timeout", "1"], ["send", "fifo:lab/other", "1", "--timeout", "1"], ["pub", "journal:lab/other", "1"]])
def test_no_file_is_blamed_without_proc(runtime: Path, words: list[str]) -> None:
    hidden = [*unshare("--mount"), "sh", "-ec", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    code, text = ended([*hidden, PROGRAM, *words])
    assert "No such file" not in text and "/proc/self/fd/" not in text, (code, text)
    assert code == 0 or "/proc is not mounted" in text or "Timeout" in text or "NotFound" in text, (code, text)


@needed("--mount")
@pytest.mark.parametrize("words", [["sub", "unix:lab/value", "--timeout", "3"], ["pub", "unix:lab/other", "1", "--for", "0.2"]])
def test_program_without_proc_names_it(publisher, words: list[str]) -> None:
    hidden = [*unshare("--mount"), "sh", "-ec", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    code, text = ended([*hidden, PROGRAM, *words])
    assert code == 1 and "/proc is not mounted" in text and "/proc/self/fd/" not in text, text


@needed("--mount")
def test_doctor_without_proc_names_it(runtime: Path) -> None:
    hidden = [*unshare("--mount"), "sh", "-ec", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    done = subprocess.run([*hidden, PROGRAM, "doctor"], capture_output=True, text=True, timeout=PATIENCE)
    text = done.stdout + done.stderr
    assert done.returncode == 1 and "/proc is not mounted" in text, text
    assert "5.10" not in text, text


@needed("--mount")
def test_recorder_that_is_refused_by_its_only_name_says_so_and_fails(publisher, tmp_path: Path) -> None:
    hidden = [*unshare("--mount"), "sh", "-ec", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    code, text = ended([*hidden, RECORD, "record", "unix:lab/value", "-o", tmp_path / "refused.mcap", "--for", "2s"])
    assert code == 1 and "/proc is not mounted" in text, (code, text)


@pytest.fixture
def reached() -> Iterator[tuple[Path, dict[str, str]]]:
    with folder_of_another() as made:
        yield made


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
@pytest.mark.parametrize(
    "words",
    [
        [PROGRAM, "controller", "--no-tcp"],
        [PROGRAM, "service", "run", "--", "sleep", "600"],
        [PROGRAM, "sub", "unix:lab/value", "--timeout", "3"],
        [RECORD, "record", "unix:lab/value", "-o", "{threads}.mcap", "--for", "3"],
    ],
    ids=["controller", "service run", "sub", "record"],
)
def test_program_that_may_have_few_threads_says_so(words: list[object], reached: tuple[Path, dict[str, str]]) -> None:
    folder, environment = reached
    shutil.copy(str(words[0]), folder / "program")
    ends = [run_with(threads, [folder / "program", *words[1:]], folder, environment) for threads in range(1, 7)]
    left = [file.stem for file in folder.glob("*.mcap") if ends[int(file.stem) - 1][0] == 1]
    assert not left, (left, ends)
    refused = [text for code, text in ends if code == 1]
    assert refused and all("thread" in text and "ulimit -u" in text for text in refused), ends


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_service_whose_second_thread_is_refused_ends_its_first(reached: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    program = compiled("gcc", "-std=c11", "-Wall", INCLUDE, Path(__file__).with_name("service_threads.c"), *shared_library(), out=tmp_path / "service")
    (reached[0] / "run").mkdir()
    os.chown(reached[0] / "run", NOBODY, NOBODY)
    done = subprocess.run([program], env=reached[1], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
@pytest.mark.parametrize("kind", ["gateway", "page of the controller"])
def test_server_of_pages_answers_or_says_that_it_may_have_no_more_threads(kind: str, reached: tuple[Path, dict[str, str]]) -> None:
    """A request's wait needs a thread, and tokio panics without one. The server must answer anyway."""
    folder, environment = reached
    address = f"127.0.0.1:{free_port()}"
    if kind == "gateway":
        words: list[object] = [DEBUG / "linkspan-gateway", "--listen", address, "--tokens", folder / "tokens.json"]
        tokens = subprocess.run([str(words[0]), "token", "add", "reader", "--tokens", str(folder / "tokens.json"), "--read", "*"], capture_output=True, text=True)
        [token] = [word for word in tokens.stdout.split() if len(word) == 64]
        os.chown(folder / "tokens.json", NOBODY, NOBODY)
        path = "/api/names"
    else:
        words = [PROGRAM, "controller", "--no-tcp", "--http", address, "--http-token", folder / "token"]
        (folder / "token").write_text(f"{'ab' * 32}\n")
        os.chmod(folder / "token", 0o600)
        os.chown(folder / "token", NOBODY, NOBODY)
        token, path = "ab" * 32, "/api/services"
    shutil.copy(str(words[0]), folder / "program")

    def answer() -> int:
        """Returns the status of a request, or 0 without an answer."""
        asked = urllib.request.Request(f"http://{address}{path}", headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE) as answered:
                return answered.status
        except urllib.error.HTTPError as refused:
            return refused.code
        except OSError:
            return 0

    refused, answered = [], []
    for threads in range(1, 14):
        child = begun_with(threads, [folder / "program", *words[1:]], folder, environment)
        try:
            until("it answers, or ends", lambda: answer() != 0 or child.poll() is not None)
            # The first request may have taken the last thread.
            codes = [answer() for _ in range(3)]
            if 0 in codes:
                # The server listens before it starts all threads.
                until("it ends", lambda: child.poll() is not None)
                refused.append(threads)
            else:
                answered.append((threads, codes))
                child.terminate()
            text = child.communicate(timeout=PATIENCE)[1]
        finally:
            child.kill()
        assert "panicked" not in text, (threads, text)
        if threads in refused:
            assert child.returncode == 1 and "thread" in text and "ulimit -u" in text, (threads, text)
    assert refused and answered and all(codes == [200, 200, 200] for _, codes in answered), (refused, answered)


def test_program_that_is_started_has_no_blocked_signals_and_is_waited_for(runtime: Path) -> None:
    def hostile() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGUSR1, signal.SIGHUP})

    shell = "grep -E '^Sig(Blk|Ign)' /proc/self/status | tr '\\n' ' '"
    server = subprocess.Popen([PROGRAM, "reply", "unix:lab/shell", "--shell", "-c", shell, "--text"], preexec_fn=hostile, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(3):
            done = subprocess.run([PROGRAM, "call", "unix:lab/shell", "1", "--timeout", "60"], capture_output=True, text=True, timeout=PATIENCE)
            assert done.returncode == 0, done.stderr
            words = done.stdout.replace('"', "").split()
            masks = dict(zip(words[::2], words[1::2]))
            assert int(masks["SigBlk:"], 16) == 0, done.stdout
            assert int(masks["SigIgn:"], 16) & (1 << (signal.SIGCHLD - 1)) == 0, done.stdout
        assert server.poll() is None
    finally:
        server.kill()
        server.communicate()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a set-user-ID program")
def test_set_user_id_program_does_not_trust_the_directory_of_its_caller(tmp_path: Path) -> None:
    folder = Path(subprocess.run(["mktemp", "-d", "/var/tmp/set-user-id-XXXXXX"], capture_output=True, text=True, check=True).stdout.strip())
    try:
        program = folder / "linkspan"
        shutil.copy(PROGRAM, program)
        folder.chmod(0o755)
        # A root program must not write in the caller's directory.
        directory = folder / "callers"
        directory.mkdir(mode=0o777)
        directory.chmod(0o777)

        def other() -> None:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)

        environment = {**os.environ, "LINKSPAN_DIR": str(directory), "LINKSPAN_STATE_DIR": str(directory / "state")}
        for mode, uses in ((0o755, True), (0o755 | stat.S_ISUID, False)):
            program.chmod(mode)
            done = subprocess.run(
                [program, "pub", f"unix:lab/set-user-id-{os.getpid()}", "1", "--for", "0.2"], stdin=subprocess.DEVNULL, capture_output=True, preexec_fn=other, env=environment, cwd="/", timeout=PATIENCE
            )
            assert done.returncode == 0, done.stderr
            assert bool(list(directory.iterdir())) == uses, (oct(mode), list(directory.iterdir()))
            shutil.rmtree(directory)
            directory.mkdir(mode=0o777)
            directory.chmod(0o777)
    finally:
        shutil.rmtree(folder)


#: An operation that needs a variable, its command, and the advice for ordinary and set-user-ID programs (user
#: without a home).
ADVISED = {
    "state directory": (["pub", "journal:lab/advice", "1", "--for", "0.1"], "set LINKSPAN_STATE_DIR", "the whole path in the endpoint, as in journal:/"),
    "controller": (["service", "ls", "--timeout", "0.1"], "say where it is with LINKSPAN_CONTROLLER", "name its endpoint in the call, or by --controller"),
    "no program": (["send", "unix:lab/advice", "1", "--timeout", "0.1"], "see that both use the same directory (LINKSPAN_DIR)", "see that both use this directory"),
    "no journal": (["sub", "journal:lab/advice", "--timeout", "0.1"], "set LINKSPAN_STATE_DIR", "the whole path in the endpoint, as in journal:/"),
    "keys": (["keys", "show"], "set HOME or LINKSPAN_KEYS", "a program that runs with more rights than its caller has no keys"),
}


@pytest.mark.parametrize("words, ordinary, other", ADVISED.values(), ids=ADVISED)
def test_set_user_id_program_advises_no_variable(words: list[str], ordinary: str, other: str) -> None:
    """The program ignores variables there, so it advises another remedy."""
    homeless = 64_321
    folder = Path(subprocess.run(["mktemp", "-d", "/var/tmp/set-user-id-XXXXXX"], capture_output=True, text=True, check=True).stdout.strip())
    try:
        folder.chmod(0o755)
        program = folder / "linkspan"
        shutil.copy(PROGRAM, program)
        # The owner has no home directory, so the program gets no state directory.
        os.chown(program, homeless, homeless)

        def caller(uid: int):
            def become() -> None:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)

            return become

        environment = {name: value for name, value in os.environ.items() if not name.startswith(("LINKSPAN_", "XDG_")) and name != "HOME"}
        for mode, uid, advice, not_advice in ((0o755, homeless, ordinary, other), (0o755 | stat.S_ISUID, NOBODY, other, "LINKSPAN_")):
            program.chmod(mode)
            done = subprocess.run([program, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, preexec_fn=caller(uid), env=environment, cwd="/", timeout=PATIENCE)
            assert done.returncode != 0 and advice in done.stderr and not_advice not in done.stderr, (oct(mode), done.stderr)
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(f"/tmp/linkspan-{homeless}", ignore_errors=True)


def test_set_user_id_program_gives_up_the_environment_of_its_caller() -> None:
    """Libraries read variables for certificates, modules and files; a child must not get them."""
    folder = Path(subprocess.run(["mktemp", "-d", "/var/tmp/set-user-id-XXXXXX"], capture_output=True, text=True, check=True).stdout.strip())
    try:
        folder.chmod(0o755)
        program, found = folder / "linkspan", folder / "found"
        shutil.copy(PROGRAM, program)
        (folder / "run").mkdir()
        os.chown(folder / "run", NOBODY, NOBODY)
        callers = {"LINKSPAN_DIR": str(folder / "run"), "SSL_CERT_FILE": "/x", "SSL_CERT_DIR": "/x", "OPENSSL_CONF": "/x", "TOKIO_WORKER_THREADS": "0", "XDG_CONFIG_HOME": "/x", "HOME": "/x"}

        def other() -> None:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)

        for mode, has in ((0o755, True), (0o755 | stat.S_ISUID, False)):
            found.write_text("")
            found.chmod(0o666)
            program.chmod(mode)
            script = f"/usr/bin/env > {found}"
            started = subprocess.Popen(
                [program, "service", "run", "--name", f"set-user-id-{os.getpid()}", "--", "/bin/sh", "-c", script],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=other, env={**os.environ, **callers}, cwd="/",
            )  # fmt: skip
            said = started.communicate(timeout=PATIENCE)[1]
            names = {line.partition("=")[0] for line in found.read_text().splitlines()}
            assert names, said
            assert names >= set(callers) if has else not names & set(callers), (names, said)
    finally:
        shutil.rmtree(folder)


#: A starter, its arguments, and the program it looks for.
STARTED = {
    "record": ("linkspan", ["record", "lab/*", "-o", "{callers}/a.mcap"], "linkspan-record"),
    "bridge": ("linkspan", ["bridge", "check"], "linkspan-bridge"),
    "gateway": ("linkspan", ["gateway", "serve"], "linkspan-gateway"),
    "python3": ("linkspan-record", ["recording", "export", "{recording}", "--parquet", "-o", "{callers}/a.parquet"], "python3"),
    "interpreter": ("linkspan-record", ["recording", "export", "{recording}", "--parquet", "-o", "{callers}/a.parquet"], "LINKSPAN_PYTHON"),
}


@pytest.mark.parametrize("what", STARTED)
def test_set_user_id_program_starts_no_program_of_its_caller(what: str, tmp_path: Path) -> None:
    """Rejects programs of the caller's PATH and neighbours in writable folders; an ordinary program uses both."""
    name, words, started = STARTED[what]
    folder = Path(subprocess.run(["mktemp", "-d", "/var/tmp/set-user-id-XXXXXX"], capture_output=True, text=True, check=True).stdout.strip())
    try:
        folder.chmod(0o755)
        recording = folder / "run.mcap"
        values = b'{"a":1}\n'
        made = subprocess.Popen([RECORD, "record", "unix:lab/*", "-o", recording], env={**os.environ, "LINKSPAN_DIR": str(tmp_path)}, stderr=subprocess.DEVNULL)
        subprocess.run(
            [PROGRAM, "pub", "unix:lab/a", "--wait-for", "1"], input=values, env={**os.environ, "LINKSPAN_DIR": str(tmp_path)}, check=True, timeout=PATIENCE
        )
        made.send_signal(signal.SIGINT)
        assert made.wait(PATIENCE) == 0
        recording.chmod(0o644)
        callers, programs = folder / "callers", folder / "programs"
        for made_one in (callers, programs):
            made_one.mkdir()
            made_one.chmod(0o777)
        shutil.copy(DEBUG / name, programs / name)
        ran = callers / "ran"
        text = f"#!/bin/sh\necho ran > {ran}\n"

        def run(mode: int, places: list[Path], more: dict[str, str]) -> bool:
            ran.unlink(missing_ok=True)
            for place in places:
                place.write_text(text)
                place.chmod(0o755)
                os.chown(place, NOBODY, NOBODY)
            (programs / name).chmod(mode)
            # The system has a Python, perhaps with the writer's libraries, but not the other programs.
            subprocess.run(
                [programs / name, *(word.format(callers=callers, recording=recording) for word in words)],
                stdin=subprocess.DEVNULL, capture_output=True, preexec_fn=other, env={**os.environ, **more, "LINKSPAN_DIR": str(tmp_path)}, cwd="/", timeout=PATIENCE,
            )
            for place in places:
                place.unlink()
            return ran.exists()

        def other() -> None:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)

        places = {
            "of the environment": ([callers / "evil"], {"LINKSPAN_PYTHON": str(callers / "evil")}),
            "of PATH": ([callers / started], {"PATH": f"{callers}:/usr/bin:/bin"}),
            "beside it": ([programs / started], {"PATH": "/usr/bin:/bin"}),
        }
        chosen = {"LINKSPAN_PYTHON": ["of the environment"], "python3": ["of PATH"]}.get(started, ["of PATH", "beside it"])
        for place in chosen:
            for mode, runs in ((0o755, True), (0o755 | stat.S_ISUID, False)):
                assert run(mode, *places[place]) == runs, (place, oct(mode))
    finally:
        shutil.rmtree(folder)
