"""Makes the Debian packages: a folder with control file and documents, packed by dpkg-deb."""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from contents import licences
from tree import DIST, EPOCH, ROOT, STAGE, VERSION, run, write_gzip

#: Debian requires an address. A publisher replaces this placeholder (RFC 2606), which nobody reads.
PLACEHOLDER = "The authors of Linkspan <linkspan@example.org>"
MAINTAINER = os.environ.get("LINKSPAN_MAINTAINER", PLACEHOLDER)


def output(*command: object) -> str:
    return subprocess.check_output(list(map(str, command)), text=True).strip()


@dataclass
class Package:
    name: str
    section: str
    summary: str
    description: str
    crates: tuple[str, ...]                          # workspace packages whose licences it has
    depends: str = ""
    suggests: str = ""
    multi_arch: str = ""
    scripts: dict[str, str] = field(default_factory=dict)

    def folder(self) -> Path:
        return STAGE / "deb" / self.name

    def begin(self) -> Path:
        """Makes an empty folder with only its documents."""
        folder = self.folder()
        shutil.rmtree(folder, ignore_errors=True)
        documents = folder / "usr/share/doc" / self.name
        licences(documents, *self.crates)
        for name in ("LICENSE-MIT", "LICENSE-APACHE"):
            (documents / name).unlink()
        write_gzip(documents / "LICENSES-OF-DEPENDENCIES.txt.gz", (documents / "LICENSES-OF-DEPENDENCIES.txt").read_bytes())
        (documents / "LICENSES-OF-DEPENDENCIES.txt").unlink()
        mit = "\n".join(f" {line}" if line else " ." for line in (ROOT / "LICENSE-MIT").read_text().splitlines())
        (documents / "copyright").write_text(
            "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
            "Upstream-Name: linkspan\n\nFiles: *\nCopyright: The authors of Linkspan\nLicense: Expat or Apache-2.0\n\n"
            f"License: Expat\n{mit}\n\nLicense: Apache-2.0\n On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.\n\n"
            "Comment: LICENSES-OF-DEPENDENCIES.txt.gz has the licences of the crates that are linked in.\n"
        )
        write_gzip(documents / "changelog.gz", (ROOT / "CHANGELOG.md").read_bytes())
        debian = (
            f"{self.name} ({VERSION}-1) unstable; urgency=medium\n\n  * See changelog.gz.\n\n"
            f" -- {MAINTAINER}  {output('date', '-R', '-u', '-d', f'@{EPOCH}')}\n"
        )
        write_gzip(documents / "changelog.Debian.gz", debian.encode())
        return folder

    def pack(self) -> None:
        """Writes the control files and packs the folder."""
        folder = self.folder()
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        architecture = output("dpkg", "--print-architecture")
        control = folder / "DEBIAN"
        control.mkdir()
        size = sum(file.stat().st_size for file in files) // 1024
        fields = {
            "Package": self.name, "Version": f"{VERSION}-1", "Architecture": architecture, "Maintainer": MAINTAINER,
            "Installed-Size": str(size), "Depends": self.depends, "Suggests": self.suggests, "Section": self.section,
            "Priority": "optional", "Multi-Arch": self.multi_arch, "Description": f"{self.summary}\n {self.description}",
        }
        (control / "control").write_text("".join(f"{name}: {value}\n" for name, value in fields.items() if value))
        (control / "md5sums").write_text("".join(f"{output('md5sum', file).split()[0]}  {file.relative_to(folder)}\n" for file in files))
        for name, text in self.scripts.items():
            (control / name).write_text(text)
            if name in ("postinst", "postrm", "prerm"):
                (control / name).chmod(0o755)
        run(["chmod", "-R", "u+rwX,go+rX,go-w", folder])
        run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", folder, DIST / f"{self.name}_{VERSION}-1_{architecture}.deb"])


def needed_libc(*files: Path) -> str:
    """Returns the libc dependency: the newest symbol version that the files need."""
    versions = {
        tuple(map(int, word.removeprefix("GLIBC_").split(".")))
        for file in files for word in output("objdump", "-T", file).replace("(", " ").replace(")", " ").split() if word.startswith("GLIBC_2")
    }
    return f"libc6 (>= {'.'.join(map(str, max(versions)))}), libgcc-s1"


def install_programs(folder: Path, built: list[Path], zsh: str) -> None:
    """Puts programs below `folder`, with completions (zsh's in folder `zsh`), manual pages and systemd units."""
    for place in ("usr/bin", "usr/share/bash-completion/completions", zsh, "usr/share/man/man1", "usr/lib/systemd/user", "usr/lib/systemd/system"):
        (folder / place).mkdir(parents=True)
    # The shell program comes first, so later programs replace its pages for them.
    for program in built:
        run(["strip", "--strip-all", "-o", folder / "usr/bin" / program.name, program])
        run([program, "man", folder / "usr/share/man/man1"])
    for page in (folder / "usr/share/man/man1").glob("*.1"):
        write_gzip(Path(f"{page}.gz"), page.read_bytes())
        page.unlink()
    for program in built:
        if program.name != "linkspan-bridge":
            for shell, file in (("bash", f"usr/share/bash-completion/completions/{program.name}"), ("zsh", f"{zsh}/_{program.name}")):
                (folder / file).write_text(output(program, "completions", shell) + "\n")
    units = (("user", "user/linkspan-controller.service"), ("user", "user/linkspan-gateway.service"), ("system", "linkspan-bridge.service"))
    for kind, unit in units:
        text = (ROOT / "examples/systemd" / unit).read_text().replace("/usr/local/bin/", "/usr/bin/")
        (folder / "usr/lib/systemd" / kind / Path(unit).name).write_text(text)


def programs(built: list[Path]) -> Package:
    """The static programs with completions, manual pages and systemd units."""
    package = Package(
        "linkspan", "net", "Programs in different languages on one machine exchange messages",
        "The shell program: send, receive, call, publish, subscribe, list, services\n and their controller; the recorder, the bridge to other machines, and the gateway\n for browsers.",
        ("linkspan-cli", "linkspan-recorder", "linkspan-bridge", "linkspan-gateway", "linkspan-schema-convert"),
    )
    folder = package.begin()
    install_programs(folder, built, zsh="usr/share/zsh/vendor-completions")
    overrides = folder / "usr/share/lintian/overrides"
    overrides.mkdir(parents=True)
    # Static programs work on every distribution; their documents name their crates.
    (overrides / "linkspan").write_text(
        "".join(f"linkspan: statically-linked-binary [usr/bin/{program.name}]\n" for program in built)
        + "linkspan: embedded-library *\n"
    )
    return package


def install_library(folder: Path, place: str, built: Path) -> None:
    """Installs the C library below `folder`, with libraries in `place` (for example `usr/lib64`)."""
    run([ROOT / "c-api/install.sh", "/usr", built], DESTDIR=str(folder))
    shutil.rmtree(folder / "usr/share/doc/linkspan")
    (folder / "usr/lib").rename(folder / "usr/moved")
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / "usr/moved").rename(folder / place)
    below = place.removeprefix("usr/")
    up = "/".join([".."] * (len(Path(below).parts) + 2))
    for file in [*(folder / place / "pkgconfig").iterdir(), *(folder / place / "cmake/linkspan").iterdir()]:
        text = file.read_text().replace("${prefix}/lib", f"${{prefix}}/{below}").replace("/lib/liblinkspan", f"/{below}/liblinkspan")
        file.write_text(text.replace("${CMAKE_CURRENT_LIST_DIR}/../../..", f"${{CMAKE_CURRENT_LIST_DIR}}/{up}"))


def library(built: Path) -> tuple[Package, Package]:
    """Returns the packages of the shared library and of its headers."""
    multiarch = output("gcc", "-print-multiarch")
    shared = built / "liblinkspan_c.so"
    runtime = Package(
        "liblinkspan0", "libs", "Programs in different languages exchange messages: the library",
        "Channels, requests and replies, publish and subscribe, services, over shared\n memory, sockets, pipes, files and TCP.",
        ("linkspan-c",), depends=needed_libc(shared), multi_arch="same",
        scripts={"triggers": "activate-noawait ldconfig\n", "shlibs": "liblinkspan 0 liblinkspan0\n"},
    )
    development = Package(
        "liblinkspan-dev", "libdevel", "Programs in different languages exchange messages: development",
        "Headers for C and C++, the Fortran module's source, the static library, and\n files for pkg-config, CMake and fpm.",
        ("linkspan-c",), depends=f"liblinkspan0 (= {VERSION}-1), libc6-dev", suggests="gfortran, cmake, pkgconf",
    )
    first, second = runtime.begin(), development.begin()
    place = f"usr/lib/{multiarch}"
    install_library(second, place, built)
    (first / place).mkdir(parents=True)
    for path in list((second / place).glob("liblinkspan.so.*")):
        path.rename(first / place / path.name)
        if not (first / place / path.name).is_symlink():
            (first / place / path.name).chmod(0o644)
    return runtime, development


def php_script(version: str, when: str, what: str) -> str:
    """Returns a script that enables or disables the extension."""
    helper = "/usr/lib/php/php-maintscript-helper"
    return f"#!/bin/sh\nset -e\nif [ \"$1\" = {when} ] && [ -e {helper} ]; then\n    . {helper}\n    php_invoke {what} {version} ALL linkspan\nfi\n"


def php_purge(version: str) -> str:
    """Returns the script that removes the extension's state, which PHP's helper keeps without settings."""
    return f"""#!/bin/sh
set -e
if [ "$1" = purge ]; then
    modules=/var/lib/php/modules/{version}
    rm -f "$modules/registry/linkspan"
    for marks in "$modules"/*/enabled_by_admin "$modules"/*/enabled_by_maint "$modules"/*/disabled_by_admin "$modules"/*/disabled_by_maint; do
        if [ -d "$marks" ]; then
            rm -f "$marks/linkspan"
            rmdir --ignore-fail-on-non-empty "$marks"
        fi
    done
fi
"""


def php(built: Path) -> Package:
    """The extension for this distribution's PHP, loaded in every interface."""
    version = output("php", "-r", "echo PHP_MAJOR_VERSION, '.', PHP_MINOR_VERSION;")
    package = Package(
        f"php{version}-linkspan", "php", "Programs in different languages exchange messages: PHP",
        "The PHP extension linkspan, and its stub file.", ("linkspan-php",),
        depends=f"phpapi-{Path(output('php-config', '--extension-dir')).name}, php-common, {needed_libc(built / 'liblinkspan_php.so')}",
        scripts={
            # As in Debian's own extension packages.
            "postinst": php_script(version, "configure", "enmod"),
            "prerm": php_script(version, "remove", "dismod"),
            "postrm": php_purge(version),
        },
    )
    folder = package.begin()
    extensions = folder / output("php-config", "--extension-dir").lstrip("/")
    extensions.mkdir(parents=True)
    shutil.copy(built / "liblinkspan_php.so", extensions / "linkspan.so")
    run(["strip", "--strip-unneeded", extensions / "linkspan.so"])
    available = folder / f"etc/php/{version}/mods-available"
    available.mkdir(parents=True)
    (available / "linkspan.ini").write_text("extension=linkspan\n")
    package.scripts["conffiles"] = f"/etc/php/{version}/mods-available/linkspan.ini\n"
    stubs = folder / "usr/share/php/linkspan"
    stubs.mkdir(parents=True)
    for file in (ROOT / "php/stubs").glob("*.php"):
        shutil.copy(file, stubs)
    return package


def python(wheel: Path) -> Package:
    """The wheel's module for Debian's Python."""
    package = Package(
        "python3-linkspan", "python", "Programs in different languages exchange messages: Python",
        "The Python module linkspan.", ("linkspan-python",), depends="python3 (>= 3.11)", suggests="python3-numpy, linkspan",
    )
    folder = package.begin()
    modules = folder / "usr/lib/python3/dist-packages"
    modules.mkdir(parents=True)
    shutil.unpack_archive(wheel, modules, "zip")
    # Another package has the program.
    shutil.rmtree(next(modules.glob("linkspan-*.data")))
    # Every package has licences among its documents.
    shutil.rmtree(next(modules.glob("linkspan-*.dist-info/licenses")))
    package.depends += f", {needed_libc(next((modules / 'linkspan').glob('_native*.so')))}"
    package.scripts = {
        "postinst": "#!/bin/sh\nset -e\nif [ \"$1\" = configure ] && command -v py3compile >/dev/null; then py3compile -p python3-linkspan; fi\n",
        "prerm": "#!/bin/sh\nset -e\nif command -v py3clean >/dev/null; then py3clean -p python3-linkspan; fi\n",
    }
    return package


def debian_packages(built_library: Path, extension: Path, built_programs: list[Path]) -> None:
    """Builds all packages; dist/ has the wheel already."""
    if MAINTAINER == PLACEHOLDER:
        print(f"the maintainer of the packages is {PLACEHOLDER}, whom no mail reaches: LINKSPAN_MAINTAINER names another", flush=True)
    [wheel] = DIST.glob(f"linkspan-{VERSION}-*_{platform.machine()}.whl")
    for package in (programs(built_programs), *library(built_library), php(extension), python(wheel)):
        package.pack()
