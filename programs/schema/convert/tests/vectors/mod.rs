//! The schemas of the vectors.

use std::path::Path;

use linkspan::schema::Schema;

/// Returns each schema with its file's name, ordered by name.
pub fn schemas() -> Vec<(String, Schema)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/vectors/schemas");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            (path.file_name().unwrap().to_string_lossy().into_owned(), Schema::parse(&text).unwrap())
        })
        .collect()
}
