"""The first programs behave equally in every language and across languages."""

import itertools
import os
import signal
import subprocess
import sys

import pytest

from support.compilers import INCLUDE, compiled, fortran_module, shared_library
from support.tree import DEBUG, PROGRAM, ROOT, php
from support.waiting import until

FIRST = ROOT / "examples/first"
NAMES = {"rs": "Rust", "py": "Python", "php": "PHP", "c": "C", "cpp": "C++", "f90": "Fortran"}
STEMS = ("channel", "publish", "call", "jobs", "service", "control")
#: PHP programs are pages, so PHP has no services.
SERVICES = [language for language in NAMES if language != "php"]
PATIENCE = 60  # seconds; only a hang takes this long
VALGRIND = (
    "valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=definite,indirect",
    "--errors-for-leak-kinds=definite,indirect",
)


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("first")
    strict, module = ("-Wall", "-Wextra", "-Werror"), fortran_module("-std=f2018")
    compilers = {
        "c": ["gcc", "-std=c11", "-D_POSIX_C_SOURCE=200809L", *strict, INCLUDE],
        "cpp": ["g++", "-std=c++17", *strict, INCLUDE],
        "f90": ["gfortran", "-std=f2018", *strict, f"-I{module}", module / "linkspan.o"],
    }
    for stem, (language, compiler) in itertools.product(STEMS, compilers.items()):
        compiled(*compiler, FIRST / f"{stem}.{language}", *shared_library(), out=out / f"{stem}-{language}")

    def command(stem, language):
        match language:
            case "py":
                return [sys.executable, str(FIRST / f"{stem}.py")]
            case "php":
                return [*php(), str(FIRST / f"{stem}.php")]
            case "rs":
                return [str(DEBUG / f"first-{stem}")]
            case _:
                return [str(out / f"{stem}-{language}")]

    return command


@pytest.fixture
def start(built, tmp_path):
    """Starts programs in one runtime directory and ends the remaining ones."""
    started = []

    def begin(stem, language, *words, under=()):
        process = subprocess.Popen(
            [*under, *built(stem, language), *words], env={**os.environ, "LINKSPAN_DIR": str(tmp_path)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def printed(process):
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    return out


def test_each_example_exists_in_each_language():
    every = {f"{s}.{x}" for s, x in itertools.product(STEMS, NAMES)}
    assert {file.name for file in FIRST.iterdir()} == every - {"service.php"}


@pytest.mark.costly
@pytest.mark.parametrize(("one", "other"), list(itertools.combinations_with_replacement(NAMES, 2)))
def test_channel(start, one, other):
    both = [start("channel", one), start("channel", other)]
    lines = sorted(printed(process) for process in both)
    received = {line.removeprefix("the ").strip().replace(" received from ", ":") for line in lines}
    assert received in (
        {f"connector:{NAMES[one]}", f"listener:{NAMES[other]}"},
        {f"connector:{NAMES[other]}", f"listener:{NAMES[one]}"},
    )


@pytest.mark.parametrize("publisher", NAMES)
def test_publish(start, publisher):
    source = start("publish", publisher)
    readers = [start("publish", language, "subscribe") for language in NAMES]
    for reader in readers:
        lines = printed(reader).splitlines()
        assert [line.split(" ", 1)[1] for line in lines] == [f"°C from {NAMES[publisher]}"] * 3
        celsius = [float(line.split()[0]) for line in lines]
        assert celsius[0] >= 20 and celsius == sorted(set(celsius))
    assert source.poll() is None, source.communicate()


@pytest.mark.parametrize("runtime", ["tokio", "smol", "no-runtime", "coroutines"])
def test_subscriber_that_awaits_prints_three_readings(start, tmp_path, runtime):
    source = start("publish", "py")
    command = [str(DEBUG / f"{runtime}-subscribe")]
    if runtime == "coroutines":
        words = ["g++", "-std=c++20", "-Wall", "-Wextra", "-Werror", INCLUDE, ROOT / "examples/coroutines/subscribe.cpp"]
        command = [str(compiled(*words, *shared_library(), out=tmp_path / "subscribe"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, "LINKSPAN_DIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    celsius = [float(line) for line in done.stdout.splitlines()]
    assert len(celsius) == 3 and celsius == sorted(set(celsius)) and celsius[0] >= 20
    assert source.poll() is None, source.communicate()


@pytest.mark.parametrize("server", NAMES)
def test_call(start, server):
    serves = start("call", server, "serve")
    for caller in NAMES:
        assert printed(start("call", caller)) == f"the sum is 6.5, says {NAMES[server]}\n"
    serves.send_signal(signal.SIGTERM)
    assert printed(serves) == ""


@pytest.mark.parametrize("server", NAMES)
def test_server_goes_on_after_bad_requests(start, tmp_path, server):
    serves = start("call", server, "serve")
    env = {**os.environ, "LINKSPAN_DIR": str(tmp_path)}
    for request in ("{}", '{"numbers": "three"}', "5"):
        command = [str(PROGRAM), "call", "first/call", request, "--timeout", str(PATIENCE)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, env=env)
        assert done.returncode == 1 and "Remote (122)" in done.stderr, done.stderr
    # This one wants no reply.
    command = [str(PROGRAM), "send", "first/call", "{}", "--timeout", str(PATIENCE)]
    subprocess.run(command, check=True, timeout=2 * PATIENCE, env=env)
    assert printed(start("call", "py")) == f"the sum is 6.5, says {NAMES[server]}\n"
    serves.send_signal(signal.SIGTERM)
    printed(serves)


@pytest.mark.parametrize("worker", NAMES)
def test_jobs_of_every_language_are_done_once_by_two_workers(start, tmp_path, worker):
    both = [start("jobs", worker, "work") for _ in range(2)]
    for language in NAMES:
        assert printed(start("jobs", language)) == ""
    expected = sorted(f"job {n} of {name}, done in {NAMES[worker]}\n" for n in (1, 2, 3) for name in NAMES.values())
    jobs = tmp_path / "first@jobs.spool/server"
    until("the end of the jobs", lambda: not list(jobs.iterdir()), PATIENCE)
    for process in both:
        process.send_signal(signal.SIGTERM)
    done = "".join(printed(process) for process in both)
    assert sorted(done.splitlines(keepends=True)) == expected


@pytest.mark.parametrize("language", SERVICES)
def test_service_and_control(start, tmp_path, language):
    words = [str(PROGRAM), "controller", "--no-tcp", "--quiet"]
    controller = subprocess.Popen(words, env={**os.environ, "LINKSPAN_DIR": str(tmp_path)})
    try:
        for asks in NAMES:
            service = start("service", language)

            def running(service=service):
                assert service.poll() is None
                command = [str(PROGRAM), "service", "status", "lab/counter", "--json"]
                env = {**os.environ, "LINKSPAN_DIR": str(tmp_path)}
                record = subprocess.run(command, env=env, capture_output=True, text=True).stdout
                return f'"pid":{service.pid},' in record and '"RUNNING"' in record

            # `control` commands the registered incarnation, which must be the new one.
            until("the new service", running, PATIENCE)
            assert printed(start("control", asks)) == "counts\nPAUSED\n"
            assert printed(service) == "stopped\n"
    finally:
        controller.terminate()
        assert controller.wait(timeout=PATIENCE) == 0


def test_connector_waits_for_a_slow_listener(start, tmp_path):
    listener = start("channel", "rs")
    until("the name of the listener", lambda: list(tmp_path.glob("*.shm")) or listener.poll() is not None, PATIENCE)
    assert listener.poll() is None
    listener.send_signal(signal.SIGSTOP)
    other = start("channel", "c")
    with pytest.raises(subprocess.TimeoutExpired):  # it has 30 s, and must not give up earlier
        other.wait(timeout=2)
    listener.send_signal(signal.SIGCONT)
    assert printed(listener) == "the listener received from C\n"
    assert printed(other) == "the connector received from Rust\n"


@pytest.mark.valgrind
@pytest.mark.parametrize("language", ["c", "cpp", "f90"])
def test_valgrind_finds_nothing(start, language):
    both = [start("channel", language, under=VALGRIND) for _ in range(2)]
    assert all(NAMES[language] in printed(process) for process in both)
    start("publish", language)
    assert printed(start("publish", language, "subscribe", under=VALGRIND)).count(f"from {NAMES[language]}\n") == 3
    server = start("call", language, "serve", under=VALGRIND)
    assert printed(start("call", language, under=VALGRIND)) == f"the sum is 6.5, says {NAMES[language]}\n"
    server.send_signal(signal.SIGTERM)
    assert printed(server) == ""
