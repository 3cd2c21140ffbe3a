//! The name of a mailslot: taken under its lock, found by writers.

use std::sync::Arc;
use std::time::Duration;

use super::{DgramRx, DgramTx};
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::datagram;
use crate::sys::fork::{self, Guarded};
use crate::sys::inotify::Watch;
use crate::sys::lock::{self, Lock};
use crate::sys::poll::wait_readable;
use crate::sys::staging::Staging;
use crate::transport::connectionless::{ConnectOptions, ConnectionlessLink};
use crate::transport::endpoint::Endpoint;
use crate::transport::hello::denied;
use crate::transport::owner::OwnerRecord;
use crate::transport::place::Place;
use crate::transport::{Rx, Tx, extension};
use crate::value::Map;

/// A name that this process reads at. Its end takes the name away.
struct Mailslot {
    place: Place,
    born: u64,
    _about: OwnerRecord,
    _lock: Lock,
}

impl Drop for Mailslot {
    fn drop(&mut self) {
        // A forked child shares neither the lock nor the right to the name.
        if self.born == fork::generation() {
            // The lock is still held here, so the name is ours. One that cannot be removed now is swept by the next.
            let _ = self.place.directory.beneath().remove(&self.place.file);
        }
    }
}

/// Reads at this name. `AddressInUse` where a living process does; what a dead one left is taken over.
pub fn listen(endpoint: &Endpoint, connect_options: &ConnectOptions) -> Result<ConnectionlessLink> {
    let place = Place::of(endpoint)?;
    let lock = take_lock(&place)?;
    // Under the lock, so what lies at either name is nobody's. The socket is ready before it gets its name.
    place.check_ours(&place.file, &lock)?;
    place.remove_leftovers()?;
    let staging = Staging::new(&place.directory, &place.file)?;
    let entry = staging.entry("dgram");
    let mode = connect_options.mode.unwrap_or(place.directory.file_mode());
    let socket = Arc::new(datagram::bind(&staging, &entry, mode, connect_options.group, &place.path())?);
    let more = Map::from_iter([("encoding".to_owned(), connect_options.encoding.name().into())]);
    let owner_record = OwnerRecord::write(&place, connect_options.pattern, &connect_options.source, more)?;
    staging.publish(&place.directory, &entry, &place.file)?;
    let mailslot = Mailslot { place, born: fork::generation(), _about: owner_record, _lock: lock };
    Ok(ConnectionlessLink {
        tx: Tx::Dgram(DgramTx::of_reader(socket.clone())),
        rx: Rx::Dgram(DgramRx::new(socket, connect_options.limit)),
        keeps: Some(Box::new(mailslot)),
        place: None,
    })
}

/// One who sweeps, or gives the name away, may hold the lock for a moment; one who reads there holds it for good.
fn take_lock(place: &Place) -> Result<Lock> {
    for _ in 0..50 {
        if let Some(lock) = lock::try_own(&place.directory, &place.file)? {
            return Ok(lock);
        }
        if datagram::connect(&place.directory, &place.file).is_ok_and(|writer| writer.is_some()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let text =
        format!("somebody else reads at {}; connect to write there, or end it first", place.path().display());
    Err(Error::new(ErrorKind::AddressInUse, text))
}

/// Writes to whoever reads at this name, and waits until somebody does; then `NotFound`.
pub fn connect(
    endpoint: &Endpoint,
    connect_options: &ConnectOptions,
    waiting: &mut Waiting<'_>,
) -> Result<ConnectionlessLink> {
    let place = Place::of(endpoint)?;
    let socket = find(&place, waiting)?;
    let sender = extension::write(&connect_options.source, connect_options.session)?;
    Ok(ConnectionlessLink {
        tx: Tx::Dgram(DgramTx::new(socket, sender, connect_options.buffer)?),
        rx: Rx::Dgram(DgramRx::of_writer()),
        keeps: None,
        place: None,
    })
}

fn find(place: &Place, waiting: &mut Waiting<'_>) -> Result<Guarded> {
    let look = || {
        datagram::connect(&place.directory, &place.file).map_err(|e| match e.kind() {
            ErrorKind::PermissionDenied => denied(place, e),
            _ => e,
        })
    };
    if let Some(socket) = look()? {
        return Ok(socket);
    }
    let nobody = |how: &str| {
        let text = format!(
            "nobody reads at the mailslot {}, which {how}; start the reader, and see that both use the same directory (LINKSPAN_DIR)",
            place.path().display()
        );
        Error::new(ErrorKind::NotFound, text)
    };
    if waiting.is_none() {
        return Err(nobody("was looked for once"));
    }
    let watch = Watch::new(&place.directory)?;
    loop {
        // Before the look, so that what happens after it wakes the next sleep.
        watch.drain();
        if let Some(socket) = look()? {
            return Ok(socket);
        }
        match wait_readable(waiting, &watch.descriptors()) {
            Err(e) if e.kind() == ErrorKind::Timeout => return Err(nobody("was waited for")),
            slept => slept?,
        }
    }
}
