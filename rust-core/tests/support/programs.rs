//! The programs that tests start, of the package `linkspan-test-programs`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

/// Returns the path of a program, such as `test-victim`; builds missing programs, but not outdated ones.
pub fn program(name: &str) -> PathBuf {
    static BUILT: Once = Once::new();
    let tests = std::env::current_exe().unwrap();
    let folder = tests.parent().and_then(Path::parent).unwrap();
    let path = folder.join(name);
    if !path.exists() {
        BUILT.call_once(|| build(folder));
    }
    assert!(
        path.exists(),
        "{} is not built: cargo build -p linkspan-test-programs, as the tests are",
        path.display()
    );
    path
}

fn build(folder: &Path) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "linkspan-test-programs"]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let status = cargo.current_dir(root).status().unwrap();
    assert!(status.success(), "{cargo:?}: {status}");
}
