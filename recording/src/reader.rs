//! Reads recordings and other MCAP files from their beginning to their end, or as far as they are whole; also while they are written.
//!
//! A file is read in blocks, never mapped: another program may shorten it at any time. What is held is one record, at most of
//! [`Limits::record`] bytes, and what a chunk decompresses to. A message is a slice of that memory.

mod entry;
mod outline;
mod part;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use linkspan::{Result, Wait};

use self::part::{Current, Found, OpenPart};
use crate::follower::Follower;
use crate::parts;

pub use self::entry::{Channel, Entry, Limits, Message, Problem, Schema};
pub use self::outline::Outline;

/// Reads the parts of a recording, one after the other.
#[derive(Debug)]
pub struct Reader {
    parts: VecDeque<PathBuf>,
    limits: Limits,
    part: Option<OpenPart>,
    /// The times of the messages that are asked for.
    window: Option<(u64, u64)>,
    problems: Vec<Problem>,
    current: Current,
    follower: Option<Follower>,
}

impl Reader {
    /// Opens a recording: all of its parts, if this is the first one, and otherwise this file alone.
    ///
    /// # Errors
    /// `NotFound`, and those of the file system; `Malformed` for a file that is no MCAP file.
    pub fn open(path: &Path) -> Result<Reader> {
        let existing = parts::existing(path);
        Reader::of(if existing.is_empty() { vec![path.to_owned()] } else { existing }, Limits::default())
    }

    /// Reads these files as one recording.
    ///
    /// # Errors
    /// As for [`Reader::open`].
    pub fn of(paths: Vec<PathBuf>, limits: Limits) -> Result<Reader> {
        let mut reader = Reader {
            parts: paths.into(),
            limits,
            part: None,
            window: None,
            problems: Vec::new(),
            current: Current::default(),
            follower: None,
        };
        reader.open_next()?;
        Ok(reader)
    }

    /// Opens a recording that may still be written: where [`Reader::read`] finds no more, there may be more after [`Reader::wait`].
    ///
    /// # Errors
    /// As for [`Reader::open`]; those of inotify.
    pub fn follow(path: &Path) -> Result<Reader> {
        // Before the first look at the file, so that no change of it is missed.
        let follower = Follower::new(path)?;
        follower.wait_until_begun()?;
        Ok(Reader { follower: Some(follower), ..Reader::open(path)? })
    }

    /// The same for messages that were received within these times, in nanoseconds since 1970: chunks without one are not read, where
    /// the file was closed. Events, metadata and messages outside of the times may be given nevertheless.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn within(mut self, from: u64, to: u64) -> Result<Reader> {
        self.window = Some((from, to));
        if let Some(part) = &mut self.part {
            part.skip_outside(from, to)?;
        }
        Ok(self)
    }

    /// Waits until the recording that is followed may have more; returns whether it may, or the wait ended before.
    ///
    /// # Errors
    /// Those of the kernel, and `Interrupted` or `Cancelled` where the wait was ended.
    pub fn wait(&mut self, wait: Wait<'_>) -> Result<bool> {
        match &self.follower {
            Some(follower) => follower.wait(wait),
            None => Ok(false),
        }
    }

    /// Returns whether its recorder has ended it: nothing will come behind what was read.
    pub fn has_ended(&self) -> bool {
        self.part.is_none()
    }

    fn open_next(&mut self) -> Result<bool> {
        if self.parts.is_empty()
            && let (Some(follower), Some(part)) = (&self.follower, &self.part)
        {
            self.parts = follower.parts_behind(&part.path);
        }
        let Some(path) = self.parts.pop_front() else {
            // A recording that goes on has a next part soon: this one names it.
            let goes_on = self.follower.is_some() && self.part.as_ref().is_some_and(|part| part.has_next);
            if !goes_on {
                self.part = None;
            }
            return Ok(false);
        };
        let mut part = OpenPart::open(path, self.limits)?;
        if let Some((from, to)) = self.window {
            part.skip_outside(from, to)?;
        }
        self.part = Some(part);
        Ok(true)
    }

    /// Returns the file that is read, and the byte behind the last record.
    pub fn place(&self) -> Option<(&Path, u64)> {
        self.part.as_ref().map(|part| (&*part.path, part.offset))
    }

    /// Returns what was found wrong so far.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the next entry; `None` at the end of the last part, and where one that is followed has no more yet. What is wrong in a file
    /// is in [`Reader::problems`]; the next part is read then.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(&mut self) -> Result<Option<Entry<'_>>> {
        let found = loop {
            let Some(part) = &mut self.part else { return Ok(None) };
            match part.next(&mut self.current)? {
                Ok(Found::End) => {}
                Ok(found) => break found,
                Err(problem) => {
                    if let (true, Some(follower)) = (problem.is_cut, &self.follower) {
                        if self.parts.is_empty() {
                            self.parts = follower.parts_behind(&part.path);
                        }
                        // Behind the look for parts: what was written before the next one was begun is read first.
                        if part.has_grown()? {
                            continue;
                        }
                        if self.parts.is_empty() {
                            return Ok(None);
                        }
                    }
                    self.problems.push(problem);
                }
            }
            if !self.open_next()? {
                return Ok(None);
            }
        };
        let current = &self.current;
        Ok(Some(match (found, &current.channel) {
            (Found::Message, Some(channel)) => Entry::Message(Message {
                channel,
                number: current.number,
                sent: current.sent,
                received: current.received,
                body: &current.body,
            }),
            (Found::Event(event), _) => Entry::Event(event),
            (Found::Attachment, _) => Entry::Attachment(&current.name, current.length),
            _ => Entry::Metadata(&current.name, &current.metadata),
        }))
    }
}
