//! Connecting to the publisher: makes the next feed, and adds its descriptors to the epoll set.

use std::os::fd::AsFd;

use super::{MessageSource, Subscriber};
use crate::channel::dial::Dialler;
use crate::channel::handshake::After;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::publish::feed::{Feed, FeedProgress, FeedStart};
use crate::publish::position::PositionFile;
use crate::publish::receive_state::{FEED, ReceiveState};
use crate::sys::poll::{Interest, next_round};
use crate::transport::kind::Transport;

impl Subscriber {
    /// Makes the next feed and adds its descriptors to the epoll set.
    pub(super) fn connect(&self, receive_state: &mut ReceiveState, waiting: &mut Waiting<'_>) -> Result<()> {
        // Counts as a round of the whole call, because the dialler has waits of its own.
        next_round(waiting)?;
        let resume = receive_state.resume;
        let connected = match &*self.origin {
            MessageSource::Publisher { transport, dialler } if self.is_member => {
                self.go_on(dialler, *transport, receive_state, resume)
            }
            MessageSource::Publisher { transport, dialler } => {
                self.dial(dialler, *transport, receive_state, resume, waiting)
            }
            MessageSource::Store(endpoint, retry) => retry.attempt(None, || {
                let feed = Feed::of_store(endpoint, &self.options)?;
                receive_state.set_feed(feed).map(Some)
            }),
            // Only `newest` connects a subscriber to several names, of which each has its own newest message.
            MessageSource::Names => {
                let text = "newest works for one name alone: subscribe to that name, or receive with delivery=\"latest\"";
                Err(Error::new(ErrorKind::InvalidState, text))
            }
        };
        match connected {
            // A waker ended the wait. The caller checks which one.
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
                if e.kind() == ErrorKind::NotFound {
                    // A publisher that starts from now on is read from its first message.
                    receive_state.resume.get_or_insert_default();
                }
                if self.origin.retry().is_some_and(|retry| !retry.is_armed()) {
                    // The process has no descriptors left: the program tries again.
                    receive_state.waker.wake();
                }
                Err(e)
            }
        }
    }

    /// Records the connection to a publisher, and where it begins.
    fn note_connected(&self, receive_state: &mut ReceiveState) {
        let Some(feed) = &receive_state.feed else { return };
        let (session, before) = (feed.session, feed.before);
        if self.options.schema.is_some() && !feed.has_schema {
            let source = &feed.source;
            self.event_log.connected(&format!(
                "{source}, which has no schema: the schema of this subscriber is not compared with one"
            ));
        } else {
            self.event_log.connected(&feed.source);
        }
        self.keep_position(receive_state, session, before);
    }

    /// Keeps the position of a subscriber with a `client_id` from its first connection on, and counts the messages that
    /// were published since its last incarnation stopped.
    fn keep_position(&self, receive_state: &mut ReceiveState, session: u64, before: Option<u64>) {
        let mut counted_from = before;
        if std::mem::take(&mut receive_state.is_position_due)
            && let Some(client_id) = &self.options.client_id
        {
            match PositionFile::open(&self.shown, client_id) {
                Ok(position) => receive_state.position = Some(position),
                Err(e) => self.event_log.disconnected(format!(
                    "{e}; messages that this subscriber misses between its end and its next start are not counted"
                )),
            }
            // A name that this subscriber to several has connected to before continues: the subscriber was not away.
            let was_away = receive_state.resume.is_none_or(|resume| resume.session == 0);
            let last = receive_state.position.as_ref().and_then(PositionFile::last);
            if let (Some(last), Some(before)) = (last.filter(|_| was_away), before) {
                let number = if last.session == session { last.number } else { 0 };
                if last.session != session {
                    self.event_log.disconnected(format!(
                        "the publisher restarted while this subscriber was away: messages of its former incarnation after number {} are not counted",
                        last.number
                    ));
                }
                if before > number {
                    receive_state.deferred_error = Some(Error::lagged(before - number));
                }
                counted_from = Some(number);
            }
        }
        if let Some(position) = &receive_state.position {
            position.connected(session, counted_from);
        }
    }

    /// Begins to connect to the publisher, or goes on with what was begun, without waiting.
    fn go_on(
        &self,
        dialler: &Dialler,
        transport: Transport,
        receive_state: &mut ReceiveState,
        resume: Option<After>,
    ) -> Result<Option<()>> {
        let not_yet = || Waiting::at_once().timed_out();
        // Something else has woken the set: another name of the same directory.
        let is_due = dialler.retry().may_succeed();
        if receive_state.connecting.is_none() && !is_due {
            return Err(not_yet());
        }
        dialler.attempt(|dialling| {
            let begun = match receive_state.connecting.take() {
                Some(pending) => {
                    receive_state.epoll.remove(pending.descriptor());
                    FeedStart::Pending(pending)
                }
                None => {
                    receive_state.tried.last = dialler.listener();
                    FeedStart::Anew(resume)
                }
            };
            match Feed::begin(dialling, transport, &self.options, begun, &mut receive_state.views)? {
                FeedProgress::Connected(feed) => {
                    receive_state.tried.connected = receive_state.tried.last;
                    receive_state.set_feed(feed).map(Some)
                }
                FeedProgress::Pending(pending) => {
                    receive_state.epoll.add(pending.descriptor(), FEED, Interest::IN | Interest::RDHUP)?;
                    receive_state.connecting = Some(pending);
                    Err(not_yet())
                }
            }
        })
    }

    /// Connects to the publisher.
    fn dial(
        &self,
        dialler: &Dialler,
        transport: Transport,
        receive_state: &mut ReceiveState,
        resume: Option<After>,
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<()>> {
        let mut wakers = vec![self.wake.as_fd()];
        if waiting.is_forever()
            && let Some(watch) = &receive_state.signal_watch
        {
            wakers.extend(watch.level_waker());
        }
        // The deadline of the whole wait, which begins before the first attempt.
        let deadline = waiting.deadline();
        dialler.dial_marked(waiting, |first, waiting| {
            let resume = match first {
                None => resume,
                // A publisher that does not answer has a short time even in a call that does not wait, and the first
                // attempt has used it.
                Some(e) if e.kind() == ErrorKind::Stalled && deadline.has_passed() => {
                    return Err(e);
                }
                Some(e) => {
                    receive_state.resume = resume.or((e.kind() == ErrorKind::NotFound).then(After::default));
                    receive_state.resume
                }
            };
            dialler.attempt(|dialling| {
                let views = &mut receive_state.views;
                match Feed::dial(dialling, transport, &self.options, resume, views, &wakers, waiting)? {
                    Some(feed) => receive_state.set_feed(feed).map(Some),
                    None => Ok(None),
                }
            })
        })
    }
}
