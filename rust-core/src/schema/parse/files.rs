//! The files of a schema: the first one, and those that it includes, each read once.

use std::path::{Component, Path, PathBuf};

use toml::de::DeTable;

use super::Document;
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::schema::source::{MAX_TEXT, Source};
use crate::schema::table::Table;

/// How many files one schema may consist of.
const MAX_FILES: usize = 32;

/// The error of a schema that is given as text and includes a file.
pub(super) fn not_from_text(file: &str) -> Error {
    let text = format!("a schema that is given as text cannot include {}: put it into a file", quoted(file));
    Error::new(ErrorKind::Unsupported, text)
}

/// The texts of this file and of all that it includes. The first one is the file itself.
pub(super) fn load(file: &str, read: &mut dyn FnMut(&str) -> Result<String>) -> Result<Vec<Source>> {
    let mut sources = vec![source(file, read(file)?)?];
    let mut next = 0;
    while next < sources.len() {
        let mut found = Vec::new();
        for (path, span) in includes(&sources[next])? {
            if sources.iter().all(|source| source.file != path) && !found.contains(&path) {
                if sources.len() + found.len() == MAX_FILES {
                    return Err(
                        sources[next].error(&span, format!("a schema consists of at most {MAX_FILES} files"))
                    );
                }
                found.push(path);
            }
        }
        for path in found {
            let text = read(&path)?;
            sources.push(source(&path, text)?);
        }
        next += 1;
    }
    Ok(sources)
}

fn source(file: &str, text: String) -> Result<Source> {
    if text.len() > MAX_TEXT {
        let text = format!(
            "{file}: the text has {} bytes, and a schema has at most {MAX_TEXT}: divide it into files and include them",
            text.len()
        );
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    Ok(Source { file: file.to_owned(), text })
}

/// Each file parsed, with the positions of what it includes.
pub(super) fn documents(sources: &[Source]) -> Result<Vec<Document<'_>>> {
    let mut documents = Vec::with_capacity(sources.len());
    for source in sources {
        let root = parse(source)?;
        let includes = includes(source)?
            .iter()
            .filter_map(|(path, _)| sources.iter().position(|source| source.file == *path))
            .collect();
        documents.push(Document { source, root, includes });
    }
    Ok(documents)
}

fn parse(source: &Source) -> Result<toml::Spanned<DeTable<'_>>> {
    DeTable::parse(&source.text)
        .map_err(|error| source.error(&error.span().unwrap_or(0..0), error.message().replace('\n', "; ")))
}

/// The paths that a file includes, relative to where the first file is, and where they stand.
fn includes(source: &Source) -> Result<Vec<(String, std::ops::Range<usize>)>> {
    let root = parse(source)?;
    let table = Table { source, entries: root.get_ref(), span: root.span() };
    let Some(item) = table.get("include") else { return Ok(Vec::new()) };
    let folder = Path::new(&source.file).parent().unwrap_or(Path::new(""));
    let mut paths = Vec::new();
    for item in item.list()? {
        let path = item.text()?;
        if path.is_empty() || path.contains('\0') {
            return Err(item.error("a path is expected here"));
        }
        paths.push((plain(&folder.join(path)), item.span));
    }
    Ok(paths)
}

/// The path without `.` and without `..` after a name, so that one file has one path.
fn plain(path: &Path) -> String {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(parts.components().next_back(), Some(Component::Normal(_))) => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.to_string_lossy().into_owned()
}
