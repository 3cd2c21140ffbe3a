//! The requirements of the transports: features of the kernel, and limits that may be too low.
//!
//! Each feature is tried, because a container or a sandbox may forbid a system call.

use rustix::process::{Resource, getpid, getrlimit};

use super::finding::Finding;
use crate::error::Result;
use crate::sys::beneath::NO_PROC;
use crate::sys::descriptor;
use crate::sys::eventfd::EventFd;
use crate::sys::memory::MemoryFile;
use crate::sys::{headroom, inotify, lock};

pub fn examine() -> Vec<Finding> {
    let mut findings = vec![release()];
    findings.push(feature("sealed memory files (memfd)", "shm: does not work without", memory_file()));
    findings.push(feature("eventfd", "shm: does not work without", EventFd::new().map(drop)));
    findings.push(feature("locks that die with their owner (OFD)", "no program can listen without", locks()));
    findings.push(feature("inotify", "waiting for a name to appear does not work without", watches()));
    findings.push(pidfd());
    findings.push(descriptors());
    findings.extend(inotify_limits());
    findings.push(memory());
    findings
}

fn release() -> Finding {
    let Ok(release) = std::fs::read_to_string("/proc/sys/kernel/osrelease") else {
        return Finding::problem(
            "/proc is not mounted here, so the version of the kernel is not known",
            NO_PROC,
        );
    };
    let release = release.trim();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let what =
        format!("Linux {release} on {}, {processors} processors for this process", std::env::consts::ARCH);
    if version < (5, 10) {
        return Finding::problem(what, "Linux 5.10 or newer is needed");
    }
    Finding::fine(what)
}

fn feature(name: &str, without: &str, tried: Result<()>) -> Finding {
    match tried {
        Ok(()) => Finding::fine(format!("{name}: there")),
        Err(e) => Finding::problem(
            format!("{name}: {e}"),
            format!("{without}; see the sandbox or container's rules"),
        ),
    }
}

fn memory_file() -> Result<()> {
    MemoryFile::create("linkspan-doctor", 4096).map(drop)
}

fn locks() -> Result<()> {
    lock::try_kernel()
}

fn watches() -> Result<()> {
    inotify::try_kernel()
}

fn pidfd() -> Finding {
    match descriptor::process(getpid()) {
        Ok(_) => Finding::fine("pidfd: there, so the death of the other process is seen at once"),
        Err(e) => Finding::note(
            format!("pidfd: {e}"),
            "the death of another process is seen by its socket's end alone, which a child of it may hold open",
        ),
    }
}

/// The least number of descriptors without a note: a channel over shared memory takes about ten.
const MIN_DESCRIPTORS: u64 = 1024;

fn descriptors() -> Finding {
    let limit = getrlimit(Resource::Nofile).current;
    let Some(limit) = limit else { return Finding::fine("no limit on open files") };
    let what = format!("{limit} open files for a process (ulimit -n)");
    if limit < MIN_DESCRIPTORS {
        let remedy = format!(
            "room for about {} connections over shared memory; raise it with ulimit -n or LimitNOFILE=",
            limit / 12
        );
        return Finding::note(what, remedy);
    }
    Finding::fine(what)
}

fn inotify_limits() -> Vec<Finding> {
    let minimum = [("max_user_instances", 64), ("max_user_watches", 1024)];
    let read = |(name, minimum): (&str, u64)| {
        let value: u64 =
            std::fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?.trim().parse().ok()?;
        let what = format!("fs.inotify.{name} is {value}");
        if value >= minimum {
            return Some(Finding::fine(what));
        }
        let remedy = format!(
            "a program takes one of them while it waits for a name to appear; sysctl fs.inotify.{name}={minimum} or more"
        );
        Some(Finding::note(what, remedy))
    };
    minimum.into_iter().filter_map(read).collect()
}

const MIN_MEMORY: u64 = 64 << 20;

fn memory() -> Finding {
    match headroom::check(MIN_MEMORY) {
        Ok(()) => Finding::fine("64 MiB of shared memory are within this process's limits"),
        Err(e) => Finding::note(e.text(), "choose smaller buffers, or widen that limit"),
    }
}
