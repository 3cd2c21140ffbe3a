//! How each tool opens recordings, says what is wrong in them, and makes its files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use linkspan::{Error, ErrorKind, Result, Timestamp};
use linkspan_recording::files::{self, Making, NewFile};
use linkspan_recording::reader::{Limits, Problem};
use linkspan_recording::{Outline, Reader, parts};

use crate::stderr;

/// How the files of a tool are made.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Output {
    /// Replace files that exist
    #[arg(long)]
    pub force: bool,
    /// The mode of new files, such as 0640; 0600 where none is given, and 0660 in a folder that a group shares
    #[arg(long, value_name = "MODE", value_parser = crate::arguments::mode)]
    pub mode: Option<u32>,
}

impl Output {
    /// Returns how a file is made from these recordings.
    ///
    /// # Errors
    /// `AddressInUse` where the file is a part of one of them: it would be lost.
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
    /// `AddressInUse` where it exists and `--force` is not given, and where it is a part of one of them; those of the
    /// file system.
    pub fn create(&self, path: &Path, recordings: &[&Path]) -> Result<NewFile> {
        NewFile::create(path, self.making(path, recordings)?)
    }
}

/// How recordings are read.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Reading {
    /// Read messages of up to this size: 64MiB where none is given
    #[arg(long, global = true, value_name = "SIZE", value_parser = crate::quantity::size)]
    max_message_size: Option<u64>,
}

/// The size of the longest message that the readers of this process read; the default where it is not set.
static LONGEST: OnceLock<u64> = OnceLock::new();

impl Reading {
    /// Reads all recordings so, from now on.
    pub fn take(&self) {
        if let Some(size) = self.max_message_size {
            // It is set once, before anything is read.
            let _ = LONGEST.set(size);
        }
    }
}

/// Returns what a reader holds at most.
pub fn limits() -> Limits {
    max_message_size().map_or_else(Limits::default, Limits::of_messages)
}

/// Returns the size of the longest message that is read, where one was given.
pub fn max_message_size() -> Option<u64> {
    LONGEST.get().copied()
}

/// Opens a recording with all its parts.
pub fn open(path: &Path) -> Result<Reader> {
    Reader::with_limits(path, limits())
}

/// Reads the names and times of a recording.
pub fn outline(path: &Path) -> Result<Outline> {
    Outline::with_limits(path, limits())
}

/// Says what was found wrong in recordings that were read.
///
/// # Errors
/// `Corrupt` where something of them was left out for it. A recording that was not closed and is whole has nothing that
/// was.
pub fn finish(readers: &[Reader]) -> Result<()> {
    finish_with(readers.iter().flat_map(Reader::problems), None)
}

/// The same of these problems; `none` is what was not found, which may be hidden by them.
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

/// What a recording whose recorder ended with an error says, beside its last event.
pub const FAILED: &str =
    "the recorder ended with an error, so that what was published may lack; its last event says which";

/// Returns whether the end of a part says that.
pub fn is_failed(end: &BTreeMap<String, String>) -> bool {
    end.get("reason").is_some_and(|why| why == "failed")
}

pub fn shown_files(files: &[&Path]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// An instant for a person.
pub fn shown(nanoseconds: u64) -> String {
    Timestamp(i64::try_from(nanoseconds).unwrap_or(i64::MAX)).to_string()
}
