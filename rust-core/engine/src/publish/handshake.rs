//! Admits or refuses subscribers, and answers their hellos.
//!
//! Runs on the acceptor's thread, so nothing here waits. The answer carries the newest number, and over shared memory
//! the ring's descriptor. Over sockets the first messages follow the answer. A query is answered with counters.

use std::sync::Arc;

use super::fanout::Fanout;
use super::stream_subscriber::Begin;
use crate::channel::admission::{answer_with_state, check_allowed, described};
use crate::channel::handshake::{self, After, Hello};
use crate::channel::link::{owner_of, qualify};
use crate::channel::pattern::Pattern;
use crate::channel::peers::{self, PeerFacts};
use crate::channel::schema_negotiation;
use crate::channel::{Framing, Options, plain};
use crate::error::{Error, Result};
use crate::frame::Incoming;
use crate::sys::peer::Credentials;
use crate::sys::poll::Interest;
use crate::transport::acceptor::{HandshakeAnswer, HandshakeHandler, IncomingHandshake, RawConnection};
use crate::transport::kind::Transport;

pub struct PublisherHandler {
    pub transport: Transport,
    /// The start of every answer: all subscribers see one session.
    pub hello: Hello,
    pub options: Options,
    pub fanout: Arc<Fanout>,
}

impl HandshakeHandler for PublisherHandler {
    /// Subscribers get the messages that are sent to them. The program's next call gets the error.
    fn ended(&self, error: &Error) {
        self.fanout.event_log.disconnected(format!("no subscriber can connect any more: {error}"));
        self.fanout.fail(
            &error
                .clone()
                .with_hint("no subscriber can connect any more: end this publisher and start another one"),
        );
    }

    fn check_user(&self, who: Option<&Credentials>) -> Result<()> {
        check_allowed(&self.options, who)
    }

    fn check_hello(&self, hello: &Incoming) -> Result<()> {
        Hello::from_frame(hello).map(drop)
    }

    /// Answers a query with counters, and admits a subscriber: over shared memory at once, because its descriptors are
    /// at hand, and over a socket after the answer, because its first message follows the answer.
    fn answer(&self, mut handshake: IncomingHandshake) -> Result<HandshakeAnswer> {
        let peer_hello = Hello::from_frame(&handshake.hello)?;
        if peer_hello.ask {
            let owner = owner_of(&handshake.stream, handshake.credentials.as_ref());
            if let Some(mismatch) =
                schema_negotiation::reported_mismatch(&peer_hello, &qualify(&owner, peer_hello.source()))
            {
                self.fanout.event_log.mismatched(mismatch);
            }
            let mut state = described(&self.options);
            state.extend(self.fanout.state_for_listing());
            self.fanout.event_log.add_mismatch(&mut state);
            if let Some(after) = peer_hello.peers_after {
                peers::add_page(&mut state, after, self.fanout.peers());
            }
            let mut own_hello = self.hello.clone();
            schema_negotiation::negotiate(&self.options, self.transport, &peer_hello, &mut own_hello);
            return answer_with_state(own_hello, state);
        }
        Pattern::Publish.admits(peer_hello.pattern)?;
        let mut own_hello = self.hello.clone();
        if !schema_negotiation::negotiate(&self.options, self.transport, &peer_hello, &mut own_hello) {
            return schema_negotiation::answer(&own_hello);
        }
        let session = self.hello.session;
        // Numbers of other sessions do not count.
        let after = peer_hello.after.map(|after| after.in_session(session, self.hello.first));
        let (fanout, once) = (self.fanout.clone(), peer_hello.once);
        let facts = PeerFacts::new(Some(&peer_hello), &handshake.stream, handshake.credentials.as_ref());
        let (descriptors, newest, admitted): (_, _, Box<dyn FnOnce() + Send>) =
            if self.transport.driver().broadcast().is_some() {
                // A peer of another machine connects through a bridge, which has no slots.
                let knows_slots =
                    peer_hello.slots >= self.transport.capabilities().slots && peer_hello.machine.is_none();
                let subscriber = (peer_hello.session, after);
                let (descriptors, newest, id) =
                    self.fanout.admit_to_ring(&mut handshake, subscriber, once, knows_slots, facts)?;
                // The acceptor's registration keeps the connection. A reader of only the newest value may end now.
                (descriptors, newest, Box::new(move || fanout.answered(id)))
            } else {
                let newest = fanout.newest();
                let begin = after.map_or(Begin::With(newest), Begin::After);
                let unadmitted = fanout.unadmitted();
                let admit = move || {
                    let stream = handshake.stream.clone();
                    let watch = |watcher| handshake.watch(Interest::RDHUP, watcher);
                    fanout.admit_to_stream(stream, watch, once, begin, facts);
                    drop(unadmitted);
                };
                // A bridge does not pass memory on.
                let takes_memory = peer_hello.last_number && peer_hello.machine.is_none();
                let brings = takes_memory && self.transport.driver().brings_memory() && !once;
                let memory = brings.then(|| self.fanout.last_number()).flatten();
                (Vec::from_iter(memory), newest, Box::new(admit))
            };
        // A subscriber that opens the ring later gets the messages in between.
        own_hello.after = Some(After { session, number: newest });
        Ok(HandshakeAnswer { frame: own_hello.to_frame()?, descriptors, admitted })
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
        handshake::refusal(error)
    }
}
