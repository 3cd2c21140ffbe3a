"""Empty arguments of the shell program: each command names them and creates nothing."""

import os
import subprocess
from pathlib import Path

import pytest

from support.tree import PROGRAM


@pytest.mark.parametrize(
    ("words", "said"),
    [
        *(([verb, "", *more], "the name is empty") for verb, *more in (["send", "1"], ["recv"], ["pub", "1"], ["sub"], ["latest"], ["rate"], ["ping"], ["call", "1"], ["reply", "-c", "cat"], ["doctor"])),
        *(([verb, "lab/x", ""], "the value: the bytes end before the value does") for verb in ("send", "call")),
        (["controller", "--listen", ""], "the name is empty"), (["service", "run", "--name", "", "--", "true"], "the name is empty"), (["service", "call", "x", ""], '"" is not a command'),
        (["keys", "trust", "lab", ""], '"" is not a public key'), (["keys", "revoke", ""], '"" is not a name for a key'), (["setup", "--group", ""], "there is no group"),
        (["region", ""], '"" is not shared memory'), (["schema", "check", ""], "a value is required"), (["transcode", "--from", ""], "a value is required"),
        (["gateway", "token", "add", ""], '"" is not a name for a token'),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)  # fmt: skip
def test_empty_argument_is_refused_with_what_is_empty(tmp_path: Path, words: list[str], said: str) -> None:
    folder = tmp_path / "all"
    folder.mkdir(mode=0o700)
    env = {**os.environ, "LINKSPAN_DIR": str(folder), "LINKSPAN_STATE_DIR": str(folder / "state"), "LINKSPAN_KEYS": str(folder / "keys")}
    done = subprocess.run([PROGRAM, *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    printed = done.stdout + done.stderr
    assert done.returncode in (1, 2) and said in printed and "panicked" not in printed, done
    assert not [path for path in folder.rglob("*")], printed
