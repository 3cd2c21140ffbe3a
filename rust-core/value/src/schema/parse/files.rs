//! The files of a schema: the first file, and the included files, each read once.
//!
//! The search is breadth first, so includes may form a cycle; definitions may not.

use std::path::{Component, Path, PathBuf};

use toml::Spanned;
use toml::de::DeTable;

use super::syntax;
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::schema::source::{DIVIDE, MAX_TEXT, Source};
use crate::schema::table::Table;
use crate::schema::text;

const MAX_FILES: usize = 32;

pub(super) struct Document<'a> {
    pub(super) source: &'a Source,
    pub(super) root: Spanned<DeTable<'a>>,
    pub(super) includes: Vec<usize>,
}

impl Document<'_> {
    pub(super) fn table(&self) -> Table<'_> {
        Table { source: self.source, entries: self.root.get_ref(), span: self.root.span() }
    }
}

pub(super) fn not_from_text(file: &str) -> Error {
    let text = format!("a schema that is given as text cannot include {}: put it into a file", quoted(file));
    Error::new(ErrorKind::Unsupported, text)
}

/// Adds the position of the include to the error of an included file, if the error lacks one.
fn included(by: &Source, at: usize, error: Error) -> Error {
    if error.offset().is_some() {
        return error;
    }
    let text = format!("{}: this file is included here: {}", by.place(at), error.text());
    error.in_words(text).at(at)
}

/// Returns the texts of this file and of all included files, this file first.
///
/// # Errors
///
/// Those of `read`, with the position of the include; `Malformed` for more than [`MAX_FILES`]
/// files.
pub(super) fn load(file: &str, read: &mut dyn FnMut(&str) -> Result<String>) -> Result<Vec<Source>> {
    let mut sources = vec![source(file, read(file)?)?];
    let mut next = 0;
    while next < sources.len() {
        let mut found = Vec::new();
        for (path, span) in includes(&sources[next])? {
            // Each file is read once, even if several files include it.
            if sources.iter().all(|source| source.file != path)
                && !found.iter().any(|(other, _)| *other == path)
            {
                if sources.len() + found.len() == MAX_FILES {
                    return Err(
                        sources[next].error(&span, format!("a schema consists of at most {MAX_FILES} files"))
                    );
                }
                found.push((path, span));
            }
        }
        for (path, span) in found {
            let text = read(&path).map_err(|error| included(&sources[next], span.start, error))?;
            sources.push(source(&path, text)?);
        }
        next += 1;
    }
    Ok(sources)
}

fn source(file: &str, text: String) -> Result<Source> {
    text::check(Source { file: file.to_owned(), text }, MAX_TEXT, DIVIDE)
}

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

fn parse(source: &Source) -> Result<Spanned<DeTable<'_>>> {
    DeTable::parse(&source.text).map_err(|error| syntax::error(source, &error))
}

/// Returns the paths that a file includes, relative to the first file's folder, with their
/// positions.
fn includes(source: &Source) -> Result<Vec<(String, std::ops::Range<usize>)>> {
    let root = parse(source)?;
    let table = Table { source, entries: root.get_ref(), span: root.span() };
    // The only key that is read before all files are loaded.
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

/// Returns the path without `.`, and without `..` after a name. One file then has one path.
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
