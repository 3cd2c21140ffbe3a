//! Options: a struct that begins with its size becomes the core's options, by the core's names.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::slice;
use std::sync::Arc;

use linkspan::{Options, Result, Value};

use crate::argument::{LINKSPAN_DEFAULT, LINKSPAN_FOREVER, block, c_text_or_none, timeout};
use crate::sized::read_sized;

/// What an endpoint is opened with. NULL and zero mean the default, except in `timeout`, whose default is
/// `LINKSPAN_DEFAULT` and where zero does not wait.
///
/// Begin with `linkspan_options options = LINKSPAN_OPTIONS_INIT;`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct linkspan_options {
    /// `sizeof(linkspan_options)`.
    pub size: usize,
    /// The encoding of what is sent: `"cbor"`, `"json"`, `"bson"`, `"smile"`, `"raw"`.
    pub encoding: *const c_char,
    /// What `LINKSPAN_DEFAULT` stands for in this object's calls: nanoseconds, 0 for calls that do not wait, or
    /// `LINKSPAN_FOREVER`; `LINKSPAN_DEFAULT` itself is 30 s. Loops (`linkspan_server_next` and others) do not look at it.
    pub timeout: i64,
    /// A name that stays the same across restarts.
    pub client_id: *const c_char,
    /// How many bytes may wait to be read.
    pub buffer: u64,
    /// How many bytes a message may have.
    pub max_message_size: u64,
    /// `"latest"`, `"best_effort"`, `"at_least_once"` or `"durable"`.
    pub delivery: *const c_char,
    /// `"auto"` or `"manual"`.
    pub ack: *const c_char,
    /// For peers without Linkspan: `"lines"` or `"raw"`.
    pub framing: *const c_char,
    /// The access mode of what is made in the file system, such as 0660.
    pub mode: u32,
    /// The group that what is made in the file system belongs to: its name, or its number as text.
    pub group: *const c_char,
    /// The users that may connect, `allow_uids_count` of them; NULL for those whom the mode lets in.
    pub allow_uids: *const u32,
    /// How many there are.
    pub allow_uids_count: usize,
    /// The groups whose members may connect, `allow_gids_count` of them.
    pub allow_gids: *const u32,
    /// How many there are.
    pub allow_gids_count: usize,
    /// How many microseconds to poll before parking; -1 for not at all.
    pub spin: i32,
    /// Whether what is sent stays as it is.
    pub immutable: bool,
    /// Whether what is sent is on disk before the call returns.
    pub durable: bool,
    /// What the messages at the name mean: the path of a schema, or the text of one. Both sides' schemas are compared when they
    /// connect.
    pub schema: *const c_char,
    /// Runs about every 100 ms while a call waits, in the waiting thread; false ends the wait with `Cancelled`.
    pub on_wait: Option<unsafe extern "C" fn(context: *mut c_void) -> bool>,
    /// Handed to `on_wait`.
    pub on_wait_context: *mut c_void,
    /// How many messages that are not acknowledged are kept to be sent again; then a send waits.
    pub replay_count: u64,
    /// How many bytes of them; one message is always taken.
    pub replay_bytes: u64,
    /// For how many disconnected clients a listener keeps messages, 0 for 256; beyond that it drops those of the oldest and records an event.
    pub absent_clients: u64,
    /// Where a subscriber to a journal begins that is new there: `"first"`, `"newest"`, the number of a message such as
    /// `"42"`, or a time such as `"2026-11-20T12:00:00Z"` (RFC 3339).
    pub from: *const c_char,
    /// Bytes of a journal's segment; only whole segments are ever deleted.
    pub segment_bytes: u64,
    /// Bytes of a journal: the oldest segments go while all have more.
    pub retain_bytes: u64,
    /// Segments of a journal go whose newest message is older than so many seconds.
    pub retain_seconds: f64,
    /// Whether a journal's segments go that every subscriber with a `client_id` has consumed.
    pub retain_consumed: bool,
    /// Whether requests may be carried out twice: then one whose server died is sent to its next incarnation.
    pub idempotent: bool,
    /// Whether a `file:` is written in place under a lock of the file itself, for programs that use only fcntl.
    pub locked: bool,
    /// Whether several processes may serve a name, each with this option: they share its requests.
    pub shared: bool,
    /// Which values are checked against the schema: `"send"`, `"receive"` or `"both"`.
    pub validate: *const c_char,
    /// Of a server and of those who call it: what is replied, like `schema`.
    pub reply_schema: *const c_char,
}

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
};

/// A callback of the program's with its context.
struct OnWait(unsafe extern "C" fn(context: *mut c_void) -> bool, *mut c_void);

// SAFETY: the context is only handed back to the program, whose callback runs in the thread that waits; that it may
// do so is in the documentation of `on_wait`.
unsafe impl Send for OnWait {}
// SAFETY: as above.
unsafe impl Sync for OnWait {}

impl OnWait {
    fn run(&self) -> bool {
        // SAFETY: the program gave the callback with its context and keeps both alive as long as the object.
        unsafe { (self.0)(self.1) }
    }
}

/// The core's options.
///
/// # Safety
/// `options` is NULL or points to options that begin with their size; every pointer in them is NULL or good.
pub(crate) unsafe fn options(options: *const linkspan_options) -> Result<Options> {
    // SAFETY: as the caller promises.
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
        // SAFETY: as the caller promises.
        if let Some(text) = unsafe { c_text_or_none(text, name) }? {
            // A group is named or numbered; the core distinguishes them by their type.
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
        if !ids.is_null() {
            // SAFETY: the caller promises `count` readable numbers there.
            let ids = unsafe {
                block(ids.cast(), count.saturating_mul(size_of::<u32>()), name)?;
                slice::from_raw_parts(ids, count)
            };
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
    ] {
        if truth {
            core.set(name, &Value::Bool(true))?;
        }
    }
    // SAFETY: as the caller promises.
    if let Some(from) = unsafe { c_text_or_none(given.from, "from") }? {
        // The core takes a number for a message's, a text for a place or a time.
        let from = from.parse::<u64>().map_or_else(|_| Value::from(from), Value::from);
        core.set("from", &from)?;
    }
    if given.retain_seconds != 0.0 {
        core.set("retain_seconds", &Value::Float(given.retain_seconds))?;
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
    Ok(core)
}
