//! Signals and resource usage of the program and all descendants, even outside of its process group.
//!
//! This process is their subreaper, so the tree stays connected, and SIGCHLD reports the last end.

use std::fs;

use rustix::process::{Pid, Signal};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    pid: i32,
    state: char,
    parent: i32,
    group: i32,
    /// CPU time in clock ticks, including children that it has waited for.
    ticks: u64,
    /// Resident memory in pages.
    resident: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    pub processes: u64,
    pub cpu_seconds: f64,
    pub resident_bytes: u64,
}

/// The living descendants, without given ones and theirs.
#[derive(Debug, Default)]
pub struct ProcessTree(Vec<Process>);

impl ProcessTree {
    pub fn now(except: &[Pid]) -> ProcessTree {
        let except: Vec<_> = except.iter().map(|pid| pid.as_raw_nonzero().get()).collect();
        ProcessTree(below(std::process::id().cast_signed(), &except, &processes()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Signals the process group, and each descendant outside it. Ignores processes that have ended.
    pub fn signal(&self, group: Pid, signal: Signal) {
        signal_group(group, signal);
        let left = self.0.iter().filter(|one| one.group != group.as_raw_nonzero().get());
        for pid in left.filter_map(|one| Pid::from_raw(one.pid)) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    pub fn usage(&self) -> Usage {
        let ticks: u64 = self.0.iter().map(|one| one.ticks).sum();
        let pages: u64 = self.0.iter().map(|one| one.resident).sum();
        Usage {
            processes: self.0.len() as u64,
            cpu_seconds: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
            resident_bytes: pages * rustix::param::page_size() as u64,
        }
    }
}

/// An ended group is ignored.
pub fn signal_group(leader: Pid, signal: Signal) {
    let _ = rustix::process::kill_process_group(leader, signal);
}

/// Whether a signal has stopped it.
///
/// A debugger shows another letter. In `vfork` it is in the state D while its child is stopped.
pub fn is_stopped(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    let Some(process) = stat.ok().and_then(|stat| read(&stat)) else { return false };
    let stands = |process: &Process| matches!(process.state, 'T' | 't');
    stands(&process)
        || process.state == 'D'
            && processes().iter().any(|child| child.parent == process.pid && stands(child))
}

fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pids = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    // A process that ends in between is skipped.
    pids.filter_map(|pid| read(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)).collect()
}

/// The fields of `proc_pid_stat(5)`; the name, in brackets, may hold anything.
fn read(stat: &str) -> Option<Process> {
    let (pid, rest) = stat.split_once(" (")?;
    let (_, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // Counted from the state, the manual's third field.
    let number = |at: usize| fields.get(at - 3)?.parse::<i64>().ok();
    Some(Process {
        pid: pid.parse().ok()?,
        state: fields.first()?.chars().next()?,
        parent: i32::try_from(number(4)?).ok()?,
        group: i32::try_from(number(5)?).ok()?,
        ticks: (14..=17).map(|at| number(at).unwrap_or(0).unsigned_abs()).sum(),
        resident: number(24)?.unsigned_abs(),
    })
}

fn below(root: i32, except: &[i32], all: &[Process]) -> Vec<Process> {
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for child in all.iter().filter(|one| one.parent == parent && !except.contains(&one.pid)) {
            parents.push(child.pid);
            // A zombie has ended.
            if !matches!(child.state, 'Z' | 'X') {
                found.push(*child);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_line_is_parsed_with_any_program_name() {
        let line = "17 (a) b (c) S 3 17 17 0 -1 4194560 1 0 0 0 5 6 7 8 20 0 1 0 100 1000 42 18446744073709551615 1 1";
        let process = Process { pid: 17, state: 'S', parent: 3, group: 17, ticks: 26, resident: 42 };
        assert_eq!(read(line), Some(process));
        assert_eq!(read("17 (cut"), None);
        let us = std::process::id().cast_signed();
        let mine = processes().into_iter().find(|one| one.pid == us).unwrap();
        assert!(mine.resident > 0);
    }

    #[test]
    fn family_has_all_living_descendants() {
        let one = |pid, parent, state| Process { pid, parent, group: 1, state, ticks: 1, resident: 1 };
        let all = [
            one(2, 1, 'S'),
            one(3, 2, 'R'),
            one(4, 2, 'Z'),
            one(5, 4, 'T'),
            one(6, 1, 'S'),
            one(7, 6, 'S'),
            one(8, 9, 'S'),
        ];
        let pids = |root, except: &[i32]| {
            let mut pids: Vec<_> = below(root, except, &all).iter().map(|one| one.pid).collect();
            pids.sort_unstable();
            pids
        };
        assert_eq!(pids(1, &[]), [2, 3, 5, 6, 7]);
        assert_eq!(pids(1, &[6]), [2, 3, 5]);
        assert_eq!(pids(7, &[]), [0i32; 0]);
    }
}
