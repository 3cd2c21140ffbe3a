//! The two processes of a case, with shared memory.

use std::io;
use std::ops::Deref;
use std::sync::Mutex;

use crate::Result;
use crate::cpu::{End, Placement, pin};

static FAR: Mutex<Vec<libc::pid_t>> = Mutex::new(Vec::new());

pub fn far_ends() -> Vec<libc::pid_t> {
    FAR.lock().map(|far| far.clone()).unwrap_or_default()
}

/// Returns the processor time of this process and its far ends, in nanoseconds.
pub fn processor_time() -> Result<f64> {
    let mut sum = 0.0;
    for process in far_ends().into_iter().chain([0]) {
        let mut clock = libc::CLOCK_PROCESS_CPUTIME_ID;
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the calls write a clock number and a timespec, which are both ours.
        let failed = unsafe {
            process != 0 && libc::clock_getcpuclockid(process, &mut clock) != 0
                || libc::clock_gettime(clock, &mut now) != 0
        };
        if failed {
            return Err(format!("reading the processor time of process {process}").into());
        }
        sum += now.tv_sec as f64 * 1e9 + now.tv_nsec as f64;
    }
    Ok(sum)
}

/// Forks the far end, which always ends with this process.
///
/// Call it while the process has one thread, because the far end continues from a copy.
pub fn fork_far(far: impl FnOnce() -> Result<()>) -> Result<()> {
    let near = std::process::id();
    // SAFETY: there is one thread, so the child's copy is complete; it runs on like this program.
    match unsafe { libc::fork() } {
        -1 => Err(format!("starting the far end: {}", io::Error::last_os_error()).into()),
        0 => {
            end_with_parent();
            // If the near end has already ended, no signal will come.
            if std::os::unix::process::parent_id() != near {
                // SAFETY: ends the process without running the parent's exit code.
                unsafe { libc::_exit(0) }
            }
            if let Err(error) = far() {
                eprintln!("far end: {error}");
            }
            // SAFETY: ends the process without running the parent's exit code.
            unsafe { libc::_exit(0) }
        }
        far => {
            FAR.lock().map_err(|_| "the list of far ends is poisoned")?.push(far);
            Ok(())
        }
    }
}

/// Makes the kernel kill this process when its parent ends.
pub fn end_with_parent() {
    // SAFETY: requests a signal at the parent's death; no memory is involved.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

pub fn split(placement: Placement, far: impl FnOnce() -> Result<()>) -> Result<()> {
    fork_far(|| {
        pin(placement, End::Far)?;
        far()
    })?;
    pin(placement, End::Near)
}

/// A value in memory that both processes share after a fork.
pub struct Shared<T>(*mut T);

impl<T> Shared<T> {
    /// Creates an all-zero value, which must be a valid `T`: only used for atomics and arrays of atomics.
    pub fn zeroed() -> Result<Shared<T>> {
        // SAFETY: a fresh anonymous mapping overlaps nothing.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<T>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(format!("mapping shared memory: {}", io::Error::last_os_error()).into());
        }
        Ok(Shared(at.cast()))
    }

    /// Returns a pointer, for values that are not atomic.
    pub fn as_ptr(&self) -> *mut T {
        self.0
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared(self.0)
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the mapping is never unmapped, is page-aligned, and zeros are a valid T.
        unsafe { &*self.0 }
    }
}
