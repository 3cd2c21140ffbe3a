"""Compiles programs of C, C++, Fortran and Rust against the libraries in the folder of builds, once for the same text.

C, C++ and Fortran link the shared library: linking the static one of a debug build takes two seconds of processor time. The suite
`packaging` links the static one.
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
#: Only guards against a hang.
DEADLINE = 600
#: What was compiled, by what it was made of. `tests/run` removes what was not used for days.
KEPT = TARGET / "test-objects"
#: What a compiler may read in a folder that is among its arguments.
INCLUDED = {".h", ".hpp", ".mod", ".inc"}


def run(*command: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Runs a command to its end and returns what it printed on its standard output; a failure shows all of it."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE, cwd=cwd, env=env)
    assert done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@functools.cache
def shared_library() -> list[str]:
    """The words with which a compiler links the shared library, and with which a program finds it."""
    built = DEBUG / "liblinkspan_c.so"
    assert built.exists(), f"{built} is not built: tests/run build"
    folder = KEPT / "lib"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("liblinkspan.so", "liblinkspan.so.0"):
        if (folder / name).is_symlink() and os.readlink(folder / name) == str(built):
            continue
        # Made beside and renamed: another suite may look for it at the same time.
        beside = folder / f"{name}.{os.getpid()}"
        beside.symlink_to(built)
        beside.rename(folder / name)
    return [f"-L{folder}", "-llinkspan", f"-Wl,-rpath,{folder}", "-lpthread", "-lm"]


def kept(parts: list[str], make: Callable[[Path], object]) -> Path:
    """The folder that `make` fills: once for the same parts, by one process at a time."""
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
    """What a compiler may read in a folder besides what it is given by name."""
    return [f"{file.name} {digest(file)}" for file in sorted(folder.rglob("*")) if file.suffix in INCLUDED]


def made_of(words: list[str]) -> list[str]:
    """What the output of a compiler's command depends on: each word, or instead of a path the content of what is there."""
    parts = [version(words[0])]
    for option, word in zip(words, words[1:], strict=False):
        folder = re.fullmatch(r"-I(.+)", word)
        if folder or option == "-I":
            parts += included(Path(folder[1] if folder else word))
        elif re.match(r"-L|-Wl,-rpath,", word) or option == "-L":
            # The programs find the library by these, and fail where it is not; nothing of a shared one becomes a part
            # of them.
            continue
        elif Path(word).is_file():
            assert Path(word).suffix != ".a", f"{word}: a program with a static library is not kept"
            parts += [f"{Path(word).name} {digest(Path(word))}", *included(Path(word).parent)]
        else:
            parts.append(word)
    return parts


def compiled(*command: object, out: Path, cwd: Path | None = None) -> Path:
    """Runs a compiler's command, which has no `-o`, or takes what it made of the same input before; `out` is then what it made."""
    words = [str(word) for word in command]

    def make(folder: Path) -> None:
        modules = ["-J", folder] if words[0] == "gfortran" else []
        run(*words, *modules, "-o", folder / "made", cwd=cwd)

    made = kept(made_of(words), make) / "made"
    out.unlink(missing_ok=True)
    # A copy: tests may change the rights or the times of what they run.
    shutil.copy(made, out)
    return out


def checked(*command: object) -> None:
    """Runs a compiler's command that makes nothing (-fsyntax-only), where it has not passed with the same input before."""
    words = [str(word) for word in command]
    kept(made_of(words), lambda _: run(*words))


@functools.cache
def fortran_source() -> Path:
    """The source of the module, made as an installation has it."""
    generator = ROOT / "c-api/fortran"
    made_from = [digest(file) for file in sorted([*generator.rglob("*.py"), *generator.glob("*.in"), ROOT / "c-api/include/linkspan.h"])]
    return kept(["module source", *made_from], lambda folder: run("python3", generator / "generate.py", folder)) / "linkspan.f90"


def fortran_module(*flags: str, source: Path | None = None) -> Path:
    """The folder with `linkspan.mod` and `linkspan.o`, compiled with these flags."""
    source = source or fortran_source()

    def make(folder: Path) -> None:
        run("gfortran", *flags, "-J", folder, "-c", source, "-o", folder / "linkspan.o", cwd=folder)

    read = [file.read_text() for file in (source, *sorted(source.parent.glob("*.inc")))]
    return kept(["module", version("gfortran"), *flags, *read], make)


def rust_program(source: Path, out: Path, *lints: str) -> Path:
    """The program in one file of Rust and the modules beside it, on the crate `linkspan`; with lints, clippy has to pass it first."""
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
