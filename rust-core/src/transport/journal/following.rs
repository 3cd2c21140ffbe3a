//! A reader of a journal that need not be there yet, and that may be removed and made anew.

use std::os::fd::{AsFd, BorrowedFd};

use super::reader::{Reader, Start};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Incoming;
use crate::sys::inotify::Watch;
use crate::sys::poll::{Epoll, Interest};
use crate::transport::extension::Sender;
use crate::transport::place::Place;

/// Follows the journal at a place.
pub struct Following {
    place: Place,
    name: Option<String>,
    start: Option<Start>,
    limit: u64,
    /// Holds what there is to sleep on: the directory until the journal is there, then the journal.
    epoll: Epoll,
    state: State,
}

enum State {
    Absent(Watch),
    There(Box<Reader>),
}

impl Following {
    /// Opens the journal, or waits for it. See [`Reader::open`].
    pub fn open(place: &Place, name: Option<&str>, start: Option<Start>, limit: u64) -> Result<Following> {
        let epoll = Epoll::new()?;
        let state = match Reader::open(place, name, start, limit)? {
            Some(reader) => there(reader, &epoll)?,
            None => State::Absent(watch(place, &epoll)?),
        };
        let name = name.map(str::to_owned);
        let mut following = Following { place: place.clone(), name, start, limit, epoll, state };
        if !following.is_there() {
            // Once more, now that nothing escapes us.
            following.waits();
            following.reader()?;
        }
        Ok(following)
    }

    /// Whoever waits for a journal gets all that is written to it.
    fn waits(&mut self) {
        if matches!(self.start, None | Some(Start::Newest)) {
            self.start = Some(Start::First);
        }
    }

    /// The reader, where the journal is there.
    fn reader(&mut self) -> Result<Option<&mut Reader>> {
        if let State::Absent(watch) = &self.state {
            let opened = Reader::open(&self.place, self.name.as_deref(), self.start, self.limit)?;
            let Some(reader) = opened else { return Ok(None) };
            for fd in watch.descriptors() {
                self.epoll.remove(fd);
            }
            self.state = there(reader, &self.epoll)?;
        }
        match &mut self.state {
            State::There(reader) => Ok(Some(reader)),
            State::Absent(_) => Ok(None),
        }
    }

    /// Whether the journal is there.
    pub fn is_there(&self) -> bool {
        matches!(self.state, State::There(_))
    }

    /// See [`Reader::try_recv`]. `Disconnected` once where the journal was removed; then this waits for the next.
    pub fn try_recv(&mut self) -> Result<Option<(Incoming, Sender)>> {
        let Some(reader) = self.reader()? else { return Ok(None) };
        let received = reader.try_recv();
        if matches!(&received, Err(e) if e.kind() == ErrorKind::Disconnected) {
            let watch = watch(&self.place, &self.epoll)?;
            // The end of the old reader takes its descriptor out of the set.
            self.state = State::Absent(watch);
            self.waits();
        }
        received
    }

    /// See [`Reader::latest`]; `NotFound` where there is no journal.
    pub fn latest(&mut self) -> Result<Option<(Incoming, Sender)>> {
        match self.reader()? {
            Some(reader) => reader.latest(),
            None => Err(self.why_nothing()),
        }
    }

    /// See [`Reader::consumed`].
    pub fn consumed(&mut self, sequence: u64) -> Result<()> {
        match &mut self.state {
            State::There(reader) => reader.consumed(sequence),
            State::Absent(_) => Ok(()),
        }
    }

    /// What a wait for a journal that did not come ends with.
    pub fn why_nothing(&self) -> Error {
        let text = format!(
            "there is no journal {}; a publisher makes it, with the same LINKSPAN_STATE_DIR",
            self.place.path().display()
        );
        Error::new(ErrorKind::NotFound, text)
    }

    /// See the transport contract.
    pub fn park(&mut self) -> Result<bool> {
        if let State::Absent(watch) = &self.state {
            watch.drain();
        }
        let came = !self.is_there();
        match self.reader()? {
            // What woke us may be the journal itself: then a look decides.
            Some(reader) => Ok(reader.park()? || came),
            None => Ok(false),
        }
    }

    /// See the transport contract.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

fn there(reader: Reader, epoll: &Epoll) -> Result<State> {
    if let Some(fd) = reader.descriptor() {
        epoll.add(fd, 0, Interest::IN)?;
    }
    Ok(State::There(Box::new(reader)))
}

/// Watches the directory around a journal.
fn watch(place: &Place, epoll: &Epoll) -> Result<Watch> {
    let watch = Watch::new(&place.directory)?;
    for fd in watch.descriptors() {
        epoll.add(fd, 0, Interest::IN)?;
    }
    Ok(watch)
}
