//! Signals while a call waits: the script's own handlers, and stop signals.

use std::sync::{Once, OnceLock};

use linkspan::Result;

use crate::call::call_php;
use crate::zend;

/// Returns whether the script's signal handlers run asynchronously, also in waits.
///
/// The script may change it.
pub fn are_handled_at_once() -> bool {
    // An internal PHP function, which runs no script code and allocates nothing.
    static FUNCTION: OnceLock<zend::Builtin> = OnceLock::new();
    const NAME: &str = "pcntl_async_signals";
    let answer = match FUNCTION.get().copied().or_else(|| zend::builtin(NAME)) {
        Some(function) => Some(zend::ask(*FUNCTION.get_or_init(|| function))),
        None => zend::call_function(NAME),
    };
    answer.is_some_and(|answer| answer.is_true())
}

pub fn dispatch() -> Result<()> {
    call_php(|| zend::call_function("pcntl_signal_dispatch")).map(drop)
}

/// Restores the default action of SIGINT and SIGTERM if only the engine defers it.
///
/// The core then lets them end a loop without a deadline.
pub fn let_stop_through() {
    type ZendSigaction = unsafe extern "C" fn(libc::c_int, *const libc::sigaction, *mut libc::sigaction);
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the name is a C string; if the engine has the function, it has this type; the sigactions live
        // through the calls.
        unsafe {
            let deferred = libc::dlsym(libc::RTLD_DEFAULT, c"zend_sigaction".as_ptr());
            if deferred.is_null() || !zend::is_command_line() {
                return;
            }
            let behind = std::mem::transmute::<*mut libc::c_void, ZendSigaction>(deferred);
            for signal in [libc::SIGINT, libc::SIGTERM] {
                let mut old: libc::sigaction = std::mem::zeroed();
                behind(signal, std::ptr::null(), &raw mut old);
                if old.sa_sigaction == libc::SIG_DFL {
                    let default: libc::sigaction = std::mem::zeroed();
                    libc::sigaction(signal, &raw const default, std::ptr::null_mut());
                }
            }
        }
    });
}
