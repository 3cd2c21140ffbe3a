//! A buffer of each thread for bytes on their way into a string of PHP's. A fatal error while PHP allocates jumps over Rust frames, which may own nothing then: what
//! belongs to the thread is there for the next use.

use std::cell::RefCell;

use linkspan::Result;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A buffer longer than this is given back to the system.
const LONGEST: usize = 1 << 20;

/// What `copy` makes of the bytes that `write` puts into an empty buffer: a string of PHP's.
pub fn written<T>(
    write: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    copy: impl FnOnce(&[u8]) -> T,
) -> Result<T> {
    SCRATCH.with(|scratch| {
        // Out of its place: code of PHP's that runs while a value is written may encode another one.
        let mut bytes = scratch.take();
        bytes.clear();
        let done = write(&mut bytes);
        scratch.replace(bytes);
        done?;
        // SAFETY: nothing else uses the thread's buffer while PHP allocates and copies; a borrow that is counted would stay counted after a jump.
        let text = copy(unsafe { scratch.try_borrow_unguarded() }.map_or(&[][..], Vec::as_slice));
        if scratch.borrow().capacity() > LONGEST {
            scratch.take();
        }
        Ok(text)
    })
}
