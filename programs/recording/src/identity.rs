//! The owner, the recording and the part number of a file.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use linkspan::{Error, ErrorKind, Result};

use crate::files::of_io;
use crate::writer::facts_and_origin;

/// A file's facts are within this many bytes.
const BEGINNING: u64 = 1 << 20;

/// The facts of a file about itself, and its owner.
#[derive(Clone, Debug)]
pub struct Identity {
    owner: u32,
    id: Option<String>,
    /// After a kill, parts of both recordings can exist.
    replaces: Option<String>,
    /// The number of the part, from 1.
    pub(crate) part: Option<u64>,
    /// A later part, or a piece of another recording, may begin with repeated messages.
    pub(crate) may_repeat: bool,
}

impl Identity {
    /// Reads the identity, and the beginning of the file.
    ///
    /// # Errors
    /// Errors of the file system.
    pub(crate) fn read(file: &File, path: &Path) -> Result<(Identity, Vec<u8>)> {
        let failed = |error: std::io::Error| of_io(&error, "reading", path);
        let about = file.metadata().map_err(failed)?;
        let mut beginning = vec![0; usize::try_from(about.len().min(BEGINNING)).unwrap_or_default()];
        // The read notices a file that became shorter.
        let read = file.read_at(&mut beginning, 0).map_err(failed)?;
        beginning.truncate(read);
        let (facts, is_made_of_others) = facts_and_origin(&beginning).unwrap_or_default();
        let part = facts.get("part").and_then(|part| part.parse().ok());
        let may_repeat = is_made_of_others || part.is_some_and(|part| part > 1);
        let [id, replaces] = ["id", "replaces"].map(|key| facts.get(key).cloned());
        Ok((Identity { owner: about.uid(), id, replaces, part, may_repeat }, beginning))
    }

    /// Whether this is the part of this number, with recording and user of `first` if given.
    pub(crate) fn is_part(&self, number: u64, first: Option<&Identity>) -> bool {
        self.id.is_some()
            && self.part == Some(number)
            && first.is_none_or(|first| self.stranger(first).is_none())
    }

    /// Whether a killed program left this part while it replaced one recording by another.
    pub(crate) fn is_left(&self, number: u64, first: &Identity) -> bool {
        self.part == Some(number) && self.is_beside(first) && self.may_be_of(first)
    }

    pub(crate) fn into_id(self) -> Option<String> {
        self.id
    }

    pub(crate) fn is_of_linkspan(&self) -> bool {
        self.id.is_some()
    }

    pub(crate) fn is_of(&self, other: &Identity) -> bool {
        self.id.is_some() && self.id == other.id
    }

    /// Fails for another recording or an unauthorized user.
    pub(crate) fn check(&self, first: &Identity, path: &Path) -> Result<()> {
        let Some(what) = self.stranger(first) else { return Ok(()) };
        let text = format!(
            "{} is in the place of a further part, and {what}: it is not read; name it to read it alone",
            path.display()
        );
        Err(Error::new(ErrorKind::Unsupported, text))
    }

    fn stranger(&self, first: &Identity) -> Option<&'static str> {
        if self.id != first.id {
            return Some(if self.is_beside(first) {
                "is of another recording than the first part, as a program that replaced one by the other was ended before both were whole: make it again with --force, or remove what is left"
            } else {
                "is of another recording than the first part"
            });
        }
        (!self.may_be_of(first)).then_some("belongs to another user than the first part")
    }

    /// Whether one recording replaces the other, or both replace a third.
    fn is_beside(&self, first: &Identity) -> bool {
        let is_same = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
        self.id.is_some()
            && self.id != first.id
            && (is_same(&self.replaces, &first.id)
                || is_same(&first.replaces, &self.id)
                || is_same(&self.replaces, &first.replaces))
    }

    fn may_be_of(&self, first: &Identity) -> bool {
        [first.owner, 0, rustix::process::geteuid().as_raw()].contains(&self.owner)
    }
}
