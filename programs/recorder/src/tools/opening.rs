//! How each tool opens recordings, reports their problems, and makes its files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use linkspan::{Error, ErrorKind, Result, Timestamp};
use linkspan_recording::files::{self, Making, NewFile};
use linkspan_recording::reader::{Limits, Problem};
use linkspan_recording::{Outline, Reader, parts};

use crate::stderr;

/// Options for the files of a tool.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Output {
    /// Replace existing files
    #[arg(long)]
    pub force: bool,
    /// Mode of new files, such as 0640 [default: 0600; 0660 in a group's folder]
    #[arg(long, value_name = "MODE", value_parser = crate::arguments::mode)]
    pub mode: Option<u32>,
}

impl Output {
    /// Returns how to make a file from these recordings.
    ///
    /// # Errors
    /// `AddressInUse` if the file is a part of these recordings, which would be lost.
    pub fn making(&self, path: &Path, recordings: &[&Path]) -> Result<Making> {
        let parts = recordings.iter().flat_map(|recording| parts::existing(recording));
        if let Some(part) = { parts }.find(|part| files::are_same(&part.path, path)) {
            let part = part.path.display();
            let text = format!("{} is {part}, which is read; name another file", path.display());
            return Err(Error::new(ErrorKind::AddressInUse, text));
        }
        Ok(Making { replaces: self.force, mode: self.mode })
    }

    /// Makes a file from these recordings.
    ///
    /// # Errors
    /// `AddressInUse` if the file exists without `--force` or is a part of these recordings; errors of the file system.
    pub fn create(&self, path: &Path, recordings: &[&Path]) -> Result<NewFile> {
        NewFile::create(path, self.making(path, recordings)?)
    }
}

/// Options for reading recordings.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Reading {
    /// Longest message to read [default: 64MiB]
    #[arg(long, global = true, value_name = "SIZE", value_parser = crate::quantity::size)]
    max_message_size: Option<u64>,
}

/// The size of the longest message that this process reads, if one was given.
static LONGEST: OnceLock<u64> = OnceLock::new();

impl Reading {
    pub fn take(&self) {
        if let Some(size) = self.max_message_size {
            // This is set once, before the first read.
            let _ = LONGEST.set(size);
        }
    }
}

pub fn limits() -> Limits {
    max_message_size().map_or_else(Limits::default, Limits::of_messages)
}

pub fn max_message_size() -> Option<u64> {
    LONGEST.get().copied()
}

pub fn open(path: &Path) -> Result<Reader> {
    Reader::with_limits(path, limits())
}

pub fn outline(path: &Path) -> Result<Outline> {
    Outline::with_limits(path, limits())
}

/// Prints the problems of recordings that were read.
///
/// # Errors
/// `Corrupt` if a reader left something out. An unclosed recording that is otherwise whole is valid.
pub fn finish(readers: &[Reader]) -> Result<()> {
    finish_with(readers.iter().flat_map(Reader::problems), None)
}

/// Prints these problems. `none` is the error of a search without result, whose object the problems may hide.
pub fn finish_with<'a>(problems: impl IntoIterator<Item = &'a Problem>, none: Option<&Error>) -> Result<()> {
    let problems = Vec::from_iter(problems);
    problems.iter().for_each(|problem| stderr::print_line(&problem.to_string()));
    match problems.iter().filter(|problem| problem.is_loss()).count() {
        0 => Ok(()),
        count => {
            let places = crate::record::counted(count as u64, "place");
            let text = match none {
                None => format!("what could not be read in {places} is left out; all else is done"),
                Some(none) => {
                    format!("what could not be read in {places} may be what is asked for: {}", none.text())
                }
            };
            Err(Error::new(ErrorKind::Corrupt, text))
        }
    }
}

/// The report for a recording whose recorder ended with an error.
pub const FAILED: &str =
    "the recorder ended with an error, so that what was published may lack; its last event says which";

pub fn is_failed(end: &BTreeMap<String, String>) -> bool {
    end.get("reason").is_some_and(|why| why == "failed")
}

pub fn shown_files(files: &[&Path]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

pub fn shown(nanoseconds: u64) -> String {
    Timestamp(i64::try_from(nanoseconds).unwrap_or(i64::MAX)).to_string()
}
