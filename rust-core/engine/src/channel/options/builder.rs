//! Builders for the options: `Options::default().with_timeout(None).with_client_id("plot")`.

use std::time::Duration;

use super::{Acknowledge, Delivery, Framing, OnUnconsumed, Options, StartAt, Validate};
use crate::codec::Encoding;
use crate::deadline::{OnWait, Timeout};

impl Options {
    /// The longest time that a receiver polls shared memory before it parks, see [`Options::with_spin`].
    pub const MAX_SPIN: Duration = Duration::from_micros(100);

    /// The longest time that a channel which ends without `close` waits, see [`Options::with_linger`].
    pub const MAX_LINGER: Duration = Duration::from_secs(3600);
}

/// A builder for each option: its name, its arguments, and the fields that it sets.
macro_rules! builders {
    ($($(#[$attribute:meta])* $name:ident($($argument:ident: $type:ty),+) sets $($field:ident = $value:expr),+;)+) => {
        /// The options of [`Options::set`], one after the other. Impossible values are refused when an object is made
        /// with them.
        impl Options {
            $(
                $(#[$attribute])*
                #[must_use]
                pub fn $name(mut self, $($argument: $type),+) -> Options {
                    $(self.$field = $value;)+
                    self
                }
            )+
        }
    };
}

builders! {
    /// Sets the encoding of values.
    with_encoding(encoding: Encoding) sets encoding = encoding, encoding_given = true;

    /// How long a call without a time-out of its own waits; `None` waits without end.
    with_timeout(timeout: impl Into<Timeout>) sets timeout = timeout.into();

    /// The name stands for a name of this other machine, as a bridge's names do: listings show the machine,
    /// and the name is not exported again.
    with_machine(machine: &str) sets machine = Some(machine.into());

    /// Of a listener that sends each message once its peer has consumed the one before, as a replay does: while a
    /// thread of the peer waits for one such channel, it has consumed what it was sent over its others. It waits for
    /// each with `flush`.
    with_lockstep(lockstep: bool) sets lockstep = lockstep;

    /// A name that stays the same when the program starts again: 1 to 64 letters, digits, `.`, `_` and `-`.
    with_client_id(name: impl Into<String>) sets client_id = Some(name.into());

    /// Bytes of a shared-memory ring, rounded up to a power of two.
    with_buffer(bytes: usize) sets buffer = Some(bytes);

    /// Bytes of the longest message that is sent or accepted.
    with_max_message_size(bytes: u64) sets max_message_size = bytes;

    /// The delivery guarantee of messages.
    with_delivery(delivery: Delivery) sets delivery = Some(delivery);

    /// When a message counts as consumed.
    with_ack(ack: Acknowledge) sets ack = ack;

    /// Whether requests may be carried out twice: then one whose server died is sent to its next incarnation.
    with_idempotent(idempotent: bool) sets idempotent = idempotent;

    /// How many messages, and bytes of them, are kept at most to be sent again.
    with_replay(count: usize, bytes: u64) sets replay_count = count, replay_bytes = bytes;

    /// How many disconnected clients a listener keeps sessions for.
    with_absent_clients(clients: usize) sets absent_clients = clients;

    /// How messages are divided on a stream of bytes.
    with_framing(framing: Framing) sets framing = framing;

    /// Whether accepted messages survive the death of both programs and of the machine.
    with_durable(durable: bool) sets durable = durable;

    /// The mode of files that are created, such as `0o660`.
    with_mode(mode: u32) sets mode = Some(mode);

    /// The group of files that are created.
    with_group(gid: u32) sets group = Some(gid);

    /// The users that may connect.
    with_allow_uids(uids: impl IntoIterator<Item = u32>) sets allow_uids = uids.into_iter().collect();

    /// The groups that may connect.
    with_allow_gids(gids: impl IntoIterator<Item = u32>) sets allow_gids = gids.into_iter().collect();

    /// Where a subscriber to a journal begins.
    with_from(from: StartAt) sets from = Some(from);

    /// Bytes of a journal's segment.
    with_segment_bytes(bytes: u64) sets segment_bytes = Some(bytes);

    /// Bytes of a journal: the oldest segments are deleted while all together have more.
    with_retain_bytes(bytes: u64) sets retain_bytes = Some(bytes);

    /// How long a journal keeps its messages.
    with_retain(age: Duration) sets retain_seconds = Some(age);

    /// Whether a journal deletes segments that every subscriber with a `client_id` has consumed.
    with_retain_consumed(retain_consumed: bool) sets retain_consumed = retain_consumed;

    /// Whether a `file:` is written in place under a lock of the file itself.
    with_locked(locked: bool) sets locked = locked;

    /// Whether several processes may serve a name, each with this option: they share its requests.
    with_shared(shared: bool) sets shared = shared;

    /// Whether the long byte strings of a message that is received stay in the sender's memory until the message is
    /// dropped, as arrays do, and no copy is made: over `shm:`, of messages from 64 KiB on, each string from 16 KiB on.
    ///
    /// The content can be changed by a sender that means harm, also while it is read, so a program must not parse it in
    /// place: copy what is to be examined. Bodies that are not CBOR or raw bytes, and values that are checked against
    /// a schema, are copied; so is [`Message::body`](crate::Message::body), when it is called.
    with_view_bytes(view_bytes: bool) sets view_bytes = view_bytes;

    /// Whether a publisher takes over a name that another publisher of this process has.
    with_replace(replace: bool) sets replace = replace;

    /// The schema of messages at the name. Both sides' schemas are compared when they connect:
    /// `SchemaMismatch` on both sides if one cannot read what the other one writes. A side without a schema
    /// is not affected.
    #[cfg(feature = "schema")]
    with_schema(schema: crate::schema::Schema) sets schema = Some(crate::schema::PreparedSchema::new(schema));

    /// The schema of replies to requests at the name, compared and checked like [`Options::with_schema`]: a
    /// client reads what its server replies. For servers, and for channels that call.
    #[cfg(feature = "schema")]
    with_reply_schema(schema: crate::schema::Schema) sets reply_schema = Some(crate::schema::PreparedSchema::new(schema));

    /// Which values are checked against the schema.
    with_validate(validate: Validate) sets validate = Some(validate);

    /// How long a receiver polls shared memory before it parks, at most; [`Options::MAX_SPIN`] at most.
    with_spin(spin: Duration) sets spin = spin;

    /// How long a channel that ends without `close` waits until the peer has consumed what was sent.
    with_linger(linger: Duration) sets linger = linger;

    /// A callback with the number of messages that the peer had not consumed when a channel ended without `close`.
    with_on_unconsumed(report: OnUnconsumed) sets on_unconsumed = Some(report);

    /// A callback that runs while a call waits; `false` ends the wait with `Cancelled`.
    with_on_wait(on_wait: OnWait) sets on_wait = Some(on_wait);
}
