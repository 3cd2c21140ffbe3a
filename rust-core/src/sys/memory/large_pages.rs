//! Large pages for long blocks of ordinary memory.

use rustix::mm::Advice;

/// Requests large pages for a long block that is about to be filled. Page by page, the kernel
/// would take longer to find memory for it than filling it takes.
pub(crate) fn prefer_large_pages(block: &mut Vec<u8>) {
    const LONG: usize = 4 << 20;
    const PAGE: usize = 4096;
    if block.capacity() < LONG {
        return;
    }
    // Whole pages around it: advice on a part of a mapping splits it, and the allocator can then grow it by
    // copying only.
    let skip = block.as_ptr().addr() % PAGE;
    let length = (skip + block.capacity()).next_multiple_of(PAGE);
    let first = block.as_mut_ptr().wrapping_byte_sub(skip);
    // SAFETY: each of these pages holds a byte of a block of this process, and the advice does not change
    // what is in a page. A kernel that ignores it gives small pages, so the result is ignored.
    let _ = unsafe { rustix::mm::madvise(first.cast(), length, Advice::LinuxHugepage) };
}
