//! What each transport promises by its nature, where one promises something else than another.

/// What becomes of a message that was sent and not consumed when one side goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Its sender keeps it and sends it again to the next receiver.
    WithSender,
    /// It stays where it lies, whoever goes.
    InPlace,
    /// The newest stays where it lies; older ones were overwritten.
    NewestInPlace,
    /// It goes with the receiver.
    Gone,
}

/// Who learns that a message is longer than its receiver takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLong {
    /// The sender, who was told the limit, before anything is sent.
    Sender,
    /// The receiver, when it comes.
    Receiver,
    /// Whoever looks into the directory: it is kept aside.
    KeptAside,
}

/// One transport.
#[derive(Debug)]
pub struct Nature {
    pub name: &'static str,
    /// Channels; otherwise a publisher, who holds the name, and its subscribers.
    pub channels: bool,
    /// There is a way back.
    pub answers: bool,
    pub unread: Unread,
    /// A sender waits for a receiver that reads nothing.
    pub fills_up: bool,
    /// A name has one holder.
    pub one_holder: bool,
    /// What becomes of a message that is longer than its receiver takes.
    pub too_long: TooLong,
    /// The longest body, where the system says so.
    pub longest: usize,
    /// Words of the reason for which it refuses the rest.
    pub because: &'static str,
}

impl Nature {
    /// Only the newest value is there.
    pub fn is_latest_only(&self) -> bool {
        self.unread == Unread::NewestInPlace
    }
}

const LINK: Nature = Nature {
    name: "",
    channels: true,
    answers: true,
    unread: Unread::WithSender,
    fills_up: true,
    one_holder: true,
    too_long: TooLong::Sender,
    longest: usize::MAX,
    because: "use spool: or journal:",
};

pub const SHM: Nature =
    Nature { name: "shm", because: "use unix: for framing, spool: or journal: for durability", ..LINK };
pub const UNIX: Nature = Nature { name: "unix", ..LINK };
pub const TCP: Nature = Nature { name: "tcp", because: "use unix: for lists of users", ..LINK };
pub const FIFO: Nature = Nature { name: "fifo", because: "use unix: or shm: for several readers", ..LINK };
pub const SPOOL: Nature = Nature {
    name: "spool",
    unread: Unread::InPlace,
    too_long: TooLong::KeptAside,
    because: "use file: or journal: to publish",
    ..LINK
};
pub const DGRAM: Nature = Nature {
    name: "dgram",
    answers: false,
    unread: Unread::Gone,
    too_long: TooLong::Receiver,
    longest: 1_000_003,
    because: "use unix: for answers",
    ..LINK
};
pub const FILE: Nature = Nature {
    name: "file",
    channels: false,
    answers: false,
    unread: Unread::NewestInPlace,
    fills_up: false,
    one_holder: false,
    too_long: TooLong::Receiver,
    because: "publish to it, subscribe to it, or ask for the latest; use spool: for messages",
    ..LINK
};
pub const JOURNAL: Nature = Nature {
    name: "journal",
    channels: false,
    answers: false,
    unread: Unread::InPlace,
    fills_up: false,
    too_long: TooLong::Receiver,
    because: "use spool: with durable=true for requests that survive",
    ..LINK
};
