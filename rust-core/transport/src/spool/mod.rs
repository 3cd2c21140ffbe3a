//! A spool: a directory with one file per message, which people and scripts can read.
//!
//! A script needs only `ls`, `mv` and `rm`. A file moved into `server/` is a request, its answer appears in
//! `client/` under the request's name, and removing a file consumes it. Either side may die and start again;
//! the kernel's locks are the only proof of life. One server (or several workers with the option `shared`)
//! holds the lock of the spool's name; a client holds a lock for its own name.
//!
//! | topic | module |
//! |---|---|
//! | the place of a spool, its creation and wiping | `layout` |
//! | one of its directories: whole files, and the clients with a file | `folder` |
//! | the names of the files | `name` |
//! | the file of a participant | `presence` |
//! | new names; delivered messages | `arrivals`; `delivered` |
//! | room for more messages, and the count near its bound | `room`, `census` |
//! | the two sides | `server`, `client` |
//! | the division of work among several servers | `workers` |
//! | files that cannot be taken; removal of old files | `reject`; `sweep` |
//! | the traits of a transport, with the listing | `driver` |

mod arrivals;
mod census;
mod client;
mod delivered;
mod driver;
mod folder;
mod layout;
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
use folder::SERVER;
use layout::SpoolDirectory;
use presence::Presence;
use server::{ServerRx, ServerTx};

use super::connectionless::{ConnectOptions, ConnectionlessLink};
use super::endpoint::Endpoint;
use super::half::{ReceiveHalf, SendHalf};
use super::owner::{self, OwnerRecord};
use super::place::Place;
use super::{Incoming, Outgoing, Rx, Sent, Tx};
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::environment;
use crate::sys::eventfd::EventFd;
use crate::sys::fork;
use crate::sys::inotify::{Watch, WatchFlags};
use crate::sys::lock::Lock;
use crate::sys::poll::{Interest, wait_readable};
use crate::value::{Map, Value};

pub use driver::Spool;

struct SpoolTx {
    side: SideTx,
    /// Always readable: the descriptor of a side with room.
    ready: EventFd,
}

enum SideTx {
    Server(ServerTx),
    Client(ClientTx),
}

enum SpoolRx {
    Server(ServerRx),
    Client(ClientRx),
}

/// The resources of a serving server; their drop releases them.
struct BoundSpool {
    layout: Arc<SpoolDirectory>,
    born: u64,
    /// The server's file in `hello/`; `None` for a later worker, or if the disk was full.
    presence: Option<Presence>,
    owner_record: Option<OwnerRecord>,
    lock: Option<Lock>,
    is_shared: bool,
}

impl Drop for BoundSpool {
    fn drop(&mut self) {
        if !self.is_shared || self.born != fork::generation() {
            return;
        }
        // The files that describe a server stay while another worker serves. The last worker removes them
        // under the exclusive lock. The next server sweeps any remaining file.
        self.presence.iter_mut().for_each(Presence::keep_file);
        self.owner_record.iter_mut().for_each(OwnerRecord::keep_file);
        let place = &self.layout.place;
        self.lock = None;
        self.lock = layout::lock(place).unwrap_or_default();
        if self.lock.is_some() {
            let _ = self.layout.hello.beneath().remove(SERVER);
            let _ = owner::sweep(place);
        }
    }
}

const SHARED: &str = "shared";

/// Serves the spool at an endpoint, and creates it if needed.
///
/// If only a durable spool exists, it is served even without the option `durable`: a second spool with this
/// name would leave its messages unread.
///
/// # Errors
/// `AddressInUse` if a living process serves it; `Stalled` if it was removed concurrently.
fn listen(endpoint: &Endpoint, connect_options: &ConnectOptions) -> Result<ConnectionlessLink> {
    let mut place = layout::place(endpoint, connect_options.durable)?;
    if !connect_options.durable
        && SpoolDirectory::open(&place)?.is_none()
        && let Some(durable) = layout::durable_place(endpoint)
    {
        place = durable;
    }
    serve(place.clone(), connect_options).map_err(|e| place.denied("serve", e))
}

fn serve(place: Place, connect_options: &ConnectOptions) -> Result<ConnectionlessLink> {
    let (lock, is_first) = bind(&place, connect_options.shared, connect_options.patience)?;
    if !is_first {
        // The first worker, which lives or has just died, has made, wiped and swept it.
        let Some(layout) = SpoolDirectory::open(&place)? else {
            let text = format!("{} is being removed; try again", place.path().display());
            return Err(Error::new(ErrorKind::Stalled, text));
        };
        return begin(layout, lock, false, connect_options);
    }
    let layout = loop {
        if let Some(layout) = SpoolDirectory::open(&place)? {
            break layout;
        }
        SpoolDirectory::make(&place, connect_options)?;
    };
    if layout.is_stale()? {
        layout.wipe()?;
    }
    layout.sync_name()?;
    // Files of another user stay, and do no harm.
    sweep::sweep(&layout)?;
    if connect_options.shared {
        server::remove_answered(&layout)?;
    }
    begin(layout, lock, true, connect_options)
}

/// Serves a spool whose lock is held. The first worker writes the files that describe the server.
fn begin(
    layout: SpoolDirectory,
    lock: Lock,
    is_first: bool,
    connect_options: &ConnectOptions,
) -> Result<ConnectionlessLink> {
    let layout = Arc::new(layout);
    let (tx, rx) = server::open(layout.clone(), !connect_options.shared, connect_options)?;
    let mut bound = BoundSpool {
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
        // On a full disk the server cannot be described. It can still consume messages, which makes room.
        bound.owner_record = unless_full(OwnerRecord::write(
            &layout.place,
            connect_options.pattern,
            &connect_options.source,
            more,
        ))?;
        bound.presence = unless_full(Presence::server(&layout, connect_options))?;
    }
    if connect_options.shared {
        bound.lock.as_mut().map_or(Ok(()), Lock::share)?;
    }
    Ok(ConnectionlessLink {
        tx: Tx::Place(Box::new(SpoolTx::new(SideTx::Server(tx))?)),
        rx: Rx::Place(Box::new(SpoolRx::Server(rx))),
        place: Some(bound.layout.place.clone()),
        keeps: Some(Box::new(bound)),
    })
}

fn unless_full<T>(written: Result<T>) -> Result<Option<T>> {
    match written {
        Err(e) if e.kind() == ErrorKind::NoSpace => Ok(None),
        written => written.map(Some),
    }
}

/// Takes the lock of a place; also returns whether it is held exclusively.
///
/// A sweep, or a program that makes a spool, holds the lock for a moment, so the lock is tried for 50 ms.
/// Another worker may be sweeping: with `shared`, it is tried for 5 s, or for the caller's time-out.
///
/// # Errors
/// `AddressInUse` if a living process serves.
fn bind(place: &Place, shared: bool, patience: Option<Duration>) -> Result<(Lock, bool)> {
    let most = patience.map_or(5000, |patience| patience.as_millis().clamp(50, 5000));
    let attempts = if shared { most } else { 50 };
    for _ in 0..attempts {
        if let Some(lock) = layout::lock(place)? {
            return Ok((lock, true));
        }
        if shared && let Some(lock) = layout::share(place)? {
            return Ok((lock, false));
        }
        let record = owner::read_map(place);
        let is_shared = |record: &Value| record.at(SHARED).is_ok_and(|it| it == &Value::Bool(true));
        let is_served = record.is_some_and(|record| !shared || !is_shared(&record));
        if is_served && layout::lock(place)?.is_none() {
            break;
        }
        crate::sys::sleeping::sleep(Duration::from_millis(1));
    }
    let advice = "connect to it, or end it first";
    Err(owner::in_use(owner::process(place), "serves", place.path().display(), advice))
}

/// Joins the spool at an endpoint as a client, and waits until it exists. With `durable` it is created.
///
/// # Errors
/// `NotFound` when the deadline passes; `AddressInUse` if a living process has the name; `PermissionDenied`.
fn connect(
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
                let new_watch = Watch::new(&place.directory)?;
                if let Some(state) = layout::durable_directory(endpoint) {
                    let doing = format!("watching the directory {}", state.display());
                    new_watch.also(
                        &state,
                        WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR,
                        doing,
                    )?;
                }
                watch = Some(new_watch);
            }
            Some(watch) => {
                let on: Vec<_> = watch.descriptors().collect();
                wait_readable(waiting, &on).map_err(|e| match e.kind() {
                    ErrorKind::Timeout => no_spool(&place, waiting),
                    _ => e,
                })?;
            }
        }
    }
}

fn no_spool(place: &Place, waiting: &Waiting<'_>) -> Error {
    let text = format!(
        "there is no spool: {} {}; start its server, or make it with the option durable, and {}",
        place.path().display(),
        waiting.sought(),
        environment::same_directory()
    );
    Error::new(ErrorKind::NotFound, text)
}

fn try_connect(
    endpoint: &Endpoint,
    place: &Place,
    connect_options: &ConnectOptions,
) -> Result<Option<ConnectionlessLink>> {
    let mut opened = SpoolDirectory::open(place)?;
    if opened.is_none() && connect_options.durable {
        let Some(_lock) = layout::lock(place)? else { return Ok(None) };
        if SpoolDirectory::open(place)?.is_none() {
            SpoolDirectory::make(place, connect_options)?;
        }
        opened = SpoolDirectory::open(place)?;
    }
    if opened.is_none()
        && let Some(place) = layout::durable_place(endpoint)
    {
        opened = SpoolDirectory::open(&place)?;
    }
    let Some(layout) = opened else { return Ok(None) };
    if layout.is_stale()? {
        // If another process has the lock, it is wiping the spool, or has just done so.
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
    // This client is now listed, so no process removes the spool from here on. A process may just have done
    // so.
    if !layout.is_current() {
        return Ok(None);
    }
    layout.sync_name()?;
    sweep::sweep_dead_clients(&layout)?;
    let place = Some(layout.place.clone());
    let (tx, rx) = client::join(layout, presence, before, connect_options)?;
    Ok(Some(ConnectionlessLink {
        tx: Tx::Place(Box::new(SpoolTx::new(SideTx::Client(tx))?)),
        rx: Rx::Place(Box::new(SpoolRx::Client(rx))),
        keeps: None,
        place,
    }))
}

/// Returns a unique name for a program without a `client_id`: `python3-1234+7f3a91c2`.
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
    fn new(side: SideTx) -> Result<SpoolTx> {
        let ready = EventFd::new()?;
        ready.wake();
        Ok(SpoolTx { side, ready })
    }
}

impl SendHalf for SpoolTx {
    /// Never returns `Started`: a file appears whole or not at all.
    fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        each!(&mut self.side, SideTx, half => half.try_send(frame))
    }

    fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        each!(&mut self.side, SideTx, half => half.wait_room(waiting))
    }

    fn room_descriptor(&self) -> (BorrowedFd<'_>, Interest) {
        let descriptor = each!(&self.side, SideTx, half => half.room_descriptor());
        (descriptor.unwrap_or(self.ready.as_fd()), Interest::IN)
    }

    /// A failed put leaves no file, so the link takes other frames.
    fn goes_on_after(&self, _error: &Error, _concerns_frame: bool) -> bool {
        true
    }

    fn consumed_to(&mut self, number: u64) {
        if let SideTx::Server(half) = &mut self.side {
            half.consumed_to(number);
        }
    }

    fn withdraw(&mut self, sequence: u64) {
        if let SideTx::Client(half) = &mut self.side {
            half.withdraw(sequence);
        }
    }
}

impl ReceiveHalf for SpoolRx {
    fn try_recv(&mut self) -> Result<Option<Incoming>> {
        each!(self, SpoolRx, half => half.try_recv())
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        each!(self, SpoolRx, half => half.descriptors())
    }

    fn consumed_but(&mut self, last: usize) {
        each!(self, SpoolRx, half => half.consumed_but(last));
    }

    fn keeps(&self) -> bool {
        true
    }

    fn is_likely_empty(&self) -> bool {
        !each!(self, SpoolRx, half => half.park())
    }

    fn park(&mut self) -> Result<bool> {
        Ok(each!(self, SpoolRx, half => half.park()))
    }
}

#[cfg(all(any(test, fuzzing), not(loom)))]
/// Fuzzing: the first line is the name of a file, and the rest its contents.
pub fn fuzz(bytes: &[u8]) {
    use crate::frame::Kind;
    let (name, body) = bytes.split_at(bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len()));
    let name = String::from_utf8_lossy(name);
    for usual in [Kind::Data, Kind::Request, Kind::Reply] {
        let parsed = name::MessageFileName::parse(&name, usual);
        if let Some((number, who)) = &parsed.numbered {
            let written = name::MessageFileName::format(*number, who, parsed.kind, parsed.encoding, usual);
            assert_eq!(
                name::MessageFileName::parse(&written, usual),
                parsed,
                "{name:?} is written as {written:?}"
            );
            assert!(name::session(who) & 1 == 1 && who.starts_with(name::source(who)));
            let _: bool = client::is_for(&name, who);
        }
        assert!(name.starts_with(name::stem(&name)) || name::is_hidden(&name));
        let limits = crate::value::Limits::for_message(1 << 16);
        if let Err(error) = reject::check(body, parsed.encoding, &limits, false) {
            drop(reject::failure(&name, &error));
        }
    }
}
