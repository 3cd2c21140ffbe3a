//! Reads recordings and other MCAP files, also damaged ones and files that are still being written.
//!
//! A file is never mapped, because another program may shorten it. The reader holds one record of at most
//! [`Limits::record`] bytes, a decompressed chunk, and a part's schemas and channels. It reports damage as a
//! [`Problem`], and continues if the record's length is known.

mod closed;
mod entry;
mod order;
mod outline;
mod part;
mod publishers;
mod seen;
mod walk;

use std::collections::VecDeque;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use linkspan::{Error, ErrorKind, Result, Wait};
use mcap::Compression;

use self::part::{As, Current, Found, OpenPart};
use crate::chunk;
use crate::dropped::Dropped;
use crate::files::of_io;
use crate::follower::Follower;
use crate::identity::Identity;
use crate::parts::{self, Place};
use crate::ranges::Ranges;

pub(crate) use self::entry::notation_in;
pub use self::entry::{
    ByNotation, Channel, Entry, Limits, Message, Problem, ProblemKind, Room, Schema, fingerprint,
};
pub use self::outline::Outline;

/// The most problems that are reported individually.
const MAX_PROBLEMS: usize = 1_000;

/// A file of a recording, even if another file gets its path.
#[derive(Clone, Debug)]
pub struct OfRecording {
    /// Its path.
    pub path: PathBuf,
    /// Its device.
    pub device: u64,
    /// Its inode.
    pub number: u64,
}

/// Reads the parts of a recording in order.
#[derive(Debug)]
pub struct Reader {
    parts: VecDeque<Place>,
    /// The number of the last examined part, if all parts are read.
    last: Option<u64>,
    /// Whether the caller named a later part.
    is_alone: bool,
    dropped: Dropped,
    read: Ranges,
    /// The count of holes so far, and the latest hole's first and last part.
    holes: usize,
    hole: Option<(u64, u64)>,
    /// Problems of missing parts: index in `problems`, first and last number.
    absent: Vec<(usize, u64, u64)>,
    /// The path that the parts were found by.
    base: Option<PathBuf>,
    identity: Option<Identity>,
    limits: Limits,
    part: Option<OpenPart>,
    /// The requested times of messages.
    window: Option<(u64, u64)>,
    problems: Vec<Problem>,
    further: u64,
    /// Bytes of completed parts, and of all parts at opening.
    before: u64,
    whole: u64,
    current: Current,
    follower: Option<Follower>,
    /// Channels of other programs without messages, in completed parts.
    silent: Vec<Arc<Channel>>,
}

impl Reader {
    /// Opens a recording: all parts if this is the first one, otherwise only this file.
    ///
    /// # Errors
    /// `NotFound` and other errors of the file system; `Malformed` if the file is not MCAP.
    pub fn open(path: &Path) -> Result<Reader> {
        Reader::with_limits(path, Limits::default())
    }

    /// As [`Reader::open`], with other limits.
    ///
    /// # Errors
    /// As for [`Reader::open`].
    pub fn with_limits(path: &Path, limits: Limits) -> Result<Reader> {
        let mut parts = parts::existing(path);
        if parts.is_empty() {
            parts.push(Place { number: 1, path: path.to_owned() });
        }
        let mut reader = Reader::begin(parts, limits, Some(path.to_owned()), None)?;
        reader.begin_at(path);
        Ok(reader)
    }

    fn begin_at(&mut self, named: &Path) {
        let Some(part) = &mut self.part else { return };
        let (place, said) = (part.number, part.identity.part.unwrap_or(part.number));
        let name = named.file_name().unwrap_or_default().to_string_lossy();
        self.is_alone = place == 1 && said > 1 && parts::number_in(&name) == Some(said);
        part.number = said.max(1);
        self.last = Some(0);
        if !self.is_alone {
            self.miss(place, said);
        }
        self.last = Some(said.max(1));
        self.read.add(said.max(1), said.max(1));
    }

    /// Reads one found part, with the identity `of` if given.
    ///
    /// # Errors
    /// As for [`Reader::open`]; `Unsupported` for a link, or another recording's or user's file.
    pub fn of_found(base: &Path, part: PathBuf, limits: Limits, of: Option<Identity>) -> Result<Reader> {
        Reader::begin(places(vec![part]), limits, Some(base.to_owned()), of)
    }

    /// Returns a recording's files and problems, without reading messages.
    ///
    /// # Errors
    /// As for [`Reader::open`].
    pub fn files(path: &Path, limits: Limits) -> Result<(Vec<OfRecording>, Vec<Problem>)> {
        let (files, reader) = Reader::outlined(path, limits)?;
        Ok((files, reader.problems))
    }

    /// Returns the removed parts, according to all parts.
    ///
    /// # Errors
    /// As for [`Reader::open`].
    pub fn removed(path: &Path, limits: Limits) -> Result<Dropped> {
        Ok(Reader::outlined(path, limits)?.1.dropped)
    }

    fn outlined(path: &Path, limits: Limits) -> Result<(Vec<OfRecording>, Reader)> {
        let mut reader = Reader::with_limits(path, limits)?;
        let mut files = Vec::new();
        while let Some(part) = &mut reader.part {
            let (device, number) = part.file_number()?;
            files.push(OfRecording { path: part.path.clone(), device, number });
            for (name, entries) in part.take_outline()? {
                reader.dropped.take(&name, &entries);
            }
            reader.forgive();
            reader.open_next()?;
        }
        Ok((files, reader))
    }

    /// Reads these files as one recording.
    ///
    /// # Errors
    /// As for [`Reader::open`].
    pub fn of(paths: Vec<PathBuf>, limits: Limits) -> Result<Reader> {
        Reader::begin(places(paths), limits, None, None)
    }

    fn begin(
        parts: Vec<Place>,
        limits: Limits,
        base: Option<PathBuf>,
        identity: Option<Identity>,
    ) -> Result<Reader> {
        let size = |part: &Place| std::fs::metadata(&part.path).map_or(0, |facts| facts.len());
        let mut reader = Reader {
            whole: parts.iter().map(size).fold(0, u64::saturating_add),
            parts: parts.into(),
            last: None,
            is_alone: false,
            dropped: Dropped::default(),
            read: Ranges::default(),
            holes: 0,
            hole: None,
            absent: Vec::new(),
            base,
            identity,
            limits,
            part: None,
            window: None,
            problems: Vec::new(),
            further: 0,
            before: 0,
            current: Current::default(),
            follower: None,
            silent: Vec::new(),
        };
        reader.open_next()?;
        Ok(reader)
    }

    /// Opens a growing recording. After [`Reader::wait`], [`Reader::read`] may find more.
    ///
    /// # Errors
    /// As for [`Reader::open`]; errors of inotify.
    pub fn follow(path: &Path, limits: Limits) -> Result<Reader> {
        // Before the first look, to see each change.
        let follower = Follower::new(path)?;
        follower.wait_until_begun()?;
        let mut reader = Reader::with_limits(path, limits)?;
        reader.follower = Some(follower);
        if let Some(part) = &mut reader.part {
            part.is_in_order = true;
        }
        Ok(reader)
    }

    /// Skips a closed file's chunks without messages in these times, in nanoseconds since 1970.
    ///
    /// [`Reader::read`] may still return entries outside of the times.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn within(mut self, from: u64, to: u64) -> Result<Reader> {
        self.window = Some((from, to));
        if let Some(part) = &mut self.part {
            part.skip_outside(from, to)?;
        }
        Ok(self)
    }

    /// Waits until a followed recording may have more; returns false if the wait ended before.
    ///
    /// # Errors
    /// Errors of the kernel; `Interrupted` or `Cancelled` if the wait was ended.
    pub fn wait(&mut self, wait: Wait<'_>) -> Result<bool> {
        match &self.follower {
            Some(follower) => follower.wait(wait),
            None => Ok(false),
        }
    }

    /// Returns whether the recorder ended the recording and the reader reached its end.
    pub fn has_ended(&self) -> bool {
        self.part.is_none()
    }

    fn open_next(&mut self) -> Result<bool> {
        if self.parts.is_empty()
            && let (Some(follower), Some(part)) = (&self.follower, &self.part)
        {
            self.parts = follower.parts_from(part.following(), part.next.is_some());
        }
        let mut part = loop {
            let Some(Place { number, path }) = self.parts.pop_front() else {
                if self.find_further() {
                    continue;
                }
                // This part names a next part, so the recording continues.
                let goes_on =
                    self.follower.is_some() && self.part.as_ref().is_some_and(|part| part.next.is_some());
                if !goes_on {
                    self.end();
                }
                return Ok(false);
            };
            if self.is_passed_over(number, &path) {
                continue;
            }
            let is_found = self.base.as_ref().is_some_and(|base| *base != path);
            let how = if is_found { As::Found(self.identity.as_ref()) } else { As::Named };
            let is_last = self.part.is_none() && self.parts.is_empty();
            match (OpenPart::open(path.clone(), number, self.limits, how), &self.part) {
                // Just removed: the next part reports the gap.
                (Err(error), _) if is_found && !is_last && error.kind() == ErrorKind::NotFound => {}
                (Err(error), Some(_)) => {
                    self.miss(number, number);
                    self.last = self.last.map(|last| last.max(number));
                    self.keep(Problem::of_part(path, &error));
                }
                (opened, _) => {
                    let mut part = opened?;
                    if self.part.is_none() || self.last.is_none() {
                        break part;
                    }
                    // Without a whole record there is no identity.
                    let said = part.identity.part.unwrap_or(number);
                    if self.has_been_read(&part, said) {
                        self.last = self.last.map(|last| last.max(number));
                        continue;
                    }
                    self.miss(number, said);
                    self.last = Some(said);
                    self.read.add(said, said);
                    part.number = said;
                    break part;
                }
            }
        };
        self.identity.get_or_insert_with(|| part.identity.clone());
        if let Some((from, to)) = self.window {
            part.skip_outside(from, to)?;
        }
        if let Some(ended) = &mut self.part {
            self.before = self.before.saturating_add(ended.length());
            part.publishers = ended.end_of_publishers()?;
            self.silent.extend(ended.silent_channels());
        }
        // A growing file's order is unknown.
        part.is_in_order |= self.follower.is_some();
        self.part = Some(part);
        Ok(true)
    }

    fn find_further(&mut self) -> bool {
        if let (None, Some(base), Some(part)) = (&self.follower, &self.base, &self.part)
            && part.next.is_some()
            && self.last == Some(part.number)
        {
            let further = parts::existing(base).into_iter().filter(|place| place.number >= part.following());
            self.parts = further.collect();
        }
        !self.parts.is_empty()
    }

    /// Whether this file is foreign, because the previous part continues after its number.
    ///
    /// A file that identifies itself as the following part is not foreign.
    fn is_passed_over(&self, number: u64, path: &Path) -> bool {
        let Some(part) = self.part.as_ref().filter(|part| part.next.is_some() && self.last.is_some()) else {
            return false;
        };
        number < part.following() && !parts::is_following(path, part.following(), &part.identity)
    }

    /// Reports a file with an earlier part's number, such as a copy.
    fn has_been_read(&mut self, found: &OpenPart, said: u64) -> bool {
        if self.last.is_none_or(|last| said > last) {
            return false;
        }
        let text = format!(
            "it says that it is part {said} of the recording, which is none that comes here: it is not read; name it to read it alone"
        );
        self.keep(found.problem(0, ProblemKind::Absent, text));
        true
    }

    /// Reports the missing parts before this file at `place`, which claims `number`.
    fn miss(&mut self, place: u64, number: u64) {
        let (Some(last), Some(part), Some(base)) = (self.last, &self.part, &self.base) else { return };
        let is_open = last == part.number;
        let last = last.max(if is_open { part.following().saturating_sub(1) } else { 0 });
        let (first, end) = (last.saturating_add(1), number.saturating_sub(1));
        if first > end {
            return;
        }
        let name = |number| {
            let path = parts::path_of(base, number);
            path.file_name().unwrap_or_default().to_string_lossy().into_owned()
        };
        let names = match first == end {
            true => format!("{}, which is not there", name(first)),
            false => format!("{} to {}, which are not there", name(first), name(end)),
        };
        let text = match (place == number, last) {
            (false, _) if first == end => {
                format!("{} is part {number} of the recording: part {first} is not there", name(place))
            }
            (false, _) => {
                format!(
                    "{} is part {number} of the recording: parts {first} to {end} are not there",
                    name(place)
                )
            }
            (true, 0) => format!("the recording begins in {names}"),
            (true, _) => format!("the recording goes on in {names}"),
        };
        let offset = if last == 0 { 0 } else { part.offset };
        let problem = part.problem(offset, ProblemKind::Absent, text);
        self.holes = self.holes.saturating_add(1);
        self.hole = Some((first, end));
        self.absent.push((self.problems.len(), first, end));
        self.keep(problem);
        self.forgive();
    }

    /// Parts that the recorder removed are not a fault.
    fn forgive(&mut self) {
        let (problems, dropped) = (&mut self.problems, &self.dropped);
        self.absent.retain(|(at, first, last)| {
            let is_dropped = dropped.has(*first, *last);
            if let (true, Some(problem)) = (is_dropped, problems.get_mut(*at)) {
                problem.kind = ProblemKind::Dropped;
                problem.text.push_str(": its recorder removed it, so that there was room for what came then");
            }
            !is_dropped
        });
    }

    fn end(&mut self) {
        if let Some(part) = &self.part
            && let Some(next) = part.next.clone().filter(|_| self.last == Some(part.number))
        {
            // The first part may have any name, but a later part shows that it is not the first.
            if self.is_alone {
                let text = format!("the recording goes on in {next}, which is no part of what was named");
                let problem = part.problem(part.offset, ProblemKind::Alone, text);
                self.keep(problem);
            } else {
                let behind = part.following().saturating_add(1);
                self.miss(behind, behind);
            }
        }
        // A complete recording lacks further parts.
        let may_lack = self.is_alone || self.problems.iter().any(|problem| problem.kind.may_hide_parts());
        if let (Some(_), Some(named), Some(of)) = (self.last, &self.base, &self.identity)
            && may_lack
            && self.part.is_some()
        {
            let found = parts::elsewhere(named, of);
            if self.is_alone { self.report_alone(&found) } else { self.report_elsewhere(found) }
        }
        if let Some(part) = self.part.take() {
            self.silent.extend(part.silent_channels());
        }
    }

    /// Reports a single later part's existing and missing siblings.
    fn report_alone(&mut self, found: &[Place]) {
        let Some(part) = &self.part else { return };
        let (mut there, mut not_there) = (Ranges::default(), Ranges::default());
        found.iter().filter(|place| place.number != part.number).for_each(|place| {
            there.add(place.number, place.number);
        });
        let last = there.last().map_or(part.number, |last| last.max(part.number));
        not_there.add(1, last);
        there.iter().for_each(|(first, last)| not_there.remove(first, last));
        not_there.remove(part.number, part.number);
        let are_there = match there.is_empty() {
            true => String::new(),
            false => format!("; of the others {there} are there and not read"),
        };
        let are_not = match not_there.is_empty() {
            true => String::new(),
            false => format!("; {not_there} not there"),
        };
        let text = format!("it is part {} of its recording, and read alone{are_there}{are_not}", part.number);
        let problem = part.problem(0, ProblemKind::Alone, text);
        self.keep(problem);
    }

    /// Reports unread parts: under other names, or new ones.
    fn report_elsewhere(&mut self, found: Vec<Place>) {
        for Place { number, path } in found {
            let is_said = self.problems.iter().any(|problem| problem.path == path);
            if self.read.has(number, number) || is_said {
                continue;
            }
            // It appeared after the listing, so the recorder is running.
            if self.base.as_ref().is_some_and(|base| parts::path_of(base, number) == path) {
                let text = format!(
                    "it is part {number} of the recording, which came while those before it were read: it is not read; read the recording again"
                );
                let kind = ProblemKind::Unclosed;
                self.keep(Problem { path, offset: 0, text, kind, is_end: false });
                continue;
            }
            let text = format!(
                "it says that it is part {number} of the recording, and has another name: it is not read; name it to read it alone, or give it the name of that part"
            );
            self.absent.push((self.problems.len(), number, number));
            let kind = ProblemKind::Absent;
            self.keep(Problem { path, offset: 0, text, kind, is_end: false });
        }
    }

    /// Notes another reader's parts, which a copy of both does not lack.
    pub fn has_elsewhere(&mut self, other: &Identity, parts: &Ranges) {
        if self.identity.as_ref().is_none_or(|own| !own.is_of(other)) {
            return;
        }
        let problems = &mut self.problems;
        self.absent.retain(|(at, first, last)| {
            let has = parts.has(*first, *last);
            if let (true, Some(problem)) = (has, problems.get_mut(*at)) {
                problem.kind = ProblemKind::Alone;
                problem.text.push_str(": it is read from another file that was named");
            }
            !has
        });
    }

    fn keep(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
            return;
        }
        self.further = self.further.saturating_add(1);
        let text = format!("here and behind are {} further problems", self.further);
        match self.problems.get_mut(MAX_PROBLEMS) {
            Some(last) => last.text = text,
            None => self.problems.push(Problem { text, ..problem }),
        }
    }

    /// Returns the bytes that were read, and the total.
    pub fn progress(&self) -> (u64, u64) {
        let now = self.part.as_ref().map_or(0, |part| part.offset);
        let read = self.before.saturating_add(now);
        (read, self.whole.max(read))
    }

    /// Returns the compression of the current file's first messages.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn compression(&self) -> Result<Option<Compression>> {
        let Some(part) = &self.part else { return Ok(None) };
        chunk::compression(&part.file).map_err(|error| of_io(&error, "reading", &part.path))
    }

    /// Returns how large a copy or table may become.
    pub fn room(&self) -> Room {
        self.limits.room.of_files(self.whole)
    }

    /// Returns the limits of a message and its value.
    pub fn message_limits(&self) -> linkspan::Limits {
        self.limits.message
    }

    /// Returns the last attachment: content, times of attaching and creation, media type.
    ///
    /// # Errors
    /// `InvalidState` without one; `OutOfMemory`; errors of the file system.
    pub fn attachment(&self) -> Result<(Vec<u8>, [u64; 2], &str)> {
        let (Some(part), Some(attached)) = (&self.part, &self.current.attached) else {
            return Err(Error::new(ErrorKind::InvalidState, "no attachment was read last"));
        };
        let content = part.attachment(attached.offset, self.current.length)?;
        Ok((content, [attached.log_time, attached.create_time], &attached.media_type))
    }

    /// Returns the current file, and the offset after the last record.
    pub fn place(&self) -> Option<(&Path, u64)> {
        self.part.as_ref().map(|part| (&*part.path, part.offset))
    }

    /// Returns the identity of the recording.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Returns the count of holes so far: places with missing parts.
    pub fn holes(&self) -> usize {
        self.holes
    }

    /// Returns the first and the last part of the latest hole.
    pub fn hole(&self) -> Option<(u64, u64)> {
        self.hole
    }

    /// Returns the parts that were read.
    pub fn parts_read(&self) -> &Ranges {
        &self.read
    }

    /// Returns the removed parts, according to the parts so far.
    pub fn dropped(&self) -> &Dropped {
        &self.dropped
    }

    /// Returns completed parts' channels of other programs without messages.
    pub fn silent_channels(&self) -> &[Arc<Channel>] {
        &self.silent
    }

    /// Returns the problems so far.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the next entry; `None` at the end, or until a followed recording grows.
    ///
    /// Damage goes to [`Reader::problems`], and reading continues with the next part.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn read(&mut self) -> Result<Option<Entry<'_>>> {
        let found = loop {
            let Some(part) = &mut self.part else { return Ok(None) };
            match part.next_in_order(&mut self.current)? {
                Ok(Found::End) => {}
                Ok(found) => break found,
                Err(problem) => {
                    if let (true, Some(follower)) = (problem.is_cut(), &self.follower) {
                        if self.parts.is_empty() {
                            self.parts = follower.parts_from(part.following(), part.next.is_some());
                        }
                        // After the look for parts: data before the next part comes first.
                        if part.has_grown()? {
                            continue;
                        }
                        if self.parts.is_empty() {
                            return Ok(None);
                        }
                    }
                    let (is_end, is_cut) = (problem.is_end, problem.is_cut());
                    self.keep(problem);
                    if !is_end {
                        continue;
                    }
                    if is_cut
                        && self.further == 0
                        && let (Some(next), Some(last)) = (self.parts.front(), self.problems.last_mut())
                    {
                        let _ = write!(last.text, ": the recording goes on in {}", next.path.display());
                    }
                }
            }
            if !self.open_next()? {
                return Ok(None);
            }
        };
        if matches!(found, Found::Metadata) {
            self.dropped.take(&self.current.name, &self.current.metadata);
            self.forgive();
        }
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

fn places(paths: Vec<PathBuf>) -> Vec<Place> {
    paths.into_iter().map(|path| Place { number: 1, path }).collect()
}
