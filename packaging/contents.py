"""Lists an artefact's crates with versions and licences, as text and CycloneDX."""

import functools
import json
import shutil
import subprocess
from pathlib import Path

from tree import ROOT, VERSION


@functools.cache
def metadata() -> dict:
    done = subprocess.run(["cargo", "metadata", "--locked", "--format-version", "1"], cwd=ROOT, check=True, capture_output=True)
    return json.loads(done.stdout)


@functools.cache
def crates(package: str) -> list[dict]:
    """Returns linked crates of a workspace package by name and version, with only its features."""
    tree = ["cargo", "tree", "--locked", "-e", "normal,no-proc-macro", "--prefix", "none", "--no-dedupe", "--format", "{p}", "-p", package]
    done = subprocess.run(tree, cwd=ROOT, check=True, capture_output=True, text=True)
    wanted = {tuple(line.split()[:2]) for line in done.stdout.splitlines() if line}
    found = [crate for crate in metadata()["packages"] if (crate["name"], f"v{crate['version']}") in wanted]
    if len(found) < len(wanted):
        raise ValueError(f"cargo metadata lacks some of the crates of {package}")
    return sorted(found, key=lambda crate: (crate["name"], crate["version"]))


def foreign(package: str) -> list[dict]:
    """Returns linked crates from outside this workspace."""
    return [crate for crate in crates(package) if crate["source"] is not None]


def licences(folder: Path, *packages: str) -> None:
    """Puts the licences of these packages and their crates into a folder, with a list."""
    folder.mkdir(parents=True, exist_ok=True)
    for own in ("LICENSE-MIT", "LICENSE-APACHE"):
        shutil.copy(ROOT / own, folder)
    parts = []
    every = {(crate["name"], crate["version"]): crate for package in packages for crate in foreign(package)}
    for _, crate in sorted(every.items()):
        texts = sorted(
            path for path in Path(crate["manifest_path"]).parent.iterdir()
            if path.is_file() and path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"))
        )
        title = f"{crate['name']} {crate['version']}: {crate['license'] or crate['license_file']}"
        parts.append(f"{'=' * 80}\n{title}\n{crate['repository'] or ''}\n{'=' * 80}\n")
        parts += [f"{path.read_text(errors='replace').rstrip()}\n\n" for path in texts]
        if not texts:
            parts.append(f"The crate has no file with its licence; by {', '.join(crate['authors']) or 'its authors'}.\n\n")
    (folder / "LICENSES-OF-DEPENDENCIES.txt").write_text("".join(parts))
    for package in packages:
        (folder / f"{package}.cdx.json").write_text(json.dumps(sbom(package), indent=1) + "\n")


def sbom(package: str) -> dict:
    """Returns the package's contents as CycloneDX 1.5."""
    components = [
        {
            "type": "library",
            "name": crate["name"],
            "version": crate["version"],
            "purl": f"pkg:cargo/{crate['name']}@{crate['version']}",
            "bom-ref": f"pkg:cargo/{crate['name']}@{crate['version']}",
            "licenses": [{"expression": crate["license"].replace("/", " OR ")}] if crate["license"] else [],
        }
        for crate in foreign(package)
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": package, "version": VERSION, "bom-ref": package}},
        "components": components,
    }
