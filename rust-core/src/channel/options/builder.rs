//! Builders for the options: `Options::default().with_timeout(None).with_client_id("plot")`.

use std::time::Duration;

use super::{Acknowledge, Delivery, Framing, OnUnconsumed, Options, StartAt, Validate};
use crate::codec::Encoding;
use crate::deadline::{OnWait, Timeout};

/// The options of [`Options::set`], one after the other. Impossible values are refused when an object is made
/// with them.
impl Options {
    /// The longest time that a receiver polls shared memory before it parks, see [`Options::with_spin`].
    pub const MAX_SPIN: Duration = Duration::from_micros(100);

    /// The longest time that a channel which ends without `close` waits, see [`Options::with_linger`].
    pub const MAX_LINGER: Duration = Duration::from_secs(3600);

    /// Sets the encoding of values.
    #[must_use]
    pub fn with_encoding(mut self, encoding: Encoding) -> Options {
        (self.encoding, self.encoding_given) = (encoding, true);
        self
    }

    /// How long a call without a time-out of its own waits; `None` waits without end.
    #[must_use]
    pub fn with_timeout(mut self, timeout: impl Into<Timeout>) -> Options {
        self.timeout = timeout.into();
        self
    }

    /// The name stands for a name of this other machine, as a bridge's names do: listings show the machine,
    /// and the name is not exported again.
    #[must_use]
    pub fn with_machine(mut self, machine: &str) -> Options {
        self.machine = Some(machine.into());
        self
    }

    /// A name that stays the same when the program starts again: 1 to 64 letters, digits, `.`, `_` and `-`.
    #[must_use]
    pub fn with_client_id(mut self, name: impl Into<String>) -> Options {
        self.client_id = Some(name.into());
        self
    }

    /// Bytes of a shared-memory ring, rounded up to a power of two.
    #[must_use]
    pub fn with_buffer(mut self, bytes: usize) -> Options {
        self.buffer = Some(bytes);
        self
    }

    /// Bytes of the longest message that is sent or accepted.
    #[must_use]
    pub fn with_max_message_size(mut self, bytes: u64) -> Options {
        self.max_message_size = bytes;
        self
    }

    /// The delivery guarantee of messages.
    #[must_use]
    pub fn with_delivery(mut self, delivery: Delivery) -> Options {
        self.delivery = Some(delivery);
        self
    }

    /// When a message counts as consumed.
    #[must_use]
    pub fn with_ack(mut self, ack: Acknowledge) -> Options {
        self.ack = ack;
        self
    }

    /// Whether requests may be carried out twice: then one whose server died is sent to its next incarnation.
    #[must_use]
    pub fn with_idempotent(mut self, idempotent: bool) -> Options {
        self.idempotent = idempotent;
        self
    }

    /// How many messages, and bytes of them, are kept at most to be sent again.
    #[must_use]
    pub fn with_replay(mut self, count: usize, bytes: u64) -> Options {
        (self.replay_count, self.replay_bytes) = (count, bytes);
        self
    }

    /// How many disconnected clients a listener keeps sessions for.
    #[must_use]
    pub fn with_absent_clients(mut self, clients: usize) -> Options {
        self.absent_clients = clients;
        self
    }

    /// How messages are divided on a stream of bytes.
    #[must_use]
    pub fn with_framing(mut self, framing: Framing) -> Options {
        self.framing = framing;
        self
    }

    /// Whether accepted messages survive the death of both programs and of the machine.
    #[must_use]
    pub fn with_durable(mut self, durable: bool) -> Options {
        self.durable = durable;
        self
    }

    /// The mode of files that are created, such as `0o660`.
    #[must_use]
    pub fn with_mode(mut self, mode: u32) -> Options {
        self.mode = Some(mode);
        self
    }

    /// The group of files that are created.
    #[must_use]
    pub fn with_group(mut self, gid: u32) -> Options {
        self.group = Some(gid);
        self
    }

    /// The users that may connect.
    #[must_use]
    pub fn with_allow_uids(mut self, uids: impl IntoIterator<Item = u32>) -> Options {
        self.allow_uids = uids.into_iter().collect();
        self
    }

    /// The groups that may connect.
    #[must_use]
    pub fn with_allow_gids(mut self, gids: impl IntoIterator<Item = u32>) -> Options {
        self.allow_gids = gids.into_iter().collect();
        self
    }

    /// Where a subscriber to a journal begins.
    #[must_use]
    pub fn with_from(mut self, from: StartAt) -> Options {
        self.from = Some(from);
        self
    }

    /// Bytes of a journal's segment.
    #[must_use]
    pub fn with_segment_bytes(mut self, bytes: u64) -> Options {
        self.segment_bytes = Some(bytes);
        self
    }

    /// Bytes of a journal: the oldest segments are deleted while all together have more.
    #[must_use]
    pub fn with_retain_bytes(mut self, bytes: u64) -> Options {
        self.retain_bytes = Some(bytes);
        self
    }

    /// How long a journal keeps its messages.
    #[must_use]
    pub fn with_retain(mut self, age: Duration) -> Options {
        self.retain_seconds = Some(age);
        self
    }

    /// Whether a journal deletes segments that every subscriber with a `client_id` has consumed.
    #[must_use]
    pub fn with_retain_consumed(mut self, retain_consumed: bool) -> Options {
        self.retain_consumed = retain_consumed;
        self
    }

    /// Whether a `file:` is written in place under a lock of the file itself.
    #[must_use]
    pub fn with_locked(mut self, locked: bool) -> Options {
        self.locked = locked;
        self
    }

    /// Whether several processes may serve a name, each with this option: they share its requests.
    #[must_use]
    pub fn with_shared(mut self, shared: bool) -> Options {
        self.shared = shared;
        self
    }

    /// Whether a publisher takes over a name that another publisher of this process has.
    #[must_use]
    pub fn with_replace(mut self, replace: bool) -> Options {
        self.replace = replace;
        self
    }

    /// The schema of messages at the name. Both sides' schemas are compared when they connect:
    /// `SchemaMismatch` on both sides if one cannot read what the other one writes. A side without a schema
    /// is not affected.
    #[cfg(feature = "schema")]
    #[must_use]
    pub fn with_schema(mut self, schema: crate::schema::Schema) -> Options {
        self.schema = Some(crate::schema::PreparedSchema::new(schema));
        self
    }

    /// The schema of replies to requests at the name, compared and checked like [`Options::with_schema`]: a
    /// client reads what its server replies. For servers, and for channels that call.
    #[cfg(feature = "schema")]
    #[must_use]
    pub fn with_reply_schema(mut self, schema: crate::schema::Schema) -> Options {
        self.reply_schema = Some(crate::schema::PreparedSchema::new(schema));
        self
    }

    /// Which values are checked against the schema.
    #[must_use]
    pub fn with_validate(mut self, validate: Validate) -> Options {
        self.validate = Some(validate);
        self
    }

    /// How long a receiver polls shared memory before it parks, at most; [`Options::MAX_SPIN`] at most.
    #[must_use]
    pub fn with_spin(mut self, spin: Duration) -> Options {
        self.spin = spin;
        self
    }

    /// How long a channel that ends without `close` waits until the peer has consumed what was sent.
    #[must_use]
    pub fn with_linger(mut self, linger: Duration) -> Options {
        self.linger = linger;
        self
    }

    /// A callback with the number of messages that the peer had not consumed when a channel ended without `close`.
    #[must_use]
    pub fn with_on_unconsumed(mut self, report: OnUnconsumed) -> Options {
        self.on_unconsumed = Some(report);
        self
    }

    /// A callback that runs while a call waits; `false` ends the wait with `Cancelled`.
    #[must_use]
    pub fn with_on_wait(mut self, on_wait: OnWait) -> Options {
        self.on_wait = Some(on_wait);
        self
    }
}
