"""The C, C++ and Fortran test programs under AddressSanitizer and UndefinedBehaviorSanitizer; by night under valgrind as well."""

import os
import re
import shutil
import subprocess
from contextlib import nullcontext
from pathlib import Path

import pytest
from conftest import C_API, DEADLINE, PAIRS, TRANSPORTS, VECTORS, controller, endpoint, run
from support.compilers import compiled, fortran_module
from support.tree import ROOT
from test_c_consumers import ALL, SUFFIX, controlled, two_programs

# Not optimized: it compiles in a third of the time, and an optimizer could remove faults.
SANITIZE = ["-g", "-O0", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
COMPILER = {"c": ["gcc", "-std=c11"], "cpp": ["g++", "-std=c++17"], "fortran": ["gfortran", "-std=f2018"]}
VALGRIND = [
    "valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=definite,indirect",
    "--errors-for-leak-kinds=definite,indirect", "--trace-children=no",
]


@pytest.fixture(scope="session")
def build(prefix):
    def build(language: str, program: str, folder: Path, flags: list[str]) -> Path:
        sources = ["-I", prefix / "include", C_API / "tests" / language / f"{program}.{SUFFIX[language]}"]
        if language == "fortran":
            # At the start of a `select rank`, gfortran multiplies the undefined lengths of an unallocated argument, and
            # does not use the product. Before it describes an unallocated scalar, it checks a load that it does not
            # make.
            flags = [*flags, "-fno-sanitize=signed-integer-overflow,null"] if any("undefined" in flag for flag in flags) else flags
            made = fortran_module(*COMPILER["fortran"][1:], *flags)
            sources = ["-I", made, *sources, made / "linkspan.o"]
        library = ["-L", prefix / "lib", "-llinkspan", f"-Wl,-rpath,{prefix / 'lib'}"]
        return compiled(*COMPILER[language], *flags, "-pthread", *sources, *library, out=folder / program)

    return build


def commands(language: str, program: str, binary: Path) -> list[list]:
    """How a program is run: each entry is one program, or two that communicate."""
    if program == "vectors":
        return [[[binary, VECTORS]]]
    if program == "schema_vectors":
        return [[[binary, VECTORS.parent]]]
    if program == "transports" and language == "fortran":
        return [
            [[binary, first, endpoint(t, number)], [binary, second, endpoint(t, number)]]
            for t in TRANSPORTS
            for first, second, number in PAIRS[t]
        ]
    if program == "transports":
        return [[[binary, transport]] for transport in TRANSPORTS]
    if program in ("arrays", "message", "region", "release", "service", "sized", "unallocated", "values") or (program, language) == ("schema", "fortran"):
        return [[[binary]]]
    if language == "fortran" and program not in ("loan", "calls", "wait", "forks"):
        return [
            [[binary, first, f"{transport}:test/f"], [binary, second, f"{transport}:test/f"]]
            for transport in ("shm", "unix")
            for first, second in (("serve", "call"), ("publish", "subscribe"))
        ]
    return [[[binary, transport]] for transport in ("shm", "unix")]


def try_all(language: str, program: str, binary: Path, environment: dict[str, str], under: list[str]) -> None:
    for group in commands(language, program, binary):
        if len(group) == 2:
            two_programs([*under, *group[0]], [*under, *group[1]], environment)
        else:
            with controller(environment) if program == "sized" else nullcontext():
                run(*under, *group[0], env=environment)
    if program == "service":
        controlled(binary, binary, environment, under)


@pytest.mark.parametrize(("language", "program"), ALL)
def test_sanitizers(language, program, tmp_path, build, environment):
    # GCC's AddressSanitizer does not lock its allocator around a fork. The child of a busy program may wait for such a
    # lock for ever. The child also reports the allocations of threads that it does not have as leaks.
    flags = [flag.replace("address,", "") for flag in SANITIZE] if program == "forks" else SANITIZE
    binary = build(language, program, tmp_path, flags)
    options = os.environ.get("LINKSPAN_ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0")
    strict = {"ASAN_OPTIONS": options, "UBSAN_OPTIONS": "print_stacktrace=1"}
    try_all(language, program, binary, {**environment, **strict}, [])


# A race of the program, after calls of the library from two threads.
RACE = """
#include <linkspan.h>
#include <pthread.h>
static int counted;
static void *used(void *unused) {
    linkspan_channel *channel;
    linkspan_message *message;
    (void)unused;
    if (linkspan_channel_open("unix:test/tsan", NULL, 10000000000, &channel)) return NULL;
    linkspan_message_new(&message);
    linkspan_channel_send(channel, message, 10000000000, NULL);
    linkspan_message_release(message);
    linkspan_channel_recv(channel, 10000000000, &message);
    linkspan_message_release(message);
    for (int i = 0; i < COUNTS; ++i) ++counted;
    linkspan_channel_close(channel, 1000000000);
    linkspan_channel_free(channel);
    return NULL;
}
int main(void) {
    pthread_t other;
    if (pthread_create(&other, NULL, used, NULL)) return 1;
    used(NULL);
    return pthread_join(other, NULL);
}
"""


# Two threads write into loans in turn. Each writes in memory of the other, or reads it in a message.
LOANS = """
#include <linkspan.h>
#include <pthread.h>
#include <stdlib.h>
#define OK(call) if (call) abort()
static linkspan_channel *near, *far;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *used(void *unused) {
    const uint64_t length = LENGTH;
    (void)unused;
    for (int i = 0; i < 40; ++i) {
        linkspan_array loan, view;
        linkspan_message *message;
        double sum = 0;
        OK(linkspan_channel_loan(near, LINKSPAN_F64, 1, &length, &loan));
        for (uint64_t at = 0; at < length; at += 512) ((double *)loan.data)[at] = i;
        OK(linkspan_message_new(&message));
        if (i % 4 == 3) { OK(linkspan_loan_free(&loan)); } else { OK(linkspan_message_put_loan(message, "wave", &loan)); }
        /* Only what the sanitizer knows of: the calls below are ordered by the library alone. */
        OK(linkspan_channel_send(near, message, 20000000000, NULL));
        linkspan_message_release(message);
        pthread_mutex_lock(&mutex);
        linkspan_status status = linkspan_channel_recv(far, 20000000000, &message);
        pthread_mutex_unlock(&mutex);
        OK(status);
        if (linkspan_message_get_array(message, "wave", &view) == LINKSPAN_OK) {
            for (uint64_t at = 0; at < length; at += 512) sum += ((const double *)view.data)[at];
        }
        if (sum < 0) abort();
        linkspan_message_release(message);
    }
    return NULL;
}
int main(int count, char **arguments) {
    pthread_t other;
    linkspan_listener *listener;
    (void)count;
    OK(linkspan_listener_listen(arguments[1], NULL, &listener));
    OK(linkspan_channel_connect(arguments[1], NULL, 20000000000, &near));
    OK(linkspan_listener_accept(listener, 20000000000, &far));
    OK(pthread_create(&other, NULL, used, NULL));
    used(NULL);
    OK(pthread_join(other, NULL));
    linkspan_channel_close(near, 0);
    linkspan_channel_free(near);
    linkspan_channel_free(far);
    return linkspan_listener_free(listener);
}
"""


# Threads write into arrays and bytes of several lengths in turn, and reuse each other's memory.
MIXED = """
#include <linkspan.h>
#include <pthread.h>
#include <stdlib.h>
#define OK(call) if (call) abort()
static linkspan_publisher *out;
static int counted;
static void *used(void *unused) {
    (void)unused;
    for (uint64_t i = 0; i < 60; ++i) {
        const uint64_t length = LENGTH * (1 + i / 20);
        linkspan_array loan;
        linkspan_message *message;
        uint8_t *bytes;
        OK(linkspan_publisher_loan(out, LINKSPAN_F64, 1, &length, &loan));
        for (uint64_t at = 0; at < length; at += 16) ((double *)loan.data)[at] = (double)i;
        OK(linkspan_loan_free(&loan));
        OK(linkspan_publisher_loan_bytes(out, 8 * length, &bytes));
        for (uint64_t at = 0; at < 8 * length; at += 128) bytes[at] = (uint8_t)i;
        if (i % 3 == 2) {
            OK(linkspan_message_new(&message));
            OK(linkspan_message_put_loan_bytes(message, "b", &bytes, i % 2 ? 8 * length : 1000));
            OK(linkspan_publisher_send(out, message, NULL));
            linkspan_message_release(message);
        } else {
            OK(linkspan_loan_bytes_free(&bytes));
        }
        if (COUNTS) ++counted;
    }
    return NULL;
}
int main(int count, char **arguments) {
    pthread_t others[3];
    (void)count;
    OK(linkspan_publisher_new(arguments[1], NULL, &out));
    for (int i = 0; i < 3; ++i) OK(pthread_create(&others[i], NULL, used, NULL));
    used(NULL);
    for (int i = 0; i < 3; ++i) OK(pthread_join(others[i], NULL));
    linkspan_publisher_free(out);
    return 0;
}
"""


@pytest.fixture
def under_thread_sanitizer(tmp_path, prefix, environment):
    """Runs a program under ThreadSanitizer with the installed suppressions."""

    def start(text: str, *arguments: object, **defined: int) -> subprocess.CompletedProcess[str]:
        source = tmp_path / "program.c"
        source.write_text(text)
        flags = [f"-D{name}={value}" for name, value in defined.items()]
        library = ["-I", prefix / "include", "-L", prefix / "lib", "-llinkspan", f"-Wl,-rpath,{prefix / 'lib'}"]
        compiler = ["gcc", "-std=c11", "-g", "-fsanitize=thread", *flags]
        binary = compiled(*compiler, source, "-pthread", *library, out=tmp_path / "program")
        under = {**environment, "TSAN_OPTIONS": f"suppressions='{prefix}/share/linkspan/tsan.supp'"}
        return subprocess.run([binary, *arguments], env=under, capture_output=True, text=True, timeout=DEADLINE)

    return start


@pytest.mark.parametrize("counts", [0, 1000])
def test_thread_sanitizer_with_the_installed_suppressions_finds_the_races_of_programs_alone(counts, under_thread_sanitizer):
    done = under_thread_sanitizer(RACE, COUNTS=counts)
    if counts == 0:
        assert done.returncode == 0, done.stderr
    else:
        assert "data race" in done.stderr and "program.c" in done.stderr


@pytest.mark.parametrize(("transport", "length"), [("shm", 1 << 17), ("shm", 1 << 12), ("unix", 1 << 12)])
def test_thread_sanitizer_knows_who_writes_into_a_loan_after_whom(transport, length, under_thread_sanitizer):
    done = under_thread_sanitizer(LOANS, f"{transport}:test/loans", LENGTH=length)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_thread_sanitizer_knows_who_writes_arrays_and_bytes_into_the_same_memory(transport, under_thread_sanitizer):
    done = under_thread_sanitizer(MIXED, f"{transport}:test/mixed", LENGTH=50_000, COUNTS=0)
    assert done.returncode == 0, done.stderr


def test_thread_sanitizer_finds_the_race_of_a_program_beside_its_loans(under_thread_sanitizer):
    done = under_thread_sanitizer(MIXED, "shm:test/mixed", LENGTH=50_000, COUNTS=1)
    assert "data race" in done.stderr and "'counted'" in done.stderr, done


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed: apt install valgrind")
def test_valgrind_with_the_installed_suppressions_shows_no_leak_of_the_library(tmp_path, build, prefix, environment):
    binary = build("c", "message", tmp_path, ["-g"])
    suppressions = f"--suppressions={prefix}/share/linkspan/valgrind.supp"
    every = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=all", "--errors-for-leak-kinds=all"]
    run(*every, suppressions, binary, env=environment)


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed: apt install valgrind")
def test_valgrind_reports_a_system_call_that_it_does_not_know_once(tmp_path, build, environment):
    binary = build("c", "publish", tmp_path, ["-g"])
    done = subprocess.run(["valgrind", binary, "shm"], env=environment, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0 and done.stdout.endswith("ok\n"), done
    unknown = re.findall(r"^\W*(\d+)\W.*unhandled amd64-linux syscall: (\d+)", done.stderr, re.M)
    assert sorted(unknown) == sorted(set(unknown)), done.stderr


#: The bounds of an acceptor and their parts of other crates, alone, so they are optimized within seconds.
BOUNDS = """
#[path = "PATH"]
mod admission;
mod sys {
    pub mod peer {
        pub struct Credentials {
            pub uid: u32,
        }
    }
}

use admission::{Bounds, PeerIdentity};

fn main() {
    // Not known when this is compiled.
    let uid = std::env::args().count() as u32;
    let user = |uid| PeerIdentity::of(Some(&sys::peer::Credentials { uid }));
    let at = |ip: &str| PeerIdentity::at(ip.parse().unwrap());
    let key = PeerIdentity::Key("lab".into());
    let mut peers = vec![user(uid), user(uid + 1), PeerIdentity::Unknown, at("192.0.2.1"), at("2001:db8::1"), key];
    peers.extend(peers.clone());
    let bounds = Bounds { all: 10, each: 2, own: 5, own_uid: uid };
    for new in &peers {
        let waiting = peers.iter().enumerate().map(|(number, peer)| (number as u64, peer.clone()));
        assert!(bounds.to_evict(waiting, new).is_some());
    }
}
"""
RLIMIT = """
pub mod process {
    pub enum Resource {
        Nofile,
    }
    pub struct Limits {
        pub current: Option<u64>,
    }
    pub fn getrlimit(_: Resource) -> Limits {
        Limits { current: None }
    }
    pub struct User;
    impl User {
        pub fn as_raw(self) -> u32 {
            0
        }
    }
    pub fn geteuid() -> User {
        User
    }
}
"""


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed: apt install valgrind")
def test_valgrind_finds_no_uninitialized_memory_in_the_optimized_bounds_of_an_acceptor(tmp_path):
    """A debug build reads each field separately; an optimized build reads a tag together with the bytes after it."""
    (tmp_path / "rustix.rs").write_text(RLIMIT)
    (tmp_path / "bounds.rs").write_text(BOUNDS.replace("PATH", str(ROOT / "rust-core/transport/src/admission.rs")))
    rustc = ["rustc", "--edition", "2024", "-C", "opt-level=3", "-g", "--out-dir", tmp_path]
    run(*rustc, "--crate-type", "rlib", tmp_path / "rustix.rs")
    run(*rustc, "--extern", f"rustix={tmp_path}/librustix.rlib", tmp_path / "bounds.rs")
    run("valgrind", "--quiet", "--error-exitcode=99", tmp_path / "bounds")


@pytest.mark.parametrize("language", ["cpp", "fortran"])
def test_sanitizers_while_a_struct_of_c_is_read(language, tmp_path, build, environment):
    owner = build("c", "region", tmp_path, SANITIZE)
    (tmp_path / language).mkdir()
    reader = build(language, "region", tmp_path / language, SANITIZE)
    assert run(owner, reader, env=environment).endswith("ok\nok\n")


#: The vectors, and the tables over every transport, take valgrind minutes and AddressSanitizer seconds; it does not
#: know the system calls after a fork.
SHORT = [(language, program) for language, program in ALL if program not in ("vectors", "transports", "forks")]


@pytest.mark.valgrind
@pytest.mark.parametrize(("language", "program"), [*SHORT, ("c", "transports")])
def test_valgrind(language, program, tmp_path, build, environment):
    binary = build(language, program, tmp_path, ["-g", "-O1"])
    try_all(language, program, binary, environment, VALGRIND)
