"""Records and loans in C++ and Fortran: a message with a lent array, whose records own their arrays."""

import subprocess
from pathlib import Path

import pytest
from native import FORTRAN, HERE, SANE, SOON, STRICT, generate, library  # noqa: F401, a fixture
from support.compilers import INCLUDE, compiled, run, shared_library

SCHEMA = HERE / "schemas/reading.schema.toml"


@pytest.mark.costly
def test_loan_stands_in_a_message_of_a_schema_in_cpp(tmp_path: Path) -> None:
    generate(SCHEMA, "cpp", tmp_path)
    flags = [*STRICT, *SANE, INCLUDE, f"-I{tmp_path}"]
    compiled("g++", "-std=c++17", *flags, HERE / "peers/loans.cpp", *shared_library(), out=tmp_path / "loans")
    assert run(tmp_path / "loans") == "ok\n"


def test_loan_stands_in_a_message_of_a_schema_in_fortran(tmp_path: Path, library: Path) -> None:  # noqa: F811
    name = generate(SCHEMA, "fortran", tmp_path)
    sources = [tmp_path / f"{name}.f90", HERE / "peers/loans.f90"]
    compiled("gfortran", *FORTRAN, "-Wno-compare-reals", f"-I{library}", *sources, library / "linkspan.o", *shared_library(), out=tmp_path / "loans")
    assert run(tmp_path / "loans") == "ok\n"


def test_compiler_refuses_a_loan_in_place_of_an_array_of_a_fortran_record(tmp_path: Path, library: Path) -> None:  # noqa: F811
    name = generate(SCHEMA, "fortran", tmp_path)
    source = tmp_path / "lent.f90"
    source.write_text(
        "program lent\n   use linkspan\n   use lab_reading_messages\n   type(linkspan_channel) :: channel\n   type(lab_reading) :: reading\n"
        "   call channel%loan(reading%wave, [3, 4096])\nend program\n"
    )
    words = ["gfortran", "-fsyntax-only", f"-I{library}", f"-J{tmp_path}", tmp_path / f"{name}.f90", source]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SOON)
    assert done.returncode != 0 and "Found no matching specific binding for the call to the GENERIC ‘loan’" in done.stderr, done.stderr
