"""C, C++ and Fortran programs outside the tree, built against an installation with pkg-config and with CMake.

Each program runs in one language as a user builds it, and with LINKSPAN_GRID=full (`make test-all`) in every language. With sanitizers
(test_sanitizers.py), each program runs in every language.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from itertools import permutations, product
from pathlib import Path

import pytest
from conftest import C_API, DEADLINE, PAIRS, TRANSPORTS, VECTORS, controller, endpoint, run
from support.compilers import compiled, fortran_module
from support.compilers import fortran_source as fortran_made
from support.tree import ROOT

VERSION = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
MAJOR, MINOR, _ = VERSION.split(".")
STRICT = {
    "c": ["gcc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"],
    "cpp": ["g++", "-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"],
    # gfortran 12 takes deferred-length and reallocated arrays for uninitialized.
    "fortran": ["gfortran", "-std=f2018", "-Wall", "-Werror", "-Wno-maybe-uninitialized", "-fcheck=all,no-array-temps"],
}
# Files that stay on purpose: the TCP key of this machine's user, spools, and the value in a file.
LEFT = {"transports": [".token", "test@c1.spool", "test@c2.spool", "test@c3.file"]}
SUFFIX = {"c": "c", "cpp": "cpp", "fortran": "f90"}
ALL = [
    (language, program)
    for language in STRICT
    for program in ("message", "values", "vectors", "channel", "publish", "transports", "service", "schema", "schema_vectors", "loan", "calls", "wait")
    if (language, program) != ("fortran", "publish")  # its channel program does both
] + [("fortran", "arrays"), ("fortran", "unallocated")] + [("c", "record"), ("c", "flat_record"), ("c", "access"), ("cpp", "record"), ("c", "threads"), *((language, "forks") for language in STRICT), ("c", "signals"), ("c", "region"), ("c", "release"), ("c", "sized")]


def in_turn() -> list[tuple[str, str]]:
    languages: dict[str, list[str]] = {}
    for language, program in ALL:
        languages.setdefault(program, []).append(language)
    return [(those[at % len(those)], program) for at, (program, those) in enumerate(languages.items())]


FULL = os.environ.get("LINKSPAN_GRID") == "full"
PLAIN = ALL if FULL else in_turn()
# Every compiler with every standard; every day the oldest and the newest of C, and of C++ the oldest with one compiler,
# the newest with the other.
STANDARDS = [(compiler, version, "c") for compiler in ("gcc", "clang-14") for version in ("c11", "c17", "c2x")]
STANDARDS += [(compiler, version, "c++") for compiler in ("g++", "clang++-14") for version in ("c++17", "c++20", "c++2b")]
DAILY = [("gcc", "c11", "c"), ("clang-14", "c11", "c"), ("gcc", "c2x", "c"), ("g++", "c++17", "c++"), ("clang++-14", "c++2b", "c++")]


def pkg_config(environment: dict[str, str], *wanted: str) -> list[str]:
    """Returns compiler arguments, parsed as a shell does."""
    printed = subprocess.run(["pkg-config", *wanted, "linkspan"], env=environment, capture_output=True, timeout=DEADLINE, check=True).stdout
    return [os.fsdecode(os.fsencode(word)) for word in shlex.split(printed.decode("ascii", "surrogateescape"))]


def outside(language: str, program: str, folder: Path) -> Path:
    """Copies the test program and its headers out of the tree."""
    source = folder / f"{program}.{SUFFIX[language]}"
    beside = C_API / "tests" / language
    for file in (beside / source.name, *beside.glob("check.h*")):
        shutil.copy(file, folder)
    return source


def fortran_source(environment: dict[str, str]) -> Path:
    return Path(run("pkg-config", "--variable=fortrandir", "linkspan", env=environment).strip()) / "linkspan.f90"


def compile_program(language: str, program: str, folder: Path, environment: dict[str, str], libraries: list[str]) -> Path:
    source = outside(language, program, folder)
    extra: list[object] = []
    if language == "fortran":
        module = fortran_module("-std=f2018", "-Wall", "-Wextra", "-Werror", source=fortran_source(environment))
        extra = [module / "linkspan.o", "-I", module]
    binary = folder / program
    flags = [*pkg_config(environment, "--cflags"), "-pthread"]
    if program == "unallocated":
        # The module reports them instead of gfortran's check.
        flags.append("-fcheck=no-pointer")
    command = [*STRICT[language], *flags, source, *extra, *libraries]
    if any(library.endswith(".a") for library in libraries):
        run(*command, "-o", binary, cwd=folder)
        return binary
    return compiled(*command, out=binary)


def try_program(language: str, program: str, binary: Path, environment: dict[str, str]) -> None:
    if program == "vectors":
        assert re.search(r"^\d+ values, \d+ checks, 0 failed$", run(binary, VECTORS, env=environment), re.M)
    elif program == "schema_vectors":
        assert re.search(r"^\d+ checks, 0 failed$", run(binary, VECTORS.parent, env=environment), re.M)
    elif program in ("channel", "publish") and language == "fortran":
        for transport in ("shm", "unix"):
            for first, second in (("serve", "call"), ("publish", "subscribe")):
                two_programs([binary, first, f"{transport}:test/f"], [binary, second, f"{transport}:test/f"], environment)
    elif program == "transports" and language == "fortran":
        for transport, pairs in PAIRS.items():
            for first, second, number in pairs:
                place = endpoint(transport, number)
                two_programs([binary, first, place], [binary, second, place], environment)
            assert run(binary, "refused", endpoint(transport, 4), env=environment).endswith("ok\n")
    elif program == "transports":
        for transport in TRANSPORTS:
            assert run(binary, transport, env=environment).endswith("ok\n")
    elif program == "service":
        assert run(binary, env=environment).endswith("ok\n")
        controlled(binary, binary, environment)
    elif program == "sized":
        with controller(environment):
            assert run(binary, env=environment).endswith("ok\n")
    elif program in ("channel", "publish", "threads", "forks", "signals", "loan", "calls", "wait"):
        for transport in ("shm", "unix"):
            assert run(binary, transport, env=environment).endswith("ok\n")
    else:
        assert run(binary, env=environment).endswith("ok\n")


def two_programs(first: list, second: list, environment: dict[str, str]) -> None:
    server = subprocess.Popen(first, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        run(*second, env=environment)
        output, _ = server.communicate(timeout=DEADLINE)
    finally:
        server.kill()
        server.wait()
    assert server.returncode == 0, output


def controlled(service: Path, client: Path, environment: dict[str, str], under: Sequence[object] = ()) -> None:
    with controller(environment):
        two_programs([*under, service, "serve", "lab/power"], [*under, client, "control", "lab/power"], environment)


@pytest.mark.costly
@pytest.mark.parametrize(("language", "program"), PLAIN)
def test_shared_with_pkg_config(language, program, tmp_path, environment):
    binary = compile_program(language, program, tmp_path, environment, pkg_config(environment, "--libs"))
    assert "liblinkspan.so.0" in run("readelf", "-d", binary)
    try_program(language, program, binary, environment)
    # Only the shared lock file remains.
    left = sorted(p.name for p in (tmp_path / "run").iterdir() if p.name != ".lock")
    assert left == LEFT.get(program, [])


KINDS = ("channel", "listener", "server", "publisher", "subscriber", "service", "controller", "region", "walk", "message")


@pytest.mark.parametrize(("compiler", "language"), [("gcc", "c"), ("g++", "c++")])
def test_compiler_refuses_an_object_of_another_kind(compiler, language, tmp_path, environment):
    lines, refused = ["#include <linkspan.h>"], set()
    for number, (given, wanted) in enumerate(product(KINDS, repeat=2)):
        free = f"linkspan_{wanted}_{'release' if wanted == 'message' else 'free'}"
        lines.append(f"linkspan_status f{number}(linkspan_{given} *object) {{ return {free}(object); }}")
        if given != wanted:
            refused.add(len(lines))
    source = tmp_path / f"kinds.{'c' if language == 'c' else 'cpp'}"
    source.write_text("\n".join(lines) + "\n")
    words = [compiler, "-fsyntax-only", *pkg_config(environment, "--cflags"), source]
    if language == "c":
        words.insert(1, "-Werror=incompatible-pointer-types")
    done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE)
    reported = {int(line) for line in re.findall(rf"^{re.escape(str(source))}:(\d+):\d+: error:", done.stderr, re.M)}
    assert reported == refused, done.stderr[:2000]


def test_large_arrays_use_hardly_any_new_pages(tmp_path, environment):
    # valgrind itself takes pages.
    binary = compile_program("c", "page_faults", tmp_path, environment, pkg_config(environment, "--libs"))
    assert run(binary, env=environment).endswith("ok\n")


@pytest.mark.parametrize("language", ["cpp", "fortran"])
def test_long_messages_without_memory_are_errors(language, tmp_path, environment):
    # valgrind and the sanitizers take memory and addresses.
    binary = compile_program(language, "memory", tmp_path, environment, pkg_config(environment, "--libs"))
    assert run(binary, env=environment).endswith("ok\n")


@pytest.mark.costly
def test_services_in_each_language_list_each_other(tmp_path, environment):
    binaries = []
    for language in STRICT:
        (tmp_path / language).mkdir()
        libraries = pkg_config(environment, "--libs")
        binaries.append(compile_program(language, "service", tmp_path / language, environment, libraries))
    for service, client in permutations(binaries, 2):
        controlled(service, client, environment)


def test_checkpoints_of_sqlite(tmp_path, environment):
    flags = pkg_config(environment, "--cflags", "--libs")
    source = outside("c", "sqlite", tmp_path)
    checked = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    compiled(*STRICT["c"], *checked, source, *flags, "-lsqlite3", out=tmp_path / "program")
    assert run(tmp_path / "program", tmp_path / "some.db", env=environment).endswith("ok\n")


@pytest.mark.parametrize("language", ["cpp", "fortran"])
def test_struct_written_by_c_is_read(language, tmp_path, environment):
    libraries = pkg_config(environment, "--libs")
    owner = compile_program("c", "region", tmp_path, environment, libraries)
    (tmp_path / language).mkdir()
    reader = compile_program(language, "region", tmp_path / language, environment, libraries)
    assert run(owner, reader, env=environment).endswith("ok\nok\n")


@pytest.mark.costly
@pytest.mark.parametrize("language", STRICT)
def test_static_with_pkg_config(language, tmp_path, environment, prefix):
    libraries = pkg_config(environment, "--libs", "--static")
    libraries[libraries.index("-llinkspan")] = str(prefix / "lib/liblinkspan.a")
    binary = compile_program(language, "message", tmp_path, environment, libraries)
    assert "liblinkspan" not in run("readelf", "-d", binary)
    try_program(language, "message", binary, environment)


@pytest.mark.costly
def test_cmake(tmp_path, environment, prefix):
    for language in STRICT:
        outside(language, "message", tmp_path)
    (tmp_path / "CMakeLists.txt").write_text(
        f"""cmake_minimum_required(VERSION 3.16)
project(consumer C CXX Fortran)
set(CMAKE_C_STANDARD 11)
set(CMAKE_CXX_STANDARD 17)
find_package(linkspan {MAJOR}.{MINOR} REQUIRED)
add_executable(in_c message.c)
target_link_libraries(in_c PRIVATE linkspan::linkspan)
add_executable(in_cpp message.cpp)
target_link_libraries(in_cpp PRIVATE linkspan::linkspan)
add_executable(in_cpp_static message.cpp)
target_link_libraries(in_cpp_static PRIVATE linkspan::static)
add_executable(in_fortran message.f90)
target_link_libraries(in_fortran PRIVATE linkspan::fortran)
"""
    )
    build = tmp_path / "build"
    run("cmake", "-S", tmp_path, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}", env=environment)
    run("cmake", "--build", build, env=environment)
    without = {k: v for k, v in environment.items() if k != "LD_LIBRARY_PATH"}
    for program in ("in_c", "in_cpp", "in_cpp_static", "in_fortran"):
        assert run(build / program, env=without).endswith("ok\n")


def configured(folder: Path, environment: dict[str, str], prefix: Path, lists: str, **others: str) -> Path:
    for place, text in {"": lists, **others}.items():
        (folder / place).mkdir(exist_ok=True)
        (folder / place / "CMakeLists.txt").write_text(text)
    build = folder / "build"
    run("cmake", "-S", folder, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}", env=environment)
    run("cmake", "--build", build, env=environment)
    return build


@pytest.mark.costly
@pytest.mark.parametrize("order", ["alone", "enabled after", "found again after"] if FULL else ["found again after"])
def test_cmake_fortran_without_other_languages_or_enabled_later(order, tmp_path, environment, prefix):
    outside("fortran", "message", tmp_path)
    find = "find_package(linkspan REQUIRED)\n"
    before = {"alone": "", "enabled after": find, "found again after": find}[order]
    after = {"alone": find, "enabled after": "", "found again after": find}[order]
    languages = "NONE" if before else "Fortran"
    lists = (
        f"cmake_minimum_required(VERSION 3.16)\nproject(consumer LANGUAGES {languages})\n"
        f"{before}enable_language(Fortran)\n{after}"
        "add_executable(in_fortran message.f90)\ntarget_link_libraries(in_fortran PRIVATE linkspan::fortran)\n"
    )
    build = configured(tmp_path, environment, prefix, lists)
    assert run(build / "in_fortran", env=environment).endswith("ok\n")


@pytest.mark.costly
def test_cmake_sibling_folders_that_each_find_the_package(tmp_path, environment, prefix):
    for language, folder in (("fortran", "one"), ("fortran", "two"), ("c", "three")):
        (tmp_path / folder).mkdir()
        outside(language, "message", tmp_path / folder)
    lists = "cmake_minimum_required(VERSION 3.16)\nproject(consumer LANGUAGES C Fortran)\n"
    lists += "".join(f"add_subdirectory({folder})\n" for folder in ("one", "two", "three"))
    part = "find_package(linkspan REQUIRED)\nadd_executable({0} message.{1})\ntarget_link_libraries({0} PRIVATE linkspan::{2})\n"
    build = configured(
        tmp_path,
        environment,
        prefix,
        lists,
        one=part.format("in_one", "f90", "fortran"),
        two=part.format("in_two", "f90", "fortran"),
        three=part.format("in_three", "c", "static"),
    )
    for program in ("one/in_one", "two/in_two", "three/in_three"):
        assert run(build / program, env=environment).endswith("ok\n")


@pytest.mark.costly
def test_default_integers_of_eight_bytes(tmp_path, environment):
    """The module must also compile with -fdefault-integer-8."""
    eight = ["-std=f2018", "-fdefault-integer-8", "-Wall", "-Werror", "-Wno-maybe-uninitialized"]
    module = fortran_module(*eight, source=fortran_source(environment))
    program, libraries = outside("fortran", "values", tmp_path), pkg_config(environment, "--libs")
    compiled("gfortran", *eight, "-I", module, program, module / "linkspan.o", *libraries, out=tmp_path / "values")
    assert run(tmp_path / "values", env=environment).endswith("ok\n")


FIXED_LENGTH = """
program main
   use linkspan
   implicit none
   type(linkspan_message) :: message, part
   integer :: stat
   character(200) :: why
   call message%put("a", 1)
   call message%get_message("nothing/here", part, stat=stat{errmsg})
   call linkspan_last_error(why)
   if (stat /= linkspan_missing .or. index(why, "nothing") == 0) error stop "another error"
   print "(a)", "ok"
end program
"""


def test_text_of_an_error_in_fortran_is_of_deferred_length_and_another_call_gives_it_to_a_fixed_one(tmp_path, environment):
    """A fixed length for `errmsg` is refused by the compiler; it would not be for a text that is not allocated, if that were an ordinary argument, and lost."""
    module = fortran_module("-std=f2018", "-Wall", "-Wextra", "-Werror", source=fortran_source(environment))
    source, libraries = tmp_path / "fixed.f90", pkg_config(environment, "--libs")
    source.write_text(FIXED_LENGTH.format(errmsg=""))
    compiled("gfortran", "-std=f2018", "-I", module, source, module / "linkspan.o", *libraries, out=tmp_path / "fixed")
    assert run(tmp_path / "fixed", env=environment) == "ok\n"
    source.write_text(FIXED_LENGTH.format(errmsg=", errmsg=why"))
    words = ["gfortran", "-std=f2018", "-I", str(module), "-fsyntax-only", str(source)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode != 0 and "errmsg" in done.stderr and "deferred length" in done.stderr, done.stderr


def test_installed_files_are_stripped_and_come_with_licences_documents_and_examples(prefix):
    debug = re.compile(r"\.debug_info")
    assert not debug.search(run("readelf", "-SW", prefix / "lib/liblinkspan.so"))
    assert not debug.search(run("readelf", "-SW", prefix / "lib/liblinkspan.a"))
    documents = prefix / "share/doc/linkspan"
    for name in ("LICENSE-MIT", "LICENSE-APACHE", "README.md", "c.md", "cpp.md", "fortran.md"):
        assert (documents / name).stat().st_size > 500
    for suffix in SUFFIX.values():
        assert (documents / f"examples/publish.{suffix}").exists()
    pages = list(documents.rglob("*.md"))
    assert documents / "how-to/users.md" in pages
    for page in pages:
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert link.startswith(("http:", "https:")) or (page.parent / link).exists(), f"{page.name} links to {link}"


@pytest.mark.costly
def test_fpm(tmp_path, environment, one_word):
    fpm = ROOT / ".venv/bin/fpm"
    assert fpm.exists(), "fpm is in tests/requirements.txt"
    (tmp_path / "app").mkdir()
    outside("fortran", "message", tmp_path / "app").rename(tmp_path / "app/main.f90")
    # fpm treats every path as relative.
    module = os.path.relpath(one_word / "share/linkspan/fortran", tmp_path)
    (tmp_path / "fpm.toml").write_text(
        f'name = "consumer"\n[dependencies]\nlinkspan_fortran = {{ path = "{module}" }}\n'
    )
    printed = run(fpm, "run", "--link-flag", f"-L{one_word / 'lib'}", env=environment, cwd=tmp_path)
    assert "\nok\n" in printed


@pytest.mark.costly
@pytest.mark.parametrize("generator", ["Unix Makefiles", "Ninja"] if shutil.which("ninja") else ["Unix Makefiles"])
def test_cmake_project_that_has_the_sources(generator, tmp_path, environment, libraries):
    """add_subdirectory, and FetchContent from a folder; the library is built, so cargo does not run."""
    for language in STRICT:
        outside(language, "message", tmp_path)
    (tmp_path / "CMakeLists.txt").write_text(
        f"""cmake_minimum_required(VERSION 3.16)
project(consumer C CXX Fortran)
set(CMAKE_CXX_STANDARD 17)
include(FetchContent)
FetchContent_Declare(linkspan SOURCE_DIR "{ROOT}")
FetchContent_MakeAvailable(linkspan)
add_executable(in_c message.c)
target_link_libraries(in_c PRIVATE linkspan::linkspan)
add_executable(in_cpp message.cpp)
target_link_libraries(in_cpp PRIVATE linkspan::static)
add_executable(in_fortran message.f90)
target_link_libraries(in_fortran PRIVATE linkspan::fortran)
install(TARGETS in_c in_fortran)
"""
    )
    build = tmp_path / "build"
    without = {k: v for k, v in environment.items() if k != "LD_LIBRARY_PATH"} | {"CARGO_TARGET_DIR": str(libraries.parent)}
    run("cmake", "-G", generator, "-S", tmp_path, "-B", build, "-DLINKSPAN_PROFILE=dev", "-DLINKSPAN_CARGO=/bin/true", env=without)
    run("cmake", "--build", build, env=without)
    for program in ("in_c", "in_cpp", "in_fortran"):
        assert run(build / program, env=without).endswith("ok\n")
    assert "Linking" not in run("cmake", "--build", build, env=without)
    # The installed program finds the library without the build tree.
    run("cmake", "--install", build, "--prefix", tmp_path / "first", env=without)
    (tmp_path / "first").rename(tmp_path / "installed")
    build.rename(tmp_path / "away")
    for program in ("in_c", "in_fortran"):
        assert run(tmp_path / "installed/bin" / program, env=without).endswith("ok\n")
    wrong = ["cmake", "-S", tmp_path, "-B", tmp_path / "wrong", "-DLINKSPAN_PROFILE=Release", "-DLINKSPAN_CARGO=/bin/true"]
    refused = subprocess.run(wrong, env=without, capture_output=True, text=True, timeout=DEADLINE)
    assert refused.returncode != 0 and "LINKSPAN_PROFILE=Release is no profile of cargo" in refused.stderr


def test_plugins_with_the_static_library_export_nothing_of_it(tmp_path, environment, prefix):
    """Two plugins with a copy each run in one program."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.c").write_text(
            "#include <linkspan.h>\n"
            f"int {name}(void) {{\n"
            "    linkspan_message *message = NULL;\n"
            "    double value = 0;\n"
            "    if (linkspan_message_new(&message) || linkspan_message_put_f64(message, \"x\", 2.5)) return 1;\n"
            "    if (linkspan_message_get_f64(message, \"x\", &value) || value != 2.5) return 2;\n"
            "    return linkspan_message_release(message);\n}\n"
        )
        plugin, flags = tmp_path / f"lib{name}.so", pkg_config(environment, "--cflags")
        run("gcc", "-shared", "-fPIC", *flags, tmp_path / f"{name}.c", prefix / "lib/liblinkspan.a", "-lpthread", "-ldl", "-lm", "-o", plugin)
        exported = {line.split()[-1] for line in run("nm", "-D", "--defined-only", plugin).splitlines()}
        assert exported == {name}
    (tmp_path / "main.c").write_text("int one(void), two(void);\nint main(void) { return one() * 10 + two(); }\n")
    run("gcc", tmp_path / "main.c", "-L", tmp_path, "-lone", "-ltwo", f"-Wl,-rpath,{tmp_path}", "-o", tmp_path / "main")
    run(tmp_path / "main", env=environment)
    # An archive has one object, whose global symbols are the functions of C.
    defined = [line.split() for line in run("nm", "--defined-only", prefix / "lib/liblinkspan.a").splitlines()]
    assert {words[2] for words in defined if len(words) == 3 and words[1].isupper()} == set((C_API / "symbols.txt").read_text().split())
    assert (prefix / "lib/liblinkspan.a").stat().st_size < 48 << 20


def test_cmake_refuses_another_version(tmp_path, environment, prefix):
    other = f"{MAJOR}.{int(MINOR) + 1}"
    (tmp_path / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.16)\nproject(consumer C)\nfind_package(linkspan {other} REQUIRED)\n"
    )
    command = ["cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode != 0 and other in done.stderr


def test_bytes_that_are_refused(tmp_path, environment):
    """Each invalid normative vector is refused with kind, offset and path."""
    binary = compile_program("c", "invalid", tmp_path, environment, pkg_config(environment, "--libs"))
    printed = run(binary, VECTORS.parent / "invalid.json", env=environment)
    assert re.search(r"^\d+ refused, 0 failed$", printed, re.M)


def test_names_and_symbols_of_the_library(prefix):
    library = prefix / "lib/liblinkspan.so"
    assert library.resolve().name == f"liblinkspan.so.{VERSION}"
    assert (prefix / f"lib/liblinkspan.so.{MAJOR}").resolve() == library.resolve()
    assert re.search(rf"SONAME.*\[liblinkspan\.so\.{MAJOR}\]", run("readelf", "-d", library))
    exported = {line.split()[-1] for line in run("nm", "-D", "--defined-only", library).splitlines()}
    assert exported == set((C_API / "symbols.txt").read_text().split())


@pytest.mark.costly
@pytest.mark.parametrize("standard", STANDARDS if FULL else DAILY, ids="-".join)
def test_header_stands_alone_and_its_initialisers_are_valid(standard, tmp_path, environment):
    compiler, version, language = standard
    source = tmp_path / "alone"
    kinds = ["options", "error", "item", "array", "channel_info", "message_info"]
    kinds += ["service_options", "service_info", "task", "command_request"]
    uses = "".join(
        f"    linkspan_{k} {k} = LINKSPAN_{k.upper()}_INIT;\n    use(&{k});\n" for k in kinds
    )
    source.write_text(
        "#include <linkspan.h>\n#ifdef __cplusplus\n#include <linkspan.hpp>\n#endif\nstatic void use(const void *p) { (void)p; }\n"
        f"int main(void) {{\n{uses}    return linkspan_version()[0] == 0;\n}}\n"
    )
    flags = pkg_config(environment, "--cflags", "--libs")
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion", "-Werror"]
    compiled(compiler, f"-std={version}", *strict, "-x", language, source, *flags, out=tmp_path / "program")
    run(tmp_path / "program", env=environment)
    if language == "c++":
        # Includes all template instantiations.
        uses = outside("cpp", "message", tmp_path)
        compiled(compiler, f"-std={version}", *strict, "-Wno-sign-conversion", uses, *flags, out=tmp_path / "message")
        assert run(tmp_path / "message", env=environment).endswith("ok\n")


def test_bridge_to_nlohmann_json(tmp_path, environment):
    """A stand-in with the two functions that the bridge uses, so the library itself is not needed."""
    (tmp_path / "bridge.cpp").write_text(
        """#include <string>
#define NLOHMANN_JSON_VERSION_MAJOR 3
namespace nlohmann {
struct json {
    std::string text;
    static json parse(const std::string &t) { return {t}; }
    std::string dump() const { return text; }
};
}
#include <linkspan.hpp>
int main() {
    const auto m = linkspan::from_nlohmann(nlohmann::json{"{\\"a\\":[1,2.5,null]}"});
    return m.get<double>("a/1") == 2.5 && linkspan::to_nlohmann(m).text == "{\\"a\\":[1,2.5,null]}" ? 0 : 1;
}
"""
    )
    flags = pkg_config(environment, "--cflags", "--libs")
    compiled(*STRICT["cpp"], tmp_path / "bridge.cpp", *flags, out=tmp_path / "bridge")
    run(tmp_path / "bridge", env=environment)


# The standard library of g++ has std::expected with C++23; clang 14 does not take it from there.
MODERN = [("g++", "c++20", "ok\n"), ("g++", "c++23", "expected\nok\n"), ("clang++-14", "c++20", "ok\n")]


@pytest.mark.costly
@pytest.mark.parametrize(("compiler", "standard", "printed"), MODERN, ids=lambda word: word.strip().replace("\n", " "))
def test_cpp_20_spans_and_optional_values_and_expected_ones_of_cpp_23(compiler, standard, printed, tmp_path, environment):
    strict = [compiler, f"-std={standard}", *STRICT["cpp"][2:]]
    flags = pkg_config(environment, "--cflags", "--libs")
    compiled(*strict, outside("cpp", "modern", tmp_path), *flags, out=tmp_path / "modern")
    assert run(tmp_path / "modern", env=environment) == printed


# The views of this standard library do not compile with clang 14.
@pytest.mark.parametrize("standard", ["c++20", "c++23"])
def test_loops_are_ranges_and_assignments_free(standard, tmp_path, environment):
    flags = pkg_config(environment, "--cflags", "--libs")
    compiled("g++", f"-std={standard}", *STRICT["cpp"][2:], outside("cpp", "ranges", tmp_path), *flags, out=tmp_path / "ranges")
    assert run(tmp_path / "ranges", env=environment) == "ok\n"


@pytest.mark.parametrize("compiler", ["g++", "clang++-14"])
def test_coroutines_of_cpp_20_await_each_call_and_can_be_destroyed_meanwhile(compiler, tmp_path, environment):
    # Debian's clang lacks sanitizer libraries.
    sane = ["-fsanitize=address,undefined", "-fno-sanitize-recover"] if compiler == "g++" else []
    strict = [compiler, "-std=c++20", *STRICT["cpp"][2:], *sane]
    flags = pkg_config(environment, "--cflags", "--libs")
    compiled(*strict, outside("cpp", "async", tmp_path), *flags, out=tmp_path / "async")
    assert run(tmp_path / "async", env=environment) == "ok\n"


@pytest.mark.costly
@pytest.mark.parametrize("compiler", ["g++", "clang++-14"])
def test_without_exceptions_the_cpp_headers_say_what_to_do_and_that_of_c_is_taken(compiler, tmp_path, environment):
    command = [compiler, "-std=c++17", "-fno-exceptions", "-Wall", "-Wextra", "-Werror"]
    (tmp_path / "c.cpp").write_text("#include <linkspan.h>\nint main() { return linkspan_version()[0] == 0; }\n")
    compiled(*command, tmp_path / "c.cpp", *pkg_config(environment, "--cflags", "--libs"), out=tmp_path / "c")
    run(tmp_path / "c", env=environment)
    for header in ("linkspan.hpp", "linkspan/message.hpp", "linkspan/service.hpp"):
        (tmp_path / "cpp.cpp").write_text(f"#include <{header}>\nint main() {{}}\n")
        words = [*command, "-fsyntax-only", *pkg_config(environment, "--cflags"), str(tmp_path / "cpp.cpp")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE)
        first = next(line for line in done.stderr.splitlines() if "error: " in line)
        assert done.returncode != 0 and "compile without -fno-exceptions, or use the C interface" in first, done.stderr


@pytest.mark.costly
def test_eigen_takes_and_gives_arrays_as_the_page_says(tmp_path, environment):
    recipe = re.search(r"^`eigen.cpp`:\n\n```cpp\n(.*?)^```$", (ROOT / "docs/cpp.md").read_text(), re.M | re.S)
    (tmp_path / "eigen.cpp").write_text(recipe[1])
    # Treats Eigen's headers as system headers.
    eigen = run("pkg-config", "--cflags-only-I", "eigen3").replace("-I", "-isystem").split()
    flags = pkg_config(environment, "--cflags", "--libs")
    compiled(*STRICT["cpp"], *eigen, outside("cpp", "matrix", tmp_path), *flags, out=tmp_path / "matrix")
    assert run(tmp_path / "matrix", env=environment) == "ok\n"


# In Debian 12, only libc++ of the newest clang has <mdspan>, which `make test` does not install. With other standard
# libraries the program reports that <mdspan> is missing.
MDSPAN = [(["g++", "-std=c++2b"], "no mdspan\n|ok\n"), (["clang++-22", "-std=c++23", "-stdlib=libc++", "-lc++abi"], "ok\n")]


@pytest.mark.parametrize(("command", "printed"), [case for case in MDSPAN if shutil.which(case[0][0])], ids=lambda words: words[0] if isinstance(words, list) else "")
def test_mdspan_of_an_array_where_the_library_has_it(command, printed, tmp_path, environment):
    strict = [*command, *STRICT["cpp"][2:]]
    compiled(*strict, outside("cpp", "mdspan", tmp_path), *pkg_config(environment, "--cflags", "--libs"), out=tmp_path / "mdspan")
    assert re.fullmatch(printed, run(tmp_path / "mdspan", env=environment))


@pytest.mark.costly
def test_other_ways_to_make_an_object_are_refused_in_one_line(tmp_path, environment):
    source = tmp_path / "wrong.cpp"
    for wrong, right in [
        ('linkspan::server::serve("x")', "write linkspan::server(endpoint, options)"),
        ('linkspan::channel::open("x")', "write linkspan::channel(endpoint, options, timeout)"),
        ('linkspan::listener::listen("x")', "write linkspan::listener(endpoint, options)"),
        ('linkspan::subscribe("x")', "write linkspan::subscriber(endpoint, options)"),
    ]:
        source.write_text(f"#include <linkspan.hpp>\nint main() {{ {wrong}; }}\n")
        command = ["g++", "-std=c++17", "-fsyntax-only", *pkg_config(environment, "--cflags"), source]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
        assert [line.split("error: ")[1] for line in done.stderr.splitlines() if "error: " in line] == [f"static assertion failed: {right}"]


def test_fortran_completion_lists_each_name_once():
    """Editors also list private names, so the alternatives of a generic name belong in included files."""
    source = fortran_made()
    types = re.findall(r"^   type(?:, [^\n]*)? :: (linkspan_\w+)\n(.*?)^   end type", re.sub(r"&\s*\n\s*", "", source.read_text()), re.M | re.S)
    bound = {name: re.findall(r"^ +(?:procedure(?:, private)?|generic) :: (\w+)", body, re.M) for name, body in types}
    assert len(bound["linkspan_message"]) > 30 and len(bound) > 15
    for name, names in bound.items():
        assert len(names) == len(set(names)), name
    for name in ("message", "channel", "publisher"):
        private = set(source.with_name(f"linkspan_{name}.inc").read_text().split())
        assert private & set(bound[f"linkspan_{name}"]) == set() and len(private) > 9


def test_assignment_is_among_the_bindings_that_flang_takes():
    """flang 22 counts a type's bindings in alphabetical order. It fails internally if the number of an assignment exceeds 255."""
    source = fortran_made()
    types = re.findall(r"^   type(?:, [^\n]*)? :: (linkspan_\w+)\n(.*?)^   end type", source.read_text(), re.M | re.S)
    assigned = 0
    for name, body in types:
        for included in re.findall(r'^ +include "([\w.]+)"', body, re.M):
            body += source.with_name(included).read_text()
        bound = sorted(re.findall(r"^ *procedure(?:, private)? :: (\w+)", body, re.M))
        for binding in re.findall(r"generic :: assignment\(=\) => (\w+)", body):
            assert bound.index(binding) <= 255, name
            assigned += 1
    assert assigned > 9


if shutil.which("flang-22"):  # which `make test` does not install

    def test_flang_compiles_the_module_and_runs_programs(tmp_path, environment):
        source, libraries = fortran_source(environment), pkg_config(environment, "--libs")
        run("flang-22", "-c", source, "-o", tmp_path / "linkspan.o", cwd=tmp_path)
        for program in ("message", "values", "arrays", "loan", "calls"):
            binary = tmp_path / program
            run("flang-22", outside("fortran", program, tmp_path), tmp_path / "linkspan.o", *libraries, "-o", binary, cwd=tmp_path)
            try_program("fortran", program, binary, environment)


def test_versions_agree():
    fpm = re.search(r'^version = "(.*)"$', (C_API / "fortran/fpm.toml").read_text(), re.M)[1]
    assert fpm == VERSION
