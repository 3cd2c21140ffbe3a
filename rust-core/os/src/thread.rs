//! Threads of the library, and programs that end with the thread that started them.
//!
//! The threads have every signal blocked, so that signals reach the threads of the program.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

use crate::error::{Doing, Result};

/// Starts a thread.
///
/// # Errors
/// That of the kernel, with the thread's name.
pub fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = without_signals(|| Builder::new().name(name.to_owned()).spawn(work));
    thread.doing(format_args!("starting the thread {name}"))
}

/// Starts a thread that ends before its borrowed values.
pub fn start_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    let thread = without_signals(|| Builder::new().name(name.to_owned()).spawn_scoped(scope, work));
    thread.doing(format_args!("starting the thread {name}"))
}

/// Runs `start` with every signal blocked: a thread inherits the mask of the thread that starts it.
fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    // SAFETY: both sets live through the calls, and the mask of this thread is put back before anything else
    // runs.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let started = start();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        started
    }
}

/// Makes the kernel kill the program that this command starts when the thread that starts it ends,
/// however it ends, as a supervised service does.
///
/// The kernel drops this setting when the program changes its user or gains rights by its file.
/// Programs that it starts itself are not covered.
pub fn end_with_us(command: &mut Command) {
    let parent = std::process::id().cast_signed();
    let tie = move || {
        // SAFETY: prctl and getppid are async-signal-safe, and take numbers.
        unsafe {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            // If the parent ended before the call above, no signal arrives.
            if libc::getppid() != parent {
                libc::_exit(1);
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure allocates nothing, takes no lock and calls async-signal-safe
    // functions alone.
    unsafe { command.pre_exec(tie) };
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::Stdio;

    use super::*;

    #[test]
    fn child_ends_with_the_thread_that_started_it() {
        let start = || {
            let mut command = Command::new("sh");
            // The shell executes the program in its own process.
            command.args(["-c", "exec sleep 1000"]).stdout(Stdio::piped());
            end_with_us(&mut command);
            command.spawn().unwrap()
        };
        let mut child = std::thread::spawn(start).join().unwrap();
        let mut nothing = Vec::new();
        // The pipe ends when the program does.
        child.stdout.take().unwrap().read_to_end(&mut nothing).unwrap();
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }
}
