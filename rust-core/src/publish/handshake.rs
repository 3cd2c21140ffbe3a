//! Who may subscribe, and what a subscriber is answered.

use std::sync::Arc;

use super::fanout::{Begin, Fanout};
use crate::channel::acceptor::{check_allowed, told};
use crate::channel::agreement;
use crate::channel::greeting::{self, After, Greeting, Pattern};
use crate::channel::session::Owner;
use crate::channel::{Framing, Options, plain};
use crate::error::{Error, Result};
use crate::frame::Incoming;
use crate::sys::peer::Credentials;
use crate::sys::poll::Interest;
use crate::transport::acceptor::{Answer, HandshakeHandler, IncomingHandshake, RawConnection};
use crate::transport::endpoint::Transport;

/// Answers newcomers of a publisher.
pub struct PublisherHandler {
    pub transport: Transport,
    pub greeting: Greeting,
    pub options: Options,
    pub fanout: Arc<Fanout>,
}

impl HandshakeHandler for PublisherHandler {
    fn check_user(&self, who: Option<&Credentials>) -> Result<()> {
        check_allowed(&self.options, who)
    }

    fn check_hello(&self, hello: &Incoming) -> Result<()> {
        Greeting::from_frame(hello).map(drop)
    }

    fn answer(&self, mut handshake: IncomingHandshake) -> Result<Answer> {
        let theirs = Greeting::from_frame(&handshake.hello)?;
        if theirs.ask {
            let owner = Owner::of(&handshake.stream, handshake.credentials.as_ref());
            if let Some(said) = agreement::said_mismatch(&theirs, &owner.mark(theirs.source())) {
                self.fanout.record.mismatched(said);
            }
            let mut state = self.fanout.state_for_listing();
            state.insert("encoding".into(), self.options.encoding().name().into());
            agreement::add_titles(&self.options, &mut state);
            if let Some(machine) = &self.options.machine {
                state.insert("machine".into(), (**machine).into());
            }
            self.fanout.record.add_mismatch(&mut state);
            let mut ours = self.greeting.clone();
            agreement::meet(&self.options, self.transport, &theirs, &mut ours);
            return told(ours, state);
        }
        Pattern::Publish.admits(theirs.pattern)?;
        let mut ours = self.greeting.clone();
        if !agreement::meet(&self.options, self.transport, &theirs, &mut ours) {
            return agreement::told(&ours);
        }
        match self.transport {
            Transport::Shm => {
                let (descriptors, newest, id) =
                    self.fanout.admit_to_ring(&mut handshake, theirs.session, theirs.once)?;
                // It counts from now on, but opens the ring later: what is published meanwhile is for it, too.
                ours.after = Some(After { session: ours.session, number: newest });
                let frame = ours.to_frame()?;
                let fanout = self.fanout.clone();
                // The acceptor's watch keeps the connection; for one look at the newest value it may end here.
                Ok(Answer { frame, descriptors, admitted: Box::new(move || fanout.answered(id)) })
            }
            _ => {
                let frame = ours.to_frame()?;
                let fanout = self.fanout.clone();
                // What it had of an earlier publisher says nothing of this one.
                let (ours, first) = (self.greeting.session, self.greeting.first);
                let begin = match theirs.after {
                    None => Begin::With(fanout.newest()),
                    Some(after) => Begin::After(after.in_session(ours, first)),
                };
                let admitted = Box::new(move || {
                    let stream = handshake.stream.clone();
                    fanout.admit_to_stream(
                        stream,
                        |w| handshake.watch(Interest::RDHUP, w),
                        theirs.once,
                        begin,
                    );
                });
                Ok(Answer { frame, descriptors: Vec::new(), admitted })
            }
        }
    }

    fn expects_hello(&self) -> bool {
        self.options.framing == Framing::Linkspan
    }

    fn admit_without_hello(&self, connection: RawConnection) -> Result<()> {
        let division = plain::division(Pattern::Publish, &self.options, &Arc::default());
        self.fanout.admit_without_hello(connection, division);
        Ok(())
    }

    fn refusal(&self, error: &Error) -> Vec<u8> {
        greeting::refusal(error)
    }
}
