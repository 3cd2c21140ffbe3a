"""The surroundings in which `tests/run` starts a suite.

ordinary: those of the run itself, with signals as in a terminal.
other: as a script starts it in the background, with SIGINT and SIGQUIT ignored; a language with a decimal comma and an i of its own;
    a time zone 14 hours ahead; temporary files in a folder whose name has a space and letters beyond ASCII.
user: an ordinary user, made for it and removed; where the run itself has no root, it is one already.
"""

import os
import pwd
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.tree import ROOT, TARGET

LANGUAGE = "tr_TR.UTF-8"
LOCALES = TARGET / "locales"


def locale() -> dict[str, str]:
    """What makes LANGUAGE the language of a program; it is compiled where it is not there."""
    if not (LOCALES / LANGUAGE).exists():
        LOCALES.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=LOCALES) as folder:
            made = Path(folder) / LANGUAGE
            done = subprocess.run(["localedef", "-i", "tr_TR", "-f", "UTF-8", made], capture_output=True, text=True)
            # It warns of what the definition itself leaves open, and then ends with 1.
            if not made.exists():
                raise OSError(f"localedef cannot make {LANGUAGE} (tools/apt.sh installs its sources): {done.stderr}")
            try:
                made.rename(LOCALES / LANGUAGE)
            except OSError:
                # Another thread was first.
                if not (LOCALES / LANGUAGE).exists():
                    raise
    return {"LOCPATH": str(LOCALES), "LANG": LANGUAGE, "LC_ALL": LANGUAGE}


@contextmanager
def user() -> Iterator[pwd.struct_passwd]:
    """A user of this machine for so long."""
    name = f"linkspan-{secrets.token_hex(3)}"
    subprocess.run(["useradd", "--no-create-home", "--shell", "/bin/sh", name], check=True)
    try:
        yield pwd.getpwnam(name)
    finally:
        subprocess.run(["userdel", name], check=True, stderr=subprocess.DEVNULL)


@contextmanager
def surroundings(condition: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The words before a command, and its runtime directory, state directory and folder for temporary files."""
    with tempfile.TemporaryDirectory(prefix="lkt-") as folder:
        temporary = f"{folder}/t ğ" if condition == "other" else f"{folder}/tmp"
        env = {"LINKSPAN_DIR": f"{folder}/run", "LINKSPAN_STATE_DIR": f"{folder}/state", "TMPDIR": temporary}
        os.mkdir(env["LINKSPAN_DIR"], 0o700)
        # Open to the other users that some tests run as.
        os.mkdir(temporary)
        os.chmod(temporary, 0o1777)
        os.chmod(folder, 0o755)
        # What it starts ends when this process does, even where that is killed.
        words = ["setpriv", "--pdeathsig", "KILL"]
        if condition == "user" and os.geteuid() == 0:
            with user() as made:
                for path in (folder, env["LINKSPAN_DIR"]):
                    os.chown(path, made.pw_uid, made.pw_gid)
                words += ["--reuid", str(made.pw_uid), "--regid", str(made.pw_gid), "--init-groups"]
                seen = subprocess.run([*words, "test", "-r", ROOT / "Cargo.toml"], cwd="/", check=False)
                if seen.returncode != 0:
                    raise OSError(f"an ordinary user cannot read {ROOT}: its folders have to be open to others")
                yield words, {**env, "HOME": folder, "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
            return
        if condition == "other":
            env |= locale() | {"TZ": "Pacific/Kiritimati"}
            words += ["env", "--ignore-signal=INT,QUIT"]
        yield words, env
