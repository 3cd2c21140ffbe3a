//! What the hellos of a link say of the sessions: who has received what, and what is kept for whom.

/// How much an outbox keeps to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayLimits {
    /// Number of messages.
    pub count: usize,
    /// Bytes of their bodies. A single longer message is kept alone.
    pub bytes: usize,
}

impl ReplayLimits {
    /// Returns whether another message of `more` bytes is kept besides `count` ones of `bytes`.
    #[inline]
    pub fn fit(&self, count: usize, bytes: usize, more: usize) -> bool {
        count < self.count.max(1) && (count == 0 || bytes.saturating_add(more) <= self.bytes)
    }
}

/// Whether, and for whom, a message is kept to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetransmitClass {
    /// A message that is not answered: kept until it is consumed, by whichever incarnation of the
    /// peer.
    Data,
    /// A request that may be carried out only once: kept until the peer's page shows that it was taken.
    /// Over a link without pages it is not kept.
    Request,
    /// A request that may be carried out again: kept until its answer comes or its caller gives up.
    Idempotent,
    /// The answer to a [`RetransmitClass::Request`]: never sent again.
    Answer,
    /// The answer to a [`RetransmitClass::Idempotent`]: kept until it is consumed, for the
    /// incarnation that sent the request. To another one the number of the request means another
    /// request.
    IdempotentAnswer,
}

/// The progress of one side in one session of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The session; 0 for none. A connecting side sends its hello first, and may mean a session that
    /// has ended.
    pub session: u64,
    /// The number of the last message that was received.
    pub received: u64,
    /// The number up to which everything is consumed.
    pub consumed: u64,
}

/// The session in the hello of each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionHello {
    /// The sender's session: a random number for this incarnation, never 0.
    pub session: u64,
    /// The lowest number that a peer without this session may receive; 0 if the hello has none.
    pub first: u64,
    /// How much the sender keeps to be sent again; none for best effort.
    pub keeps: Option<ReplayLimits>,
    /// The sender's progress in the receiver's session.
    pub received: Progress,
}
