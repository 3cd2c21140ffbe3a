//! The name of a mailslot: a reader takes it under its lock, writers look for it.
//!
//! The socket is renamed to its name last, after the owner record, so a process that sees the name can write.

use std::sync::Arc;
use std::time::Duration;

use super::receive::DgramRx;
use super::send::DgramTx;
use crate::connectionless::{ConnectOptions, ConnectionlessLink};
use crate::deadline::Waiting;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::hello::denied;
use crate::owner::{self, OwnerRecord};
use crate::place::Place;
use crate::sys::datagram;
use crate::sys::environment;
use crate::sys::fork::{self, Guarded};
use crate::sys::inotify::Watch;
use crate::sys::lock::{self, Lock};
use crate::sys::poll::wait_readable;
use crate::sys::staging::Staging;
use crate::value::Map;
use crate::{Rx, Tx, extension};

/// A name that this process reads at. Its drop removes the name and releases the lock.
struct Mailslot {
    place: Place,
    born: u64,
    _owner_record: OwnerRecord,
    _lock: Lock,
}

impl Drop for Mailslot {
    fn drop(&mut self) {
        // A forked child owns neither the lock nor the name.
        if self.born == fork::generation() {
            // The lock is still held, so the name is this process's. The next owner sweeps any remaining
            // file.
            let _ = self.place.directory.beneath().remove(&self.place.file);
        }
    }
}

/// Reads at this name, and takes over a dead reader's files.
///
/// # Errors
/// `AddressInUse` if a living process reads there; `PermissionDenied`.
pub fn listen(endpoint: &Endpoint, connect_options: &ConnectOptions) -> Result<ConnectionlessLink> {
    let place = Place::of(endpoint)?;
    let lock = take_lock(&place)?;
    // The lock is held, so files at either name are stale.
    place.check_ours(&place.file, &lock)?;
    place.remove_leftovers()?;
    let staging = Staging::new(&place.directory, &place.file)?;
    let entry = staging.entry("dgram");
    let mode = connect_options.mode.unwrap_or(place.directory.file_mode());
    let socket = Arc::new(datagram::bind(&staging, &entry, mode, connect_options.group, &place.path())?);
    let more = Map::from_iter([("encoding".to_owned(), connect_options.encoding.name().into())]);
    let owner_record = OwnerRecord::write(&place, connect_options.pattern, &connect_options.source, more)?;
    staging.publish(&place.directory, &entry, &place.file)?;
    let mailslot = Mailslot { place, born: fork::generation(), _owner_record: owner_record, _lock: lock };
    Ok(ConnectionlessLink {
        tx: Tx::Place(Box::new(DgramTx::of_reader(socket.clone()))),
        rx: Rx::Place(Box::new(DgramRx::new(socket, connect_options.max_message_size))),
        keeps: Some(Box::new(mailslot)),
        place: None,
    })
}

/// Takes the lock of the name, within 50 ms if no writer could connect.
fn take_lock(place: &Place) -> Result<Lock> {
    for _ in 0..50 {
        if let Some(lock) = lock::try_own(&place.directory, &place.file)? {
            return Ok(lock);
        }
        if datagram::connect(&place.directory, &place.file).is_ok_and(|writer| writer.is_some()) {
            break;
        }
        crate::sys::sleeping::sleep(Duration::from_millis(1));
    }
    let advice = "connect to write there, or end it first";
    Err(owner::in_use(owner::process(place), "reads at", place.path().display(), advice))
}

/// Writes to the process that reads at this name, and waits for such a process.
///
/// # Errors
/// `NotFound` without such a process by the deadline; `PermissionDenied`.
pub fn connect(
    endpoint: &Endpoint,
    connect_options: &ConnectOptions,
    waiting: &mut Waiting<'_>,
) -> Result<ConnectionlessLink> {
    let place = Place::of(endpoint)?;
    let socket = find(&place, waiting)?;
    let sender = extension::write(&connect_options.source, connect_options.session)?;
    Ok(ConnectionlessLink {
        tx: Tx::Place(Box::new(DgramTx::new(socket, sender, connect_options.buffer)?)),
        rx: Rx::Place(Box::new(DgramRx::of_writer())),
        keeps: None,
        place: None,
    })
}

fn find(place: &Place, waiting: &mut Waiting<'_>) -> Result<Guarded> {
    let connect = || {
        datagram::connect(&place.directory, &place.file).map_err(|e| match e.kind() {
            ErrorKind::PermissionDenied => denied(place, e),
            _ => e,
        })
    };
    if let Some(socket) = connect()? {
        return Ok(socket);
    }
    let not_found = |how: &str| {
        let text = format!(
            "no program reads at the mailslot {}, which {how}; start the reader, and {}",
            place.path().display(),
            environment::same_directory()
        );
        Error::new(ErrorKind::NotFound, text)
    };
    if waiting.is_none() {
        return Err(not_found(&waiting.sought()));
    }
    let watch = Watch::new(&place.directory)?;
    loop {
        // Drained before the attempt: later events then end the next sleep.
        watch.drain();
        if let Some(socket) = connect()? {
            return Ok(socket);
        }
        match wait_readable(waiting, &watch.descriptors().collect::<Vec<_>>()) {
            Err(e) if e.kind() == ErrorKind::Timeout => return Err(not_found(&waiting.sought())),
            slept => slept?,
        }
    }
}
