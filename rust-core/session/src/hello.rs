//! The session in the hellos of a link: the progress of each side, and its replay limits.

/// The limits of an outbox's replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayLimits {
    /// Number of messages.
    pub count: usize,
    /// Bytes of their bodies. A single longer message is kept if it is the only one.
    pub bytes: usize,
}

impl ReplayLimits {
    /// Returns whether another message of `more` bytes fits besides `count` messages of `bytes`.
    #[inline]
    pub fn fit(&self, count: usize, bytes: usize, more: usize) -> bool {
        count < self.count.max(1) && (count == 0 || bytes.saturating_add(more) <= self.bytes)
    }
}

/// Whether a message is kept for replay, and for which peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetransmitClass {
    /// A message without an answer: kept until any incarnation of the peer has consumed it.
    Data,
    /// A request that may be carried out only once: kept until the peer's page shows that it was taken.
    ///
    /// Over a link without pages it is not kept.
    Request,
    /// A request that may be carried out again: kept until it is answered or its caller gives up.
    Idempotent,
    /// The answer to a [`RetransmitClass::Request`]: never sent again.
    Answer,
    /// The answer to a [`RetransmitClass::Idempotent`]: kept until it is consumed.
    ///
    /// It is for the incarnation that sent the request. To another incarnation the request's number means another
    /// request.
    IdempotentAnswer,
}

/// The progress of one side in one session of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The session; 0 for none. A connecting side sends its hello first, so its session may have ended.
    pub session: u64,
    /// The number of the last received message.
    pub received: u64,
    /// The number up to which everything is consumed.
    pub consumed: u64,
}

/// The session in the hello of each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionHello {
    /// The sender's session: a random number for this incarnation, never 0.
    pub session: u64,
    /// The lowest number that a peer without this session may receive; 0 if the hello omits it.
    pub first: u64,
    /// The limits of the sender's replay; `None` for best effort.
    pub keeps: Option<ReplayLimits>,
    /// The sender's progress in the receiver's session.
    pub received: Progress,
}
