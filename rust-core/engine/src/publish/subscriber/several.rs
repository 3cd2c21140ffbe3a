//! The subscriber to several names, and its subscriber for each name.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{MessageSource, Subscriber};
use crate::channel::dial::Dialler;
use crate::channel::event_log::{End, Event};
use crate::channel::handshake::After;
use crate::channel::retry::Retry;
use crate::channel::{Operation, Options, Use, lock_exclusive};
use crate::deadline::{Deadline, Waiting};
use crate::drive;
use crate::error::Result;
use crate::message::Message;
use crate::publish::lives::OneName;
use crate::publish::names::{Receiver, SubscribedNames};
use crate::publish::receive_state::{NAME, Part, Patience, ReceiveState, Tried, WAKE};
use crate::publish::store;
use crate::sys::poll::{Epoll, MAX_EVENTS, next_round};
use crate::transport::endpoint::Endpoint;
use crate::transport::hello::MIN_ANSWER_TIME;
use crate::transport::place::Listener;

impl Subscriber {
    pub(super) fn poll_names(
        &self,
        names: &Mutex<SubscribedNames<Subscriber>>,
        receive_state: &mut ReceiveState,
        waiting: &mut Waiting<'_>,
        iterates: bool,
    ) -> Result<Option<Message>> {
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        let polled = self.poll_locked(&mut names, receive_state, waiting, iterates);
        receive_state.has_ready_names = names.has_more_to_do();
        polled
    }

    fn poll_locked(
        &self,
        names: &mut SubscribedNames<Subscriber>,
        receive_state: &mut ReceiveState,
        waiting: &mut Waiting<'_>,
        iterates: bool,
    ) -> Result<Option<Message>> {
        let ReceiveState { epoll, ready, waker, has_looked, .. } = receive_state;
        // Messages and names share the rounds of a call; names that come and go prolong none.
        let is_over = |waiting: &Waiting<'_>| waiting.is_none() || waiting.deadline().has_passed();
        if names.is_look_due() {
            if std::mem::replace(has_looked, true) {
                // A full list of events may not be the whole set.
                if !names.has_ready() && ready.len() < MAX_EVENTS && is_over(waiting) {
                    return Err(waiting.timed_out());
                }
                next_round(waiting)?;
            }
            epoll.sleep(Some(Duration::ZERO), ready)?;
            names.note(ready, epoll, &self.event_log)?;
        }
        if names.has_ready() {
            return names.take(iterates, epoll, &self.event_log);
        }
        if names.has_more_to_do() {
            return if is_over(waiting) { Err(waiting.timed_out()) } else { Ok(None) };
        }
        waker.drain();
        if waiting.is_none() {
            return Err(waiting.timed_out());
        }
        let waited = drive::events(epoll, waiting, ready);
        if ready.iter().any(|one| one.token == WAKE) {
            self.wake.drain();
        }
        waited?;
        names.note(ready, epoll, &self.event_log)?;
        Ok(None)
    }
}

impl Subscriber {
    pub(in crate::publish) fn to_one(
        endpoint: Endpoint,
        options: &Options,
        resume: Option<After>,
        part: Part,
    ) -> Result<Subscriber> {
        let options = &store::options_for(endpoint.transport(), options);
        let shown = endpoint.to_string();
        let set = Epoll::new()?;
        let origin = if store::is_store(endpoint.transport()) {
            MessageSource::Store(endpoint, Retry::new(&set, NAME)?)
        } else {
            let new = if part == Part::Fitting { Dialler::watched_by_others } else { Dialler::new };
            MessageSource::Publisher {
                transport: endpoint.transport(),
                dialler: new(&endpoint, options, &set, NAME)?,
            }
        };
        let lives = match &origin {
            MessageSource::Publisher { dialler, .. } if part == Part::Alone => dialler.renamed_file(),
            _ => None,
        };
        let mut subscriber = Subscriber::unconnected(shown, origin, set, options)?;
        let state = subscriber.receive_state.get_mut().unwrap_or_else(PoisonError::into_inner);
        (state.resume, state.lives) = (resume, lives.map(OneName::new));
        Ok(Subscriber { is_member: part != Part::Alone, ..subscriber })
    }

    /// Starts to subscribe to one publisher. No call waits for this publisher, even if it never answers.
    ///
    /// The calls that receive continue the connection. For a program that serves many names in one thread.
    #[doc(hidden)]
    pub fn begin(endpoint: &str, options: &Options) -> Result<Subscriber> {
        let endpoint: Endpoint = endpoint.parse()?;
        options.check(endpoint.transport(), Use::Subscribe).map_err(|e| e.on(&endpoint))?;
        let subscriber = <Subscriber as Receiver>::begin(endpoint, options, None, true)?;
        // The first call that receives reports an error of the connection.
        let _ = subscriber.connect_first(Patience::None);
        Ok(subscriber)
    }

    /// Returns whether a publisher is connected or a store is open.
    #[doc(hidden)]
    pub fn is_connected(&self) -> bool {
        self.receive_state.lock().unwrap_or_else(PoisonError::into_inner).feed.is_some()
    }

    /// Connects before any receiving call if there is a publisher. With patience, waits the usual time for an answer,
    /// so later calls lose no time.
    pub(super) fn connect_first(&self, patience: Patience) -> Result<()> {
        if let MessageSource::Store(..) = *self.origin {
            return Ok(());
        }
        let mut receive_state = lock_exclusive(&self.receive_state, Operation::ReceivePublished)?;
        if receive_state.feed.is_some() {
            return Ok(());
        }
        receive_state.is_silence_untold = true;
        let mut connected = self.connect(&mut receive_state, &mut Waiting::at_once());
        if patience == Patience::OfAnAnswer {
            let mut waiting = Waiting::until(Deadline::after(MIN_ANSWER_TIME));
            while receive_state.connecting.is_some() {
                let ReceiveState { epoll, ready, .. } = &mut *receive_state;
                let waited = drive::events(epoll, &mut waiting, ready);
                connected = self.connect(&mut receive_state, &mut Waiting::at_once());
                if waited.is_err() {
                    break;
                }
            }
        }
        receive_state.is_silence_untold &= !self.is_member;
        connected
    }

    /// Continues the connections of [`Subscriber::dial`]; returns whether all publishers answered.
    ///
    /// From then on, their messages are received or counted.
    ///
    /// # Errors
    /// `InvalidState` if another thread receives or the subscriber is closed. The receiving call reports other errors.
    pub fn has_joined(&self) -> Result<bool> {
        let joined = self.lock_open().map(|mut receive_state| {
            let has_joined = match &self.names {
                Some(names) => {
                    let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
                    let has_joined = names.connect_some(&self.event_log);
                    receive_state.has_ready_names = names.has_more_to_do();
                    has_joined
                }
                None => {
                    if receive_state.connecting.is_some() {
                        let _ = self.connect(&mut receive_state, &mut Waiting::at_once());
                    }
                    receive_state.connecting.is_none()
                }
            };
            if !receive_state.parked {
                receive_state.update_readiness();
            }
            has_joined
        });
        joined.map_err(|e| e.on(&self.shown))
    }
}

impl Subscriber {
    /// Leaves names that the selection no longer includes, and begins to join new names.
    ///
    /// # Errors
    /// `InvalidState` if another thread receives or the subscriber is closed; errors of the names' directories.
    #[doc(hidden)]
    pub fn select_again(&self) -> Result<()> {
        let selected = self.lock_open().and_then(|mut receive_state| {
            let Some(names) = &self.names else { return Ok(()) };
            let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
            let selected = names.select_again(&receive_state.epoll, &self.event_log);
            receive_state.has_ready_names = names.has_more_to_do();
            drop(names);
            if !receive_state.parked {
                receive_state.update_readiness();
            }
            selected
        });
        selected.map_err(|e| e.on(&self.shown))
    }
}

impl Receiver for Subscriber {
    fn begin(
        endpoint: Endpoint,
        options: &Options,
        resume: Option<After>,
        watches: bool,
    ) -> Result<Subscriber> {
        Subscriber::to_one(endpoint, options, resume, if watches { Part::Given } else { Part::Fitting })
    }

    fn connect(&self) -> Result<()> {
        self.connect_first(Patience::None)
    }

    fn is_connecting(&self) -> bool {
        self.receive_state.lock().unwrap_or_else(PoisonError::into_inner).connecting.is_some()
    }

    fn name_appeared(&self) {
        if !self.is_connected() && !self.is_connecting() {
            self.origin.retry().into_iter().for_each(Retry::is_due);
        }
    }

    fn set_watched(&self) -> Result<()> {
        lock_exclusive(&self.receive_state, Operation::ReceivePublished)?.watched = true;
        Ok(())
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    fn receive_now(&self, iterates: bool) -> Result<Option<Message>> {
        self.receive(&mut Waiting::at_once(), iterates, None)
    }

    fn acknowledge(&self) -> Result<()> {
        self.consume()
    }

    fn take_events(&self) -> Vec<Event> {
        self.events()
    }

    fn take_ends(&self) -> Vec<End> {
        self.ends()
    }

    fn take_missed(&self) -> u64 {
        let mut state = self.receive_state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.missed)
    }

    fn is_connected(&self) -> bool {
        Subscriber::is_connected(self)
    }

    fn tried(&self) -> Tried {
        self.receive_state.lock().unwrap_or_else(PoisonError::into_inner).tried
    }

    fn was_connected_to(&self, listener: Option<Listener>) {
        self.receive_state.lock().unwrap_or_else(PoisonError::into_inner).tried.connected = listener;
    }

    fn resume_point(&self) -> After {
        self.receive_state.lock().unwrap_or_else(PoisonError::into_inner).resume.unwrap_or_default()
    }
}
