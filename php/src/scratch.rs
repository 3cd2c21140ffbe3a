//! A buffer per thread for bytes that become a PHP string.
//!
//! A fatal error while PHP allocates jumps over Rust frames, which then must own nothing.

use std::cell::RefCell;

use linkspan::Result;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Longer buffers are freed.
const LONGEST: usize = 1 << 20;

/// `write` fills an empty buffer, `copy` creates a PHP string from it.
pub fn written<T>(
    write: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    copy: impl FnOnce(&[u8]) -> T,
) -> Result<T> {
    SCRATCH.with(|scratch| {
        // Taken out of its cell: PHP code that runs during the write may encode another value.
        let mut bytes = scratch.take();
        bytes.clear();
        let done = write(&mut bytes);
        scratch.replace(bytes);
        done?;
        // SAFETY: no other code uses the thread's buffer while PHP allocates and copies. A jump would leave a counted
        // borrow counted.
        let text = copy(unsafe { scratch.try_borrow_unguarded() }.map_or(&[][..], Vec::as_slice));
        if scratch.borrow().capacity() > LONGEST {
            scratch.take();
        }
        Ok(text)
    })
}
