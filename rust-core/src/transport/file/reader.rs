//! Reading the newest value, and noticing that there is a newer one.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use rustix::fs::OFlags;

use super::open::{self, Opened};
use super::{Form, Settings};
use crate::deadline::Waiting;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Incoming, MAX_EXTENSION};
use crate::sys::beneath::Owner;
use crate::sys::eventfd::EventFd;
use crate::sys::inotify::Watch;
use crate::sys::poll::wait_readable;
use crate::sys::record_lock::{self, Held, Purpose, Queued, Span};
use crate::transport::endpoint::Endpoint;
use crate::transport::extension;
use crate::transport::place::Place;
use crate::value::Limits;

/// Reads one file, for as long as its directory is there.
pub struct Reader {
    place: Place,
    settings: Settings,
    watch: Option<Watch>,
    /// The queue for the lock that somebody else had at the last look.
    queued: Option<Queued>,
    /// Rung when that lock is free.
    waker: Arc<EventFd>,
    /// What stood in the file at the last look.
    seen: Option<Seen>,
    /// Changes seen, for files that do not count themselves.
    count: u64,
    /// Found while falling asleep.
    next: Option<Result<Incoming>>,
}

/// What tells one value of a file from the next.
#[derive(PartialEq)]
enum Seen {
    /// The header has the number, the time and the check sum.
    Header([u8; HEADER]),
    /// There is nothing but the bytes, and the time and number of the file.
    All { bytes: Bytes, changed: SystemTime, node: u64 },
}

/// What a look at the file gave.
enum Look {
    /// Another value than before.
    New(Incoming),
    /// What was there before.
    Same,
    /// There is no file.
    Absent,
    /// Nothing was written into it yet, or not all by one who takes no lock.
    Unfinished(Error),
    /// Somebody else has the lock.
    Busy(Opened),
}

/// What a listing shows of a file.
pub struct Listing {
    /// Whose it is.
    pub uid: u32,
    /// What its header says; none where it has none.
    pub header: Option<Header>,
    /// Who wrote the value.
    pub source: Option<Arc<str>>,
}

/// What there is to say of the file at a place, without its value; none where there is no such file.
pub fn listing(place: &Place) -> Result<Option<Listing>> {
    let Some(opened) = open::open(place, OFlags::RDONLY, Owner::Anybody)? else { return Ok(None) };
    let mut beginning = [0; HEADER + MAX_EXTENSION];
    let n = open::read_at(&opened.file, &mut beginning, 0)
        .doing(format_args!("reading {}", place.path().display()))?;
    let header = beginning[..n].first_chunk().and_then(|first| Header::from_bytes(first).ok());
    let source = header
        .and_then(|header| beginning.get(HEADER..HEADER + header.extension))
        .and_then(|extension| extension::read(extension).ok().flatten())
        .map(|sender| sender.source);
    Ok(Some(Listing { uid: opened.facts.st_uid, header, source }))
}

impl Reader {
    /// Will read this endpoint's file, which need not be there.
    pub fn new(endpoint: &Endpoint, settings: Settings) -> Result<Reader> {
        Ok(Reader {
            place: Place::of(endpoint)?,
            settings,
            watch: None,
            queued: None,
            waker: Arc::new(EventFd::new()?),
            seen: None,
            count: 0,
            next: None,
        })
    }

    /// The same, and watches the file, so that [`Reader::descriptors`] tell of a change.
    pub fn watching(endpoint: &Endpoint, settings: Settings) -> Result<Reader> {
        let mut reader = Reader::new(endpoint, settings)?;
        reader.watch = Some(Watch::new(&reader.place.directory)?);
        Ok(reader)
    }

    /// The value that is there, whether it was given before or not. Waits for the file and for its lock; then `NotFound`,
    /// `Empty` or `Stalled`.
    pub fn latest(&mut self, waiting: &mut Waiting<'_>) -> Result<Incoming> {
        // What was given here may still be given as news.
        let (seen, count) = (self.seen.take(), self.count);
        let latest = self.find_latest(waiting);
        (self.seen, self.count) = (seen, count);
        latest
    }

    fn find_latest(&mut self, waiting: &mut Waiting<'_>) -> Result<Incoming> {
        loop {
            if let Some(watch) = &self.watch {
                watch.drain();
            }
            self.seen = None;
            let lacking = match self.look()? {
                Look::New(frame) => return Ok(frame),
                Look::Same => continue,
                Look::Busy(opened) => {
                    self.queued = None;
                    let held = record_lock::take(opened.file, Span::READ, waiting)?;
                    let opened = Opened { file: held.file().clone(), ..opened };
                    match self.read(opened, Some(held))? {
                        Look::New(frame) => return Ok(frame),
                        _ => continue,
                    }
                }
                Look::Absent => self.absent(waiting.is_none()),
                Look::Unfinished(error) => error,
            };
            match &self.watch {
                _ if waiting.is_none() => return Err(lacking),
                // What happened before the watch is seen by the next look.
                None => self.watch = Some(Watch::new(&self.place.directory)?),
                Some(watch) => match wait_readable(waiting, &watch.descriptors()) {
                    Err(e) if e.kind() == ErrorKind::Timeout => return Err(lacking),
                    slept => slept?,
                },
            }
        }
    }

    /// The value that is there, unless it was given before. `Corrupt` once for each damaged one.
    pub fn try_recv(&mut self) -> Result<Option<Incoming>> {
        if let Some(next) = self.next.take() {
            return next.map(Some);
        }
        if self.queued.as_ref().map(Queued::has_come).transpose()? == Some(false) {
            return Ok(None);
        }
        self.queued = None;
        match self.look()? {
            Look::New(frame) => Ok(Some(frame)),
            Look::Busy(opened) => {
                self.queued = Some(Queued::start(opened.file, Span::READ, Purpose::Hear, &self.waker)?);
                Ok(None)
            }
            // A directory that is made anew is another one: whoever subscribes begins again there.
            Look::Absent if open::is_deleted(&self.place) => Err(self.absent(true)),
            Look::Absent | Look::Same | Look::Unfinished(_) => Ok(None),
        }
    }

    /// Why there is nothing to read, where there is no file.
    pub fn why_nothing(&self) -> Option<Error> {
        let there = open::open(&self.place, OFlags::RDONLY, Owner::Anybody);
        matches!(there, Ok(None)).then(|| self.absent(false))
    }

    fn absent(&self, once: bool) -> Error {
        let how = if once { "was looked for once" } else { "was waited for" };
        let text = format!(
            "nothing was written yet: {} {how}; start the writer, and see that both use the same directory (LINKSPAN_DIR)",
            self.place.path().display()
        );
        let gone = format!("the directory {} was deleted", self.place.directory.path().display());
        match open::is_deleted(&self.place) {
            true => Error::new(ErrorKind::Disconnected, gone),
            false => Error::new(ErrorKind::NotFound, text),
        }
    }

    fn look(&mut self) -> Result<Look> {
        let opened = open::open(&self.place, OFlags::RDONLY, Owner::Anybody);
        let Some(opened) = opened.map_err(|e| self.place.denied("read", e))? else {
            return Ok(Look::Absent);
        };
        if self.settings.locked || self.settings.form != Form::Frame {
            // Written where it lies, perhaps by one who does not close it. Seen from here on, and read after that.
            if let Some(watch) = &self.watch {
                watch.contents(&opened.file)?;
            }
        }
        if let Some(Seen::Header(before)) = &self.seen {
            let mut header = [0; HEADER];
            self.fill(&opened, &mut header)?;
            if header == *before {
                return Ok(Look::Same);
            }
        }
        if !self.settings.locked {
            return self.read(opened, None);
        }
        match record_lock::try_take(&opened.file, Span::READ)? {
            None => Ok(Look::Busy(opened)),
            held => self.read(opened, held),
        }
    }

    fn fill(&self, opened: &Opened, into: &mut [u8]) -> Result<usize> {
        open::read_at(&opened.file, into, 0).doing(format_args!("reading {}", self.place.path().display()))
    }

    /// Reads a file that nobody writes to now, as far as that can be known.
    fn read(&mut self, opened: Opened, held: Option<Held>) -> Result<Look> {
        let facts = rustix::fs::fstat(&opened.file)
            .doing(format_args!("looking at {}", self.place.path().display()))?;
        let (changed, node) = (open::changed(&facts), facts.st_ino);
        let Settings { form, limit, locked, .. } = self.settings;
        let size = u64::try_from(facts.st_size).unwrap_or(0);
        if size == 0 && form != Form::Bare(crate::codec::Encoding::Raw) {
            let text = "nothing has been published yet: the file is empty";
            return Ok(Look::Unfinished(Error::new(ErrorKind::Empty, text)));
        }
        if size > form.longest(limit) {
            let mut header = [0; HEADER];
            self.fill(&opened, &mut header)?;
            self.seen = Some(match form {
                Form::Frame => Seen::Header(header),
                _ => Seen::All { bytes: Bytes::new(), changed, node },
            });
            Limits::for_message(limit).check_message(size)?;
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
        // From here on others may write: readers who overlap could keep a writer out for long.
        drop(held);
        let bytes = Bytes::from(bytes);
        let seen = match form {
            Form::Frame => {
                let mut header = [0; HEADER];
                let n = bytes.len().min(HEADER);
                header[..n].copy_from_slice(&bytes[..n]);
                Seen::Header(header)
            }
            _ => Seen::All { bytes: bytes.clone(), changed, node },
        };
        if self.seen.as_ref() == Some(&seen) {
            return Ok(Look::Same);
        }
        let frame = match form.read(bytes, self.count + 1, changed, locked) {
            // The rest may be on its way; with a lock nobody is at work now, so it is not.
            Err(e) if form == Form::Line && !locked => return Ok(Look::Unfinished(e)),
            frame => frame,
        };
        self.seen = Some(seen);
        let frame = frame?;
        self.count += 1;
        Limits::for_message(limit).check_message(frame.header.body)?;
        Ok(Look::New(frame))
    }

    /// See the transport contract.
    pub fn park(&mut self) -> bool {
        if self.next.is_some() {
            return true;
        }
        if let Some(watch) = &self.watch {
            watch.drain();
        }
        self.waker.drain();
        self.next = self.try_recv().transpose();
        self.next.is_some()
    }

    /// What to sleep on: the directory's changes, and the turn in the queue for a lock.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut all: Vec<_> = self.watch.iter().flat_map(Watch::descriptors).collect();
        all.push(self.waker.as_fd());
        all
    }
}
