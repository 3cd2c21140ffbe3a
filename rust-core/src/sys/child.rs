//! Child processes that end with the thread that started them, as a supervised service does.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Makes the kernel kill the program that this command starts when the thread that starts it ends,
/// however it ends.
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
