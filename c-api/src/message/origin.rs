//! The origin of a received message, and its encoded body.

use super::linkspan_message;
use crate::argument::{apply, c_text, give_text, handle, out, place};
use crate::encoding::linkspan_encoding;
use crate::error::guard;
use crate::sized::{give_sized, grows};
use crate::status::linkspan_status;
use linkspan::Message;
use std::ffi::c_char;
use std::ptr;

/// The origin of a message.
#[repr(C)]
pub struct linkspan_message_info {
    /// `sizeof(linkspan_message_info)`.
    pub size: usize,
    /// The number of the message in the sender's session, from 1.
    pub sequence: u64,
    /// The time of sending: nanoseconds since 1970-01-01T00:00:00Z.
    pub sent: i64,
    /// The number of messages missed directly before this one.
    pub missed: u64,
    /// The encoding of the body.
    pub encoding: linkspan_encoding,
    /// Whether the sender waits for a reply.
    pub is_request: bool,
    /// The session of the sender: a view, not NUL-terminated.
    pub source: *const c_char,
    /// The length of `source` in bytes.
    pub source_length: usize,
    /// The publisher's endpoint, for a subscriber to a pattern, else NULL: a view, not NUL-terminated.
    pub name: *const c_char,
    /// The length of `name` in bytes.
    pub name_length: usize,
}

grows!(linkspan_message_info);

/// Gets the origin of a message. `InvalidState` for a message that was built or decoded here.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_info(
    message: *const linkspan_message,
    info: *mut linkspan_message_info,
) -> linkspan_status {
    let look = |arrived: &Message| {
        let mut full = linkspan_message_info {
            size: 0,
            sequence: arrived.sequence(),
            sent: arrived.sent().nanoseconds(),
            missed: arrived.missed(),
            encoding: arrived.encoding() as linkspan_encoding,
            is_request: arrived.is_request(),
            source: ptr::null(),
            source_length: 0,
            name: ptr::null(),
            name_length: 0,
        };
        give_text(arrived.source(), &mut full.source, &mut full.source_length);
        if let Some(name) = arrived.name() {
            give_text(name, &mut full.name, &mut full.name_length);
        }
        Ok(full)
    };
    // SAFETY: by contract; the struct is NULL or has its size set.
    unsafe { apply(message, |message| give_sized(place!(info), || message.with_arrived(look))) }
}

/// Checks that code generated from the schema with this fingerprint may decode a message.
///
/// `NAME_decode` of generated code calls it. The fingerprint has 64 hexadecimal digits. `SchemaMismatch` if the sender
/// gave another schema that was not compared with this one. A message that was built or decoded here always passes.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_check_fingerprint(
    message: *const linkspan_message,
    fingerprint: *const c_char,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let fingerprint = c_text(fingerprint, "fingerprint")?;
        handle(message)?.check_fingerprint(fingerprint)
    })
}

/// Gets the encoded value as received: a view.
///
/// `InvalidState` for a message that was built or decoded here. If long arrays lie in shared memory of the sender, the
/// first call copies the whole value into one block.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_body(
    message: *const linkspan_message,
    body: *mut *const u8,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let (to, length) = (out(place!(body))?, out(place!(length))?);
        handle(message)?.with_arrived(|arrived| {
            let body = arrived.body();
            (*to, *length) = (body.as_ptr(), body.len());
            Ok(())
        })
    })
}
