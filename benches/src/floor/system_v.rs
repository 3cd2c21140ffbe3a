//! The far end of PHP's System V queue: answers messages of type 1 with equal messages of type 2.

use std::io::{self, Read};

use crate::Result;
use crate::cpu::{End, Placement, pin};

/// A message as in msgrcv(2), with the kernel's default size limit.
#[repr(C)]
struct Message {
    kind: libc::c_long,
    content: [u8; 8192],
}

/// Answers until standard input ends, then removes the queue, which would survive a killed near end.
pub fn echo(key: &str, bytes: &str) -> Result<()> {
    let key: libc::key_t = key.parse()?;
    let bytes: usize = bytes.parse()?;
    // SAFETY: no memory is involved.
    let queue = unsafe { libc::msgget(key, libc::IPC_CREAT | 0o600) };
    if queue < 0 {
        return Err(format!("making a System V queue: {}", io::Error::last_os_error()).into());
    }
    std::thread::spawn(move || {
        // Only the end matters, not the contents.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        // SAFETY: the command reads no memory.
        unsafe { libc::msgctl(queue, libc::IPC_RMID, std::ptr::null_mut()) };
        std::process::exit(0);
    });
    pin(Placement::Together, End::Far)?;
    // SAFETY: an all-zero message is valid.
    let mut message: Message = unsafe { std::mem::zeroed() };
    let limit = bytes.min(message.content.len());
    loop {
        // SAFETY: the kernel writes a type and at most as many bytes as the message has room for.
        let got = unsafe { libc::msgrcv(queue, (&raw mut message).cast(), limit, 1, 0) };
        if got < 0 {
            return Err(format!("receiving from a System V queue: {}", io::Error::last_os_error()).into());
        }
        message.kind = 2;
        // SAFETY: reads as many bytes as were just written.
        if unsafe { libc::msgsnd(queue, (&raw const message).cast(), got as usize, 0) } < 0 {
            return Err(format!("sending to a System V queue: {}", io::Error::last_os_error()).into());
        }
    }
}
