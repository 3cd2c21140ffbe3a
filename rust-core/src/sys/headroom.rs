//! How much memory may still be taken before the kernel kills instead of answering.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// Whether a memory file of so many bytes stays within RLIMIT_FSIZE (past it: SIGXFSZ) and the control group's memory
/// (past it: the OOM killer); `OutOfMemory` if not.
pub(crate) fn check(bytes: u64) -> Result<()> {
    let file_limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    if let Some(limit) = file_limit.filter(|limit| *limit < bytes) {
        let text = format!(
            "a memory file of {bytes} bytes is over the process's limit on files, {limit} (ulimit -f)"
        );
        return Err(Error::new(ErrorKind::OutOfMemory, text));
    }
    let Some(left) = left_in_group() else { return Ok(()) };
    if left < bytes {
        let text = format!(
            "a memory file of {bytes} bytes does not fit: the control group has {left} left; choose a smaller buffer or \
             raise memory.max"
        );
        return Err(Error::new(ErrorKind::OutOfMemory, text));
    }
    Ok(())
}

/// How long this process may make a file (RLIMIT_FSIZE).
pub(crate) fn file_limit() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current.unwrap_or(u64::MAX)
}

/// Whether a file on a disk may get so long; `NoSpace` if not, in place of SIGXFSZ.
pub(crate) fn check_file(bytes: u64) -> Result<()> {
    let limit = file_limit();
    if bytes <= limit {
        return Ok(());
    }
    let text = format!("a file of {bytes} bytes is over the process's limit on files, {limit} (ulimit -f)");
    Err(Error::new(ErrorKind::NoSpace, text))
}

/// Bytes that this process's control group and those above it leave, or `None` where nothing limits.
fn left_in_group() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let unified = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let root = Path::new("/sys/fs/cgroup");
    let root = if root.join("unified").is_dir() { root.join("unified") } else { root.to_path_buf() };
    let group = root.join(unified);
    group.ancestors().take_while(|group| group.starts_with(&root)).filter_map(left_in).min()
}

fn left_in(group: &Path) -> Option<u64> {
    let number = |file: &str| -> Option<u64> {
        std::fs::read_to_string(PathBuf::from(group).join(file)).ok()?.trim().parse().ok()
    };
    let (max, current) = (number("memory.max")?, number("memory.current")?);
    // Pages of ordinary files make way for ours, so they count as free.
    let stat = std::fs::read_to_string(group.join("memory.stat")).ok()?;
    Some(max.saturating_sub(current.saturating_sub(reclaimable(&stat))))
}

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
    fn a_group_has_left_what_neither_it_nor_the_page_cache_needs() {
        let group = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| std::fs::write(group.path().join(file), text).unwrap();
        write("memory.max", "1000\n");
        write("memory.current", "900\n");
        write("memory.stat", "anon 500\ninactive_file 200\nactive_file 50\nslab_reclaimable 7\n");
        assert_eq!(left_in(group.path()), Some(357));
        write("memory.max", "max\n");
        assert_eq!(left_in(group.path()), None);
    }

    #[test]
    fn an_impossible_file_is_refused_before_the_kernel_is_asked() {
        use rustix::process::{Resource, getrlimit};
        match getrlimit(Resource::Fsize).current {
            Some(limit) => assert_eq!(check(limit + 1).unwrap_err().kind(), ErrorKind::OutOfMemory),
            None => check(4096).unwrap(),
        }
    }
}
