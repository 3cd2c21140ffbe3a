//! The participants of a spool: each client and the server has a file in `hello/` that describes it.
//!
//! A client also holds a lock that dies with its process. Its file begins with two numbers of fixed length,
//! which are overwritten in place: the last number that it used and the last that it consumed. A client that
//! restarts under its name continues there.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::folder::{ReadFile, ReadOutcome, SERVER, SpoolFolder};
use super::layout::SpoolDirectory;
use super::name::{LARGEST, is_nameless};
use crate::codec::{self, Encoding};
use crate::connectionless::ConnectOptions;
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::sys::beneath::{RequiredOwner, is_ours};
use crate::sys::fork;
use crate::sys::headroom;
use crate::sys::lock::{self, Lock};
use crate::value::{Map, Value};

/// This program's file in `hello/`.
///
/// The drop releases the name. It removes the file of a server and of a nameless client.
pub struct Presence {
    layout: Arc<SpoolDirectory>,
    who: String,
    file: OwnedFd,
    born: u64,
    stays: bool,
    /// The lock of the name; a server holds the lock of the whole spool instead.
    _lock: Option<Lock>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientProgress {
    pub used: u64,
    pub consumed: u64,
}

/// Returns the beginning of a client's file: of fixed length, for overwriting in place.
fn progress_text(progress: ClientProgress) -> String {
    format!("{{\"used\":\"{:020}\",\"consumed\":\"{:020}\"", progress.used, progress.consumed)
}

impl Presence {
    /// Claims a client's name and writes its file; also returns its earlier progress.
    ///
    /// # Errors
    /// `AddressInUse` if a living process has the name; `PermissionDenied` if another user's file has it;
    /// `InvalidEndpoint` for a name that clients may not have.
    pub fn client(
        layout: &Arc<SpoolDirectory>,
        who: &str,
        connect_options: &ConnectOptions,
    ) -> Result<(Presence, ClientProgress)> {
        if who == SERVER || who.starts_with('.') {
            let text = format!(
                "no client of a spool may have the name {who}; choose another client_id",
                who = quoted(who)
            );
            return Err(Error::new(ErrorKind::InvalidEndpoint, text));
        }
        let Some(lock) = lock::try_lock(&layout.locks, who)? else {
            let text = format!(
                "a living process takes part as {who} (see {}); give each client_id to one process",
                layout.hello.path().join(who).display(),
                who = quoted(who)
            );
            return Err(Error::new(ErrorKind::AddressInUse, text));
        };
        // The file of another user under this name, and the messages kept for it, belong to that user.
        let beneath = layout.hello.beneath();
        if let Some(facts) = beneath.facts(who)?
            && !is_ours(&facts)
        {
            return Err(beneath.refuse(who, &facts, "whose client_id it is in this spool"));
        }
        let before = match beneath.read(who, LIMIT, RequiredOwner::Ours) {
            Ok(Some((text, _))) => decoded(&text).unwrap_or_default(),
            Ok(None) | Err(_) => Map::new(),
        };
        let number =
            |key: &str| before.get(key)?.as_text().ok()?.parse().ok().filter(|number| *number <= LARGEST);
        let progress =
            ClientProgress { used: number("used").unwrap_or(0), consumed: number("consumed").unwrap_or(0) };
        let about = describe(connect_options)?;
        let text = progress_text(progress) + "," + about.trim_start_matches('{') + "\n";
        Ok((Presence::write(layout, who, &text, Some(lock))?, progress))
    }

    pub fn server(layout: &Arc<SpoolDirectory>, connect_options: &ConnectOptions) -> Result<Presence> {
        Presence::write(layout, SERVER, &(describe(connect_options)? + "\n"), None)
    }

    fn write(layout: &Arc<SpoolDirectory>, who: &str, text: &str, lock: Option<Lock>) -> Result<Presence> {
        super::sweep::remove_staged(layout, who)?;
        let file = layout.hello.replace_ours(who, text.as_bytes())?;
        let born = fork::generation();
        Ok(Presence { layout: layout.clone(), who: who.to_owned(), file, born, stays: false, _lock: lock })
    }

    pub fn keep_file(&mut self) {
        self.stays = true;
    }

    pub fn who(&self) -> &str {
        &self.who
    }

    /// Writes the progress of this client, if it can return under its name.
    ///
    /// The write is not synced, and errors are ignored: the messages also show the number
    /// (`client::highest`).
    pub fn note(&self, progress: ClientProgress) {
        let text = progress_text(progress);
        // Beyond the limit on the length of files the kernel kills the process instead of returning an error.
        if !is_nameless(&self.who) && text.len() as u64 <= headroom::file_limit() {
            let _ = rustix::io::pwrite(&self.file, text.as_bytes(), 0);
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if self.stays || self.born != fork::generation() || !(is_nameless(&self.who) || self.who == SERVER) {
            return;
        }
        // The lock is still held here. The next server sweeps any remaining file.
        let _ = self.layout.hello.beneath().remove(&self.who);
        if is_nameless(&self.who) {
            let _ = super::sweep::remove_answers(&self.layout, &self.who);
        }
    }
}

fn describe(connect_options: &ConnectOptions) -> Result<String> {
    let map = Map::from_iter([
        ("pid".to_owned(), Value::from(std::process::id())),
        ("program".to_owned(), connect_options.source.as_str().into()),
        ("encoding".to_owned(), connect_options.encoding.name().into()),
        ("limit".to_owned(), connect_options.max_message_size.into()),
        ("pattern".to_owned(), connect_options.pattern.into()),
    ]);
    let text = codec::encode(&Value::Map(map), Encoding::Json)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Returns the map in the file of a name. `None` if it does not exist or is not a map.
pub fn read(hello: &SpoolFolder, who: &str) -> Option<Map> {
    let Ok(ReadOutcome::File(ReadFile { body, .. })) = hello.read(who, LIMIT as u64) else { return None };
    decoded(&body)
}

const LIMIT: usize = 4096;

fn decoded(text: &[u8]) -> Option<Map> {
    codec::decode(text, Encoding::Json).ok()?.as_map().ok().cloned()
}
