//! Resources besides time: memory, wake-ups of idle programs, sizes of binaries.

use std::fs;
use std::time::Duration;

use linkspan::{Channel, Publisher, Subscriber};

use super::channel::{answer, content, endpoint, options};
use crate::Result;
use crate::cpu::Placement;
use crate::ends::{far_ends, fork_far};
use crate::worker::serve_measured;

const START: Duration = Duration::from_secs(20);

/// Connections that are opened to measure one.
const MANY: usize = 32;

/// Returns a process's proportional set size in bytes: shared memory is divided among its processes.
fn memory_of(process: i32) -> Result<f64> {
    let path = format!("/proc/{process}/smaps_rollup");
    let text = fs::read_to_string(&path).map_err(|e| format!("reading {path}: {e}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no Pss")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024.0)
}

fn memory_of_all() -> Result<f64> {
    let own = i32::try_from(std::process::id())?;
    far_ends().into_iter().chain([own]).map(memory_of).sum()
}

/// The memory of a connection after a call, or of a publisher with one subscriber and one message.
pub fn memory(what: &str, transport: &str) -> Result<()> {
    let endpoint = endpoint(transport);
    let options = options(0)?;
    if what == "connection" {
        fork_far(|| answer(&endpoint, Placement::Together, 0))?;
        let connected = || -> Result<Channel> {
            let channel = Channel::connect(&endpoint, &options, START)?;
            channel.call_payload(&content(64), START)?;
            Ok(channel)
        };
        let first = connected()?;
        return serve_measured(|| {
            let before = memory_of_all()?;
            let many = (0..MANY).map(|_| connected()).collect::<Result<Vec<_>>>()?;
            let each = (memory_of_all()? - before) / MANY as f64;
            drop(many);
            first.call_payload(&content(64), START)?;
            Ok(each)
        });
    }
    let mut made = 0;
    let mut publisher = || -> Result<(Publisher, Subscriber)> {
        made += 1;
        let endpoint = format!("{endpoint}-{made}");
        let publisher = Publisher::new(&endpoint, &options)?;
        let subscriber = Subscriber::new(&endpoint, &options)?;
        publisher.wait_for_subscribers(1, START)?;
        publisher.send_payload(&content(64))?;
        subscriber.recv(START)?;
        Ok((publisher, subscriber))
    };
    let _first = publisher()?;
    serve_measured(|| {
        let before = memory_of_all()?;
        let many = (0..MANY).map(|_| publisher()).collect::<Result<Vec<_>>>()?;
        let each = (memory_of_all()? - before) / MANY as f64;
        drop(many);
        Ok(each)
    })
}

/// Counts the context switches of a process's threads, except the calling thread.
fn switches(process: i32) -> Result<u64> {
    // SAFETY: requests a number; no memory is involved.
    let own = unsafe { libc::gettid() }.to_string();
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let task = task?;
        if task.file_name().to_str() == Some(own.as_str()) {
            continue;
        }
        for line in fs::read_to_string(task.path().join("status"))?.lines() {
            if let Some((name, count)) = line.split_once(':')
                && name.ends_with("voluntary_ctxt_switches")
            {
                sum += count.trim().parse::<u64>()?;
            }
        }
    }
    Ok(sum)
}

/// Context switches per second of two idle processes with a channel, server, publisher and subscriber.
pub fn idle() -> Result<()> {
    let (calls, values) = (format!("{}-calls", endpoint("shm")), format!("{}-values", endpoint("shm")));
    fork_far(|| {
        let subscriber = Subscriber::new(&values, &options(20)?)?;
        std::thread::scope(|scope| {
            scope.spawn(|| subscriber.recv(None).and_then(|_| subscriber.recv(None)));
            answer(&calls, Placement::Together, 20)
        })
    })?;
    let channel = Channel::connect(&calls, &options(20)?, START)?;
    channel.call_payload(&content(64), START)?;
    let publisher = Publisher::new(&values, &options(20)?)?;
    publisher.wait_for_subscribers(1, START)?;
    publisher.send_payload(&content(64))?;
    let far = *far_ends().first().ok_or("no far end")?;
    let own = i32::try_from(std::process::id())?;
    // Wait until the recently used connections sleep.
    std::thread::sleep(Duration::from_millis(300));
    serve_measured(|| {
        let before = switches(own)? + switches(far)?;
        std::thread::sleep(Duration::from_secs(1));
        Ok((switches(own)? + switches(far)? - before) as f64)
    })
}

/// The loaded bytes of a binary: its segments, without symbols and debug information.
pub fn size(file: &str) -> Result<()> {
    let path = std::env::current_exe()?.with_file_name(file);
    if !path.exists() {
        println!("absent {} is not built: benches/run builds it", path.display());
        return Ok(());
    }
    let loaded = loaded_bytes(&fs::read(&path)?).ok_or("it is no ELF file of 64 bits")?;
    serve_measured(|| Ok(loaded as f64))
}

/// Sums the file sizes of the loaded segments (`PT_LOAD`, elf(5)).
fn loaded_bytes(file: &[u8]) -> Option<u64> {
    let number = |at: usize, width: usize| {
        let bytes = file.get(at..at + width)?;
        Some(bytes.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte)))
    };
    // A 64-bit, little-endian file.
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, width, count) = (number(32, 8)? as usize, number(54, 2)? as usize, number(56, 2)? as usize);
    (0..count)
        .map(|i| table + i * width)
        .filter(|at| number(*at, 4) == Some(1))
        .map(|at| number(at + 32, 8))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaded_bytes_of_this_program_are_fewer_than_its_file() {
        let file = fs::read(std::env::current_exe().unwrap()).unwrap();
        let loaded = loaded_bytes(&file).unwrap();
        assert!(loaded > 100_000 && loaded < file.len() as u64, "{loaded} of {}", file.len());
        assert_eq!(loaded_bytes(b"#!/bin/sh"), None);
    }

    #[test]
    fn memory_of_this_process_is_that_of_a_program() {
        let own = memory_of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!((100_000.0..1e10).contains(&own), "{own}");
    }
}
