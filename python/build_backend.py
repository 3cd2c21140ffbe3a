"""Builds the wheel: maturin's module, and the programs `linkspan` and `linkspan-schema`, which pip puts on the path.

maturin puts either a module or a program into a wheel, so cargo builds the programs and this adds them as scripts. An
editable install has only the module.
"""

import base64
import hashlib
import os
import pathlib
import subprocess
import sys
import zipfile

import maturin
from maturin import (  # noqa: F401 - the rest of the interface is maturin's
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

WORKSPACE = pathlib.Path(__file__).resolve().parent.parent
#: Cargo's profile; packages are built with `dist`.
PROFILE = os.environ.get("LINKSPAN_PROFILE", "release")


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """The hook that pip calls; returns the file's name."""
    os.environ.setdefault("MATURIN_PEP517_ARGS", f"--profile {PROFILE}")
    name = maturin.build_wheel(wheel_directory, config_settings, metadata_directory)
    if (WORKSPACE / "programs/cli" / "Cargo.toml").exists():
        add(pathlib.Path(wheel_directory) / name, build_programs())
    else:
        print("the program linkspan is not in this source tree: the wheel has the module alone", file=sys.stderr)
    return name


def build_programs():
    """Builds the programs with the module's profile, unless LINKSPAN_PROGRAMS names built ones; returns their paths."""
    if built := os.environ.get("LINKSPAN_PROGRAMS"):
        return [pathlib.Path(path) for path in built.split(os.pathsep)]
    cargo = os.environ.get("CARGO", "cargo")
    command = [cargo, "build", "--profile", PROFILE, "--locked", "--package", "linkspan-cli", "--package", "linkspan-schema-convert", "--bins"]
    subprocess.run(command, cwd=WORKSPACE, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", WORKSPACE / "target"))
    if triple := os.environ.get("CARGO_BUILD_TARGET"):
        target /= triple
    return [target / PROFILE / name for name in ("linkspan", "linkspan-schema")]


def add(wheel, programs):
    """Adds the programs to a wheel as scripts, and the files of the folder LINKSPAN_LICENCES (PEP 770)."""
    added = wheel.with_suffix(".adding")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(added, "w", zipfile.ZIP_DEFLATED) as new:
        [record] = [name for name in old.namelist() if name.endswith(".dist-info/RECORD")]
        for item in old.infolist():
            if item.filename != record:
                new.writestr(item, old.read(item))
        files = {record.replace(".dist-info/RECORD", f".data/scripts/{program.name}"): (program, 0o100755) for program in programs}
        if licences := os.environ.get("LINKSPAN_LICENCES"):
            for path in sorted(pathlib.Path(licences).iterdir()):
                place = record.replace("/RECORD", "/sboms" if path.suffix == ".json" else "/licenses")
                files[f"{place}/{path.name}"] = (path, 0o100644)
        lines = old.read(record).decode().rstrip("\n").split("\n")
        for name, (path, mode) in files.items():
            data = path.read_bytes()
            entry = zipfile.ZipInfo(name, old.getinfo(record).date_time)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.insert(len(lines) - 1, f"{name},sha256={digest},{len(data)}")
        new.writestr(old.getinfo(record), "\n".join(lines) + "\n")
    added.replace(wheel)
