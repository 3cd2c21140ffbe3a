"""Bad files of schemas, `tests/vectors/schema_files.json`, through each language's option `schema` and each command that reads a schema.

All refuse a file with one text, without waiting, and within 64 MiB above the memory of a valid file.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import HERE, php_command
from support.compilers import run, shared_library
from support.tree import PROGRAM, ROOT, TARGET  # noqa: F401
from native import FORTRAN, STRICT, library  # noqa: F401

CASES: list[dict[str, Any]] = json.loads((ROOT / "tests/vectors/schema_files.json").read_text())
FULL = os.environ.get("LINKSPAN_GRID") == "full"
#: Only guards against a hang.
SOON = 120
#: More memory than for a valid file, in KiB.
MOST = 64 << 10
#: Runs a program and writes its largest resident set into a file; a child of the test process would inherit the memory
#: of the tests.
MEASURE = "import os, sys; p = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ); r = os.wait4(p, 0); " \
    "open(sys.argv[1], 'w').write(str(r[2].ru_maxrss)); sys.exit(os.waitstatus_to_exitcode(r[1]) % 256)"  # fmt: skip

GOOD = 'name = "good"\n[fields.a]\ntype = "u8"\n'
#: Each command that reads a schema from a file.
COMMANDS = {
    "check": ["schema", "check", "a.toml"],
    "check of two, the older": ["schema", "check", "a.toml", "good.toml"],
    "check of two, the newer": ["schema", "check", "good.toml", "a.toml"],
    "show": ["schema", "show", "a.toml"],
    "fingerprint": ["schema", "fingerprint", "a.toml"],
    "diff": ["schema", "diff", "good.toml", "a.toml"],
    "export": ["schema", "export", "--to", "cddl", "a.toml"],
    "generate": ["schema", "generate", "--lang", "python", "--output", "-", "a.toml"],
    "validate": ["schema", "validate", "a.toml"],
    "infer": ["schema", "infer", "-", "--widen", "a.toml"],
    "send": ["send", "--schema", "a.toml", "unix:refused/send", "1"],
    "recv": ["recv", "--schema", "a.toml", "unix:refused/recv"],
    "call": ["call", "--schema", "a.toml", "unix:refused/call", "1"],
    "call, of the reply": ["call", "--reply-schema", "a.toml", "unix:refused/call", "1"],
    "pub": ["pub", "--schema", "a.toml", "unix:refused/pub", "1"],
    "sub": ["sub", "--schema", "a.toml", "unix:refused/sub"],
}


def make(folder: Path, entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        path = folder / entry["name"]
        if entry["make"] == "file":
            path.write_bytes(b"".join(bytes.fromhex(piece["hex"]) * piece["times"] for piece in entry["pieces"]))
        elif entry["make"] == "folder":
            path.mkdir()
        elif entry["make"] == "fifo":
            os.mkfifo(path)
        else:
            path.symlink_to(entry["to"])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of each case, by its name; `a.toml` in it is the schema."""
    made = {}
    for case in CASES:
        made[case["name"]] = tmp_path_factory.mktemp("case")
        make(made[case["name"]], case["entries"])
        (made[case["name"]] / "good.toml").write_text(GOOD)
    return made


def measured(command: list[str], folder: Path) -> tuple[int, str, str, int]:
    """Returns the exit code, both outputs, and the largest resident set in KiB."""
    file = folder.parent / f"{folder.name}.memory"
    program = shutil.which(command[0])
    assert program, command
    words = [sys.executable, "-S", "-E", "-c", MEASURE, str(file), program, *command[1:]]
    done = subprocess.run(words, cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, timeout=SOON)
    return done.returncode, done.stdout.decode(), done.stderr.decode(), int(file.read_text())


def c(out: Path, _: Path) -> list[str]:
    run("gcc", "-std=c11", *STRICT, f"-I{ROOT / 'c-api/include'}", HERE / "peers/open.c", "-o", out / "open", *shared_library())
    return [str(out / "open")]


def cpp(out: Path, _: Path) -> list[str]:
    run("g++", "-std=c++17", *STRICT, f"-I{ROOT / 'c-api/include'}", HERE / "peers/open.cpp", "-o", out / "open", *shared_library())
    return [str(out / "open")]


def fortran(out: Path, module: Path) -> list[str]:
    source = [HERE / "peers/open.f90", module / "linkspan.o"]
    run("gfortran", *FORTRAN, f"-I{module}", f"-J{out}", *source, "-o", out / "open", *shared_library())
    return [str(out / "open")]


def python(_out: Path, _: Path) -> list[str]:
    return [sys.executable, str(HERE / "peers/open.py")]


def php(_out: Path, _: Path) -> list[str]:
    return [*php_command(), str(HERE / "peers/open.php")]


@pytest.mark.costly
@pytest.mark.parametrize("language", [c, cpp, fortran, python, php], ids=lambda make: make.__name__)
def test_schema_option_refuses_each_file_in_the_same_words(
    language: Callable[[Path, Path], list[str]], folders: dict[str, Path], tmp_path: Path, library: Path  # noqa: F811
) -> None:
    command = language(tmp_path, library)
    code, out, err, least = measured([*command, "good.toml"], folders["a file"])
    assert (code, out, err) == (0, "0 \n", "")
    wrong = []
    for case in CASES:
        code, out, err, memory = measured([*command, "a.toml"], folders[case["name"]])
        expected = f"{case.get('code', 0)} {case.get('text', '')}"
        # The offset follows the text.
        if (code, err) != (0, "") or not out.startswith(expected) or memory > least + MOST:
            wrong.append(f"{case['name']}: {code} {out} {err} {memory} KiB above {least}\nexpected: {expected}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.costly
def test_commands_refuse_each_file_in_the_same_words(folders: dict[str, Path]) -> None:
    _, _, _, least = measured([str(PROGRAM), "schema", "check", "good.toml"], folders["a file"])
    wrong = []
    refused = [case for case in CASES if "kind" in case]
    doors = list(COMMANDS.items())
    for number, case in enumerate(refused):
        # Every case is checked, and every command has its cases; all combinations run before a release.
        chosen = doors if FULL else [doors[0], *(doors[(3 * number + k) % len(doors)] for k in range(3))]
        for name, words in chosen:
            code, out, err, memory = measured([str(PROGRAM), *words], folders[case["name"]])
            text = f"{case['kind']} ({case['code']}): {case['text']}"
            if code == 0 or out or text not in err or "panicked" in err or memory > least + MOST:
                wrong.append(f"{name}, {case['name']}: {code} {out} {err} {memory} KiB above {least}\nexpected: {text}")
    assert not wrong, "\n".join(wrong)


def test_valid_files_have_the_documented_fingerprint(folders: dict[str, Path]) -> None:
    for case in CASES:
        if "fingerprint" in case:
            code, out, err, _ = measured([str(PROGRAM), "schema", "fingerprint", "a.toml"], folders[case["name"]])
            assert (code, out, err) == (0, case["fingerprint"] + "\n", ""), case["name"]


def test_file_that_its_user_may_not_read_is_refused_with_the_remedy(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD)
    (tmp_path / "a.toml").chmod(0)
    words = [str(PROGRAM), "schema", "check", str(tmp_path / "a.toml")]
    if os.getuid() == 0:
        # Root can read everything; without this capability it is a user like the others.
        words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *words]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SOON)
    assert done.returncode != 0 and "PermissionDenied" in done.stderr, done.stderr
    assert "give the user of this program the right to read it" in done.stderr
