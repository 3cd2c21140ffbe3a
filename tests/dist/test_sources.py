"""Source builds: the extension by phpize like PIE, and the Python package without the network."""

import os
import subprocess
import tarfile
import tomllib
from pathlib import Path

from conftest import VERSION, artefact
from support.tree import ROOT, TARGET

SOON = 3600.0  # s: only guards against a hang


def output(*command: object, **more) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=SOON, **more)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_extension_builds_by_phpize_and_configure(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    # Uses committed files: a release gets its version in a later commit.
    output("git", "clone", "--quiet", ROOT, tree)
    version = tomllib.loads((tree / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    for command in (["phpize"], ["./configure", "--enable-linkspan"], ["make", f"LINKSPAN_TARGET={TARGET}"]):
        output(*command, cwd=tree / "php")
    loaded = output("php", "-n", "-d", f"extension={tree}/php/modules/linkspan.so", "-r", "echo phpversion('linkspan');")
    assert loaded == version


def test_python_sources_build_offline_once_their_crates_are_vendored(tmp_path: Path) -> None:
    tarfile.open(artefact(f"linkspan-{VERSION}.tar.gz")).extractall(tmp_path, filter="tar")
    sources, home = tmp_path / f"linkspan-{VERSION}", tmp_path / "cargo"
    places = output("cargo", "vendor", "--offline", tmp_path / "vendor", "--manifest-path", sources / "python/Cargo.toml")
    home.mkdir()
    (home / "config.toml").write_text(places)
    env = {
        **os.environ, "CARGO_HOME": str(home), "CARGO_NET_OFFLINE": "true", "CARGO_TARGET_DIR": str(tmp_path / "target"),
        "PATH": f"{TARGET / 'packaging-venv/bin'}:{os.environ['PATH']}",
    }
    built = tmp_path / "built"
    pip = [TARGET / "packaging-venv/bin/python", "-m", "pip"]
    output(*pip, "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", built, artefact(f"linkspan-{VERSION}.tar.gz"), env=env)
    [wheel] = built.glob("*.whl")
    output(*pip, "install", "--quiet", "--no-index", "--no-deps", "--target", tmp_path / "modules", wheel)
    printed = output(TARGET / "packaging-venv/bin/python", "-c", "import linkspan; print(linkspan.__version__)", env={**os.environ, "PYTHONPATH": str(tmp_path / "modules")})
    assert printed == f"{VERSION}\n"
