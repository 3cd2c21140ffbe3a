//! Pipes for programs without Linkspan: `echo '{"op":"x"}' > name`.
//!
//! There is neither hello nor link. The reader's own writing end, the anchor, keeps the pipe from ending when
//! one of many writers closes. Replies go into `NAME.reply`.

use std::sync::Arc;

use super::pair::{self, PipeAccess, reply};
use super::pipes::Pipes;
use crate::connectionless::ConnectOptions;
use crate::endpoint::Endpoint;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::hello::{Call, denied};
use crate::owner::{self, OwnerRecord};
use crate::place::Place;
use crate::stream::Stream;
use crate::sys::descriptor;
use crate::sys::fifo::{self, PipeEnd};
use crate::sys::fork::{self, Guarded};
use crate::sys::lock::{self, Lock};
use crate::sys::staging::Staging;
use crate::value::{Map, Value};

/// Owns a name that is read. Its drop removes the pipes that it made.
#[derive(Debug)]
struct PlainName {
    place: Place,
    made: bool,
    born: u64,
    _owner_record: OwnerRecord,
    _lock: Lock,
}

impl Drop for PlainName {
    fn drop(&mut self) {
        if self.made && self.born == fork::generation() {
            // The next owner sweeps a remaining pipe.
            let _ = pair::sweep(&self.place, true);
        }
    }
}

/// Listens without a hello: any number of programs write to `NAME`, and messages go into `NAME.reply`.
///
/// Reading never ends, however many writers open and close the pipe.
///
/// # Errors
/// `AddressInUse` if a living process listens; `PermissionDenied` for pipes of an untrusted user.
pub fn open_plain(endpoint: &Endpoint, connect_options: &ConnectOptions) -> Result<Stream> {
    let place = Place::of(endpoint)?;
    let Some(lock) = lock::own(&place.directory, &place.file)? else {
        let advice = "write to it, or end that one first";
        return Err(owner::in_use(owner::process(&place), "reads", place.path().display(), advice));
    };
    let found = pair::find(&place)?;
    let access = PipeAccess::of(&place, connect_options.mode, connect_options.group, None);
    let more = Map::from_iter([("encoding".to_owned(), Value::from(connect_options.encoding.name()))]);
    let owner_record = OwnerRecord::write(&place, connect_options.pattern, &connect_options.source, more)?;
    // At an absolute path, programs may already have opened a pipe that was made for this one. In the runtime
    // directory the pipe is a dead server's, with bytes for that server.
    let made = found.is_none() || endpoint.absolute().is_none();
    if made {
        pair::check_ours(&place, &lock)?;
        pair::sweep(&place, true)?;
    } else {
        pair::check_trusted(&place)?;
    }
    pair::sweep_temporary(&place)?;
    make_missing(&place, access)?;
    let open = |name: &str, end| fifo::open(&place.directory, name, end)?.ok_or_else(|| removed(&place));
    let reader = open(&place.file, PipeEnd::Read)?;
    let anchor = open(&place.file, PipeEnd::Write)?;
    let writer = open(&reply(&place.file), PipeEnd::Both)?;
    let hold = PlainName { place, made, born: fork::generation(), _owner_record: owner_record, _lock: lock };
    Ok(Stream::Other(Arc::new(Pipes::plain(reader, writer, Some(anchor), Some(Box::new(hold))))))
}

fn make_missing(place: &Place, access: PipeAccess) -> Result<()> {
    let staging = Staging::new(&place.directory, &place.file)?;
    for (which, name) in [("request", place.file.clone()), ("reply", reply(&place.file))] {
        if fifo::find(&place.directory, &name)?.is_none() {
            let entry = staging.entry(which);
            let shown = place.directory.path().join(&name);
            fifo::make(&staging, &entry, access.mode, access.group, &shown)?;
            staging.publish(&place.directory, &entry, &name)?;
        }
    }
    Ok(())
}

/// Writes to the process that reads the pipe. Reads its replies; a Linkspan program ends them by closing.
///
/// # Errors
/// `PermissionDenied`, with the owner of the pipe and a remedy.
pub fn connect(place: &Place) -> Result<Call<Stream>> {
    let opened = fifo::open(&place.directory, &place.file, PipeEnd::Write);
    let Some(probe) =
        opened.map_err(|e| if e.kind() == ErrorKind::PermissionDenied { denied(place, e) } else { e })?
    else {
        return Ok(Call::NotListening);
    };
    let Some(writer) = fifo::again(&probe, PipeEnd::Both)? else { return Ok(Call::NotListening) };
    let pipes = match fifo::open(&place.directory, &reply(&place.file), PipeEnd::Read)? {
        // A Linkspan program keeps its end open for life. Another program may open it for each reply; its end
        // means nothing, and an anchor hides it.
        Some(reader) => {
            let anchor = if is_served(place) { None } else { fifo::again(&reader, PipeEnd::Write)? };
            Pipes::plain(reader, writer, anchor, None)
        }
        // The reader has no reply pipe, so neither bytes nor an end ever arrive. A pipe of this process
        // without writers replaces it.
        None => {
            let (reader, anchor) = descriptor::pipe().doing("making a pipe")?;
            Pipes::plain(Guarded::new(reader), writer, Some(Guarded::new(anchor)), None)
        }
    };
    Ok(Call::Answered(Stream::Other(Arc::new(pipes))))
}

/// Returns whether a program that uses locks listens here, without making a lock file.
fn is_served(place: &Place) -> bool {
    let any = place.directory.path().join(lock::NAME).exists();
    any && lock::is_held(&place.directory, &place.file).unwrap_or(false)
}

fn removed(place: &Place) -> Error {
    let text = format!("{} was removed as soon as it was made", place.path().display());
    Error::new(ErrorKind::Internal, text)
}
