"""The artefacts without Rust, compiler or sources: README's first programs, and two languages together."""

import os
import re
import subprocess
import tarfile
from pathlib import Path

from conftest import DIST, MACHINE, VERSION, Run, artefact, files
from support.tree import ROOT

README = (ROOT / "README.md").read_text()


def first(language: str) -> str:
    return re.search(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)[1]


PUBLISHER = first("python").replace('input("Enter ends it")', "import time; time.sleep(60)")
SUBSCRIBER = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)[1]


def test_static_programs_run_alone(tmp_path: Path) -> None:
    """The root has only these files and the kernel's /proc."""
    for name in ("linkspan", "linkspan-record", "linkspan-bridge", "linkspan-gateway", "linkspan-schema"):
        tarfile.open(artefact(f"{name}-{VERSION}-{MACHINE}-linux.tar.gz")).extract(f"{name}-{VERSION}-{MACHINE}-linux/{name}", tmp_path, filter="tar")
        (tmp_path / f"{name}-{VERSION}-{MACHINE}-linux" / name).rename(tmp_path / name)
        (tmp_path / f"{name}-{VERSION}-{MACHINE}-linux").rmdir()
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "proc").mkdir()
    mounted = f"mount -t proc proc {tmp_path}/proc && exec chroot {tmp_path} \"$@\""
    inside = ["unshare", "--mount", "sh", "-c", mounted, "sh", "/linkspan"]
    env = {"LINKSPAN_DIR": "/run", "HOME": "/", "PATH": os.environ["PATH"]}

    def linkspan(*words: str) -> str:
        return subprocess.run([*inside, *words], env=env, capture_output=True, text=True, check=True, timeout=60).stdout

    assert VERSION in linkspan("--version")
    for other in ("bridge", "gateway", "record", "schema"):
        ran = subprocess.run(["chroot", tmp_path, f"/linkspan-{other}", "--version"], capture_output=True, text=True, check=True, timeout=60)
        assert VERSION in ran.stdout
    with subprocess.Popen([*inside, "pub", "lab/sum", '{"sum":3}'], env=env) as publisher:
        try:
            assert linkspan("latest", "lab/sum", "--timeout", "30", "--json") == '{"sum":3}\n'
        finally:
            publisher.terminate()


def test_wheel_installs_upgrades_and_leaves_nothing(root: Path, run: Run) -> None:
    run("python3 -m venv --system-site-packages venv")
    before = files(root / "root/venv", without=("lib/python3.11/site-packages/pip", "lib/python3.11/site-packages/setuptools"))
    (root / "root/publish.py").write_text(PUBLISHER)
    (root / "root/subscribe.py").write_text(SUBSCRIBER)
    wheel = artefact(f"linkspan-{VERSION}-cp311-abi3-*_{MACHINE}.whl").name
    older = wheel.replace(f"-{VERSION}-", "-0.0.1-")
    # An older version number imitates an upgrade.
    run(f"""
        python3 - <<'END'
import zipfile
old, new = zipfile.ZipFile("/dist/{wheel}"), zipfile.ZipFile("{older}", "w")
for item in old.infolist():
    content = old.read(item).replace(b"Version: {VERSION}\\n", b"Version: 0.0.1\\n")
    content = content.replace(b"linkspan-{VERSION}.d", b"linkspan-0.0.1.d")
    name = item.filename.replace("linkspan-{VERSION}.d", "linkspan-0.0.1.d")
    if not name.endswith("RECORD"):
        item.filename = name
        new.writestr(item, content)
    else:
        new.writestr(name, "".join(f"{{word}},,\\n" for word in [*new.namelist(), name]))
new.close()
END
        venv/bin/pip install --quiet --no-index ./{older}
        venv/bin/pip show linkspan | grep -q 'Version: 0.0.1'
        venv/bin/pip install --quiet --no-index --upgrade /dist/{wheel}
        venv/bin/pip show linkspan | grep -q 'Version: {VERSION}'""")
    printed = run("""
        venv/bin/python publish.py & publisher=$!
        timeout 60 venv/bin/linkspan latest lab/temperature --timeout 30 --json
        timeout 60 venv/bin/python subscribe.py > received & subscriber=$!
        for _ in $(seq 600); do grep -q 21.4 received && break; sleep 0.1; done
        kill $publisher $subscriber; cat received""")
    assert '"celsius"' in printed and "21.4\n" in printed
    run("venv/bin/pip uninstall --quiet --yes linkspan")
    after = files(root / "root/venv", without=("lib/python3.11/site-packages/pip", "lib/python3.11/site-packages/setuptools"))
    assert after == before


def test_python_and_php_exchange_messages(root: Path, run: Run) -> None:
    php = artefact(f"php_linkspan-{VERSION}_php8.2-{MACHINE}-linux-glibc-nts.tgz")
    tarfile.open(php).extractall(root / "root/php", filter="tar")
    (root / "root/publish.py").write_text(PUBLISHER)
    (root / "root/latest.php").write_text(first("php"))
    wheel = artefact(f"linkspan-{VERSION}-cp311-abi3-*_{MACHINE}.whl").name
    printed = run(f"""
        python3 -m venv venv; venv/bin/pip install --quiet --no-index /dist/{wheel}
        venv/bin/python publish.py & publisher=$!
        venv/bin/linkspan latest lab/temperature --timeout 30 > first
        php -n -d extension=$PWD/php/linkspan.so latest.php
        kill $publisher""")
    assert printed == "21.4\n"


def test_lintian_finds_no_error() -> None:
    packages = sorted(DIST.glob(f"*_{VERSION}-1_*.deb"))
    assert len(packages) == 5, packages
    done = subprocess.run(["lintian", "--fail-on", "error", *packages], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_debian_packages_install_work_and_go(root: Path, run: Run) -> None:
    names = ["linkspan", "liblinkspan0", "python3-linkspan", "php8.2-linkspan"]
    packages = [f"/dist/{artefact(f'{name}_{VERSION}-1_*.deb').name}" for name in names]
    (root / "root/publish.py").write_text(PUBLISHER)
    (root / "root/latest.php").write_text(first("php"))
    before = files(root, without=("dist", "proc", "run", "var/lib/dpkg", "var/cache", "var/log"))
    printed = run(f"""
        dpkg -i {' '.join(packages)} > installed
        python3 publish.py & publisher=$!
        linkspan latest lab/temperature --timeout 30 --json
        php latest.php
        linkspan record 'lab/*' -o a.mcap --messages 1 --quiet 2> recorder.log
        linkspan recording check a.mcap --quiet
        kill $publisher
        rm a.mcap recorder.log
        systemd-analyze verify --man=no /usr/lib/systemd/system/linkspan-bridge.service
        XDG_RUNTIME_DIR=/run systemd-analyze --user verify --man=no /usr/lib/systemd/user/linkspan-controller.service
        XDG_RUNTIME_DIR=/run systemd-analyze --user verify --man=no /usr/lib/systemd/user/linkspan-gateway.service
        test -s /usr/share/man/man1/linkspan-sub.1.gz
        test -s /usr/share/man/man1/linkspan-gateway.1.gz && test -s /usr/share/bash-completion/completions/linkspan-gateway
        dpkg -i {' '.join(packages)} > again""")
    assert '"celsius"' in printed and printed.endswith("21.4\n")
    run(f"dpkg --remove {' '.join(names)} > /dev/null; dpkg --purge {' '.join(names)} > /dev/null; rm -f installed again")
    after = files(root, without=("dist", "proc", "run", "var/lib/dpkg", "var/cache", "var/log"))
    assert after - before == set()


def test_rpm_packages_install_work_and_go(root: Path, run: Run) -> None:
    """rpm does not know the root's packages, so it does not check dependencies."""
    packages = [artefact(f"{name}-{VERSION}-1.{MACHINE}.rpm") for name in ("linkspan", "liblinkspan", "liblinkspan-devel")]
    rpm = ["rpm", "--root", str(root), "--dbpath", "/var/lib/rpm", "--nodeps"]
    before = files(root, without=("dist", "proc", "run", "var/lib/rpm"))
    subprocess.run([*rpm, "--install", *packages], check=True, timeout=600)
    (root / "root/version.py").write_text(
        "import ctypes\nlibrary = ctypes.CDLL('/usr/lib64/liblinkspan.so.0')\n"
        "library.linkspan_version.restype = ctypes.c_char_p\nprint(library.linkspan_version().decode())\n"
    )
    printed = run("""
        linkspan pub lab/sum '{"sum":3}' & publisher=$!
        linkspan latest lab/sum --timeout 30 --json
        kill $publisher
        linkspan-bridge --version
        python3 version.py
        test -s /usr/lib64/pkgconfig/linkspan.pc
        test -s /usr/share/man/man1/linkspan-sub.1.gz""")
    assert printed.splitlines() == ['{"sum":3}', f"linkspan bridge {VERSION}", VERSION]
    subprocess.run([*rpm, "--erase", "linkspan", "liblinkspan", "liblinkspan-devel"], check=True, timeout=600)
    (root / "root/version.py").unlink()
    left = {path for path in files(root, without=("dist", "proc", "run", "var/lib/rpm")) - before if not (root / path).is_dir()}
    assert left == set()
