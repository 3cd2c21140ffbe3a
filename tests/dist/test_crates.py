"""A new crate uses the packed crates without this tree."""

import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from conftest import VERSION, artefact
from support.tree import TARGET

CRATES = ("linkspan-value", "linkspan-os", "linkspan-transport", "linkspan-session", "linkspan-engine", "linkspan-service", "linkspan-region", "linkspan", "linkspan-tokio", "linkspan-controller", "linkspan-schema")
MAIN = """
fn main() -> linkspan::Result<()> {
    let out = linkspan::publisher("lab/temperature")?;
    out.send(&linkspan::Value::map([("celsius", 21.4)]))?;
    let readings = linkspan::subscribe("lab/temperature")?;
    println!("{}", readings.recv(std::time::Duration::from_secs(30))?.get("celsius")?.as_f64()?);
    Ok(())
}
"""


def unpack(folder: Path) -> None:
    for crate in CRATES:
        tarfile.open(artefact(f"{crate}-{VERSION}.crate")).extractall(folder, filter="tar")


@pytest.mark.parametrize("crate", CRATES)
def test_documentation_of_the_packed_crate_builds_with_all_features_without_a_warning(crate: str, tmp_path: Path) -> None:
    """As docs.rs does: only from the packed files."""
    unpack(tmp_path)
    words = ["cargo", "doc", "--quiet", "--no-deps", "--all-features", *(f"--config=patch.crates-io.{name}.path='{tmp_path}/{name}-{VERSION}'" for name in CRATES if name != crate)]
    env = {**os.environ, "CARGO_TARGET_DIR": str(TARGET / "dist-test/docs"), "RUSTDOCFLAGS": "-D warnings"}
    done = subprocess.run(words, cwd=tmp_path / f"{crate}-{VERSION}", capture_output=True, text=True, timeout=1800, env=env)
    assert done.returncode == 0, done.stderr
    assert (TARGET / "dist-test/docs/doc" / crate.replace("-", "_") / "index.html").exists()


def test_new_crate_uses_the_packed_ones(tmp_path: Path) -> None:
    unpack(tmp_path)
    project = tmp_path / "it"
    (project / "src").mkdir(parents=True)
    (project / "src/main.rs").write_text(MAIN)
    patches = "".join(f'{crate} = {{ path = "../{crate}-{VERSION}" }}\n' for crate in CRATES)
    needed = "".join(f'{crate} = "{VERSION}"\n' for crate in CRATES)
    (project / "Cargo.toml").write_text(
        f'[package]\nname = "it"\nversion = "1.0.0"\nedition = "2024"\n[dependencies]\n{needed}[patch.crates-io]\n{patches}'
    )
    done = subprocess.run(
        ["cargo", "run", "--quiet"], cwd=project, capture_output=True, text=True, timeout=1800,
        env={**os.environ, "CARGO_TARGET_DIR": str(tmp_path / "target"), "LINKSPAN_DIR": str(tmp_path / "run")},
    )
    assert (done.returncode, done.stdout) == (0, "21.4\n"), done.stderr
