//! Connects to the publisher: makes the next feed, and adds its descriptors to the epoll set.

use super::{MessageSource, Subscriber};
use crate::channel::dial::Dialler;
use crate::deadline::Waiting;
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::publish::feed::{Feed, FeedProgress, FeedStart, PendingFeed};
use crate::publish::position::PositionFile;
use crate::publish::receive_state::{FEED, ReceiveState, STOP, WAKE};
use crate::sys::poll::{Interest, next_round};
use crate::transport::kind::Transport;

impl Subscriber {
    pub(super) fn connect(&self, receive_state: &mut ReceiveState, waiting: &mut Waiting<'_>) -> Result<()> {
        // Counts as a round of the whole call, because connecting has its own waits.
        next_round(waiting)?;
        let connected = match &*self.origin {
            MessageSource::Publisher { transport, dialler } if self.is_member => {
                self.go_on(dialler, *transport, receive_state)
            }
            MessageSource::Publisher { transport, dialler } => {
                self.connect_within(dialler, *transport, receive_state, waiting)
            }
            MessageSource::Store(endpoint, retry) => retry.attempt(None, || {
                let feed = Feed::of_store(endpoint, &self.options)?;
                receive_state.set_feed(feed).map(Some)
            }),
            // Only `newest` comes here with several names, each of which has its own newest message.
            MessageSource::Names => {
                let text = "newest works for one name alone: subscribe to that name, or receive with delivery=\"latest\"";
                Err(Error::new(ErrorKind::InvalidState, text))
            }
        };
        match connected {
            Ok(None) => Ok(()),
            Ok(Some(())) => {
                if !std::mem::take(&mut receive_state.moved)
                    && matches!(*self.origin, MessageSource::Publisher { .. })
                {
                    self.note_connected(receive_state);
                }
                Ok(())
            }
            Err(e) => {
                self.note_silence(receive_state, &e);
                if e.kind() == ErrorKind::NotFound {
                    // A publisher that starts from now on is read from its first message.
                    receive_state.resume.get_or_insert_default();
                }
                receive_state.is_unarmed = self.origin.retry().is_some_and(|retry| !retry.is_armed());
                if receive_state.is_unarmed {
                    receive_state.waker.wake();
                }
                Err(e)
            }
        }
    }

    fn note_connected(&self, receive_state: &mut ReceiveState) {
        let Some(feed) = &receive_state.feed else { return };
        let (session, before) = (feed.session, feed.before);
        if self.options.schema.is_some() && !feed.has_schema {
            let source = &feed.source;
            let text = format!(
                "{source}, which has no schema: the schema of this subscriber is not compared with one"
            );
            self.event_log.connected_to(&text, Some(session));
        } else {
            self.event_log.connected_to(&feed.source, Some(session));
        }
        self.keep_position(receive_state, session, before);
    }

    /// Keeps the position of a `client_id` from the first connection on.
    ///
    /// Counts the messages since its last incarnation stopped.
    fn keep_position(&self, receive_state: &mut ReceiveState, session: u64, before: Option<u64>) {
        let mut counted_from = before;
        if std::mem::take(&mut receive_state.is_position_due)
            && let Some(client_id) = &self.options.client_id
        {
            match PositionFile::open(&self.shown, client_id) {
                Ok(position) => receive_state.position = Some(position),
                Err(e) => self.event_log.unseen(format!(
                    "{e}; messages that this subscriber misses between its end and its next start are not counted"
                )),
            }
            // A name that was connected before continues: the subscriber was not away.
            let was_away = receive_state.resume.is_none_or(|resume| resume.session == 0);
            let last = receive_state.position.as_ref().and_then(PositionFile::last);
            if let (Some(last), Some(before)) = (last.filter(|_| was_away), before) {
                let number = if last.session == session { last.number } else { 0 };
                if last.session != session {
                    self.event_log.unseen(format!(
                        "the publisher restarted while this subscriber was away: messages of its former incarnation after number {} are not counted",
                        last.number
                    ));
                }
                if before > number {
                    receive_state.deferred_error = Some(Error::lagged(before.saturating_sub(number)));
                }
                counted_from = Some(number);
            }
        }
        if let Some(position) = &receive_state.position {
            position.connected(session, counted_from);
        }
    }

    /// Begins or continues to connect to the publisher, without waiting. `Timeout` while it has not answered.
    fn go_on(
        &self,
        dialler: &Dialler,
        transport: Transport,
        receive_state: &mut ReceiveState,
    ) -> Result<Option<()>> {
        let not_yet = || Waiting::at_once().timed_out();
        // Another name of the directory may have woken this one's set.
        let is_due = !self.is_member || dialler.retry().may_succeed();
        if receive_state.connecting.is_none() && !is_due {
            return Err(not_yet());
        }
        let connected = dialler.attempt(|dialling| {
            let begun = match receive_state.connecting.take() {
                Some(pending) => {
                    receive_state.epoll.remove(pending.descriptor());
                    FeedStart::Pending(pending)
                }
                None => {
                    let tried = &mut receive_state.tried;
                    tried.last = dialler.listener();
                    let has_record = tried.connected.is_some() || !self.event_log.was_connected();
                    tried.is_polled = dialler.is_polled(has_record);
                    FeedStart::Anew(receive_state.resume)
                }
            };
            match Feed::begin(dialling, transport, &self.options, begun, &mut receive_state.views)? {
                FeedProgress::Connected(feed) => {
                    receive_state.tried.connect(dialler.listener());
                    receive_state.set_feed(feed).map(Some)
                }
                FeedProgress::Pending(pending) => {
                    receive_state.epoll.add(pending.descriptor(), FEED, Interest::IN | Interest::RDHUP)?;
                    receive_state.connecting = Some(pending);
                    Err(not_yet())
                }
            }
        });
        self.note_attempt(dialler, receive_state, &connected);
        connected
    }

    fn note_attempt(&self, dialler: &Dialler, state: &mut ReceiveState, connected: &Result<Option<()>>) {
        let (failed, log) = (connected.as_ref().err(), &self.event_log);
        match failed.map(Error::kind) {
            Some(ErrorKind::Timeout) => return,
            // Held over all waits of the program.
            Some(ErrorKind::NotFound | ErrorKind::Stalled) => {
                state.mark = state.mark.take().or_else(|| dialler.mark());
            }
            // A publisher that refuses this subscriber need not wait for it.
            _ => state.mark = None,
        }
        match failed {
            Some(e) if e.kind() == ErrorKind::Stalled => return self.note_silence(state, e),
            Some(e) if e.kind() == ErrorKind::NotFound => state.find_nobody(),
            _ => {}
        }
        // Some publishers, on other machines, are reported only by connections that end too early.
        state.is_silence_untold = state.lives.is_none() && !self.is_member;
        let ReceiveState { lives: Some(lives), tried, feed, .. } = state else { return };
        match failed.map(Error::kind) {
            None => {
                lives.of.met(feed.as_ref().map_or(0, |feed| feed.session), tried.connected);
                if tried.is_certain {
                    lives.settle(tried.connected, log);
                }
            }
            Some(ErrorKind::NotFound) => lives.settle(tried.last, log),
            Some(ErrorKind::OutOfMemory) => {}
            Some(_) => drop(lives.of.met(0, tried.last)),
        }
    }

    /// Reports that a publisher has not answered: messages before a later connection are lost uncounted.
    fn note_silence(&self, state: &mut ReceiveState, error: &Error) {
        if error.kind() == ErrorKind::Stalled && std::mem::take(&mut state.is_silence_untold) {
            self.event_log.disconnected(format!(
                "{error}; messages that are published before a call connects are neither received nor counted"
            ));
        }
    }

    fn connect_within(
        &self,
        dialler: &Dialler,
        transport: Transport,
        receive_state: &mut ReceiveState,
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<()>> {
        loop {
            let error = match self.go_on(dialler, transport, receive_state) {
                Err(error) => error,
                connected => return connected,
            };
            match error.kind() {
                ErrorKind::Timeout if receive_state.connecting.is_some() => {}
                _ if dialler.may_succeed_after(&error) => {}
                _ => return Err(error),
            }
            receive_state.waker.drain();
            let ReceiveState { epoll, ready, .. } = &mut *receive_state;
            let waited = dialler.retry().bounded(waiting, |waiting| drive::events(epoll, waiting, ready));
            let is_woken = receive_state.ready.iter().any(|one| matches!(one.token, WAKE | STOP));
            match waited {
                Ok(()) if is_woken => {
                    self.wake.drain();
                    return Ok(None);
                }
                Ok(()) => {}
                Err(over) if over.kind() == ErrorKind::Timeout => {
                    let under_way = receive_state.connecting.as_ref().map(PendingFeed::under_way);
                    let error = dialler.without_outcome(under_way, error, waiting, over);
                    return Err(error.on(dialler.endpoint()));
                }
                Err(over) => return Err(over),
            }
        }
    }
}
