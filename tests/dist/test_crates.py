"""The packed crates: a new crate uses them from the files, with nothing of this tree."""

import os
import subprocess
import tarfile
from pathlib import Path

from conftest import VERSION, artefact

MAIN = """
fn main() -> linkspan::Result<()> {
    let out = linkspan::publisher("lab/temperature")?;
    out.send(&linkspan::Value::map([("celsius", 21.4)]))?;
    let readings = linkspan::subscribe("lab/temperature")?;
    println!("{}", readings.recv(std::time::Duration::from_secs(30))?.get("celsius")?.as_f64()?);
    Ok(())
}
"""


def test_new_crate_uses_the_packed_ones(tmp_path: Path) -> None:
    crates = ("linkspan", "linkspan-controller", "linkspan-schema")
    for crate in crates:
        tarfile.open(artefact(f"{crate}-{VERSION}.crate")).extractall(tmp_path, filter="tar")
    project = tmp_path / "it"
    (project / "src").mkdir(parents=True)
    (project / "src/main.rs").write_text(MAIN)
    patches = "".join(f'{crate} = {{ path = "../{crate}-{VERSION}" }}\n' for crate in crates)
    needed = "".join(f'{crate} = "{VERSION}"\n' for crate in crates)
    (project / "Cargo.toml").write_text(
        f'[package]\nname = "it"\nversion = "1.0.0"\nedition = "2024"\n[dependencies]\n{needed}[patch.crates-io]\n{patches}'
    )
    done = subprocess.run(
        ["cargo", "run", "--quiet"], cwd=project, capture_output=True, text=True, timeout=1800,
        env={**os.environ, "CARGO_TARGET_DIR": str(tmp_path / "target"), "LINKSPAN_DIR": str(tmp_path / "run")},
    )
    assert (done.returncode, done.stdout) == (0, "21.4\n"), done.stderr
