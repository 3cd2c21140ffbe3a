//! Pipes for programs that know nothing of Linkspan: `echo '{"op":"x"}' > name`.

use std::sync::Arc;

use rustix::pipe::{PipeFlags, pipe_with};

use super::pair::{self, Access, reply};
use super::pipes::Pipes;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::sys::fifo::{self, End};
use crate::sys::fork::{self, Guarded};
use crate::sys::lock::{self, Lock};
use crate::sys::staging::Staging;
use crate::transport::connectionless::ConnectOptions;
use crate::transport::endpoint::Endpoint;
use crate::transport::hello::{Call, denied};
use crate::transport::owner::OwnerRecord;
use crate::transport::place::Place;
use crate::transport::stream::Stream;
use crate::value::{Map, Value};

/// Holds a name that is read. Its end takes away what it made.
#[derive(Debug)]
pub struct Hold {
    place: Place,
    made: bool,
    born: u64,
    _about: OwnerRecord,
    _lock: Lock,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.made && self.born == fork::generation() {
            // One that cannot be removed now is swept by the next.
            let _ = pair::sweep(&self.place, true);
        }
    }
}

/// Listens without a hello: any number of programs write to `NAME`, and what this one says goes into `NAME.reply`. Reading
/// never comes to an end, however many writers come and go. `AddressInUse` where a living process listens.
pub fn open_plain(endpoint: &Endpoint, connect_options: &ConnectOptions) -> Result<Stream> {
    let place = Place::of(endpoint)?;
    let Some(lock) = lock::own(&place.directory, &place.file)? else {
        let text =
            format!("somebody else reads {}; write to it, or end that one first", place.path().display());
        return Err(Error::new(ErrorKind::AddressInUse, text));
    };
    let found = pair::find(&place)?;
    let access = Access::of(&place, connect_options.mode, connect_options.group, None);
    let more = Map::from_iter([("encoding".to_owned(), Value::from(connect_options.encoding.name()))]);
    let owner_record = OwnerRecord::write(&place, connect_options.pattern, &connect_options.source, more)?;
    // Programs may have a pipe open already that was made ready for us. In the runtime directory it is a dead one's, and
    // what is in it was for that.
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
    let reader = open(&place.file, End::Read)?;
    let anchor = open(&place.file, End::Write)?;
    let writer = open(&reply(&place.file), End::Both)?;
    let hold = Hold { place, made, born: fork::generation(), _about: owner_record, _lock: lock };
    Ok(Stream::Pipes(Arc::new(Pipes::plain(reader, writer, Some(anchor), Some(hold)))))
}

/// Makes what is not there of the two pipes.
fn make_missing(place: &Place, access: Access) -> Result<()> {
    let staging = Staging::new(&place.directory, &place.file)?;
    for (which, name) in [("request", place.file.clone()), ("reply", reply(&place.file))] {
        if fifo::look(&place.directory, &name)?.is_none() {
            let entry = staging.entry(which);
            let shown = place.directory.path().join(&name);
            fifo::make(&staging, &entry, access.mode, access.group, &shown)?;
            staging.publish(&place.directory, &entry, &name)?;
        }
    }
    Ok(())
}

/// Writes to whoever reads there, once. What that one says is read to its end, which comes when it goes, if it is
/// one of ours.
pub fn reach(place: &Place) -> Result<Call<Stream>> {
    let opened = fifo::open(&place.directory, &place.file, End::Write);
    let Some(asked) =
        opened.map_err(|e| if e.kind() == ErrorKind::PermissionDenied { denied(place, e) } else { e })?
    else {
        return Ok(Call::Nobody);
    };
    let Some(writer) = fifo::again(&asked, End::Both)? else { return Ok(Call::Nobody) };
    let pipes = match fifo::open(&place.directory, &reply(&place.file), End::Read)? {
        // One of ours keeps its end open as long as it lives. A stranger may open it anew for each answer, and its end says
        // nothing.
        Some(reader) => {
            let anchor = if is_served(place) { None } else { fifo::again(&reader, End::Write)? };
            Pipes::plain(reader, writer, anchor, None)
        }
        // Whoever reads there answers nothing: nothing ever comes, and no end either.
        None => {
            let (reader, anchor) =
                pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).doing("making a pipe")?;
            Pipes::plain(Guarded::new(reader), writer, Some(Guarded::new(anchor)), None)
        }
    };
    Ok(Call::Answered(Stream::Pipes(Arc::new(pipes))))
}

/// Whether a program that knows of locks listens here. No lock file is made to find that out.
fn is_served(place: &Place) -> bool {
    let any = place.directory.path().join(lock::NAME).exists();
    any && lock::is_held(&place.directory, &place.file).unwrap_or(false)
}

fn removed(place: &Place) -> Error {
    let text = format!("{} was removed as soon as it was made", place.path().display());
    Error::new(ErrorKind::Internal, text)
}
