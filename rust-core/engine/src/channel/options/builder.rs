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
        /// The options of [`Options::set`]. Making an object refuses impossible values.
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

    /// How long a call without a time-out waits; `None` waits without end.
    with_timeout(timeout: impl Into<Timeout>) sets timeout = timeout.into();

    /// The other machine whose name this name stands for, as a bridge's names do.
    ///
    /// Listings show the machine, and the name is not exported again.
    with_machine(machine: &str) sets machine = Some(machine.into());

    /// Whether a listener sends each message after its peer has consumed the previous one.
    ///
    /// A thread of the peer that waits for one such channel has consumed the messages of its others. The listener
    /// waits for each message with `flush`.
    with_lockstep(lockstep: bool) sets lockstep = lockstep;

    /// A name that stays the same after a restart: 1 to 64 letters, digits, `.`, `_` and `-`.
    with_client_id(name: impl Into<String>) sets client_id = Some(name.into());

    /// Bytes of a shared-memory ring, rounded up to a power of two.
    with_buffer(bytes: usize) sets buffer = Some(bytes);

    /// Bytes of the longest message that is sent or accepted.
    with_max_message_size(bytes: u64) sets max_message_size = bytes;

    /// The delivery guarantee of messages.
    with_delivery(delivery: Delivery) sets delivery = Some(delivery);

    /// When a message counts as consumed.
    with_ack(ack: Acknowledge) sets ack = ack;

    /// Whether requests may be carried out twice. A request then goes to a dead server's next incarnation.
    with_idempotent(idempotent: bool) sets idempotent = idempotent;

    /// The most messages, and their bytes, that are kept for replay.
    with_replay(count: usize, bytes: u64) sets replay_count = count, replay_bytes = bytes;

    /// The number of disconnected clients for which a listener keeps sessions.
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

    /// Bytes of a journal. While it has more, it deletes the oldest segments.
    with_retain_bytes(bytes: u64) sets retain_bytes = Some(bytes);

    /// How long a journal keeps its messages.
    with_retain(age: Duration) sets retain_seconds = Some(age);

    /// Whether a journal deletes segments that every subscriber with a `client_id` has consumed.
    with_retain_consumed(retain_consumed: bool) sets retain_consumed = retain_consumed;

    /// Whether a `file:` is written in place under a lock of the file itself.
    with_locked(locked: bool) sets locked = locked;

    /// Whether several processes may serve a name, each with this option: they share its requests.
    with_shared(shared: bool) sets shared = shared;

    /// Whether long byte strings of a received message stay in the sender's memory, as arrays do.
    ///
    /// They stay there until the message is dropped, without a copy: over `shm:`, in messages from 64 KiB on, each
    /// string from 16 KiB on.
    ///
    /// A malicious sender can change the content during the read, so a program must not parse it in place: copy the
    /// bytes first. Bodies that are not CBOR or raw bytes, and values that are checked against a schema, are copied.
    /// [`Message::body`](crate::Message::body) also copies when it is called.
    with_view_bytes(view_bytes: bool) sets view_bytes = view_bytes;

    /// Whether a publisher takes over the name of another publisher of this process.
    with_replace(replace: bool) sets replace = replace;

    /// The schema of messages at the name.
    ///
    /// Both sides' schemas are compared when they connect. Both sides get `SchemaMismatch` if one cannot read the
    /// other's messages. A side without a schema is not affected.
    #[cfg(feature = "schema")]
    with_schema(schema: crate::schema::Schema) sets schema = Some(crate::schema::PreparedSchema::new(schema));

    /// The schema of replies at the name, compared and checked like [`Options::with_schema`].
    ///
    /// A client reads its server's replies. For servers, and for channels that call.
    #[cfg(feature = "schema")]
    with_reply_schema(schema: crate::schema::Schema) sets reply_schema = Some(crate::schema::PreparedSchema::new(schema));

    /// Which values are checked against the schema.
    with_validate(validate: Validate) sets validate = Some(validate);

    /// How long a receiver polls shared memory before it parks; at most [`Options::MAX_SPIN`].
    with_spin(spin: Duration) sets spin = spin;

    /// How long a channel that ends without `close` waits for the peer's consumption.
    with_linger(linger: Duration) sets linger = linger;

    /// A callback with the number of unconsumed messages of a channel that ended without `close`.
    with_on_unconsumed(report: OnUnconsumed) sets on_unconsumed = Some(report);

    /// A callback that runs while a call waits; `false` ends the wait with `Cancelled`.
    with_on_wait(on_wait: OnWait) sets on_wait = Some(on_wait);
}
