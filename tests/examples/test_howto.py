"""Runs docs/how-to and docs/tutorials: writes their files, runs their commands, compares their output.

Each page has a separate machine: namespaces for mounts, processes, System V objects and the network, a copy of
/etc, and empty /run, /tmp and /dev/shm. Its end ends all programs of the page.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support.compilers import INCLUDE
from support.tree import DEBUG, PROGRAM, ROOT, TARGET, php

PAGES = sorted(f"{folder}/{path.name}" for folder in ("how-to", "tutorials") for path in (ROOT / "docs" / folder).glob("*.md"))
# python/tests/test_notebook.py runs its cells.
PAGES.remove("how-to/notebooks.md")
#: A block with a file's name, commands, or their output.
BLOCK = re.compile(r"(?:^`([\w./-]+)`[^\n]*:\n\n)?^```(\w+)\n(.*?)^```$", re.M | re.S)
#: Seconds; only guards against a hang.
SOON = 120
#: Folders of sources, builds and the interpreter.
TREE = sorted({str(ROOT), str(TARGET), sys.prefix})
NAMESPACES = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--ipc", "--net", "--uts"]
# The arguments are this tree's folders. Folders inside emptied folders stay visible.
MACHINE = """
set -e
mkdir etc && cp -a /etc/. etc && mount --bind etc /etc
kept=()
for path in "$@"; do
    case $path in /run/* | /tmp/*) kept+=("$path") && mkdir "kept-${#kept[@]}" && mount --bind "$path" "kept-${#kept[@]}" ;; esac
done
mkdir -p /opt /var/lib/docker
for empty in /run /tmp /dev/shm /opt /var/lib/docker; do mount -t tmpfs none $empty; done
for number in $(seq ${#kept[@]}); do
    path=${kept[$number - 1]}
    mkdir -p "$path" && mount --bind "kept-$number" "$path"
done
chmod 1777 /tmp /dev/shm
ip link set lo up
echo made
exec sleep 1000
"""
#: Stand-ins for commands that a test machine lacks or has in another form.
STUBS = {
    # The test already runs as root.
    "sudo": 'if [ "$1" = -u ]; then user=$2; shift 2; exec runuser -u "$user" -- "$@"; fi\nexec "$@"\n',
    # Finds the C library and Fortran module in this tree instead of an installation.
    "pkg-config": f"""
libraries="{DEBUG}/liblinkspan_c.a -lpthread -ldl -lm"
case "$*" in
    "--cflags --libs linkspan") echo {INCLUDE} $libraries ;;
    "--libs linkspan") echo $libraries ;;
    "--variable=fortrandir linkspan") made=$(mktemp -d) && {sys.executable} {ROOT}/c-api/fortran/generate.py $made && echo $made ;;
    *) exit 1 ;;
esac
""",
    # A container with separate processes, System V objects, network, /dev/shm and /tmp.
    "docker": """
images=/var/lib/docker/images
if [ "$1" = build ]; then
    test "$2 $3 $5" = "--quiet --tag ." || exit 125
    mkdir -p "$images/$4"
    # The image contains only the files that the file copies.
    while read -r word from place; do
        case $word in
            FROM) ;;
            COPY) cp "$from" "$images/$4/" && test "$place" = /usr/local/bin/ || exit 1 ;;
            *) exit 1 ;;
        esac
    done < Dockerfile
    exit
fi
test "$1" = run || exit 125
shift
while :; do
    case $1 in
        --rm) shift ;;
        --detach) detach=yes; shift ;;
        --volume) volume=/var/lib/docker/volumes/${2%%:*}; place=${2#*:}; shift 2 ;;
        --env) export "$2"; shift 2 ;;
        *) break ;;
    esac
done
test -d "$images/$1" || { echo "there is no image $1"; exit 125; }
export PATH="$images/$1:/usr/bin:/bin"
shift
mkdir -p "$volume"
inside="mount -t tmpfs none /dev/shm && mount -t tmpfs none /run && mkdir -p $place && mount --bind $volume $place && exec \\"\\$@\\""
set -- unshare --mount --pid --fork --kill-child --mount-proc --ipc --net --uts sh -c "$inside" sh "$@"
if [ "$detach" ]; then "$@" > /dev/null 2>&1 & else exec "$@"; fi
""",
    # Another machine with a separate network, home and runtime directory.
    "ssh": """
name=$1
shift
if ! [ -e /run/netns/$name ]; then
    ip netns add $name
    ip link add lab0 type veth peer name lab1 netns $name
    ip addr add 10.0.0.1/24 dev lab0 && ip link set lab0 up
    ip -n $name addr add 10.0.0.2/24 dev lab1 && ip -n $name link set lab1 up && ip -n $name link set lo up
    echo 10.0.0.2 $name >> /etc/hosts
    mkdir /tmp/$name && mkdir -m 700 /tmp/$name/run
fi
exec ip netns exec $name env HOME=/tmp/$name LINKSPAN_DIR=/tmp/$name/run sh -c "$*"
""",
    # Installing takes minutes; the tests' needs are already installed.
    "pip": 'test "$*" = "install ./python"\n',
    "python3": f"""
[ "$1 $2" = "-m venv" ] || exec {sys.executable} "$@"
mkdir -p "$3/bin"
ln -s {sys.executable} "$3/bin/python"
printf '#!/bin/sh\\ntest "$*" = "install ./python"\\n' > "$3/bin/pip"
chmod 755 "$3/bin/pip"
""",
    # npm also links a package that is a folder.
    "npm": f'test "$*" = "install --silent $HOME/linkspan/clients/js" && mkdir node_modules && ln -s {ROOT}/clients/js node_modules/linkspan-client\n',
    "make": 'test "$*" = php\n',
    "php": f'exec {" ".join(php())} "$@"\n',
    "cargo": f"""
command=$1
shift 2 # with --quiet
case $command in
    new) mkdir -p "$1/src" ;;
    add) test "$*" = "linkspan --path $HOME/linkspan/rust-core" ;;
    run)
        program=$(mktemp -d)/program
        rustc --edition 2024 src/main.rs -o "$program" --extern linkspan={DEBUG}/liblinkspan.rlib -L dependency={DEBUG}/deps || exit
        if [ "$1" = -- ]; then shift; fi
        exec "$program" "$@"
        ;;
esac
""",
    "systemctl": """
case "$1" in
    daemon-reload) exit 0 ;;
    enable) exec systemd-analyze verify "/etc/systemd/system/$3.service" ;;
esac
exit 1
""",
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a machine of namespaces everywhere")


@pytest.fixture
def machine():
    """Runs commands on a separate machine in one folder; returns their output."""
    folder = Path(tempfile.mkdtemp(prefix="howto-", dir="/var/tmp"))
    folder.chmod(0o755)
    (folder / "bin").mkdir()
    for name, text in STUBS.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}")
        (folder / "bin" / name).chmod(0o755)
    # Other users may not read this tree.
    for program in (PROGRAM, PROGRAM.with_name("linkspan-record"), PROGRAM.with_name("linkspan-gateway")):
        shutil.copy(program, folder / "bin")
    work = folder / "work"
    work.mkdir()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("LINKSPAN_") and k not in ("TMPDIR", "XDG_RUNTIME_DIR")}
    path = f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**inherited, "PATH": path, "HOME": str(folder), "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT / "clients/python-remote")}
    # rustup otherwise looks in the home directory.
    environment.setdefault("RUSTUP_HOME", str(Path.home() / ".rustup"))
    init = subprocess.Popen(
        ["unshare", *NAMESPACES, "bash", "-c", MACHINE, "bash", *TREE], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert init.stdout is not None and init.stdout.readline() == "made\n"
    pids = subprocess.run(["pgrep", "-P", str(init.pid)], capture_output=True, text=True, check=True).stdout.split()

    def run(text: str) -> str:
        inside = ["nsenter", "--target", pids[0], "--mount", "--pid", "--ipc", "--net", "--uts", f"--wdns={work}"]
        # Background programs would keep a pipe open.
        with open(folder / "printed", "w+", encoding="utf-8") as printed:
            subprocess.run([*inside, "bash", "-c", text], env=environment, stdout=printed, stderr=subprocess.STDOUT, timeout=SOON)
            printed.seek(0)
            return printed.read()

    yield work, run
    init.kill()
    init.wait()
    shutil.rmtree(folder)


@pytest.mark.costly
@pytest.mark.parametrize("page", PAGES)
def test_commands_of_the_page_print_what_it_shows(page: str, machine) -> None:
    work, run = machine
    printed = None
    for name, kind, text in BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8")):
        if name:
            (work.parent / name[1:] if name.startswith("/") else work / name).write_text(text)
        elif kind == "sh":
            assert not printed, f"the page does not say that this is printed before {text}: {printed}"
            printed = run(text)
        else:
            assert kind == "text", f"a block of {kind} without the name of its file"
            assert printed == text
            printed = None
    assert not printed, f"the page does not say that this is printed: {printed}"
