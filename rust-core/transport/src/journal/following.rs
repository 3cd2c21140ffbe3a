//! A reader of a journal that may not exist yet, and that may be removed and created again.
//!
//! While the journal is absent, it watches the parent directory; then a [`Reader`] reads. One epoll set has
//! the descriptors of either state. A reader that waited for the journal gets all records, including those
//! written before it could open the journal.

use std::os::fd::{AsFd, BorrowedFd};

use super::reader::Reader;
use crate::error::{Error, ErrorKind, Result};
use crate::extension::Sender;
use crate::frame::Incoming;
use crate::place::Place;
use crate::store::Start;
use crate::sys::environment;
use crate::sys::inotify::Watch;
use crate::sys::poll::{Epoll, Interest};

pub struct Following {
    place: Place,
    name: Option<String>,
    /// The start in the next journal that is opened.
    start: Option<Start>,
    limit: u64,
    /// Has the descriptors to wait on: the directory while the journal is absent, then the committed word.
    epoll: Epoll,
    state: JournalState,
}

enum JournalState {
    Absent(Watch),
    Present(Box<Reader>),
}

impl Following {
    /// Opens the journal, or begins to wait for it. Errors as [`Reader::open`].
    pub fn open(place: &Place, name: Option<&str>, start: Option<Start>, limit: u64) -> Result<Following> {
        let epoll = Epoll::new()?;
        let state = match Reader::open(place, name, start, limit)? {
            Some(reader) => present(reader, &epoll)?,
            None => JournalState::Absent(watch(place, &epoll)?),
        };
        let name = name.map(str::to_owned);
        let mut following = Following { place: place.clone(), name, start, limit, epoll, state };
        if !following.is_present() {
            // Tried again, because only now the watch reports all later changes.
            following.start_at_oldest();
            following.reader()?;
        }
        Ok(following)
    }

    fn start_at_oldest(&mut self) {
        if matches!(self.start, None | Some(Start::Newest)) {
            self.start = Some(Start::First);
        }
    }

    fn reader(&mut self) -> Result<Option<&mut Reader>> {
        if let JournalState::Absent(watch) = &self.state {
            let opened = Reader::open(&self.place, self.name.as_deref(), self.start, self.limit)?;
            let Some(reader) = opened else { return Ok(None) };
            for fd in watch.descriptors() {
                self.epoll.remove(fd);
            }
            self.state = present(reader, &self.epoll)?;
        }
        match &mut self.state {
            JournalState::Present(reader) => Ok(Some(reader)),
            JournalState::Absent(_) => Ok(None),
        }
    }

    pub fn is_present(&self) -> bool {
        matches!(self.state, JournalState::Present(_))
    }

    /// See [`Reader::try_recv`]. After a removal it returns `Disconnected` once and waits for the next
    /// journal.
    pub fn try_recv(&mut self) -> Result<Option<(Incoming, Sender)>> {
        let Some(reader) = self.reader()? else { return Ok(None) };
        let received = reader.try_recv();
        self.after(received)
    }

    /// See [`Reader::latest`]; `NotFound` without a journal, `Disconnected` as in [`Following::try_recv`].
    pub fn latest(&mut self) -> Result<Option<(Incoming, Sender)>> {
        let Some(reader) = self.reader()? else { return Err(self.why_nothing()) };
        let latest = reader.latest();
        self.after(latest)
    }

    /// Returns to waiting if the journal was removed.
    ///
    /// The next journal's numbers start again, so it is read from its beginning, or from the given time.
    fn after<T>(&mut self, received: Result<T>) -> Result<T> {
        if matches!(&received, Err(e) if e.kind() == ErrorKind::Disconnected) {
            let watch = watch(&self.place, &self.epoll)?;
            // Dropping the old reader removes its descriptor from the set.
            self.state = JournalState::Absent(watch);
            if !matches!(self.start, Some(Start::Time(_))) {
                self.start = Some(Start::First);
            }
        }
        received
    }

    pub fn consumed(&mut self, sequence: u64) -> Result<()> {
        match &mut self.state {
            JournalState::Present(reader) => reader.consumed(sequence),
            JournalState::Absent(_) => Ok(()),
        }
    }

    pub fn why_nothing(&self) -> Error {
        let text = format!(
            "there is no journal {}; a publisher makes it, {}",
            self.place.path().display(),
            environment::advice(
                "with the same LINKSPAN_STATE_DIR",
                "in this directory; one of another directory has its whole path in the endpoint, as in journal:/srv/lab/log"
            )
        );
        Error::new(ErrorKind::NotFound, text)
    }

    pub fn park(&mut self) -> Result<bool> {
        if let JournalState::Absent(watch) = &self.state {
            watch.drain();
        }
        let appeared = !self.is_present();
        match self.reader()? {
            // The journal itself may have caused the event.
            Some(reader) => Ok(reader.park()? || appeared),
            None => Ok(false),
        }
    }

    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

fn present(reader: Reader, epoll: &Epoll) -> Result<JournalState> {
    if let Some(fd) = reader.descriptor() {
        epoll.add(fd, 0, Interest::IN)?;
    }
    Ok(JournalState::Present(Box::new(reader)))
}

fn watch(place: &Place, epoll: &Epoll) -> Result<Watch> {
    let watch = Watch::new(&place.directory)?;
    for fd in watch.descriptors() {
        epoll.add(fd, 0, Interest::IN)?;
    }
    Ok(watch)
}
