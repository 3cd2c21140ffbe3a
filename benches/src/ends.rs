//! The two processes for the two ends of a case, with shared memory.

use std::io;
use std::ops::Deref;
use std::sync::Mutex;

use crate::Result;
use crate::cpu::{End, Placement, pin};

/// The far ends of this process.
static FAR: Mutex<Vec<libc::pid_t>> = Mutex::new(Vec::new());

/// The far ends of this process.
pub fn far_ends() -> Vec<libc::pid_t> {
    FAR.lock().map(|far| far.clone()).unwrap_or_default()
}

/// Processor time of this process and its far ends, in nanoseconds.
pub fn processor_time() -> Result<f64> {
    let mut sum = 0.0;
    for process in far_ends().into_iter().chain([0]) {
        let mut clock = libc::CLOCK_PROCESS_CPUTIME_ID;
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the library writes one clock's number, the kernel one timespec, both our own.
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

/// Starts the far end as a process of its own, which ends with this one in every case.
///
/// To be called while the process has one thread: the far end continues from a copy of it.
pub fn fork_far(far: impl FnOnce() -> Result<()>) -> Result<()> {
    let near = std::process::id();
    // SAFETY: there is one thread, so the child's copy is whole; it runs on as this program does.
    match unsafe { libc::fork() } {
        -1 => Err(format!("starting the far end: {}", io::Error::last_os_error()).into()),
        0 => {
            end_with_parent();
            // The near end may have ended before the signal was requested; then there is no signal.
            if std::os::unix::process::parent_id() != near {
                // SAFETY: ends the process without running what belongs to the parent.
                unsafe { libc::_exit(0) }
            }
            if let Err(error) = far() {
                eprintln!("far end: {error}");
            }
            // SAFETY: ends the process without running what belongs to the parent.
            unsafe { libc::_exit(0) }
        }
        far => {
            FAR.lock().map_err(|_| "the list of far ends is poisoned")?.push(far);
            Ok(())
        }
    }
}

/// Has the kernel kill this process when its parent ends, so that none is left.
pub fn end_with_parent() {
    // SAFETY: asks for a signal at the death of the parent; no memory is involved.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Forks the far end and pins both ends.
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
    /// All zeros, which must be a valid `T`: it is used for atomics and arrays of them only.
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

    /// A pointer, for values that are not atomic.
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
        // SAFETY: the mapping is never given back, is aligned to a page, and zeros are a valid T.
        unsafe { &*self.0 }
    }
}
