//! How a subscriber connects to its publisher: the next feed, and its descriptors in the epoll set.

use std::os::fd::AsFd;

use super::Subscriber;
use crate::channel::dial::Dialler;
use crate::deadline::Waiting;
use crate::error::{ErrorKind, Result};
use crate::publish::feed::{Feed, ResumePoint};
use crate::publish::receive_state::{FEED, NAME, ReceiveState};
use crate::sys::poll::{Interest, next_round};
use crate::sys::stop;

impl Subscriber {
    /// Makes the next feed and adds its descriptors to the epoll set.
    pub(super) fn connect(&self, receive_state: &mut ReceiveState, waiting: &mut Waiting<'_>) -> Result<()> {
        // Of the whole call, which dials with waits of their own, too.
        next_round(waiting)?;
        let resume = receive_state.resume;
        let dialled = match &self.dialler {
            Some(dialler) => self.dial(dialler, receive_state, resume, waiting),
            None => Feed::of_store(&self.endpoint, &self.options).map(Some),
        };
        match dialled {
            // A waker ended the wait; the caller checks which.
            Ok(None) => Ok(()),
            Ok(Some(feed)) => {
                for fd in feed.descriptors() {
                    receive_state.epoll.add(fd, FEED, Interest::IN | Interest::RDHUP)?;
                }
                if !receive_state.moved && self.dialler.is_some() {
                    if self.options.schema.is_some() && !feed.has_schema {
                        let source = &feed.source;
                        self.event_log.connected(&format!(
                            "{source}, which gave no schema: nothing is compared with that of this subscriber"
                        ));
                    } else {
                        self.event_log.connected(&feed.source);
                    }
                }
                receive_state.moved = false;
                receive_state.feed = Some(feed);
                Ok(())
            }
            Err(e) => {
                if e.kind() == ErrorKind::NotFound {
                    // A publisher that starts from now on is read from its beginning.
                    receive_state.resume.get_or_insert_default();
                }
                if let Some(dialler) = self.dialler.as_ref().filter(|_| receive_state.watched) {
                    dialler.with_descriptors(|fds| {
                        for fd in fds {
                            // Fails for a descriptor that is in the set already.
                            let _ = receive_state.epoll.add(fd, NAME, Interest::IN);
                        }
                    });
                }
                Err(e)
            }
        }
    }

    /// Connects to the publisher. While it waits for one, there is a mark beside the name: a
    /// publisher that ends soon waits until this subscriber has connected.
    fn dial(
        &self,
        dialler: &Dialler,
        receive_state: &mut ReceiveState,
        resume: Option<ResumePoint>,
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Feed>> {
        let mut wakers = vec![self.wake.as_fd()];
        if receive_state.signal_watch.is_some() && waiting.is_forever() {
            wakers.push(stop::waker());
        }
        let transport = self.endpoint.transport();
        if waiting.is_none() {
            return Feed::dial(dialler, transport, &self.options, resume, &wakers, waiting);
        }
        // A first try without the mark. It counts as waiting: a publisher that does not answer gets a moment
        // even so.
        let deadline = waiting.deadline();
        match Feed::dial(dialler, transport, &self.options, resume, &wakers, &mut Waiting::at_once()) {
            Err(e) if e.kind() == ErrorKind::Stalled && deadline.has_passed() => Err(e),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Stalled) => {
                let resume = resume.or((e.kind() == ErrorKind::NotFound).then(ResumePoint::default));
                receive_state.resume = resume;
                let _waiting_mark = dialler.mark_waiting();
                Feed::dial(dialler, transport, &self.options, resume, &wakers, waiting)
            }
            dialled => dialled,
        }
    }
}
