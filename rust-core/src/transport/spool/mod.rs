//! The directory of files: one message a file, which people and scripts can read, and which stays until it is consumed.
//!
//! | what | lives in |
//! |---|---|
//! | where a spool lies, how it is made and wiped | `layout` |
//! | one of its directories: files appear whole, are read whole, and go | `folder` |
//! | the names of the files | `name` |
//! | who is there | `presence` |
//! | names that have come, and room for more; messages that were given | `arrivals`, `room`; `given` |
//! | the two sides | `server`, `client` |
//! | which of several servers works on what | `workers` |
//! | what a listing shows of it | `listing` |
//! | what cannot be taken; what is taken away | `reject`, `sweep` |

mod arrivals;
mod client;
mod folder;
mod given;
mod layout;
mod listing;
mod name;
mod presence;
mod reject;
mod room;
mod server;
mod sweep;
mod workers;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use client::{ClientRx, ClientTx};
use layout::Layout;
use presence::Presence;
use server::{ServerRx, ServerTx};

use super::connectionless::{ConnectOptions, ConnectionlessLink};
use super::endpoint::Endpoint;
use super::owner::{self, OwnerRecord};
use super::place::Place;
use super::{Incoming, Outgoing, Rx, Sent, Tx};
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::eventfd::EventFd;
use crate::sys::fork;
use crate::sys::inotify::{Watch, WatchFlags};
use crate::sys::lock::Lock;
use crate::sys::poll::wait_readable;
use crate::value::{Map, Value};

pub use layout::durable_place;
pub use listing::listing;
pub use sweep::{remove_if_unused, tidy, tidy_beside};

/// The sending half.
pub struct SpoolTx {
    side: Side,
    /// Always rung: what is ready where there is room.
    ready: EventFd,
}

enum Side {
    Server(ServerTx),
    Client(ClientTx),
}

/// The receiving half.
pub enum SpoolRx {
    /// Of the server.
    Server(ServerRx),
    /// Of a client.
    Client(ClientRx),
}

/// What holds the server's name.
struct Claim {
    layout: Arc<Layout>,
    born: u64,
    presence: Option<Presence>,
    owner_record: Option<OwnerRecord>,
    lock: Option<Lock>,
    is_shared: bool,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.is_shared || self.born != fork::generation() {
            return;
        }
        // What tells of a server stays while another worker serves. It goes under the lock that only the last one gets, who
        // need not be the one that wrote it. What cannot be removed now is swept by the next server.
        self.presence.iter_mut().for_each(Presence::leave);
        self.owner_record.iter_mut().for_each(OwnerRecord::leave);
        let place = &self.layout.place;
        self.lock = None;
        self.lock = layout::lock(place).unwrap_or_default();
        if self.lock.is_some() {
            let _ = self.layout.hello.beneath().remove(presence::SERVER);
            let _ = owner::sweep(place);
        }
    }
}

/// What tells, beside who serves a spool, whether others may serve it, too.
const SHARED: &str = "shared";

/// Takes any name.
fn everybody(_: &str, _: &str) -> bool {
    true
}

/// Serves the spool at an endpoint, and makes it if need be. `AddressInUse` where a living process does. Where there is a durable
/// spool alone, that one is served, also without `durable`: a second one of the same name would leave its messages unread.
pub fn listen(endpoint: &Endpoint, connect_options: &ConnectOptions) -> Result<ConnectionlessLink> {
    let mut place = layout::place(endpoint, connect_options.durable)?;
    if !connect_options.durable
        && Layout::open(&place)?.is_none()
        && let Some(durable) = layout::durable_place(endpoint)
    {
        place = durable;
    }
    serve(place.clone(), connect_options).map_err(|e| place.denied("serve", e))
}

fn serve(place: Place, connect_options: &ConnectOptions) -> Result<ConnectionlessLink> {
    let (lock, is_first) = claim(&place, connect_options.shared)?;
    if !is_first {
        // It was made, wiped and swept by the first one, which lives or has just died.
        let Some(layout) = Layout::open(&place)? else {
            let text = format!("{} is being taken away; try again", place.path().display());
            return Err(Error::new(ErrorKind::Stalled, text));
        };
        return begin(layout, lock, false, connect_options);
    }
    let layout = loop {
        if let Some(layout) = Layout::open(&place)? {
            break layout;
        }
        Layout::make(&place, connect_options)?;
    };
    if layout.is_stale()? {
        layout.wipe()?;
    }
    layout.sync_name()?;
    // What another user left stays, and is in nobody's way.
    sweep::sweep(&layout)?;
    if connect_options.shared {
        server::finish_answers(&layout)?;
    }
    begin(layout, lock, true, connect_options)
}

/// Serves a spool whose lock is held. What tells who serves it, the first one of several says.
fn begin(
    layout: Layout,
    lock: Lock,
    is_first: bool,
    connect_options: &ConnectOptions,
) -> Result<ConnectionlessLink> {
    let layout = Arc::new(layout);
    let (tx, rx) = server::open(layout.clone(), !connect_options.shared, connect_options)?;
    let mut claim = Claim {
        layout: layout.clone(),
        born: fork::generation(),
        presence: None,
        owner_record: None,
        lock: Some(lock),
        is_shared: connect_options.shared,
    };
    let mut more = Map::from_iter([("encoding".to_owned(), connect_options.encoding.name().into())]);
    if connect_options.shared {
        more.insert(SHARED.to_owned(), true.into());
    }
    if is_first {
        // On a full disk nobody can be told of the server, and it can still take messages away, which makes room.
        claim.owner_record = unless_full(OwnerRecord::write(
            &layout.place,
            connect_options.pattern,
            &connect_options.source,
            more,
        ))?;
        claim.presence = unless_full(Presence::server(&layout, connect_options))?;
    }
    if connect_options.shared {
        claim.lock.as_mut().map_or(Ok(()), Lock::share)?;
    }
    Ok(ConnectionlessLink {
        tx: Tx::Spool(Box::new(SpoolTx::new(Side::Server(tx))?)),
        rx: Rx::Spool(Box::new(SpoolRx::Server(rx))),
        place: Some(claim.layout.place.clone()),
        keeps: Some(Box::new(claim)),
    })
}

/// What was written; none where there is no space for it.
fn unless_full<T>(written: Result<T>) -> Result<Option<T>> {
    match written {
        Err(e) if e.kind() == ErrorKind::NoSpace => Ok(None),
        written => written.map(Some),
    }
}

/// Takes the lock of a place, and tells whether nobody shares it. Whoever sweeps, or makes a spool, holds it for a moment, and that
/// is no reason to refuse; the first of several workers may sweep for longer.
fn claim(place: &Place, shared: bool) -> Result<(Lock, bool)> {
    let tries = if shared { 5000 } else { 50 };
    for _ in 0..tries {
        if let Some(lock) = layout::lock(place)? {
            return Ok((lock, true));
        }
        if shared && let Some(lock) = layout::share(place)? {
            return Ok((lock, false));
        }
        let said = owner::read(place);
        let is_shared = |said: &Value| said.at(SHARED).is_ok_and(|it| it == &Value::Bool(true));
        let is_served = said.is_some_and(|said| !shared || !is_shared(&said));
        if is_served && layout::lock(place)?.is_none() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let text = format!("somebody else serves {}; connect to it, or end it first", place.path().display());
    Err(Error::new(ErrorKind::AddressInUse, text))
}

/// Joins the spool at an endpoint as a client, and waits until there is one; with `durable` it is made.
pub fn connect(
    endpoint: &Endpoint,
    connect_options: &ConnectOptions,
    waiting: &mut Waiting<'_>,
) -> Result<ConnectionlessLink> {
    let place = layout::place(endpoint, connect_options.durable)?;
    let mut watch = None;
    loop {
        if let Some(watch) = &watch {
            Watch::drain(watch);
        }
        let joined = try_connect(endpoint, &place, connect_options);
        if let Some(ends) = joined.map_err(|e| place.denied("take part in", e))? {
            return Ok(ends);
        }
        match &watch {
            None => {
                let begun = Watch::new(&place.directory)?;
                if let Some(state) = layout::durable_directory(endpoint) {
                    let doing = format!("watching the directory {}", state.display());
                    begun.also(
                        &state,
                        WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR,
                        doing,
                    )?;
                }
                watch = Some(begun);
            }
            Some(watch) => wait_readable(waiting, &watch.descriptors()).map_err(|e| match e.kind() {
                ErrorKind::Timeout => nobody(&place, waiting),
                _ => e,
            })?,
        }
    }
}

fn nobody(place: &Place, waiting: &Waiting<'_>) -> Error {
    let how = if waiting.is_none() { "was looked for once" } else { "was waited for" };
    let text = format!(
        "there is no spool: {} {how}; start its server, or make it with the option durable, and see that both use the same directory (LINKSPAN_DIR)",
        place.path().display()
    );
    Error::new(ErrorKind::NotFound, text)
}

/// Joins the spool once; none where there is none.
fn try_connect(
    endpoint: &Endpoint,
    place: &Place,
    connect_options: &ConnectOptions,
) -> Result<Option<ConnectionlessLink>> {
    let mut opened = Layout::open(place)?;
    if opened.is_none() && connect_options.durable {
        let Some(_lock) = layout::lock(place)? else { return Ok(None) };
        if Layout::open(place)?.is_none() {
            Layout::make(place, connect_options)?;
        }
        opened = Layout::open(place)?;
    }
    if opened.is_none()
        && let Some(place) = layout::durable_place(endpoint)
    {
        opened = Layout::open(&place)?;
    }
    let Some(layout) = opened else { return Ok(None) };
    if layout.is_stale()? {
        // Where somebody else has the lock, it is wiped already, or in a moment.
        if let Some(_lock) = layout::lock(&layout.place)?
            && layout.is_stale()?
        {
            layout.wipe()?;
        }
        if layout.is_stale()? {
            return Ok(None);
        }
    }
    let layout = Arc::new(layout);
    let who = if connect_options.named {
        connect_options.source.clone()
    } else {
        nameless(&connect_options.source, connect_options.session)
    };
    let (presence, before) = Presence::client(&layout, &who, connect_options)?;
    // From here on nobody takes it away; somebody may just have done so.
    if !layout.is_current() {
        return Ok(None);
    }
    layout.sync_name()?;
    sweep::forget_the_dead(&layout)?;
    let place = Some(layout.place.clone());
    let (tx, rx) = client::join(layout, presence, before, connect_options)?;
    Ok(Some(ConnectionlessLink {
        tx: Tx::Spool(Box::new(SpoolTx::new(Side::Client(tx))?)),
        rx: Rx::Spool(Box::new(SpoolRx::Client(rx))),
        keeps: None,
        place,
    }))
}

/// A name that nobody else has, for one who gave none: `python3-1234+7f3a91c2`.
fn nameless(program: &str, session: u64) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let program: String = program.trim_start_matches('.').chars().map(allowed).collect();
    format!("{program}{}{:08x}", name::NAMELESS, session as u32)
}

macro_rules! each {
    ($on:expr, $side:ident, $half:ident => $call:expr) => {
        match $on {
            $side::Server($half) => $call,
            $side::Client($half) => $call,
        }
    };
}

impl SpoolTx {
    fn new(side: Side) -> Result<SpoolTx> {
        let ready = EventFd::new()?;
        ready.wake();
        Ok(SpoolTx { side, ready })
    }

    /// Never a part of a frame: a file appears whole or not at all.
    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        each!(&mut self.side, Side, half => half.try_send(frame))
    }

    /// Frames that went in part are adopted, and none does.
    pub fn adopt(&mut self, _: &Outgoing<'_>) {}

    /// Nothing is ever under way.
    pub fn flush(&mut self) -> Result<bool> {
        Ok(true)
    }

    pub fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        each!(&mut self.side, Side, half => half.wait_room(waiting))
    }

    /// What is ready once there may be room.
    pub fn room_descriptor(&self) -> BorrowedFd<'_> {
        each!(&self.side, Side, half => half.room_descriptor()).unwrap_or(self.ready.as_fd())
    }

    /// What the server was given is consumed up to this number.
    pub fn consumed_to(&mut self, number: u64) {
        if let Side::Server(half) = &mut self.side {
            half.consumed_to(number);
        }
    }

    /// The caller of this request has given up.
    pub fn withdraw(&mut self, sequence: u64) {
        if let Side::Client(half) = &mut self.side {
            half.withdraw(sequence);
        }
    }
}

impl SpoolRx {
    pub fn try_recv(&mut self) -> Result<Option<Incoming>> {
        each!(self, SpoolRx, half => half.try_recv())
    }

    pub fn consumed(&mut self) {
        self.consumed_but(0);
    }

    /// All that was given but the last so many has been dealt with.
    pub fn consumed_but(&mut self, last: usize) {
        each!(self, SpoolRx, half => half.consumed_but(last));
    }

    pub fn park(&self) -> bool {
        each!(self, SpoolRx, half => half.park())
    }

    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        each!(self, SpoolRx, half => half.descriptors())
    }
}

#[cfg(all(any(test, fuzzing), not(loom)))]
/// Reads the first line as the name of a file, and the rest as what stands in it.
pub fn fuzz(bytes: &[u8]) {
    use crate::frame::Kind;
    let (name, body) = bytes.split_at(bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len()));
    let name = String::from_utf8_lossy(name);
    for usual in [Kind::Data, Kind::Request, Kind::Reply] {
        let said = name::Name::parse(&name, usual);
        if let Some((number, who)) = &said.numbered {
            let written = name::Name::format(*number, who, said.kind, said.encoding, usual);
            assert_eq!(name::Name::parse(&written, usual), said, "{name:?} is written as {written:?}");
            assert!(name::session(who) & 1 == 1 && who.starts_with(name::source(who)));
            let _: bool = client::is_for(&name, who);
        }
        assert!(name.starts_with(name::stem(&name)) || name::is_hidden(&name));
        let limits = crate::value::Limits::for_message(1 << 16);
        if let Err(error) = reject::check(body, said.encoding, &limits, false) {
            drop(reject::failure(&name, &error));
        }
    }
}
