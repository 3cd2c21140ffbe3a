//! A publisher that stands for one of another machine: its incarnation and its numbers.

use super::Publisher;
use crate::channel::Options;
use crate::channel::handshake::Hello;
use crate::channel::pattern::Pattern;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Payload;
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::Transport;
use crate::value::Timestamp;

impl Publisher {
    /// Binds the name for a publisher of another machine, of this
    /// [`incarnation`](crate::Message::incarnation), whose messages are relayed from number `first` on. A
    /// subscriber that has received from this incarnation before, at another relay, continues where it
    /// stopped; `Lagged` has what it missed meanwhile. For other subscribers nothing before `first` counts as
    /// missed.
    ///
    /// # Errors
    /// `AddressInUse` if a living process holds the name, `Unsupported` for an endpoint without live
    /// subscribers, `InvalidState` if the incarnation or `first` is 0.
    pub fn relay(endpoint: &str, options: &Options, incarnation: u64, first: u64) -> Result<Publisher> {
        let endpoint: Endpoint = endpoint.parse()?;
        let open = || {
            if !endpoint.transport().capabilities().relays {
                let text = format!(
                    "only {} relay messages under their numbers; use one of those",
                    Transport::having(|can| can.relays)
                );
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
            if incarnation == 0 || first == 0 {
                let text = "a relay needs an incarnation and a first number, neither of which may be 0";
                return Err(Error::new(ErrorKind::InvalidState, text));
            }
            let mut hello =
                Hello::new(Pattern::Publish, options.client_id.clone(), options.max_message_size)?;
            (hello.session, hello.first) = (incarnation, first);
            Publisher::at(&endpoint, options, hello, true)
        };
        open().map_err(|e| e.on(&endpoint))
    }

    /// Publishes a message of the other machine's publisher, under the number and the time that it had there.
    /// Subscribers get `Lagged` for numbers that were left out since the last. Returns false for a number
    /// that was published already, which changes nothing. Errors as for [`Publisher::send`].
    pub fn relay_payload(&self, sequence: u64, sent: Timestamp, payload: &Payload) -> Result<bool> {
        self.try_relay(sequence, sent, payload).map_err(|e| e.on(&self.shown))
    }

    fn try_relay(&self, sequence: u64, sent: Timestamp, payload: &Payload) -> Result<bool> {
        self.check()?;
        if self.store.is_some() {
            let text = "a store numbers its messages by itself; relay to an endpoint with live subscribers";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let _turn = self.acquire_turn()?;
        self.fanout.relay(sequence, sent, payload)
    }
}
