"""`make install`, `make python` and `make php` reuse the units of `make demo`.

Compares cargo's plans without compiling.
"""

import json
import os
import re
import shlex
import subprocess
from functools import cache

from support.tree import ROOT

# cargo prints its plan only for nightly users.
PLAN = ["--offline", "--locked", "-Zunstable-options", "--unit-graph"]
ENVIRONMENT = {**os.environ, "RUSTC_BOOTSTRAP": "1"}
# Small crates that need other features for the shell program and PHP's build; none is below the core.
OTHERS = {"lock_api", "parking_lot"}
# The gateway needs WebSockets and the shell program does not; `make install` shares the unit.
ALONE = {"axum"}
CONVERTER = {"build-script-build", "regex_automata", "regex_syntax", "serde_json"}


def commands(file: str, **words: list[str]) -> list[list[str]]:
    """Returns calls of `cargo build` in a shell, make or Python file with expanded variables."""
    text = (ROOT / file).read_text()
    found = [json.loads(line) for line in re.findall(r'\["cargo", "build"[^\]]*\]', text)]
    for line in re.findall(r"^\s*(cargo build .*)$", text, re.M):
        split = shlex.split(line, comments=True)
        found.append([part for word in split for part in words.get(word, [word])])
    return found


def units(command: list[str]) -> dict[tuple[str, ...], set[str]]:
    """Returns a command's units with everything that decides reuse: profile, features, dependencies."""
    done = subprocess.run([*command, *PLAN], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    planned = json.loads(done.stdout)["units"]

    @cache
    def key(at: int) -> str:
        unit = planned[at]
        below = sorted(key(dependency["index"]) for dependency in unit["dependencies"])
        return str(hash(json.dumps([unit["pkg_id"], unit["target"], unit["profile"], unit["platform"], unit["mode"], unit["features"], below])))

    found: dict[tuple[str, ...], set[str]] = {}
    for at, unit in enumerate(planned):
        target = unit["target"]
        # Programs and build scripts have different profiles, even for one crate.
        profile = json.dumps(unit["profile"])
        found.setdefault((unit["pkg_id"], target["name"], *target["kind"], unit["mode"], profile), set()).add(key(at))
    return found


def test_install_after_demo_compiles_nothing_twice():
    demo = commands("examples/observatory/build", **{"${optimize[@]}": ["--release"]}) + commands("examples/observatory/run")
    install = [command for command in commands("Makefile") if {"linkspan-c", "linkspan-cli"} <= {*command}]
    # `make python` and `make install` build the converter; `make python` also builds the shell program.
    alone = {name: [each for each in commands("Makefile") if each == ["cargo", "build", "--release", "-p", name]] for name in ("linkspan-cli", "linkspan-schema-convert")}
    assert len(demo) == 3 and len(install) == 1 and [len(found) for found in alone.values()] == [1, 2]
    assert all("--release" in command and "--profile" not in command for command in demo + install)
    built: dict[tuple[str, ...], set[str]] = {}
    for command in demo:
        for unit, keys in units(command).items():
            built.setdefault(unit, set()).update(keys)
    for command, others in ((install[0], OTHERS), (alone["linkspan-cli"][0], OTHERS | ALONE), (alone["linkspan-schema-convert"][0], CONVERTER)):
        wanted = units(command)
        shared = wanted.keys() & built.keys()
        assert len(shared) > 60
        assert {unit[1] for unit in shared if not wanted[unit] <= built[unit]} == others


def test_python_and_php_after_demo_and_demo_after_them_compile_nothing_twice():
    build = (ROOT / "examples/observatory/build").read_text()
    demo = commands("examples/observatory/build", **{"${optimize[@]}": ["--release"]})
    made = [command for command in commands("Makefile") if {"linkspan-python", "linkspan-php"} & {*command}]
    assert len(demo) == len(made) == 2
    for one, other in zip(demo, made, strict=True):
        assert units(one) == units(other)
    # pyo3's build scripts read this variable and maturin's description of an interpreter.
    makefile = (ROOT / "Makefile").read_text()
    assert "python: export PYO3_BUILD_EXTENSION_MODULE = 1" in makefile and "pip install --quiet --no-deps ./python" not in makefile
    assert "export PYO3_BUILD_EXTENSION_MODULE=1" in build
