//! The memory that this process may still take before the kernel kills it.
//!
//! Writing past RLIMIT_FSIZE raises SIGXFSZ, and memory beyond the control group's limit wakes the OOM killer. Another
//! process may still take the memory after the check.

use std::fmt;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// Checks a memory file's size against RLIMIT_FSIZE and the control group's memory.
///
/// # Errors
/// `OutOfMemory`, with the limit's name.
pub fn check(bytes: u64) -> Result<()> {
    let file_limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    if let Some(limit) = file_limit.filter(|limit| *limit < bytes) {
        let text = format!(
            "a memory file of {bytes} bytes is over the process's limit on files, {limit} (ulimit -f)"
        );
        return Err(Error::new(ErrorKind::OutOfMemory, text));
    }
    check_group(bytes, available_in_groups(bytes), format_args!("a memory file of {bytes} bytes"))
}

/// Checks a loan and its copy for sending against the control group's limit.
///
/// # Errors
/// `OutOfMemory`.
pub fn check_loan(bytes: u64) -> Result<()> {
    let twice = bytes.saturating_mul(2);
    check_loan_in(bytes, available_in_groups(twice))
}

fn check_loan_in(bytes: u64, available: Option<u64>) -> Result<()> {
    let what = format_args!("a loan of {bytes} bytes, of which sending makes a copy,");
    check_group(bytes.saturating_mul(2), available, what)
}

fn check_group(needed: u64, available: Option<u64>, what: fmt::Arguments<'_>) -> Result<()> {
    let Some(available) = available.filter(|available| *available < needed) else { return Ok(()) };
    let text = format!(
        "{what} does not fit: the control group has {available} left; ask for less or raise its limit (memory.max, or memory.limit_in_bytes)"
    );
    Err(Error::new(ErrorKind::OutOfMemory, text))
}

/// Returns the limit on descriptors (RLIMIT_NOFILE).
pub fn descriptor_limit() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Returns the limit on a file's length, in bytes (RLIMIT_FSIZE).
pub fn file_limit() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current.unwrap_or(u64::MAX)
}

/// Checks the length of a file on a disk.
///
/// # Errors
/// `NoSpace`, instead of SIGXFSZ.
pub fn check_file(bytes: u64) -> Result<()> {
    let limit = file_limit();
    if bytes <= limit {
        return Ok(());
    }
    let text = format!("a file of {bytes} bytes is over the process's limit on files, {limit} (ulimit -f)");
    Err(Error::new(ErrorKind::NoSpace, text))
}

#[derive(Clone, Copy)]
struct Files {
    limit: &'static str,
    used: &'static str,
}

const FIRST_VERSION: Files = Files { limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes" };
const SECOND_VERSION: Files = Files { limit: "memory.max", used: "memory.current" };

/// This or more means no limit: the first version names the highest number of pages.
const NO_LIMIT: u64 = 1 << 62;

/// Bytes that the control groups leave, or a smaller number from `needed` on; `None` without limit.
fn available_in_groups(needed: u64) -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().filter_map(|line| available_below(line, Path::new("/sys/fs/cgroup"), needed)).min()
}

/// [`available_in_groups`] for one line of `/proc/self/cgroup`.
fn available_below(line: &str, mounted: &Path, needed: u64) -> Option<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?.strip_prefix('/')?);
    let (root, files) = match controllers {
        "" if mounted.join("unified").is_dir() => (mounted.join("unified"), SECOND_VERSION),
        "" => (mounted.to_path_buf(), SECOND_VERSION),
        controllers if controllers.split(',').any(|one| one == "memory") => {
            (mounted.join(controllers), FIRST_VERSION)
        }
        _ => return None,
    };
    let group = root.join(path);
    let groups = group.ancestors().take_while(|group| group.starts_with(&root));
    groups.filter_map(|group| available_in(group, files, needed)).min()
}

/// How many bytes one group leaves, or a smaller number of at least `needed`; `None` without a limit.
fn available_in(group: &Path, files: Files, needed: u64) -> Option<u64> {
    let text = |file: &str| std::fs::read_to_string(group.join(file)).ok();
    let number = |file: &str| -> Option<u64> { text(file)?.trim().parse().ok() };
    let limit = number(files.limit).filter(|limit| *limit < NO_LIMIT)?;
    let used = number(files.used)?;
    let free = limit.saturating_sub(used);
    if free >= needed {
        // Reading `memory.stat` takes longer than all else here.
        return Some(free);
    }
    // The kernel evicts file pages before it kills, so they count as free.
    Some(limit.saturating_sub(used.saturating_sub(reclaimable(&text("memory.stat")?))))
}

/// The bytes that the kernel can reclaim, from the text of `memory.stat`.
fn reclaimable(stat: &str) -> u64 {
    let of = |line: &str| -> Option<u64> {
        let (name, value) = line.split_once(' ')?;
        let counts = matches!(name, "inactive_file" | "active_file" | "slab_reclaimable");
        if counts { value.trim().parse().ok() } else { None }
    };
    stat.lines().filter_map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_of_a_group_excludes_its_use_but_not_the_page_cache() {
        let group = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| std::fs::write(group.path().join(file), text).unwrap();
        write("memory.max", "1000\n");
        write("memory.current", "900\n");
        write("memory.stat", "anon 500\ninactive_file 200\nactive_file 50\nslab_reclaimable 7\n");
        let available = |needed| available_in(group.path(), SECOND_VERSION, needed);
        assert_eq!(available(101), Some(357));
        assert_eq!(available(100), Some(100), "what is free anyway is enough");
        write("memory.max", "max\n");
        assert_eq!(available(101), None);
    }

    #[test]
    fn narrowest_group_above_a_process_counts_in_either_version() {
        let mounted = tempfile::tempdir().unwrap();
        let group = |path: &str, files: [(&str, &str); 3]| {
            std::fs::create_dir_all(mounted.path().join(path)).unwrap();
            for (file, text) in files {
                std::fs::write(mounted.path().join(path).join(file), text).unwrap();
            }
        };
        let stat = ("memory.stat", "inactive_file 10\n");
        group("memory/a", [("memory.limit_in_bytes", "500\n"), ("memory.usage_in_bytes", "100\n"), stat]);
        group(
            "memory/a/b",
            [("memory.limit_in_bytes", "9223372036854771712\n"), ("memory.usage_in_bytes", "1\n"), stat],
        );
        group("c", [("memory.max", "70\n"), ("memory.current", "40\n"), stat]);
        let available = |line: &str, needed| available_below(line, mounted.path(), needed);
        assert_eq!(
            (available("4:memory:/a/b", 401), available("4:memory:/a/b", 400)),
            (Some(410), Some(400))
        );
        assert_eq!((available("0::/c/d", 31), available("0::/c/d", 30)), (Some(40), Some(30)));
        let others = ["5:cpu:/a", "4:memory:/x", "nonsense"].map(|line| available(line, 1));
        assert_eq!(others, [None, None, None]);
    }

    #[test]
    fn error_of_a_loan_without_room_says_how_much_was_asked() {
        check_loan_in(8 << 20, Some(16 << 20)).unwrap();
        check_loan_in(8 << 20, None).unwrap();
        let error = check_loan_in(8 << 20, Some((16 << 20) - 1)).unwrap_err();
        let (text, asked) =
            (error.to_string(), "a loan of 8388608 bytes, of which sending makes a copy, does not fit");
        assert!(error.kind() == ErrorKind::OutOfMemory && text.contains(asked), "{text}");
        assert!(text.contains("has 16777215 left") && !text.contains("16777216"), "{text}");
    }

    #[test]
    fn impossible_file_is_refused_before_a_system_call() {
        use rustix::process::{Resource, getrlimit};
        match getrlimit(Resource::Fsize).current {
            Some(limit) => assert_eq!(check(limit + 1).unwrap_err().kind(), ErrorKind::OutOfMemory),
            None => check(4096).unwrap(),
        }
    }
}
