//! Reads the newest value, and notices a newer one.
//!
//! It reads the file again when inotify signals a change of its directory or its contents. With `locked` it
//! takes the read lock for the read. If another program holds the lock, a thread waits in the kernel's queue
//! and signals an eventfd (`sys::record_lock`).

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use rustix::fs::OFlags;

use super::Settings;
use super::open::{self, OpenFile};
use crate::deadline::Waiting;
use crate::driver::Listing;
use crate::endpoint::Endpoint;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::extension;
use crate::frame::{HEADER, Header, Incoming, MAX_EXTENSION};
use crate::place::Place;
use crate::store::StoreForm;
use crate::sys::beneath::RequiredOwner;
use crate::sys::environment;
use crate::sys::eventfd::EventFd;
use crate::sys::inotify::Watch;
use crate::sys::poll::wait_readable;
use crate::sys::record_lock::{self, Purpose, Queued, RecordLock, Span};
use crate::value::Limits;

pub struct Reader {
    place: Place,
    settings: Settings,
    /// Signals changes; made when the reader first waits.
    watch: Option<Watch>,
    /// The place in the queue for a lock that another program held at the last read.
    queued: Option<Queued>,
    waker: Arc<EventFd>,
    /// The content of the file when a value was last returned.
    seen: Option<Seen>,
    /// Changes seen, for forms without numbers.
    count: u64,
    current: bool,
    /// Whether a sleep was announced since the last `try_recv`.
    slept: bool,
    /// The value that `park` found; the next `try_recv` returns it.
    next: Option<Result<Incoming>>,
}

#[derive(PartialEq)]
enum Seen {
    /// A header, with its number, time and check sum.
    Header([u8; HEADER]),
    /// For forms without a header: the bytes, the time of the last write and the inode.
    All { bytes: Bytes, changed: SystemTime, node: u64 },
}

enum Attempt {
    New(Incoming),
    Same,
    Absent,
    /// Nothing was written yet, or only a part, by a program without locks.
    Unfinished(Error),
    Busy(OpenFile),
}

pub fn listing(place: &Place) -> Result<Option<Listing>> {
    let Some(opened) = open::open(place, OFlags::RDONLY, RequiredOwner::AnyUser)? else { return Ok(None) };
    let mut beginning = [0; HEADER + MAX_EXTENSION];
    let n = open::read_at(&opened.file, &mut beginning, 0)
        .doing(format_args!("reading {}", place.path().display()))?;
    let header = beginning[..n].first_chunk().and_then(|first| Header::from_bytes(first).ok());
    let source = header
        .and_then(|header| beginning.get(HEADER..HEADER + header.extension))
        .and_then(|extension| extension::read(extension).ok().flatten())
        .map(|sender| sender.source.to_string());
    Ok(Some(Listing {
        uid: Some(opened.facts.st_uid),
        source,
        encoding: header.map(|header| header.encoding),
        messages: header.map(|header| header.sequence),
        ..Listing::default()
    }))
}

impl Reader {
    pub fn new(endpoint: &Endpoint, settings: Settings) -> Result<Reader> {
        Ok(Reader {
            place: Place::of(endpoint)?,
            settings,
            watch: None,
            queued: None,
            waker: Arc::new(EventFd::new()?),
            seen: None,
            count: 0,
            current: false,
            slept: false,
            next: None,
        })
    }

    /// Like [`Reader::new`], and watches the file from now on for [`Reader::descriptors`].
    pub fn watching(endpoint: &Endpoint, settings: Settings) -> Result<Reader> {
        let mut reader = Reader::new(endpoint, settings)?;
        reader.watch = Some(reader.make_watch()?);
        Ok(reader)
    }

    fn make_watch(&self) -> Result<Watch> {
        let Place { directory, file, .. } = &self.place;
        if self.is_renamed() { Watch::of_name(directory, file) } else { Watch::new(directory) }
    }

    /// Returns whether each value is a new file that is renamed to the name, which the watch signals.
    fn is_renamed(&self) -> bool {
        !self.settings.locked && self.settings.form == StoreForm::Frame
    }

    /// Drains the watch, and returns whether the file is unchanged since the last read.
    fn is_unchanged(&mut self) -> bool {
        let Some(watch) = &self.watch else { return false };
        let changed = watch.has_changed();
        self.current &= !changed && self.is_renamed();
        self.current
    }

    /// Returns the value of the file, even if it was returned before. Waits for the file and for its lock.
    ///
    /// # Errors
    /// `NotFound`, `Empty` or `Stalled` if the deadline has passed; `Corrupt`.
    pub fn latest(&mut self, waiting: &mut Waiting<'_>) -> Result<Incoming> {
        let (seen, count) = (self.seen.take(), self.count);
        let latest = self.find_latest(waiting);
        (self.seen, self.count, self.current) = (seen, count, false);
        latest
    }

    fn find_latest(&mut self, waiting: &mut Waiting<'_>) -> Result<Incoming> {
        loop {
            if let Some(watch) = &self.watch {
                watch.drain();
            }
            self.seen = None;
            let missing = match self.attempt(true)? {
                Attempt::New(frame) => return Ok(frame),
                Attempt::Same => continue,
                Attempt::Busy(opened) => {
                    self.queued = None;
                    let held = record_lock::take(opened.file, Span::READ, waiting)?;
                    let opened = OpenFile { file: held.file().clone(), ..opened };
                    match self.read(opened, Some(held))? {
                        Attempt::New(frame) => return Ok(frame),
                        _ => continue,
                    }
                }
                Attempt::Absent => self.absent(waiting.is_none()),
                Attempt::Unfinished(error) => error,
            };
            match &self.watch {
                _ if waiting.is_none() => return Err(missing),
                None => self.watch = Some(self.make_watch()?),
                Some(watch) => match wait_readable(waiting, &watch.descriptors().collect::<Vec<_>>()) {
                    Err(e) if e.kind() == ErrorKind::Timeout => return Err(missing),
                    slept => slept?,
                },
            }
        }
    }

    /// Returns the value of the file if it was not returned before.
    ///
    /// # Errors
    /// `Corrupt` once for each damaged value; `Disconnected` if the directory was deleted.
    pub fn try_recv(&mut self) -> Result<Option<Incoming>> {
        if let Some(next) = self.next.take() {
            return next.map(Some);
        }
        // Other names of the directory, such as the temporary file's, also end a sleep.
        let slept = std::mem::take(&mut self.slept);
        if slept && self.is_unchanged() {
            return Ok(None);
        }
        self.read_next(slept)
    }

    /// Like [`Reader::try_recv`], but always reads the file. `is_likely` tells that a new value is likely.
    fn read_next(&mut self, is_likely: bool) -> Result<Option<Incoming>> {
        self.current = false;
        if self.queued.as_ref().map(Queued::has_come).transpose()? == Some(false) {
            return Ok(None);
        }
        self.queued = None;
        let attempt = self.attempt(is_likely)?;
        self.current = matches!(attempt, Attempt::New(_) | Attempt::Same | Attempt::Absent);
        match attempt {
            Attempt::New(frame) => Ok(Some(frame)),
            Attempt::Busy(opened) => {
                self.queued = Some(Queued::start(opened.file, Span::READ, Purpose::Notify, &self.waker)?);
                Ok(None)
            }
            // A recreated directory is a different directory; a subscriber opens it again.
            Attempt::Absent if open::is_deleted(&self.place) => Err(self.absent(true)),
            Attempt::Absent | Attempt::Same | Attempt::Unfinished(_) => Ok(None),
        }
    }

    pub fn why_nothing(&self) -> Option<Error> {
        let opened = open::open(&self.place, OFlags::RDONLY, RequiredOwner::AnyUser);
        matches!(opened, Ok(None)).then(|| self.absent(false))
    }

    /// Makes the error of a missing file; `once` tells that the call did not wait.
    fn absent(&self, once: bool) -> Error {
        let how = if once { "was looked for once" } else { "was waited for" };
        let text = format!(
            "nothing was written yet: {} {how}; start the writer, and {}",
            self.place.path().display(),
            environment::same_directory()
        );
        let gone = format!("the directory {} was deleted", self.place.directory.path().display());
        match open::is_deleted(&self.place) {
            true => Error::new(ErrorKind::Disconnected, gone),
            false => Error::new(ErrorKind::NotFound, text),
        }
    }

    /// Reads the file, unless its header shows the last returned value or another program has the lock.
    ///
    /// If a new value is likely, it skips the separate read of the header.
    fn attempt(&mut self, is_likely: bool) -> Result<Attempt> {
        let opened = open::open(&self.place, OFlags::RDONLY, RequiredOwner::AnyUser);
        let Some(opened) = opened.map_err(|e| self.place.denied("read", e))? else {
            return Ok(Attempt::Absent);
        };
        if !self.is_renamed() || opened.facts.st_size == 0 {
            // A program that keeps the file open may write it in place; an empty file was not renamed to the
            // name. Watch its contents before reading, so no change is missed.
            if let Some(watch) = &self.watch {
                watch.contents(&opened.file)?;
            }
        }
        if let Some(Seen::Header(before)) = self.seen.as_ref().filter(|_| !is_likely) {
            let mut header = [0; HEADER];
            self.fill(&opened, &mut header)?;
            if header == *before {
                return Ok(Attempt::Same);
            }
        }
        if !self.settings.locked {
            return self.read(opened, None);
        }
        match record_lock::try_take(&opened.file, Span::READ)? {
            None => Ok(Attempt::Busy(opened)),
            held => self.read(opened, held),
        }
    }

    fn fill(&self, opened: &OpenFile, into: &mut [u8]) -> Result<usize> {
        open::read_at(&opened.file, into, 0).doing(format_args!("reading {}", self.place.path().display()))
    }

    fn read(&mut self, opened: OpenFile, held: Option<RecordLock>) -> Result<Attempt> {
        // A renamed value has its final length; other files may be growing.
        let facts = match self.is_renamed() && opened.facts.st_size > 0 {
            true => opened.facts,
            false => rustix::fs::fstat(&opened.file)
                .doing(format_args!("looking at {}", self.place.path().display()))?,
        };
        let (changed, node) = (open::changed(&facts), facts.st_ino);
        let Settings { form, max_message_size, locked, .. } = self.settings;
        let size = u64::try_from(facts.st_size).unwrap_or(0);
        if size == 0 && form != StoreForm::Bare(crate::codec::Encoding::Raw) {
            let text = "nothing has been published yet: the file is empty";
            return Ok(Attempt::Unfinished(Error::new(ErrorKind::Empty, text)));
        }
        if size > form.longest(max_message_size) {
            let mut header = [0; HEADER];
            self.fill(&opened, &mut header)?;
            self.seen = Some(match form {
                StoreForm::Frame => Seen::Header(header),
                _ => Seen::All { bytes: Bytes::new(), changed, node },
            });
            Limits::for_message(max_message_size).check_message(size)?;
        }
        let mut bytes = Vec::new();
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        if bytes.try_reserve_exact(length).is_err() {
            let text = format!("there is no memory for the {size} bytes of {}", self.place.path().display());
            return Err(Error::new(ErrorKind::OutOfMemory, text));
        }
        bytes.resize(length, 0);
        let filled = self.fill(&opened, &mut bytes)?;
        bytes.truncate(filled);
        // Release the lock before decoding: overlapping readers could keep a writer out for long.
        drop(held);
        let bytes = Bytes::from(bytes);
        let seen = match form {
            StoreForm::Frame => {
                let mut header = [0; HEADER];
                let n = bytes.len().min(HEADER);
                header[..n].copy_from_slice(&bytes[..n]);
                Seen::Header(header)
            }
            _ => Seen::All { bytes: bytes.clone(), changed, node },
        };
        if self.seen.as_ref() == Some(&seen) {
            return Ok(Attempt::Same);
        }
        let frame = match form.read(bytes, self.count + 1, changed, locked) {
            // The rest may still be written. With a lock no writer is active, so a missing rest is damage.
            Err(e) if form == StoreForm::Line && !locked => return Ok(Attempt::Unfinished(e)),
            frame => frame,
        };
        self.seen = Some(seen);
        let frame = frame?;
        self.count += 1;
        Limits::for_message(max_message_size).check_message(frame.header.body)?;
        Ok(Attempt::New(frame))
    }

    pub fn park(&mut self) -> bool {
        if self.next.is_some() {
            return true;
        }
        if !self.is_unchanged() {
            if self.settings.locked {
                self.waker.drain();
            }
            self.next = self.read_next(false).transpose();
        }
        self.slept = self.next.is_none();
        self.next.is_some()
    }

    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut all: Vec<_> = self.watch.iter().flat_map(Watch::descriptors).collect();
        all.push(self.waker.as_fd());
        all
    }
}
