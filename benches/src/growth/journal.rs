//! A growing journal: publishing, reading all messages, reading the newest message.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use linkspan::{Options, Publisher, StartAt, Subscriber};

use super::run::TOO_LARGE;
use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ours::channel::{content, endpoint};
use crate::worker::serve_measured;

const START: Duration = Duration::from_secs(20);

const MESSAGE: usize = 1 << 20;

fn folder() -> PathBuf {
    std::env::var_os("LINKSPAN_STATE_DIR").map_or_else(std::env::temp_dir, PathBuf::from)
}

/// Returns whether the disk has room for twice this many bytes; otherwise the worker reports that.
fn fits(bytes: u64) -> Result<bool> {
    let path = std::ffi::CString::new(folder().as_os_str().as_bytes())?;
    // SAFETY: an all-zero statvfs is valid; the kernel writes ours for a zero-terminated path.
    let mut disk: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    if unsafe { libc::statvfs(path.as_ptr(), &mut disk) } != 0 {
        return Err(format!("asking for the room in {}", folder().display()).into());
    }
    let free = disk.f_bavail * disk.f_frsize;
    if free < 2 * bytes {
        println!("absent {TOO_LARGE}: {} MB of disk are needed, {} are free", bytes >> 19, free >> 20);
    }
    Ok(free >= 2 * bytes)
}

/// Publishes this many bytes to a new journal, and returns the time.
fn filled(endpoint: &str, bytes: u64) -> Result<f64> {
    let publisher = Publisher::new(endpoint, &Options::default())?;
    let payload = content(MESSAGE);
    let start = Instant::now();
    for _ in 0..bytes / MESSAGE as u64 {
        publisher.send_payload(&payload)?;
    }
    Ok(start.elapsed().as_nanos() as f64)
}

fn remove(endpoint: &str) -> Result<()> {
    let name = endpoint.trim_start_matches("journal:");
    for entry in fs::read_dir(folder())? {
        let path = entry?.path();
        if path.is_dir() && path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(name)) {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

/// The time to publish this many bytes; each message is acknowledged after it is on disk.
pub fn published(bytes: u64) -> Result<()> {
    if !fits(bytes)? {
        return Ok(());
    }
    pin(Placement::Together, End::Near)?;
    let (name, mut number) = (endpoint("journal"), 0);
    serve_measured(|| {
        number += 1;
        let endpoint = format!("{name}-{number}-");
        let took = filled(&endpoint, bytes)?;
        remove(&endpoint)?;
        Ok(took)
    })
}

pub fn read(bytes: u64) -> Result<()> {
    if !fits(bytes)? {
        return Ok(());
    }
    let endpoint = endpoint("journal");
    filled(&endpoint, bytes)?;
    pin(Placement::Together, End::Near)?;
    let options = Options::default().with_from(StartAt::First);
    let outcome = serve_measured(|| {
        let start = Instant::now();
        let subscriber = Subscriber::new(&endpoint, &options)?;
        for _ in 0..bytes / MESSAGE as u64 {
            subscriber.recv(START)?;
        }
        Ok(start.elapsed().as_nanos() as f64)
    });
    remove(&endpoint)?;
    outcome
}

pub fn newest(bytes: u64) -> Result<()> {
    if !fits(bytes)? {
        return Ok(());
    }
    let endpoint = endpoint("journal");
    filled(&endpoint, bytes)?;
    pin(Placement::Together, End::Near)?;
    let options = Options::default();
    let outcome = serve_measured(|| {
        let start = Instant::now();
        linkspan::latest(&endpoint, &options, START)?;
        Ok(start.elapsed().as_nanos() as f64)
    });
    remove(&endpoint)?;
    outcome
}

fn appended(path: &PathBuf, bytes: u64) -> Result<f64> {
    let mut file = OpenOptions::new().append(true).create_new(true).open(path)?;
    let content = vec![7; MESSAGE];
    let start = Instant::now();
    for _ in 0..bytes / MESSAGE as u64 {
        file.write_all(&content)?;
        file.sync_data()?;
    }
    Ok(start.elapsed().as_nanos() as f64)
}

fn path() -> PathBuf {
    folder().join(format!("floor-{}-journal", std::process::id()))
}

pub fn floor_written(bytes: u64) -> Result<()> {
    if !fits(bytes)? {
        return Ok(());
    }
    pin(Placement::Together, End::Near)?;
    let path = path();
    serve_measured(|| {
        let took = appended(&path, bytes)?;
        fs::remove_file(&path)?;
        Ok(took)
    })
}

pub fn floor_read(bytes: u64) -> Result<()> {
    if !fits(bytes)? {
        return Ok(());
    }
    let path = path();
    appended(&path, bytes)?;
    pin(Placement::Together, End::Near)?;
    let mut content = vec![0; MESSAGE];
    let outcome = serve_measured(|| {
        let start = Instant::now();
        let mut file = File::open(&path)?;
        for _ in 0..bytes / MESSAGE as u64 {
            file.read_exact(&mut content)?;
        }
        Ok(start.elapsed().as_nanos() as f64)
    });
    fs::remove_file(&path)?;
    outcome
}
