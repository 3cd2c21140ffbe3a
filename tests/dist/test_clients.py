"""The gateway's clients as installed by users: linkspan-remote and the npm package, with dist/'s programs."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import MACHINE, SOON, VERSION, artefact
from support.waiting import next_line

PYTHON = """
import sys
import linkspan_remote
with linkspan_remote.connect(sys.argv[1], token=sys.argv[2]) as lab, lab.publisher("lab/t") as out:
    out.send({"celsius": 21.4})
    print(linkspan_remote.__version__, lab.latest("lab/t")["celsius"])
"""
NODE = """
import { connect } from "linkspan-client";
const lab = await connect(process.argv[2], { token: process.argv[3] });
const out = await lab.publisher("lab/t");
await out.send({ celsius: 21.5 });
console.log((await lab.latest("lab/t")).value.celsius);
await lab.close();
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[tuple[str, str]]:
    programs = {}
    for name in ("linkspan", "linkspan-gateway"):
        tarfile.open(artefact(f"{name}-{VERSION}-{MACHINE}-linux.tar.gz")).extractall(tmp_path, filter="tar")
        programs[name] = tmp_path / f"{name}-{VERSION}-{MACHINE}-linux" / name
    env = {**os.environ, "LINKSPAN_DIR": str(tmp_path / "run"), "HOME": str(tmp_path), "LINKSPAN_STATE_DIR": str(tmp_path / "state")}
    tokens = ["--tokens", tmp_path / "tokens.json"]
    command = [programs["linkspan-gateway"], "token", "add", "all", "--read", "*", "--write", "*", *tokens]
    token = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    with subprocess.Popen([programs["linkspan-gateway"], "--listen", "127.0.0.1:0", *tokens], env=env, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield next_line(child.stdout, "the address of the gateway").split("#")[0].strip(), token
        finally:
            child.terminate()


def test_wheel_in_pure_python_publishes(gateway: tuple[str, str], tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True, timeout=SOON)
    wheel = artefact(f"linkspan_remote-{VERSION}-py3-none-any.whl")
    subprocess.run([tmp_path / "venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", wheel], check=True, timeout=SOON)
    # Outside of this tree, so Python finds the installed module.
    done = subprocess.run([tmp_path / "venv/bin/python", "-c", PYTHON, *gateway], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{VERSION} 21.4\n", done.stderr


def test_package_for_npm_publishes(gateway: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"type": "module", "private": true}')
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", artefact(f"linkspan-client-{VERSION}.tgz")]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=SOON)
    assert [path.name for path in (tmp_path / "node_modules").iterdir() if not path.name.startswith(".")] == ["linkspan-client"]
    (tmp_path / "publish.js").write_text(NODE)
    done = subprocess.run(["node", "publish.js", *gateway], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout == "21.5\n", done.stderr
