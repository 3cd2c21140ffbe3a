//! Who is there: a file in `hello/` that tells of its owner, and a lock that dies with it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::folder::{Folder, Found, Read};
use super::layout::Layout;
use super::name::{LARGEST, is_nameless};
use crate::codec::{self, Encoding};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::sys::beneath::{Owner, is_ours};
use crate::sys::directory::Directory;
use crate::sys::fork;
use crate::sys::headroom;
use crate::sys::lock::{self, Lock};
use crate::transport::connectionless::ConnectOptions;
use crate::value::{Map, Value};

/// The server's file; no client may be called so.
pub const SERVER: &str = "server";

/// This program's file in `hello/`. Its end lets go of the name.
pub struct Presence {
    layout: Arc<Layout>,
    who: String,
    file: OwnedFd,
    born: u64,
    stays: bool,
    _lock: Option<Lock>,
}

/// How far somebody had come before: the number that it used last, and that of the last message that it consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub used: u64,
    pub consumed: u64,
}

/// The beginning of a client's file: of fixed length, so that it is written over in place.
fn progress_text(progress: Progress) -> String {
    format!("{{\"used\":\"{:020}\",\"consumed\":\"{:020}\"", progress.used, progress.consumed)
}

impl Presence {
    /// Says that a client is there; gives how far it had come before. `AddressInUse` where a living one has the name.
    pub fn client(
        layout: &Arc<Layout>,
        who: &str,
        connect_options: &ConnectOptions,
    ) -> Result<(Presence, Progress)> {
        if who == SERVER || who.starts_with('.') {
            let text = format!(
                "no client of a spool may be called {who}; choose another client_id",
                who = quoted(who)
            );
            return Err(Error::new(ErrorKind::InvalidEndpoint, text));
        }
        let Some(lock) = lock::try_lock(&layout.locks, who)? else {
            let text = format!(
                "a living process is there as {who} (see {}); give each client_id to one",
                layout.hello.path().join(who).display(),
                who = quoted(who)
            );
            return Err(Error::new(ErrorKind::AddressInUse, text));
        };
        // What another user said under this name, and what is kept for it, is that user's.
        let beneath = layout.hello.beneath();
        if let Some(facts) = beneath.facts(who)?
            && !is_ours(&facts)
        {
            return Err(beneath.refuse(who, &facts, "whose client_id it is in this spool"));
        }
        let before = match beneath.read(who, LIMIT, Owner::Ours) {
            Ok(Some((text, _))) => decoded(&text).unwrap_or_default(),
            // What cannot be read is replaced in a moment.
            Ok(None) | Err(_) => Map::new(),
        };
        let number =
            |key: &str| before.get(key)?.as_text().ok()?.parse().ok().filter(|number| *number <= LARGEST);
        let progress =
            Progress { used: number("used").unwrap_or(0), consumed: number("consumed").unwrap_or(0) };
        let about = describe(connect_options)?;
        // What comes after the numbers: the rest of one JSON map.
        let text = progress_text(progress) + "," + about.trim_start_matches('{') + "\n";
        Ok((Presence::write(layout, who, &text, Some(lock))?, progress))
    }

    /// Says that the server is there, who holds the spool's own lock.
    pub fn server(layout: &Arc<Layout>, connect_options: &ConnectOptions) -> Result<Presence> {
        Presence::write(layout, SERVER, &(describe(connect_options)? + "\n"), None)
    }

    fn write(layout: &Arc<Layout>, who: &str, text: &str, lock: Option<Lock>) -> Result<Presence> {
        super::sweep::forget_beginnings(layout, who)?;
        let file = layout.hello.replace_ours(who, text.as_bytes())?;
        let born = fork::generation();
        Ok(Presence { layout: layout.clone(), who: who.to_owned(), file, born, stays: false, _lock: lock })
    }

    /// The file stays when this ends: it tells of others, too.
    pub fn leave(&mut self) {
        self.stays = true;
    }

    /// How it is called.
    pub fn who(&self) -> &str {
        &self.who
    }

    /// Writes down how far this client has come. Only for those who come back: a number that is lost with the machine's
    /// power is found again among the messages.
    pub fn note(&self, progress: Progress) {
        let text = progress_text(progress);
        // Past the limit on files the kernel kills instead of answering.
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
        // The lock is still held here. What cannot be removed now is swept by the next server.
        let _ = self.layout.hello.beneath().remove(&self.who);
        if is_nameless(&self.who) {
            let _ = super::sweep::forget_answers(&self.layout, &self.who);
        }
    }
}

fn describe(connect_options: &ConnectOptions) -> Result<String> {
    let map = Map::from_iter([
        ("pid".to_owned(), Value::from(std::process::id())),
        ("program".to_owned(), connect_options.source.as_str().into()),
        ("encoding".to_owned(), connect_options.encoding.name().into()),
        ("limit".to_owned(), connect_options.limit.into()),
        ("pattern".to_owned(), connect_options.pattern.into()),
    ]);
    let text = codec::encode(&Value::Map(map), Encoding::Json)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// What somebody's file says.
pub fn read(hello: &Folder, who: &str) -> Option<Map> {
    let Ok(Found::File(Read { body, .. })) = hello.read(who, LIMIT as u64) else { return None };
    decoded(&body)
}

/// Bytes of such a file, at most.
const LIMIT: usize = 4096;

fn decoded(text: &[u8]) -> Option<Map> {
    codec::decode(text, Encoding::Json).ok()?.as_map().ok().cloned()
}

/// The clients that have a file, whether they live or not.
pub fn known(hello: &Folder) -> Result<Vec<String>> {
    hello.names(|name| name != SERVER && !name.starts_with('.'))
}

/// The clients that are there now.
pub fn living(locks: &Directory, hello: &Folder) -> Result<Vec<String>> {
    let mut names = known(hello)?;
    let mut failed = None;
    names.retain(|name| {
        lock::is_locked(locks, name).unwrap_or_else(|e| {
            failed = Some(e);
            false
        })
    });
    failed.map_or(Ok(names), Err)
}
