"""Contents of the artefacts: no build paths, sizes, licences, lists, checksums."""

import hashlib
import json
import re
import subprocess
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from conftest import DIST, MACHINE, MACHINES, VERSION, artefact
from support.tree import ROOT

#: Largest MB of each artefact; packaging/README.md has the measurement.
SIZES = {
    **{f"linkspan-{VERSION}-{machine}-linux.tar.gz": 8 for machine in MACHINES},
    **{f"linkspan-record-{VERSION}-{machine}-linux.tar.gz": 8 for machine in MACHINES},
    **{f"linkspan-bridge-{VERSION}-{machine}-linux.tar.gz": 16 for machine in MACHINES},
    **{f"linkspan-gateway-{VERSION}-{machine}-linux.tar.gz": 8 for machine in MACHINES},
    **{f"linkspan-schema-{VERSION}-{machine}-linux.tar.gz": 8 for machine in MACHINES},
    **{f"liblinkspan-{VERSION}-{machine}-linux-glibc.tar.gz": 24 for machine in MACHINES},
    f"php_linkspan-{VERSION}_php8.2-{MACHINE}-linux-glibc-nts.tgz": 4,
    **{f"linkspan-{VERSION}-cp311-abi3-*_{machine}.whl": 16 for machine in MACHINES},
    f"linkspan_remote-{VERSION}-py3-none-any.whl": 0.1,
    f"linkspan-client-{VERSION}.tgz": 0.1,
    f"linkspan_{VERSION}-1_*.deb": 24,
    f"linkspan-{VERSION}-1.{MACHINE}.rpm": 24,
    f"liblinkspan0_{VERSION}-1_*.deb": 4,
    f"liblinkspan-dev_{VERSION}-1_*.deb": 14,
    f"python3-linkspan_{VERSION}-1_*.deb": 5,
    f"php8.2-linkspan_{VERSION}-1_*.deb": 4,
}

#: Artefacts with compiled crates.
WITH_CRATES = [pattern for pattern in SIZES if not pattern.startswith(("liblinkspan-dev", "linkspan_remote", "linkspan-client"))]


@pytest.mark.parametrize("pattern", SIZES)
def test_artefact_has_at_most_its_size(pattern: str) -> None:
    size = artefact(pattern).stat().st_size
    assert 10_000 < size <= SIZES[pattern] * 1e6, f"{size / 1e6:.2f} MB"


def unpacked(made: Path, folder: Path) -> Path:
    if made.suffix == ".whl":
        zipfile.ZipFile(made).extractall(folder)
    elif made.suffix == ".deb":
        subprocess.run(["dpkg-deb", "--extract", made, folder], check=True, timeout=120)
    elif made.suffix == ".rpm":
        with made.open("rb") as package, (folder / "package.tgz").open("wb") as packed:
            subprocess.run(["rpm2archive", "-"], stdin=package, stdout=packed, check=True, timeout=120)
        tarfile.open(folder / "package.tgz").extractall(folder, filter="tar")
        (folder / "package.tgz").unlink()
    else:
        tarfile.open(made).extractall(folder, filter="tar")
    return folder


@pytest.mark.parametrize("pattern", SIZES)
def test_artefact_holds_no_path_of_the_machine_that_built_it(pattern: str, tmp_path: Path) -> None:
    places = [str(ROOT).encode(), str(Path.home() / ".cargo").encode(), str(Path.home() / ".rustup").encode()]
    checked = 0
    for path in unpacked(artefact(pattern), tmp_path).rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert "__pycache__" not in path.parts
            content = path.read_bytes()
            assert not [place for place in places if place in content], path
            checked += 1
    assert checked > 2


@pytest.mark.parametrize("pattern", [f"linkspan_remote-{VERSION}-py3-none-any.whl", f"linkspan-client-{VERSION}.tgz"])
def test_clients_of_the_gateway_have_their_licences(pattern: str, tmp_path: Path) -> None:
    texts = {path.name: path.read_text() for path in unpacked(artefact(pattern), tmp_path).rglob("LICENSE-*")}
    assert texts == {path.name: path.read_text() for path in ROOT.glob("LICENSE-*")} and len(texts) == 2


@pytest.mark.parametrize("pattern", WITH_CRATES)
def test_artefact_has_the_licences_of_its_crates(pattern: str, tmp_path: Path) -> None:
    folder = unpacked(artefact(pattern), tmp_path)
    texts = [path for path in folder.rglob("LICENSES-OF-DEPENDENCIES.txt*") if path.is_file()]
    assert len(texts) == 1, texts
    text = subprocess.run(["zcat", "-f", texts[0]], capture_output=True, check=True, timeout=60).stdout.decode()
    crates = set(re.findall(r"^([a-z0-9_-]+) \d[^:\n]*: ", text, re.M))
    assert {"serde", "bytes", "memchr"} <= crates and len(crates) > 30


@pytest.mark.parametrize("pattern", WITH_CRATES)
def test_artefact_has_the_lists_of_its_crates(pattern: str, tmp_path: Path) -> None:
    folder = unpacked(artefact(pattern), tmp_path)
    texts = list(folder.rglob("*.cdx.json"))
    assert texts
    for text in texts:
        assert json.loads(text.read_text()) == json.loads(artefact(f"{text.name.removesuffix('.cdx.json')}-{VERSION}.cdx.json").read_text())


@pytest.mark.parametrize("package", ["linkspan-cli", "linkspan-recorder", "linkspan-bridge", "linkspan-gateway", "linkspan-schema-convert", "linkspan-c", "linkspan-php", "linkspan-python"])
def test_list_of_components_names_the_crates_that_are_linked(package: str) -> None:
    listed = json.loads(artefact(f"{package}-{VERSION}.cdx.json").read_text())
    names = {component["name"] for component in listed["components"]}
    assert listed["bomFormat"] == "CycloneDX" and {"serde", "bytes", "rustls"} <= names
    locked = (ROOT / "Cargo.lock").read_text()
    for component in listed["components"]:
        assert f'name = "{component["name"]}"\nversion = "{component["version"]}"\n' in locked


def test_check_sums_are_those_of_the_files() -> None:
    sums = dict(reversed(line.split("  ")) for line in (DIST / "SHA256SUMS").read_text().splitlines())
    names = {path.name for path in DIST.iterdir() if path.is_file()} - {"SHA256SUMS"}
    assert set(sums) == names
    for name, expected in sums.items():
        assert hashlib.sha256((DIST / name).read_bytes()).hexdigest() == expected, name


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["linkspan", "linkspan-record", "linkspan-bridge", "linkspan-gateway", "linkspan-schema"])
def test_program_lists_its_crates(name: str, machine: str, tmp_path: Path) -> None:
    unpacked(artefact(f"{name}-{VERSION}-{machine}-linux.tar.gz"), tmp_path)
    [program] = [path for path in tmp_path.rglob(name) if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
    listed = tmp_path / "listed"
    # Each machine's objcopy reads only its own programs.
    objcopy = "objcopy" if machine == MACHINE else f"{machine}-linux-gnu-objcopy"
    subprocess.run([objcopy, "--dump-section", f".dep-v0={listed}", program, tmp_path / "copy"], check=True, timeout=120)
    packages = json.loads(zlib.decompress(listed.read_bytes()))["packages"]
    assert len(packages) > 50 and {"linkspan", "linkspan-value"} <= {one["name"] for one in packages}
