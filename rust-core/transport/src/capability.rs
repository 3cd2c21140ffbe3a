//! The capabilities of each transport. The layers above read them instead of asking for the transport.
//!
//! `docs/transports.md` shows all records as a table; a test in `table` compares the two.

/// The capabilities of a transport: one record for each transport and framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Two ends exchange messages, both ways, or one way if `replies` is false.
    pub channel: bool,
    /// Many clients call one server.
    pub request: bool,
    /// One publisher has any number of subscribers.
    pub publish: bool,
    /// Messages can be returned: calls have replies.
    pub replies: bool,
    /// The two sides exchange a hello, so a session can survive the death of either.
    pub sessions: bool,
    /// The name itself keeps unconsumed messages.
    pub keeps: bool,
    /// Accepted messages survive a power cut, with the option `durable` or always.
    pub durable: bool,
    /// Users and groups can be listed by number: the kernel identifies the connecting user.
    pub allow_lists: bool,
    /// It takes `framing="lines"` and `"raw"`, for programs without Linkspan.
    pub framing: bool,
    /// A link can break while both sides live, and resume.
    pub cuts: bool,
    /// One end has links to many peers at a time; otherwise to one.
    pub many_peers: bool,
    /// One link without a hello leads to every process that uses the name.
    pub connectionless: bool,
    /// One side only writes, and the other only reads.
    pub one_way: bool,
    /// The name keeps published messages, and no publisher answers there.
    pub store: bool,
    /// The store has only the newest value, in the form of the option `framing`.
    pub single_value: bool,
    /// The store has every value, and rules decide about deletion.
    pub history: bool,
    /// The mode and the group of a name's files decide about its users.
    pub modes: bool,
    /// Several processes may serve a name side by side.
    pub shared: bool,
    /// A publisher may replace a publisher of another machine, with its sequence numbers.
    pub relays: bool,
    /// Like `relays`, for the ends of a channel, whose frames are passed on unchanged.
    pub relays_links: bool,
    /// The number of slots for long arrays at each side of a link.
    pub slots: u64,
    /// The number of bytes of a schema that fit into one hello.
    pub schema_part: usize,
    /// The reason for the missing capabilities, and an alternative, for the text of an error.
    pub because: &'static str,
}

/// The record of a transport with links to many peers that exchange a hello.
pub const LINKS: Capabilities = Capabilities {
    channel: true,
    request: true,
    publish: true,
    replies: true,
    sessions: true,
    keeps: false,
    durable: false,
    allow_lists: true,
    framing: false,
    cuts: false,
    many_peers: true,
    connectionless: false,
    one_way: false,
    store: false,
    single_value: false,
    history: false,
    modes: true,
    shared: false,
    relays: false,
    relays_links: false,
    slots: 0,
    // A hello has at most 16 KiB; the schema may take half.
    schema_part: 8 << 10,
    because: "",
};

const fn has_peers(can: &Capabilities) -> bool {
    can.channel
}

impl Capabilities {
    /// Returns the capabilities that remain with `framing="lines"`.
    pub const fn with_lines(self) -> Capabilities {
        if !has_peers(&self) {
            return self;
        }
        Capabilities {
            sessions: false,
            because: "lines of JSON have no header and no hello, so nothing is acknowledged or sent again, and no program learns what was missed; use Linkspan's own framing",
            ..self
        }
    }

    /// Returns the capabilities that remain with `framing="raw"`.
    pub const fn with_raw_bytes(self) -> Capabilities {
        if !has_peers(&self) {
            return self;
        }
        Capabilities {
            publish: false,
            replies: false,
            because: "raw bytes have no beginning, no end and no number, so nothing can be answered or sent again; use framing=\"lines\", or Linkspan's own framing",
            ..self.with_lines()
        }
    }
}
