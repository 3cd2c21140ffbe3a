//! Messages: reference-counted, built with a cursor or received, read by path or with a walk.

use std::cell::Cell;
use std::ffi::c_char;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use linkspan::codec::{EncodeOptions, FlatMap, FlatMapBuilder, FlatValue};
use linkspan::value::{Keys, Sink, Source};
use linkspan::{Encoding, Error, ErrorKind, Event, Limits, Message, Request, Result, Value, codec};

use crate::argument::{handle, make, out, tell};
use crate::array::Aligned;
use crate::encoding::linkspan_encoding;
use crate::error::guard;
use crate::life::{Checked, Shells, released};
use crate::sized::write_sized;
use crate::status::linkspan_status;
use crate::tape::Tape;
use crate::tree::Tree;

/// A message: one value, and for a received message also its origin.
///
/// Messages are reference-counted: `_new`, `_retain` and every function that returns a message add a
/// reference, `_release` removes one. Texts, bytes and arrays read from a message are views into it: they are
/// valid until the message is changed or its last reference is released. Any number of threads may read one
/// message; a thread that changes it must be the only user.
pub struct linkspan_message {
    /// Zero in the shell of a released message.
    references: AtomicUsize,
    state: RwLock<State>,
    /// Created by the first read that needs it.
    aligned: OnceLock<Mutex<Aligned>>,
}

/// The encoding of values that are kept encoded.
const HELD: Encoding = Encoding::Cbor;

thread_local! {
    /// The cleared state of the last self-built message that this thread released; the next message reuses
    /// its memory.
    static SPARE: Cell<State> = const { Cell::new(State::empty()) };
    /// A shell that was kept long enough; the next message reuses it.
    static SHELL: Cell<Option<Box<linkspan_message>>> = const { Cell::new(None) };
}

/// Shells of released messages. Messages come and go quickly, so a few cover the common mistake.
static SHELLS: Shells = Shells::new(64);

impl Checked for linkspan_message {
    fn check(&self) -> Result<()> {
        match self.references.load(Ordering::Acquire) {
            0 => Err(released("this message")),
            _ => Ok(()),
        }
    }
}

/// A reference to a message that the library holds.
pub(crate) struct Reference(NonNull<linkspan_message>);

impl Reference {
    /// Another reference; `InvalidState` for a message that was released.
    ///
    /// # Safety
    /// `message` is NULL or a message, live or one of those released last.
    pub(crate) unsafe fn to(message: *const linkspan_message) -> Result<Reference> {
        // SAFETY: as the caller promises.
        let there = unsafe { handle(message) }?;
        let mut count = there.references.load(Ordering::Relaxed);
        loop {
            // A released message is not revived.
            let Some(more) = count.checked_add(1).filter(|_| count > 0) else {
                return Err(released("this message"));
            };
            match there.references.compare_exchange_weak(count, more, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(Reference(NonNull::from(there))),
                Err(now) => count = now,
            }
        }
    }

    /// Releases a reference of the caller; `InvalidState` if none was left.
    ///
    /// # Safety
    /// As for [`Reference::to`], and one of the message's references belongs to the caller.
    unsafe fn give_back(message: *const linkspan_message) -> Result<()> {
        // SAFETY: as the caller promises.
        let there = unsafe { handle(message) }?;
        let less = |count: usize| count.checked_sub(1);
        match there.references.fetch_update(Ordering::Release, Ordering::Relaxed, less) {
            Err(_) => return Err(released("this message")),
            Ok(1) => fence(Ordering::Acquire),
            Ok(_) => return Ok(()),
        }
        // The last reference: the content is dropped now, and the shell later. Without a reference, only the
        // count is read.
        let message = message.cast_mut();
        // SAFETY: no other thread has a reference, so none uses the content behind the count.
        let (state, aligned) = unsafe { (&mut (*message).state, &mut (*message).aligned) };
        let state = state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut spare = std::mem::replace(state, State::empty());
        if matches!(spare, State::Flat(..) | State::Tree(_)) {
            spare.clear();
            // The thread-local is gone in a thread that ends.
            let _ = SPARE.try_with(|there| there.set(spare));
        }
        drop(aligned.take());
        // SAFETY: it came from a box; its content and its last reference are gone.
        let oldest = unsafe { SHELLS.replace(message) };
        let _ = SHELL.try_with(|spare| spare.set(oldest));
        Ok(())
    }
}

impl Deref for Reference {
    type Target = linkspan_message;

    fn deref(&self) -> &linkspan_message {
        // SAFETY: this reference keeps the message alive.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // SAFETY: this reference was counted, so there is one to release.
        let given = unsafe { Reference::give_back(self.0.as_ptr()) };
        debug_assert!(given.is_ok(), "{given:?}");
    }
}

/// An encoded value.
#[derive(Default)]
pub(crate) struct Encoded {
    bytes: Vec<u8>,
    /// Whether a different placement of arrays changes the bytes.
    has_arrays: bool,
    value: OnceLock<Value>,
}

/// The content of a message.
pub(crate) enum State {
    /// A short map of scalars that is being built, in CBOR, and its tree once one was needed. Null while it
    /// has no entry.
    Flat(FlatMapBuilder, OnceLock<Value>),
    /// Any other value that is being built or was decoded.
    Tree(Tree),
    /// A value from a writer, and its tree once one was needed.
    Written(Box<Tape>, OnceLock<Value>),
    /// A value encoded from a struct, and its tree once one was needed.
    Encoded(Encoded),
    /// A received message.
    Received(Message),
    /// A request that waits for its reply.
    Request(Request),
}

static NULL: Value = Value::Null;

impl State {
    /// An empty value to build.
    const fn empty() -> State {
        State::Flat(FlatMapBuilder::new(), OnceLock::new())
    }

    /// Makes it an empty value to build, and keeps the memory.
    fn clear(&mut self) {
        match self {
            State::Flat(map, value) => {
                map.clear();
                value.take();
            }
            State::Tree(tree) => tree.clear(),
            other => *other = State::empty(),
        }
    }

    /// The tree to build in; `None` for a received or written message. A flat map is converted to a tree.
    fn tree(&mut self) -> Result<Option<&mut Tree>> {
        if let State::Flat(map, value) = self {
            let tree = match value.take() {
                _ if map.is_empty() => Tree::default(),
                Some(value) => Tree::begun(value),
                None => Tree::begun(codec::decode(map.bytes(), HELD)?),
            };
            *self = State::Tree(tree);
        }
        match self {
            State::Tree(tree) => Ok(Some(tree)),
            _ => Ok(None),
        }
    }

    /// The value as a flat map, if it is one.
    #[inline]
    fn flat(&self) -> Option<FlatMap<'_>> {
        match self {
            State::Flat(map, _) => Some(map.map()),
            State::Received(message) => message.flat(),
            State::Request(request) => request.message().flat(),
            State::Tree(_) | State::Written(..) | State::Encoded(_) => None,
        }
    }

    fn value(&self) -> Result<&Value> {
        match self {
            State::Flat(map, value) => match value.get() {
                _ if map.is_empty() => Ok(&NULL),
                Some(value) => Ok(value),
                None => {
                    let made = codec::decode(map.bytes(), HELD)?;
                    Ok(value.get_or_init(|| made))
                }
            },
            State::Tree(tree) => Ok(tree.so_far()),
            State::Written(tape, value) => match value.get() {
                Some(value) => Ok(value),
                None => {
                    let made = tape.value()?;
                    Ok(value.get_or_init(|| made))
                }
            },
            State::Encoded(encoded) => match encoded.value.get() {
                Some(value) => Ok(value),
                None => {
                    let made = codec::decode(&encoded.bytes, HELD)?;
                    Ok(encoded.value.get_or_init(|| made))
                }
            },
            State::Received(message) => message.value(),
            State::Request(request) => request.value(),
        }
    }

    /// The value, if it is complete.
    fn whole(&self) -> Result<&Value> {
        match self {
            State::Tree(tree) => tree.whole(),
            arrived => arrived.value(),
        }
    }

    /// The received message, if it is one.
    fn arrived(&self) -> Option<&Message> {
        match self {
            State::Flat(..) | State::Tree(_) | State::Written(..) | State::Encoded(_) => None,
            State::Received(message) => Some(message),
            State::Request(request) => Some(request.message()),
        }
    }
}

impl linkspan_message {
    /// Creates a message from a value.
    pub(crate) fn of(value: Value) -> *mut linkspan_message {
        linkspan_message::give(State::Tree(Tree::of(value)))
    }

    /// Creates a message from a received one.
    pub(crate) fn arrived(message: Message) -> *mut linkspan_message {
        linkspan_message::give(State::Received(message))
    }

    /// Creates a message from events.
    pub(crate) fn events(events: Vec<Event>) -> *mut linkspan_message {
        let map = |event: Event| {
            Value::map([
                ("kind", Value::from(event.kind.name())),
                ("at", Value::Timestamp(event.at)),
                ("missed", Value::from(event.missed)),
                ("text", Value::from(event.text)),
            ])
        };
        linkspan_message::of(Value::Array(events.into_iter().map(map).collect()))
    }

    /// Creates a message with one reference.
    pub(crate) fn give(state: State) -> *mut linkspan_message {
        let message = linkspan_message {
            references: AtomicUsize::new(1),
            state: RwLock::new(state),
            aligned: OnceLock::new(),
        };
        Box::into_raw(match SHELL.try_with(Cell::take) {
            Ok(Some(mut shell)) => {
                *shell = message;
                shell
            }
            _ => Box::new(message),
        })
    }

    fn read_state(&self) -> RwLockReadGuard<'_, State> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Tree(tree) if tree.has_stale() => {
                drop(state);
                self.trim();
                self.state.read().unwrap_or_else(PoisonError::into_inner)
            }
            _ => state,
        }
    }

    /// Removes stale keys of the previous value. Other readers do the same before they read, so none of them
    /// holds the lock.
    #[cold]
    fn trim(&self) {
        if let State::Tree(tree) = &mut *self.state.write().unwrap_or_else(PoisonError::into_inner) {
            tree.trim();
        }
    }

    /// Locks the content for a change; `InvalidState` while another thread reads or changes it.
    pub(crate) fn change(&self) -> Result<RwLockWriteGuard<'_, State>> {
        self.state.try_write().map_err(|_| {
            Error::new(
                ErrorKind::InvalidState,
                "another thread is using this message; one that changes it must be alone",
            )
        })
    }

    /// The tree that is being built.
    pub(crate) fn build(&self, what: impl FnOnce(&mut Tree) -> Result<()>) -> Result<()> {
        let mut state = self.change()?;
        self.forget_aligned();
        if let Some(tree) = state.tree()? {
            return what(tree);
        }
        let text = match &*state {
            State::Written(..) | State::Encoded(_) => {
                "a message that a writer wrote cannot be changed; call linkspan_message_clear first"
            }
            _ => "a received message cannot be changed; call linkspan_message_clear first",
        };
        Err(Error::new(ErrorKind::InvalidState, text))
    }

    /// Puts a value of a flat map under a key; false if the message is not flat, or would not be flat with
    /// it.
    #[inline]
    pub(crate) fn put_flat(&self, key: &str, flat: FlatValue<'_>) -> Result<bool> {
        let mut state = self.change()?;
        if let State::Tree(tree) = &*state
            && tree.is_unused()
        {
            *state = State::empty();
        }
        let State::Flat(map, value) = &mut *state else { return Ok(false) };
        let is_put = map.put(key, flat);
        if is_put && value.get().is_some() {
            value.take();
        }
        Ok(is_put)
    }

    /// Makes a tape the value; `tape` gets the tape of the previous value, to be reused.
    pub(crate) fn take_tape(&self, tape: &mut Tape) -> Result<()> {
        let mut state = self.change()?;
        self.forget_aligned();
        if let State::Written(there, value) = &mut *state {
            std::mem::swap(&mut **there, tape);
            value.take();
        } else {
            *state = State::Written(Box::new(std::mem::take(tape)), OnceLock::new());
        }
        Ok(())
    }

    /// Makes a struct the value, encoded; the memory of the previous value is reused.
    pub(crate) fn take_record(&self, from: &impl Source, keys: Keys, has_arrays: bool) -> Result<()> {
        let mut state = self.change()?;
        self.forget_aligned();
        let mut bytes = match &mut *state {
            State::Encoded(encoded) => std::mem::take(&mut encoded.bytes),
            _ => Vec::with_capacity(256),
        };
        bytes.clear();
        let done = codec::encode_into(from, HELD, &EncodeOptions::default().with_keys(keys), &mut bytes);
        *state = match done {
            Ok(()) => State::Encoded(Encoded { bytes, has_arrays, value: OnceLock::new() }),
            Err(_) => State::empty(),
        };
        done
    }

    /// Sends the value to a sink without a tree; a received message is checked as its channel requires.
    pub(crate) fn send_into<S: Sink>(&self, mut sink: S) -> Result<S> {
        let state = self.read_state();
        match (&*state, state.arrived()) {
            (_, Some(message)) => message.walk_into(sink),
            (State::Encoded(encoded), _) => {
                codec::decode_into(&encoded.bytes, HELD, &Limits::default(), sink)
            }
            (State::Written(tape, _), _) => tape.walk(&mut sink).map(|()| sink),
            (other, _) => other.whole()?.walk(&mut sink).map(|()| sink),
        }
    }

    /// Records the value without a tree; a received message is checked as its channel requires.
    pub(crate) fn record(&self, tape: &mut Tape) -> Result<()> {
        let state = self.read_state();
        match state.arrived() {
            Some(message) => {
                tape.record_body(message.body(), |recorder| message.walk_into(recorder).map(|_| ()))
            }
            None => {
                drop(state);
                tape.record(self)
            }
        }
    }

    /// Reads the value.
    pub(crate) fn look<T>(&self, what: impl FnOnce(&Value) -> Result<T>) -> Result<T> {
        what(self.read_state().value()?)
    }

    /// Reads the value at a path; errors name the path.
    pub(crate) fn look_at<T>(&self, path: &str, what: impl FnOnce(&Value) -> Result<T>) -> Result<T> {
        self.look(|root| what(root.at(path)?).map_err(|e| e.with_path(path)))
    }

    /// Reads the scalar at a path without a tree, if it is in a flat map; `None` if it is not, or if `what`
    /// refuses it.
    #[inline]
    pub(crate) fn look_flat<T>(
        &self,
        path: &str,
        what: impl FnOnce(FlatValue<'_>) -> Option<T>,
    ) -> Option<T> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        what(state.flat()?.get(path)?)
    }

    /// Copies the whole value.
    pub(crate) fn copy(&self) -> Result<Value> {
        self.read_state().whole().cloned()
    }

    /// Reads the received message; `InvalidState` for one that was built here.
    pub(crate) fn with_arrived<T>(&self, what: impl FnOnce(&Message) -> Result<T>) -> Result<T> {
        match self.read_state().arrived() {
            Some(message) => what(message),
            None => Err(Error::new(
                ErrorKind::InvalidState,
                "this message was built by the program and not received",
            )),
        }
    }

    /// Reads the server's request; `InvalidState` for any other message.
    pub(crate) fn with_request<T>(&self, what: impl FnOnce(&Request) -> Result<T>) -> Result<T> {
        match &*self.read_state() {
            State::Request(request) => what(request),
            _ => Err(Error::new(
                ErrorKind::InvalidState,
                "this message is not a request from linkspan_server_next",
            )),
        }
    }

    /// Copies of array data that was not aligned for its element type.
    pub(crate) fn aligned(&self) -> std::sync::MutexGuard<'_, Aligned> {
        self.aligned.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees those copies, if any, because their value changes.
    fn forget_aligned(&self) {
        if let Some(aligned) = self.aligned.get() {
            aligned.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}

impl Source for linkspan_message {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        match &*self.read_state() {
            State::Flat(map, value) if value.get().is_none() && !map.is_empty() => {
                codec::decode_into(map.bytes(), HELD, &Limits::default(), sink).map(drop)
            }
            State::Written(tape, _) => tape.walk(sink),
            State::Encoded(encoded) if encoded.value.get().is_none() => {
                codec::decode_into(&encoded.bytes, HELD, &Limits::default(), sink).map(drop)
            }
            state => state.whole()?.walk(sink),
        }
    }
    fn append_cbor(&self, out: &mut Vec<u8>) -> bool {
        match &*self.read_state() {
            State::Flat(map, _) if !map.is_empty() => {
                out.extend_from_slice(map.bytes());
                true
            }
            State::Encoded(encoded) if !encoded.has_arrays => {
                out.extend_from_slice(&encoded.bytes);
                true
            }
            _ => false,
        }
    }
    fn size_hint(&self) -> usize {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Flat(map, _) => map.bytes().len(),
            State::Encoded(encoded) => encoded.bytes.len(),
            _ => 0,
        }
    }
}

/// Creates an empty message, whose value is null until something is put into it. Release it with
/// `linkspan_message_release`.
///
/// # Safety
/// `message` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_new(message: *mut *mut linkspan_message) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(message, || {
            let state =
                SPARE.try_with(|spare| spare.replace(State::empty())).unwrap_or_else(|_| State::empty());
            Ok(linkspan_message::give(state))
        })
    }
}

/// Adds a reference, which needs its own `linkspan_message_release`.
///
/// # Safety
/// `message` is a live message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_retain(message: *mut linkspan_message) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        // The caller has it.
        std::mem::forget(Reference::to(message)?);
        Ok(())
    })
}

/// Removes a reference; the last one frees the message and ends all views into it. NULL is allowed.
///
/// A request that was neither replied to nor failed is answered `Remote` by its last release.
///
/// A release without a reference left, and any other use of such a message, returns `InvalidState` as long as
/// no more than 64 other messages have been released since. After that the pointer is invalid like any freed
/// pointer.
///
/// # Safety
/// `message` is NULL or a message of this library, one of whose references belongs to the caller.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_release(message: *mut linkspan_message) -> linkspan_status {
    guard(|| {
        if message.is_null() {
            return Ok(());
        }
        // SAFETY: as the caller promises.
        unsafe { Reference::give_back(message) }
    })
}

/// Clears the message, to build another value in it. A received message becomes an empty one of the program's
/// own.
///
/// # Safety
/// `message` is a live message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_clear(message: *mut linkspan_message) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        tell(message, |message| {
            let mut state = message.change()?;
            message.forget_aligned();
            state.clear();
            Ok(())
        })
    }
}

/// A text as pointer and length, for results; not NUL-terminated.
pub(crate) fn give_text(text: &str, to: &mut *const c_char, length: &mut usize) {
    *to = text.as_ptr().cast();
    *length = text.len();
}

/// The origin of a message. Begin with `linkspan_message_info info = LINKSPAN_MESSAGE_INFO_INIT;`.
#[repr(C)]
pub struct linkspan_message_info {
    /// `sizeof(linkspan_message_info)`.
    pub size: usize,
    /// Its number in the sender's session, from 1.
    pub sequence: u64,
    /// When it was sent: nanoseconds since 1970-01-01T00:00:00Z.
    pub sent: i64,
    /// How many messages were missed directly before it.
    pub missed: u64,
    /// The encoding of its body.
    pub encoding: linkspan_encoding,
    /// Whether the sender waits for a reply.
    pub is_request: bool,
    /// The sender: a view, not NUL-terminated.
    pub source: *const c_char,
    /// Its length in bytes.
    pub source_length: usize,
}

/// Gets the origin of a message; `InvalidState` for one that was built or decoded here.
///
/// # Safety
/// `message` is a live message, `info` points to a `linkspan_message_info` whose `size` is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_info(
    message: *const linkspan_message,
    info: *mut linkspan_message_info,
) -> linkspan_status {
    // SAFETY: as the caller promises; the struct is NULL or has its size set.
    let look = |arrived: &Message| unsafe {
        let mut full = linkspan_message_info {
            size: 0,
            sequence: arrived.sequence(),
            sent: arrived.sent().nanoseconds(),
            missed: arrived.missed(),
            encoding: arrived.encoding() as linkspan_encoding,
            is_request: arrived.is_request(),
            source: ptr::null(),
            source_length: 0,
        };
        give_text(arrived.source(), &mut full.source, &mut full.source_length);
        write_sized(info, full);
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { tell(message, |message| message.with_arrived(look)) }
}

/// Gets the encoded value as it was received: a view. `InvalidState` for a message that was built or decoded
/// here. If long arrays of the value lie in shared memory of the sender, the first call copies everything
/// into one block, which the message keeps.
///
/// # Safety
/// `message` is a live message, the results may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_body(
    message: *const linkspan_message,
    body: *mut *const u8,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        let (to, length) = (out(body)?, out(length)?);
        handle(message)?.with_arrived(|arrived| {
            let body = arrived.body();
            (*to, *length) = (body.as_ptr(), body.len());
            Ok(())
        })
    })
}
