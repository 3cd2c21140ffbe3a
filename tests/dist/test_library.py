"""pkg-config, CMake and fpm find the unpacked C library after a move."""

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from conftest import MACHINE, VERSION, artefact
from support.tree import ROOT

SOON = 600.0  # s: only guards against a hang
SYMBOLS = (ROOT / "c-api/symbols.txt").read_text().split()
C = """
#include <linkspan.h>
#include <stdio.h>
int main(void) { printf("%s\\n", linkspan_version()); return 0; }
"""
FORTRAN = """
program main
   use linkspan
   implicit none
   type(linkspan_message) :: message
   real(real64) :: value
   call message%put("a", 2.5_real64)
   call message%get("a", value)
   print '(f0.1)', value
end program
"""


def output(*command: object, **more) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=SOON, **more)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Moves the library to a path with a space."""
    folder = tmp_path_factory.mktemp("library")
    made = artefact(f"liblinkspan-{VERSION}-{MACHINE}-linux-glibc.tar.gz")
    tarfile.open(made).extractall(folder, filter="tar")
    place = folder / "another place"
    (folder / made.name.removesuffix(".tar.gz")).rename(place)
    return place


def test_shared_library_has_its_soname_and_the_listed_symbols(moved: Path) -> None:
    library = moved / f"lib/liblinkspan.so.{VERSION}"
    assert "liblinkspan.so.0" in output("objdump", "-p", library)
    exported = re.findall(r" [TDB] (\S+)$", output("nm", "-D", "--defined-only", library), re.M)
    assert sorted(exported) == sorted(SYMBOLS)
    versions = {tuple(map(int, found.split("."))) for found in re.findall(r"GLIBC_([\d.]+)", output("objdump", "-T", library))}
    assert max(versions) <= (2, 28), versions


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_pkg_config_finds_the_moved_library(moved: Path, kind: str, tmp_path: Path) -> None:
    # A shell that evaluates pkg-config's output keeps the space.
    (tmp_path / "main.c").write_text(C)
    env = {**os.environ, "PKG_CONFIG_PATH": str(moved / "lib/pkgconfig"), "LD_LIBRARY_PATH": str(moved / "lib")}
    words = "$(pkg-config --cflags --libs linkspan)" if kind == "shared" else f"$(pkg-config --cflags linkspan) '{moved}/lib/liblinkspan.a' -lpthread -ldl -lm"
    output("sh", "-c", f"eval \"cc main.c -o main {words}\"", cwd=tmp_path, env=env)
    assert output(tmp_path / "main", env=env) == f"{VERSION}\n"


def test_cmake_finds_the_moved_library(moved: Path, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(C)
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(it C)\nfind_package(linkspan REQUIRED)\n"
        "add_executable(main main.c)\ntarget_link_libraries(main linkspan::linkspan)\n"
        "add_executable(alone main.c)\ntarget_link_libraries(alone linkspan::static)\n"
    )
    output("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={moved}")
    output("cmake", "--build", tmp_path / "build")
    for program in ("main", "alone"):
        assert output(tmp_path / "build" / program) == f"{VERSION}\n"


def test_fpm_builds_from_the_archive(moved: Path, tmp_path: Path) -> None:
    # fpm reads every path as relative and does not quote it, so this path is without spaces.
    place = tmp_path / "place"
    shutil.copytree(moved, place, symlinks=True)
    project = tmp_path / "project"
    (project / "app").mkdir(parents=True)
    (project / "app/main.f90").write_text(FORTRAN)
    (project / "fpm.toml").write_text(f'name = "it"\n[dependencies]\nlinkspan_fortran = {{ path = "{os.path.relpath(place, project)}/share/linkspan/fortran" }}\n')
    fpm = ROOT / ".venv/bin/fpm"
    env = {**os.environ, "FPM_LDFLAGS": f"-L{place}/lib -Wl,-rpath,{place}/lib"}
    assert output(fpm, "run", cwd=project, env=env).splitlines()[-1] == "2.5"
