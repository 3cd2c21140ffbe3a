//! Converts the options struct to the core's options by name.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;

use linkspan::{Options, Result, Value};

use crate::argument::{LINKSPAN_DEFAULT, LINKSPAN_FOREVER, c_text_or_none, items, timeout};
use crate::error::call_program;
use crate::sized::{grows, read_sized};

/// The largest `spin` of the options, in microseconds.
pub const LINKSPAN_MAX_SPIN: i32 = 100;
const _: () = assert!(LINKSPAN_MAX_SPIN as u128 == Options::MAX_SPIN.as_micros());

/// The options of an endpoint, which docs/options.md explains. NULL and zero mean the default.
///
/// Only in `timeout` does zero mean no wait; its default is `LINKSPAN_DEFAULT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct linkspan_options {
    /// `sizeof(linkspan_options)`.
    pub size: usize,
    /// The encoding of sent messages: `"cbor"`, `"json"`, `"bson"`, `"smile"`, `"raw"`.
    pub encoding: *const c_char,
    /// The meaning of `LINKSPAN_DEFAULT` in calls of this object, except in loops (`_next`).
    ///
    /// Nanoseconds, 0 for no wait, or `LINKSPAN_FOREVER`; `LINKSPAN_DEFAULT` itself is 30 s.
    pub timeout: i64,
    /// A name of this program that survives restarts.
    pub client_id: *const c_char,
    /// The capacity in bytes of a ring, a queue, or a spool's waiting messages.
    pub buffer: u64,
    /// The largest message in bytes.
    pub max_message_size: u64,
    /// `"latest"`, `"best_effort"`, `"at_least_once"` or `"durable"`.
    pub delivery: *const c_char,
    /// `"auto"` or `"manual"`.
    pub ack: *const c_char,
    /// For peers without Linkspan: `"lines"` or `"raw"`.
    pub framing: *const c_char,
    /// The access mode of created files and sockets, such as 0660.
    pub mode: u32,
    /// Their group: its name, or its number as text.
    pub group: *const c_char,
    /// The `allow_uids_count` users that may connect; NULL for those that the mode admits.
    pub allow_uids: *const u32,
    /// The number of users.
    pub allow_uids_count: usize,
    /// The `allow_gids_count` groups whose members may connect.
    pub allow_gids: *const u32,
    /// The number of groups.
    pub allow_gids_count: usize,
    /// The microseconds to poll before parking; -1 for none.
    pub spin: i32,
    /// Reserved: true is `Unsupported` in this version.
    pub immutable: bool,
    /// Whether a send returns only after the message is on disk.
    pub durable: bool,
    /// The schema of the messages: the path of a schema file, or its text.
    pub schema: *const c_char,
    /// Runs about every 100 ms in the thread of a waiting call; false ends the wait with `Cancelled`.
    pub on_wait: Option<unsafe extern "C" fn(context: *mut c_void) -> bool>,
    /// Passed to `on_wait`.
    pub on_wait_context: *mut c_void,
    /// The most unacknowledged messages kept for replay. Beyond it, a send waits.
    pub replay_count: u64,
    /// The most bytes of unacknowledged messages; one message is always accepted.
    pub replay_bytes: u64,
    /// The most disconnected clients for which a listener keeps messages, 0 for 256.
    pub absent_clients: u64,
    /// The start of a new journal subscriber.
    ///
    /// `"first"`, `"newest"`, a message's number such as `"42"`, or a time such as `"2026-11-20T12:00:00Z"` (RFC 3339).
    pub from: *const c_char,
    /// The size of a journal's segment in bytes.
    pub segment_bytes: u64,
    /// The size of a journal in bytes. Beyond it, the oldest segments are deleted.
    pub retain_bytes: u64,
    /// The age in seconds from which a journal deletes segments.
    pub retain_seconds: f64,
    /// Whether a journal deletes segments that every subscriber with a `client_id` has consumed.
    pub retain_consumed: bool,
    /// Whether requests may be carried out twice. If a server dies, its next incarnation gets the request.
    pub idempotent: bool,
    /// Whether a `file:` is written in place under an fcntl lock.
    pub locked: bool,
    /// Whether several processes, each with this option, may share the endpoint's requests.
    pub shared: bool,
    /// The values to check against the schema: `"send"`, `"receive"` or `"both"`.
    pub validate: *const c_char,
    /// The schema of the replies, given like `schema`.
    pub reply_schema: *const c_char,
    /// Whether a publisher takes over endpoint and subscribers of another publisher of this process.
    pub replace: bool,
    /// Whether long byte strings over `shm:` stay in the sender's memory until the message is released.
    ///
    /// A hostile sender can change them while they are read, so copy them before parsing.
    pub view_bytes: bool,
    /// The seconds that an unclosed channel waits at its end until the peer has consumed all messages.
    ///
    /// One line on stderr reports unconsumed messages.
    pub linger: f64,
    /// Gets the number of unconsumed messages at the end of an unclosed channel.
    ///
    /// It runs in the thread that frees the channel, or in `exit`; never in a forked child. It may close the channel
    /// and use others.
    pub on_unconsumed: Option<unsafe extern "C" fn(context: *mut c_void, missed: u64)>,
    /// Passed to `on_unconsumed`; valid until each channel is freed, else until the process ends.
    ///
    /// A local variable of `main` is invalid in `exit`; a static one is valid.
    pub on_unconsumed_context: *mut c_void,
}

grows!(linkspan_options, before replay_count);

const DEFAULT: linkspan_options = linkspan_options {
    size: size_of::<linkspan_options>(),
    encoding: ptr::null(),
    timeout: LINKSPAN_DEFAULT,
    client_id: ptr::null(),
    buffer: 0,
    max_message_size: 0,
    delivery: ptr::null(),
    ack: ptr::null(),
    framing: ptr::null(),
    mode: 0,
    group: ptr::null(),
    allow_uids: ptr::null(),
    allow_uids_count: 0,
    allow_gids: ptr::null(),
    allow_gids_count: 0,
    spin: 0,
    immutable: false,
    durable: false,
    schema: ptr::null(),
    on_wait: None,
    on_wait_context: ptr::null_mut(),
    replay_count: 0,
    replay_bytes: 0,
    absent_clients: 0,
    from: ptr::null(),
    segment_bytes: 0,
    retain_bytes: 0,
    retain_seconds: 0.0,
    retain_consumed: false,
    idempotent: false,
    locked: false,
    shared: false,
    validate: ptr::null(),
    reply_schema: ptr::null(),
    replace: false,
    view_bytes: false,
    linger: 0.0,
    on_unconsumed: None,
    on_unconsumed_context: ptr::null_mut(),
};

struct OnWait(unsafe extern "C" fn(context: *mut c_void) -> bool, *mut c_void);

// SAFETY: the context only goes back to the program. Its callback runs in the waiting thread, as `on_wait` documents.
unsafe impl Send for OnWait {}
// SAFETY: as above.
unsafe impl Sync for OnWait {}

impl OnWait {
    fn run(&self) -> bool {
        // SAFETY: the program keeps the callback and its context alive as long as the object.
        unsafe { (self.0)(self.1) }
    }
}

struct OnUnconsumed(unsafe extern "C" fn(context: *mut c_void, missed: u64), *mut c_void);

// SAFETY: the context only goes back to the program. Its callback runs in the thread that `on_unconsumed` documents.
unsafe impl Send for OnUnconsumed {}
// SAFETY: as above.
unsafe impl Sync for OnUnconsumed {}

impl OnUnconsumed {
    fn run(&self, missed: u64) {
        // SAFETY: the program keeps the callback and its context alive until the channel is freed or the process ends.
        call_program(|| unsafe { (self.0)(self.1, missed) })
    }
}

/// # Safety
/// `options` is NULL or points to options that begin with their size; every pointer in them is NULL or valid.
pub(crate) unsafe fn options(options: *const linkspan_options) -> Result<Options> {
    // SAFETY: by contract.
    let given = unsafe { read_sized(options, DEFAULT) }?;
    let mut core = Options::default();
    for (name, text) in [
        ("encoding", given.encoding),
        ("client_id", given.client_id),
        ("delivery", given.delivery),
        ("ack", given.ack),
        ("framing", given.framing),
        ("group", given.group),
        ("schema", given.schema),
        ("reply_schema", given.reply_schema),
        ("validate", given.validate),
    ] {
        // SAFETY: by contract.
        if let Some(text) = unsafe { c_text_or_none(text, name) }? {
            // The core distinguishes a group's name and number by their type.
            let number = if name == "group" { text.parse::<u32>().ok() } else { None };
            core.set(name, &number.map_or_else(|| Value::from(text), Value::from))?;
        }
    }
    for (name, number) in [
        ("buffer", given.buffer),
        ("max_message_size", given.max_message_size),
        ("mode", given.mode.into()),
        ("replay_count", given.replay_count),
        ("replay_bytes", given.replay_bytes),
        ("absent_clients", given.absent_clients),
        ("segment_bytes", given.segment_bytes),
        ("retain_bytes", given.retain_bytes),
    ] {
        if number != 0 {
            core.set(name, &Value::from(number))?;
        }
    }
    for (name, ids, count) in [
        ("allow_uids", given.allow_uids, given.allow_uids_count),
        ("allow_gids", given.allow_gids, given.allow_gids_count),
    ] {
        // A count without numbers is refused, because an unset list admits every user.
        if !ids.is_null() || count > 0 {
            // SAFETY: `count` readable numbers by contract.
            let ids = unsafe { items(ids, count, name) }?;
            core.set(name, &Value::Array(ids.iter().map(|id| Value::from(*id)).collect()))?;
        }
    }
    for (name, truth) in [
        ("immutable", given.immutable),
        ("durable", given.durable),
        ("retain_consumed", given.retain_consumed),
        ("idempotent", given.idempotent),
        ("locked", given.locked),
        ("shared", given.shared),
        ("replace", given.replace),
        ("view_bytes", given.view_bytes),
    ] {
        if truth {
            core.set(name, &Value::Bool(true))?;
        }
    }
    // SAFETY: by contract.
    if let Some(from) = unsafe { c_text_or_none(given.from, "from") }? {
        // The core reads a number as a message's number, and a text as a position or time.
        let from = from.parse::<u64>().map_or_else(|_| Value::from(from), Value::from);
        core.set("from", &from)?;
    }
    for (name, seconds) in [("retain_seconds", given.retain_seconds), ("linger", given.linger)] {
        if seconds != 0.0 {
            core.set(name, &Value::Float(seconds))?;
        }
    }
    match given.spin {
        0 => {}
        -1 => core.set("spin", &Value::Int(0))?,
        microseconds => core.set("spin", &Value::from(microseconds))?,
    }
    match given.timeout {
        LINKSPAN_DEFAULT => {}
        LINKSPAN_FOREVER => core.set("timeout", &Value::Null)?,
        ns => {
            timeout(ns)?;
            core.set("timeout", &Value::Float(ns as f64 / 1e9))?;
        }
    }
    if let Some(callback) = given.on_wait {
        let on_wait = OnWait(callback, given.on_wait_context);
        core.on_wait = Some(Arc::new(move || on_wait.run()));
    }
    if let Some(callback) = given.on_unconsumed {
        let on_unconsumed = OnUnconsumed(callback, given.on_unconsumed_context);
        core.on_unconsumed = Some(Arc::new(move |missed| on_unconsumed.run(missed)));
    }
    Ok(core)
}
