//! `file:`, the newest value in one file: always whole, even if a writer or reader dies.

mod fcntl;
mod killed;
mod places;
mod values;

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use linkspan::{
    Channel, Encoding, ErrorKind, Options, Payload, Publisher, Server, Subscriber, Value, latest,
};

use crate::support::alone::alone;
use crate::support::{SOON, as_user, is_root, name, readable, rests, short_or_full, waiting_options};

fn place() -> (String, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("value");
    (format!("file:{}", path.display()), path, folder)
}

fn with(set: &[(&str, Value)]) -> Options {
    let mut options = Options::default();
    for (name, value) in set {
        options.set(name, value).unwrap();
    }
    options
}

fn locked() -> Options {
    with(&[("locked", true.into())])
}

fn now(endpoint: &str, options: &Options) -> linkspan::Result<Value> {
    let message = latest(endpoint, options, Duration::ZERO)?;
    // Long values are not for the text of a failed test.
    if message.encoding() == Encoding::Raw { Ok(Value::Null) } else { message.value().cloned() }
}

/// A body that shows any byte of another body.
fn body(i: u64) -> Vec<u8> {
    let size = 10_000 + (i * 7919 % 40) as usize * 25_000;
    let mut body = vec![i as u8; size];
    body[..8].copy_from_slice(&i.to_le_bytes());
    body
}

fn check_body(bytes: &[u8]) -> u64 {
    let i = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert!(bytes == body(i), "value {i} is not whole");
    i
}

fn raw(bytes: Vec<u8>) -> Payload {
    Payload::from_bytes(Encoding::Raw, bytes.into())
}

/// This program, started again to run one test as another process.
fn this_program(wrapped_in: &[&str], endpoint: &str, lock: bool, role: &str) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut command = match wrapped_in {
        [program, words @ ..] => {
            let mut command = Command::new(program);
            command.args(words).arg(this);
            command
        }
        [] => Command::new(this),
    };
    command
        .args(["--exact", &format!("file::{role}"), "--ignored", "--nocapture"])
        .env("FILE_TEST_ENDPOINT", endpoint)
        .env("FILE_TEST_LOCKED", if lock { "1" } else { "" })
        .stdout(Stdio::null());
    command
}
