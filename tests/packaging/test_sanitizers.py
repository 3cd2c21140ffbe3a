"""The C, C++ and Fortran test programs under AddressSanitizer and UndefinedBehaviorSanitizer; by night under valgrind as well."""

import os
from pathlib import Path

import pytest
from conftest import C_API, PAIRS, TRANSPORTS, VECTORS, endpoint, run
from support.compilers import compiled, fortran_module
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
    """Builds a program with these flags."""

    def build(language: str, program: str, folder: Path, flags: list[str]) -> Path:
        sources = ["-I", prefix / "include", C_API / "tests" / language / f"{program}.{SUFFIX[language]}"]
        if language == "fortran":
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
    if program in ("message", "region", "release", "service", "values") or (program, language) == ("schema", "fortran"):
        return [[[binary]]]
    if language == "fortran" and program != "loan":
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
            run(*under, *group[0], env=environment)
    if program == "service":
        controlled(binary, binary, environment, under)


@pytest.mark.parametrize(("language", "program"), ALL)
def test_sanitizers(language, program, tmp_path, build, environment):
    binary = build(language, program, tmp_path, SANITIZE)
    options = os.environ.get("LINKSPAN_ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0")
    strict = {"ASAN_OPTIONS": options, "UBSAN_OPTIONS": "print_stacktrace=1"}
    try_all(language, program, binary, {**environment, **strict}, [])


@pytest.mark.parametrize("language", ["cpp", "fortran"])
def test_sanitizers_while_a_struct_of_c_is_read(language, tmp_path, build, environment):
    owner = build("c", "region", tmp_path, SANITIZE)
    (tmp_path / language).mkdir()
    reader = build(language, "region", tmp_path / language, SANITIZE)
    assert run(owner, reader, env=environment).endswith("ok\nok\n")


#: The vectors, and the tables over every transport, take valgrind minutes and AddressSanitizer seconds.
SHORT = [(language, program) for language, program in ALL if program not in ("vectors", "transports")]


@pytest.mark.valgrind
@pytest.mark.parametrize(("language", "program"), [*SHORT, ("c", "transports")])
def test_valgrind(language, program, tmp_path, build, environment):
    binary = build(language, program, tmp_path, ["-g", "-O1"])
    try_all(language, program, binary, environment, VALGRIND)
