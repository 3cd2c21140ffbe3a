//! The differences between the promises of the transports.

/// The fate of a sent and unconsumed message when one side ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Its sender keeps it and sends it again to the next receiver.
    WithSender,
    /// It stays stored, whichever side ends.
    InPlace,
    /// The newest stays stored; older ones were overwritten.
    NewestInPlace,
    /// It is lost with the receiver.
    Gone,
}

/// The side that finds that a message is longer than its receiver accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLong {
    /// The sender, which has the limit from the hello, before anything is sent.
    Sender,
    /// The receiver, when it reads the message.
    Receiver,
    /// No side: the file is kept in a directory for rejected files.
    KeptAside,
}

#[derive(Debug)]
pub struct Nature {
    pub name: &'static str,
    /// Whether it has channels; otherwise it has a publisher, which holds the name, and subscribers.
    pub channels: bool,
    pub answers: bool,
    pub unread: Unread,
    /// Whether a sender waits for a receiver that reads nothing.
    pub fills_up: bool,
    pub one_holder: bool,
    pub too_long: TooLong,
    /// The longest body, if the system limits it.
    pub longest: usize,
    /// A part of the error text for unsupported operations.
    pub because: &'static str,
}

impl Nature {
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
