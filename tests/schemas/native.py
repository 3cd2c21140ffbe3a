"""Compiles generated C, C++ and Fortran, strictly and with sanitizers, and runs its programs on values."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import linkspan
import pytest
from support.compilers import INCLUDE, checked, compiled, fortran_module, run, shared_library
from support.tree import PROGRAM

HERE = Path(__file__).resolve().parent
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion", "-Werror", "-g"]
SANE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
#: gfortran reports deferred-length texts as possibly uninitialized although they are not.
FORTRAN = ["-std=f2018", "-Wall", "-Wextra", "-pedantic", "-Werror", "-Wno-maybe-uninitialized", "-g"]
#: Only guards against a hang.
SOON = 120
LANGUAGES = ["c", "cpp", "fortran"]
#: Warnings that only an optimizing compiler gives, and gives wrongly, for code with every kind of
#: value.
WITH_OPTIMIZED = [*LANGUAGES, "optimized fortran"]
FULL = os.environ.get("LINKSPAN_GRID") == "full"


def generate(schema: Path, language: str, folder: Path) -> str:
    """Writes the code of a schema, and returns the prefix of its files."""
    run(PROGRAM, "schema", "generate", "--lang", language, schema, "--output", folder)
    suffix = {"c": ".h", "cpp": ".hpp", "fortran": ".f90"}[language]
    (made,) = [path for path in folder.iterdir() if path.suffix == suffix]
    return made.stem


def compilers(name: str) -> list[str]:
    return [compiler for compiler in {"c": ["gcc", "clang"], "cpp": ["g++", "clang++"]}[name] if shutil.which(compiler)]


def build(schema: Path, language: str, folder: Path, library: Path, others: bool = True) -> Path:
    """The program `echo` with the generated code of a schema; `others` is whether all compilers must accept it."""
    folder.mkdir()
    name = generate(schema, language.removeprefix("optimized "), folder)
    include, libraries = [INCLUDE, f"-I{folder}"], shared_library()
    out = folder / "echo"
    if language == "c":
        define = [f'-DECHO_HEADER="{name}.h"', f"-DECHO_TYPE={name}", f"-DECHO(what)={name}_##what"]
        for compiler in compilers("c") if others else []:
            compiled(compiler, "-std=c11", *STRICT, "-Wmissing-prototypes", *include, "-c", folder / f"{name}.c", out=folder / "it.o")
        compiled("gcc", "-std=c11", *STRICT, *SANE, *include, *define, HERE / "peers/echo.c", folder / f"{name}.c", *libraries, out=out)
        # C++ programs also use the header.
        if others:
            checked("g++", "-std=c++17", *STRICT, *include, "-fsyntax-only", "-x", "c++", folder / f"{name}.h", "-Wno-pragma-once-outside-header")
    elif language == "cpp":
        type_name = "".join(word.capitalize() for word in name.split("_"))
        if f"struct {type_name} " not in (folder / f"{name}.hpp").read_text():
            type_name += "Message"
        define = [f'-DECHO_HEADER="{name}.hpp"', f"-DECHO_TYPE={type_name}"]
        for compiler in compilers("cpp") if others else []:
            compiled(compiler, "-std=c++17", *STRICT, *include, *define, "-c", HERE / "peers/echo.cpp", out=folder / "it.o")
        compiled("g++", "-std=c++17", *STRICT, *SANE, *include, *define, HERE / "peers/echo.cpp", *libraries, out=out)
    else:
        text = (folder / f"{name}.f90").read_text()
        root = f"{name}_message" if f"type, public :: {name}_message\n" in text else name
        # The type of a packed record has no type-bound procedures.
        peer = "packed.f90" if f"type, bind(c), public :: {name}\n" in text else "echo.f90"
        source = (HERE / "peers" / peer).read_text().replace("ECHO_TYPE", name).replace("ECHO_ROOT", root)
        (folder / "echo.f90").write_text(source)
        settings = ["-O2"] if language == "optimized fortran" else ["-fcheck=all,no-array-temps"]
        compiled("gfortran", *FORTRAN, *settings, f"-I{library}", folder / f"{name}.f90", folder / "echo.f90",
                 library / "linkspan.o", *libraries, out=out)  # fmt: skip
    return out


@pytest.fixture(scope="session")
def library() -> Path:
    """Returns the bytes of the message that a program writes for a value."""
    return fortran_module("-std=f2018")


def echo(program: Path, value: object) -> Any:
    """Returns a program's echo of a value: the bytes of the message that it writes."""
    before, after = program.parent / "in.cbor", program.parent / "out.cbor"
    before.write_bytes(linkspan.encode(value, "cbor"))
    run(program, before, after)
    return after.read_bytes()


def refused(program: Path, value: object) -> str:
    """Returns the error of a program for a value."""
    before = program.parent / "in.cbor"
    before.write_bytes(linkspan.encode(value, "cbor"))
    done = subprocess.run([program, before, program.parent / "none"], capture_output=True, text=True, timeout=SOON)
    assert done.returncode == 1, done
    return done.stderr
