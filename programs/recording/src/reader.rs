//! Reads recordings and other MCAP files from their beginning to their end, or as far as they are whole; also while
//! they are written.
//!
//! A file is read in blocks, never mapped: another program may shorten it at any time. What is held is one record, at
//! most of [`Limits::record`] bytes, what a chunk decompresses to, and the schemas and channels of a part. A message is
//! a slice of that memory. What is wrong is a [`Problem`], and behind it the file is read on wherever it says how long
//! that is.

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

/// Problems that are said one by one.
const MAX_PROBLEMS: usize = 1_000;

/// A file of a recording: what has its path later may be another one.
#[derive(Clone, Debug)]
pub struct OfRecording {
    /// Its path.
    pub path: PathBuf,
    /// The device that it is on.
    pub device: u64,
    /// Its number there.
    pub number: u64,
}

/// Reads the parts of a recording, one after the other.
#[derive(Debug)]
pub struct Reader {
    parts: VecDeque<Place>,
    /// The number of the part that was looked at last, where all parts of a recording are read.
    last: Option<u64>,
    /// Whether a part that is not the first one was named.
    is_alone: bool,
    /// The parts that the recorder removed itself, as far as it is known.
    dropped: Dropped,
    /// The parts that were read.
    read: Ranges,
    /// How often parts were not there, and which ones these were last.
    holes: usize,
    hole: Option<(u64, u64)>,
    /// Problems of parts that are not there: where in `problems`, and their first and last number.
    absent: Vec<(usize, u64, u64)>,
    /// What was named, where the parts were found by it.
    base: Option<PathBuf>,
    /// What the parts that were found are to be of.
    identity: Option<Identity>,
    limits: Limits,
    part: Option<OpenPart>,
    /// The times of the messages that are asked for.
    window: Option<(u64, u64)>,
    problems: Vec<Problem>,
    /// Problems that are only counted.
    further: u64,
    /// Bytes of the parts that were read, and of all that there were when the recording was opened.
    before: u64,
    whole: u64,
    current: Current,
    follower: Option<Follower>,
    /// Channels of other programs without a message, of the parts that were read.
    silent: Vec<Arc<Channel>>,
}

impl Reader {
    /// Opens a recording: all of its parts, if this is the first one, and otherwise this file alone.
    ///
    /// # Errors
    /// `NotFound`, and those of the file system; `Malformed` for a file that is no MCAP file.
    pub fn open(path: &Path) -> Result<Reader> {
        Reader::with_limits(path, Limits::default())
    }

    /// The same with other limits.
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

    /// Begins to read all parts of a recording with the first one that is there.
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

    /// Reads one part that was found beside a recording, of this identity where it is known.
    ///
    /// # Errors
    /// As for [`Reader::open`]; `Unsupported` where it is a link, of another recording or of another user.
    pub fn of_found(base: &Path, part: PathBuf, limits: Limits, of: Option<Identity>) -> Result<Reader> {
        Reader::begin(places(vec![part]), limits, Some(base.to_owned()), of)
    }

    /// Returns the files of a recording and what is wrong with those, without a look at their messages.
    ///
    /// # Errors
    /// As for [`Reader::open`].
    pub fn files(path: &Path, limits: Limits) -> Result<(Vec<OfRecording>, Vec<Problem>)> {
        let (files, reader) = Reader::outlined(path, limits)?;
        Ok((files, reader.problems))
    }

    /// Returns which parts the recorder of a recording removed itself, also where a later part alone says it.
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

    /// Opens a recording that may still be written: where [`Reader::read`] finds no more, there may be more after
    /// [`Reader::wait`].
    ///
    /// # Errors
    /// As for [`Reader::open`]; those of inotify.
    pub fn follow(path: &Path, limits: Limits) -> Result<Reader> {
        // Before the first look at the file, so that no change of it is missed.
        let follower = Follower::new(path)?;
        follower.wait_until_begun()?;
        let mut reader = Reader::with_limits(path, limits)?;
        reader.follower = Some(follower);
        if let Some(part) = &mut reader.part {
            part.is_in_order = true;
        }
        Ok(reader)
    }

    /// The same for messages that were received within these times, in nanoseconds since 1970: chunks without one are
    /// not read, where the file was closed. Events, metadata and messages outside of the times may be given
    /// nevertheless.
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
            self.parts = follower.parts_from(part.following(), part.next.is_some());
        }
        let mut part = loop {
            let Some(Place { number, path }) = self.parts.pop_front() else {
                if self.find_further() {
                    continue;
                }
                // A recording that goes on has a next part, which this one names.
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
                // Its recorder has just removed it: what follows says that it is not there.
                (Err(error), _) if is_found && !is_last && error.kind() == ErrorKind::NotFound => {}
                // What lies in the place of a further part hides neither those before it nor those behind it.
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
                    // A file without a whole record behind its head says nothing of itself.
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
        // What is still written has no known order.
        part.is_in_order |= self.follower.is_some();
        self.part = Some(part);
        Ok(true)
    }

    /// Looks for parts that came while those that there were were read; returns whether there are some.
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

    /// Returns whether the part that was read last goes on in one behind this number: what has its name is another
    /// program's, unless it says itself that it is what follows.
    fn is_passed_over(&self, number: u64, path: &Path) -> bool {
        let Some(part) = self.part.as_ref().filter(|part| part.next.is_some() && self.last.is_some()) else {
            return false;
        };
        number < part.following() && !parts::is_following(path, part.following(), &part.identity)
    }

    /// Returns whether a file says that it is a part that comes before one that was read, such as a copy of that; says
    /// so then.
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

    /// Says which parts are not there before the one that is in this place and says that it has this number.
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

    /// What the recorder removed itself is no fault.
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

    /// All parts that are there were read.
    fn end(&mut self) {
        if let Some(part) = &self.part
            && let Some(next) = part.next.clone().filter(|_| self.last == Some(part.number))
        {
            // The first part is called as it likes; another one says that it was not named by the first.
            if self.is_alone {
                let text = format!("the recording goes on in {next}, which is no part of what was named");
                let problem = part.problem(part.offset, ProblemKind::Alone, text);
                self.keep(problem);
            } else {
                let behind = part.following().saturating_add(1);
                self.miss(behind, behind);
            }
        }
        // A recording of which nothing lacks has no further part.
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

    /// Says of a part that was named itself which other parts of its recording are there, and which are not.
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

    /// Says which parts that were not read are there: those in files of other names, and those that came meanwhile.
    fn report_elsewhere(&mut self, found: Vec<Place>) {
        for Place { number, path } in found {
            let is_said = self.problems.iter().any(|problem| problem.path == path);
            if self.read.has(number, number) || is_said {
                continue;
            }
            // Where it has its own name it was not there yet when the names were read: its recorder is at work.
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

    /// Takes that another reader of the same recording has these parts: what is made of all readers lacks none of them.
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

    /// Keeps a problem, or counts it where there are very many.
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

    /// Returns how many bytes were read, and how many there are.
    pub fn progress(&self) -> (u64, u64) {
        let now = self.part.as_ref().map_or(0, |part| part.offset);
        let read = self.before.saturating_add(now);
        (read, self.whole.max(read))
    }

    /// Returns how the first messages of the file that is read are compressed.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn compression(&self) -> Result<Option<Compression>> {
        let Some(part) = &self.part else { return Ok(None) };
        chunk::compression(&part.file).map_err(|error| of_io(&error, "reading", &part.path))
    }

    /// Returns how large what is made of the recording may become.
    pub fn room(&self) -> Room {
        self.limits.room.of_files(self.whole)
    }

    /// Returns the limits of one message and its value.
    pub fn message_limits(&self) -> linkspan::Limits {
        self.limits.message
    }

    /// Returns the content of the attachment that was read last, its times, when it was attached and made, and its
    /// media type.
    ///
    /// # Errors
    /// `InvalidState` where none was; `OutOfMemory`; those of the file system.
    pub fn attachment(&self) -> Result<(Vec<u8>, [u64; 2], &str)> {
        let (Some(part), Some(attached)) = (&self.part, &self.current.attached) else {
            return Err(Error::new(ErrorKind::InvalidState, "no attachment was read last"));
        };
        let content = part.attachment(attached.offset, self.current.length)?;
        Ok((content, [attached.log_time, attached.create_time], &attached.media_type))
    }

    /// Returns the file that is read, and the byte behind the last record.
    pub fn place(&self) -> Option<(&Path, u64)> {
        self.part.as_ref().map(|part| (&*part.path, part.offset))
    }

    /// Returns what its parts are of.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Returns how often parts were not there so far.
    pub fn holes(&self) -> usize {
        self.holes
    }

    /// Returns the first and the last one of the parts that were not there last.
    pub fn hole(&self) -> Option<(u64, u64)> {
        self.hole
    }

    /// Returns which parts were read.
    pub fn parts_read(&self) -> &Ranges {
        &self.read
    }

    /// Returns which parts the recorder removed itself, as far as what was read says it.
    pub fn dropped(&self) -> &Dropped {
        &self.dropped
    }

    /// Returns the channels of other programs that have no message, of the parts that were read to their end.
    pub fn silent_channels(&self) -> &[Arc<Channel>] {
        &self.silent
    }

    /// Returns what was found wrong so far.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the next entry; `None` at the end of the last part, and where one that is followed has no more yet. What
    /// is wrong in a file is in [`Reader::problems`]; the next part is read then.
    ///
    /// # Errors
    /// Those of the file system.
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
                        // Behind the look for parts: what was written before the next one was begun is read first.
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

/// Files as parts whose numbers say nothing.
fn places(paths: Vec<PathBuf>) -> Vec<Place> {
    paths.into_iter().map(|path| Place { number: 1, path }).collect()
}
