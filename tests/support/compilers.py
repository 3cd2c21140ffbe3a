"""Compiles C, C++, Fortran and Rust programs against the built libraries, once for each input.

C, C++ and Fortran link the shared library: linking the static one of a debug build takes two seconds of processor
time. The suite `packaging` links the static one.
"""

import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from support.tree import DEBUG, ROOT, TARGET

INCLUDE = f"-I{ROOT / 'c-api/include'}"
#: Seconds; only guards against a hang.
DEADLINE = 600
#: Compiled files by their inputs. `tests/run` removes those unused for days.
KEPT = TARGET / "test-objects"
INCLUDED = {".h", ".hpp", ".mod", ".inc"}


def run(*command: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Runs a command and returns its standard output; a failure shows all output."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE, cwd=cwd, env=env)
    assert done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@functools.cache
def shared_library() -> list[str]:
    """Returns the words that link the shared library and set its run path."""
    built = DEBUG / "liblinkspan_c.so"
    assert built.exists(), f"{built} is not built: tests/run build"
    folder = KEPT / "lib"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("liblinkspan.so", "liblinkspan.so.0"):
        if (folder / name).is_symlink() and os.readlink(folder / name) == str(built):
            continue
        # Another suite may look for the file at this moment, so rename a complete one.
        beside = folder / f"{name}.{os.getpid()}"
        beside.symlink_to(built)
        beside.rename(folder / name)
    return [f"-L{folder}", "-llinkspan", f"-Wl,-rpath,{folder}", "-lpthread", "-lm"]


def kept(parts: list[str], make: Callable[[Path], object]) -> Path:
    """Returns the folder that `make` fills: once for equal parts, by one process at a time."""
    folder = KEPT / hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    KEPT.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            beside = folder.with_suffix(".making")
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            make(beside)
            beside.rename(folder)
    os.utime(folder)
    return folder


@functools.cache
def version(compiler: str) -> str:
    return run(compiler, "--version")


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def included(folder: Path) -> list[str]:
    return [f"{file.name} {digest(file)}" for file in sorted(folder.rglob("*")) if file.suffix in INCLUDED]


def made_of(words: list[str]) -> list[str]:
    """Returns the inputs of a compiler's command: words, and contents instead of paths."""
    parts = [version(words[0])]
    for option, word in zip(words, words[1:], strict=False):
        folder = re.fullmatch(r"-I(.+)", word)
        if folder or option == "-I":
            parts += included(Path(folder[1] if folder else word))
        elif re.match(r"-L|-Wl,-rpath,", word) or option == "-L":
            # The output does not contain the shared library; a missing one fails at the start.
            continue
        elif Path(word).is_file():
            assert Path(word).suffix != ".a", f"{word}: a program with a static library is not kept"
            parts += [f"{Path(word).name} {digest(Path(word))}", *included(Path(word).parent)]
        else:
            parts.append(word)
    return parts


def compiled(*command: object, out: Path, cwd: Path | None = None) -> Path:
    """Runs a compiler's command without `-o`, or reuses its output for an equal input; writes to `out`."""
    words = [str(word) for word in command]

    def make(folder: Path) -> None:
        modules = ["-J", folder] if words[0] == "gfortran" else []
        run(*words, *modules, "-o", folder / "made", cwd=cwd)

    made = kept(made_of(words), make) / "made"
    out.unlink(missing_ok=True)
    # A copy, because tests may change its mode or times.
    shutil.copy(made, out)
    return out


def checked(*command: object) -> None:
    """Runs a check like -fsyntax-only. Skips it if it has passed with an equal input."""
    words = [str(word) for word in command]
    kept(made_of(words), lambda _: run(*words))


@functools.cache
def fortran_source() -> Path:
    """Returns the module's source as an installation has it."""
    generator = ROOT / "c-api/fortran"
    made_from = [digest(file) for file in sorted([*generator.rglob("*.py"), *generator.glob("*.in"), ROOT / "c-api/include/linkspan.h"])]
    return kept(["module source", *made_from], lambda folder: run("python3", generator / "generate.py", folder)) / "linkspan.f90"


def fortran_module(*flags: str, source: Path | None = None) -> Path:
    """Returns a folder with `linkspan.mod` and `linkspan.o`, compiled with these flags."""
    source = source or fortran_source()

    def make(folder: Path) -> None:
        run("gfortran", *flags, "-J", folder, "-c", source, "-o", folder / "linkspan.o", cwd=folder)

    read = [file.read_text() for file in (source, *sorted(source.parent.glob("*.inc")))]
    return kept(["module", version("gfortran"), *flags, *read], make)


def rust_program(source: Path, out: Path, *lints: str) -> Path:
    """Compiles a Rust file and its neighbour modules with the crate `linkspan`; with lints, clippy must pass first."""
    library = DEBUG / "liblinkspan.rlib"
    assert library.exists(), f"{library} is not built: tests/run build"
    words = ["--edition", "2024", "--crate-name", out.name.replace("-", "_"), "--extern", f"linkspan={library}"]
    words += ["-L", f"dependency={DEBUG / 'deps'}", str(source)]

    def make(folder: Path) -> None:
        if lints:
            run("clippy-driver", *words, *lints, "--emit", "metadata", "-o", folder / "checked.rmeta")
        run("rustc", *words, "-o", folder / "made")

    modules = [f"{file.name} {digest(file)}" for file in sorted(source.parent.glob("*.rs"))]
    status = library.stat()
    built = f"{library} {status.st_size} {status.st_mtime_ns}"
    shutil.copy(kept(["rust", version("rustc"), built, source.name, out.name, *lints, *modules], make) / "made", out)
    return out
