//! What an engine between machines has to do, in words that belong to none.

pub mod zenoh;

use std::any::Any;

use bytes::Bytes;
use linkspan::{Encoding, RemoteFailure, Result};

/// What a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// A publisher has it.
    Publish,
    /// A server has it.
    Request,
    /// A listener has it, or the one end of a channel.
    Channel,
}

/// A name of a machine while it is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Presence {
    /// The name, without a transport.
    pub name: String,
    /// What it is for.
    pub pattern: Pattern,
    /// Whose it is.
    pub machine: String,
    /// The incarnation of the program that has it; never 0.
    pub incarnation: u64,
}

/// Another bridge of the realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// Drawn by chance for its incarnation; never 0.
    pub id: u64,
    /// The machine that it is on.
    pub machine: String,
}

/// Where a published message comes from: which one it is among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The publisher's incarnation.
    pub incarnation: u64,
    /// Its number there, from 1.
    pub sequence: u64,
    /// When it was sent, in nanoseconds since 1970.
    pub sent: i64,
}

/// An encoded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// How it is written.
    pub encoding: Encoding,
    /// The bytes.
    pub bytes: Bytes,
}

/// A published message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The name that it was published at.
    pub name: String,
    /// None for one of a program that knows the engine and nothing of Linkspan.
    pub origin: Option<Origin>,
    /// The value.
    pub body: Body,
}

/// What becomes of a request.
pub type Reply = std::result::Result<Body, RemoteFailure>;

/// Gives a request of another machine its one answer.
pub type Respond = Box<dyn FnOnce(Reply) + Send>;

/// What an engine brings.
pub enum Arrival {
    /// A name of another machine is there.
    Appeared(Presence),
    /// It is there no longer.
    Gone(Presence),
    /// A message of an imported name.
    Sample(Sample),
    /// What a publisher's newest message is: asked for by [`Engine::newest`].
    Newest(Presence, Newest),
    /// A program that knows the engine alone has ended what it published at the name.
    Ended(String),
    /// A bridge is there; it may be this one.
    BridgeAppeared(Bridge),
    /// It is there no longer.
    BridgeGone(Bridge),
    /// What another bridge has sent: see [`Engine::send`].
    Packet(Bytes),
    /// A request for an exported server.
    Request(String, Body, Respond),
}

/// The answer to the question for a newest message.
pub enum Newest {
    /// This one.
    Sample(Sample),
    /// Nothing has been published yet.
    None,
    /// No answer came.
    Unknown,
}

impl Arrival {
    /// The bytes that it holds where it may be dropped or refused, as samples, packets and requests may; else 0.
    pub fn size(&self) -> usize {
        match self {
            Arrival::Sample(sample) => sample.body.bytes.len() + sample.name.len() + 100,
            Arrival::Request(name, body, _) => body.bytes.len() + name.len() + 500,
            Arrival::Packet(bytes) => bytes.len() + 100,
            _ => 0,
        }
    }
}

/// An engine that joins this machine to others. What it brings goes to the [`Inbox`](crate::inbox::Inbox) that it was made with.
pub trait Engine {
    /// Lets others have a publisher: they see its presence and can ask for its newest message, until the outlet is dropped.
    fn export_publisher(&self, presence: &Presence) -> Result<Box<dyn Outlet>>;

    /// Lets others have a server: requests for it arrive until what is given here is dropped.
    fn export_server(&self, presence: &Presence) -> Result<Box<dyn Any>>;

    /// Lets others see that a channel is there until what is given here is dropped. What goes over it is sent between the bridges.
    fn export_channel(&self, presence: &Presence) -> Result<Box<dyn Any>>;

    /// The number of this bridge's incarnation, as others see it in [`Bridge::id`].
    fn id(&self) -> u64;

    /// Sends something to another bridge, without waiting for it: it may be lost where the network or the other bridge is slow.
    fn send(&self, bridge: u64, packet: Bytes) -> Result<()>;

    /// Samples of names that may be like this pattern arrive from now on, and perhaps others.
    fn import(&self, pattern: &str) -> Result<()>;

    /// Asks for the newest message of a publisher of another machine.
    fn newest(&self, presence: &Presence) -> Result<()>;

    /// Sends a request to the server of this presence; `respond` is called once, from another thread perhaps.
    fn request(&self, presence: &Presence, body: Body, respond: Respond) -> Result<()>;
}

/// Carries the messages of one exported publisher.
pub trait Outlet {
    /// Sends one without waiting for anybody; it is the newest from now on.
    fn publish(&self, sample: Sample) -> Result<()>;
}

/// The failure of a request that no handler has answered, with the code that JSON-RPC has for internal errors.
pub fn failure(kind: &str, text: &str) -> RemoteFailure {
    RemoteFailure { code: -32603, kind: kind.into(), text: text.into(), data: Vec::new() }
}
