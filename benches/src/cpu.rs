//! The processor of each end, which affects the times more than the code does.

use std::io;

use crate::Result;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// One processor each: for spinning ends, and to measure the wake-up of an idle processor.
    Apart,
    /// Both on one: a wake-up switches processes.
    Together,
}

impl Placement {
    pub fn from_name(name: &str) -> Result<Placement> {
        match name {
            "apart" => Ok(Placement::Apart),
            "together" => Ok(Placement::Together),
            _ => Err(format!("{name} is no placement: apart and together are").into()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Near,
    Far,
}

/// Returns the processors that this process may use, in order.
fn allowed() -> Vec<usize> {
    // SAFETY: an all-zero cpu_set_t is a valid, empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes at most the given size into our set.
    unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
    // SAFETY: the index is below CPU_SETSIZE and the set is initialized.
    (0..libc::CPU_SETSIZE as usize).filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) }).collect()
}

/// Pins the calling thread. With a single processor, both ends share it.
pub fn pin(placement: Placement, end: End) -> Result<()> {
    let allowed = allowed();
    let index = if placement == Placement::Apart && end == End::Far { allowed.len() - 1 } else { 0 };
    // SAFETY: an all-zero cpu_set_t is a valid, empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the number came from such a set, so it is in range.
    unsafe { libc::CPU_SET(allowed[index], &mut set) };
    // SAFETY: the set is ours and has the given size.
    if unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) } != 0 {
        return Err(format!("pinning to processor {}: {}", allowed[index], io::Error::last_os_error()).into());
    }
    Ok(())
}

pub fn count() -> usize {
    allowed().len()
}
