//! Reading behind what a list holds: into its spare memory, which is not written before.

use std::mem::MaybeUninit;

/// Reads at most `most` bytes, for which the list has room, behind those that it holds, and returns how many came. `read` returns
/// the bytes that it has written, which begin where its room does.
pub fn append<E>(
    into: &mut Vec<u8>,
    most: usize,
    read: impl for<'a> FnOnce(&'a mut [MaybeUninit<u8>]) -> Result<&'a mut [u8], E>,
) -> Result<usize, E> {
    let room = into.spare_capacity_mut();
    let most = most.min(room.len());
    let start = room.as_ptr().addr();
    let written = read(&mut room[..most])?;
    assert!(written.as_ptr().addr() == start && written.len() <= most, "bytes of another place");
    let came = written.len();
    let length = into.len() + came;
    // SAFETY: so many bytes of the room behind the earlier ones are initialised, since a slice of bytes begins there.
    unsafe { into.set_len(length) };
    Ok(came)
}
