"""Makes packages for Red Hat and SUSE: a folder and a spec file, packed by rpmbuild."""

import shutil
from pathlib import Path

from contents import licences
from debian import install_library, install_programs
from tree import DIST, ROOT, STAGE, VERSION, run, write_gzip

PLACE = "usr/lib64"


def begin(name: str, *crates: str) -> Path:
    """Makes an empty folder with only the package's documents."""
    folder = STAGE / "rpm" / name
    shutil.rmtree(folder, ignore_errors=True)
    licences(folder / "usr/share/doc" / name, *crates)
    write_gzip(folder / "usr/share/doc" / name / "CHANGELOG.md.gz", (ROOT / "CHANGELOG.md").read_bytes())
    return folder


def pack(name: str, summary: str, description: str, folder: Path, more: str = "", machine: str = "x86_64") -> None:
    """Packs a folder. The dependencies are stated, because rpm's own search needs its distribution."""
    files = "\n".join(f'"/{path.relative_to(folder)}"' for path in sorted(folder.rglob("*")) if not path.is_dir())
    spec = STAGE / "rpm" / f"{name}.spec"
    spec.write_text(
        f"Name: {name}\nVersion: {VERSION}\nRelease: 1\nSummary: {summary}\nLicense: MIT OR Apache-2.0\nAutoReqProv: no\n{more}"
        f"\n%description\n{description}\n\n%install\ncp -a '{folder}/.' '%{{buildroot}}/'\n\n%files\n%defattr(-,root,root,-)\n{files}\n"
    )
    settings = {
        "_topdir": STAGE / "rpm/build", "_rpmdir": DIST, "_build_name_fmt": f"%{{NAME}}-%{{VERSION}}-%{{RELEASE}}.%{{ARCH}}.rpm",
        "_buildhost": "localhost", "use_source_date_epoch_as_buildtime": 1, "clamp_mtime_to_source_date_epoch": 1,
        "source_date_epoch_from_changelog": 0, "_build_id_links": "none", "debug_package": "%{nil}", "__os_install_post": "%{nil}",
        "_binary_payload": "w19.zstdio",
    }
    run(["chmod", "-R", "u+rwX,go+rX,go-w", folder])
    defined = [word for name, value in settings.items() for word in ("--define", f"{name} {value}")]
    run(["rpmbuild", "-bb", "--quiet", f"--target={machine}", *defined, spec])


def rpm_packages(built_library: Path, built_programs: list[Path], machine: str) -> None:
    folder = begin("linkspan", "linkspan-cli", "linkspan-recorder", "linkspan-bridge", "linkspan-gateway", "linkspan-schema-convert")
    install_programs(folder, built_programs, zsh="usr/share/zsh/site-functions")
    summary = "Programs in different languages on one machine exchange messages"
    pack("linkspan", summary, "The shell program, the controller of services, the recorder, the bridge to other machines, and the gateway for browsers.", folder, machine=machine)
    runtime, development = begin("liblinkspan", "linkspan-c"), begin("liblinkspan-devel", "linkspan-c")
    install_library(development, PLACE, built_library)
    (runtime / PLACE).mkdir(parents=True)
    for path in list((development / PLACE).glob("liblinkspan.so.*")):
        path.rename(runtime / PLACE / path.name)
    pack(
        "liblinkspan", f"{summary}: the library", "Channels, requests and replies, publish and subscribe, services.", runtime,
        "Provides: liblinkspan.so.0()(64bit)\nRequires: libc.so.6(GLIBC_2.28)(64bit), libgcc_s.so.1()(64bit)\n", machine,
    )
    pack(
        "liblinkspan-devel", f"{summary}: development", "Headers for C and C++, the Fortran module's source, the static library.", development,
        f"Requires: liblinkspan = {VERSION}\n", machine,
    )
