//! What every object is, whatever its kind: asked for a descriptor, counters and what happened; closed and released.

use std::ffi::{c_int, c_void};
use std::mem::{MaybeUninit, offset_of};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};

use linkspan::service::Controller;
use linkspan::{Channel, Error, ErrorKind, Listener, Publisher, Region, Result, Server, Subscriber, Timeout};

use crate::argument::{is_null, make, wait};
use crate::channel::{linkspan_channel, linkspan_listener};
use crate::controller::linkspan_controller;
use crate::error::guard;
use crate::life::{Checked, Shells, released};
use crate::message::linkspan_message;
use crate::publish::{linkspan_publisher, linkspan_subscriber};
use crate::reader::{Reader, linkspan_reader};
use crate::region::linkspan_region;
use crate::server::linkspan_server;
use crate::service::{Serving, linkspan_service};
use crate::status::linkspan_status;
use crate::walk::{Walk, linkspan_walk};
use crate::writer::{Writer, linkspan_writer};

/// What a handle holds, behind a number that says what that is: so one function can take any of them.
///
/// The object is there until the handle is released; then the number is [`RELEASED`].
#[repr(C)]
pub(crate) struct Tagged<T> {
    kind: AtomicU64,
    object: MaybeUninit<T>,
}

/// The kind of what was released: no object has these letters.
const RELEASED: u64 = u64::from_le_bytes(*b"released");

/// Shells of objects that were released: as many as a program that errs may have let go of meanwhile.
static SHELLS: Shells = Shells::new(1024);

impl<T: Kind> Tagged<T> {
    pub(crate) fn new(object: T) -> Tagged<T> {
        Tagged { kind: AtomicU64::new(T::KIND), object: MaybeUninit::new(object) }
    }

    /// `InvalidState` where it was released, or is an object of another kind.
    pub(crate) fn check(&self) -> Result<()> {
        match self.kind.load(Ordering::Acquire) {
            kind if kind == T::KIND => Ok(()),
            RELEASED => Err(released("this object")),
            _ => Err(is_none_of_ours()),
        }
    }

    /// Drops the object, once.
    ///
    /// # Safety
    /// Nobody uses the object meanwhile or later.
    unsafe fn release(&self) -> Result<()> {
        match self.kind.compare_exchange(T::KIND, RELEASED, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: the number said that the object is there, and now says that it is not; the caller promises the rest.
            Ok(_) => unsafe { self.object.as_ptr().cast_mut().drop_in_place() },
            Err(_) => return Err(released("this object")),
        }
        Ok(())
    }
}

impl<T> Deref for Tagged<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: handles are checked as they come in, and what is there is released by nobody who uses it.
        unsafe { self.object.assume_init_ref() }
    }
}

impl<T> DerefMut for Tagged<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `deref`.
        unsafe { self.object.assume_init_mut() }
    }
}

/// What can be handed in as any object.
pub(crate) trait Kind {
    /// Eight letters, so that other memory does not have them by chance.
    const KIND: u64;
}

macro_rules! kinds {
    ($($object:ident in $handle:ident: $letters:literal),* $(,)?) => {
        $(
            impl Kind for $object {
                const KIND: u64 = u64::from_le_bytes(*$letters);
            }
            impl Checked for $handle {
                fn check(&self) -> Result<()> {
                    self.0.check()
                }
            }
            // A handle is nothing but what is tagged, so a pointer to the one is a pointer to the other.
            const _: () = assert!(
                offset_of!($handle, 0) == 0 && size_of::<$handle>() == size_of::<Tagged<$object>>()
            );
        )*

        /// One of the objects.
        #[allow(dead_code, reason = "what can only be released is never looked into")]
        pub(crate) enum Any<'a> {
            $($object(&'a $object),)*
        }

        /// What a pointer stands for.
        ///
        /// # Safety
        /// `object` is NULL or a handle of one of these kinds, live or one of those released last.
        pub(crate) unsafe fn any<'a>(object: *const c_void) -> Result<Any<'a>> {
            if object.is_null() {
                return Err(is_null("an object"));
            }
            // SAFETY: every such handle begins with its kind, and the caller promises that it is live or a shell.
            unsafe {
                match (*object.cast::<AtomicU64>()).load(Ordering::Acquire) {
                    $($object::KIND => Ok(Any::$object(&*object.cast::<Tagged<$object>>())),)*
                    RELEASED => Err(released("this object")),
                    _ => Err(is_none_of_ours()),
                }
            }
        }

        /// Takes an object back that [`give`] handed out, drops it, and keeps its shell for a while.
        ///
        /// # Safety
        /// `object` is a handle of one of these kinds, live or one of those released last, and is not used again.
        unsafe fn take_back(object: *mut c_void) -> Result<()> {
            // SAFETY: as for `any`; each came from `give`, and a shell drops nothing.
            unsafe {
                match (*object.cast::<AtomicU64>()).load(Ordering::Acquire) {
                    $($object::KIND => {
                        (*object.cast::<Tagged<$object>>()).release()?;
                        SHELLS.keep(object.cast::<$handle>());
                    })*
                    RELEASED => return Err(released("this object")),
                    _ => return Err(is_none_of_ours()),
                }
            }
            Ok(())
        }
    };
}
kinds! {
    Channel in linkspan_channel: b"channel.",
    Listener in linkspan_listener: b"listener",
    Server in linkspan_server: b"server..",
    Publisher in linkspan_publisher: b"publishr",
    Subscriber in linkspan_subscriber: b"subscrib",
    Serving in linkspan_service: b"service.",
    Controller in linkspan_controller: b"controll",
    Region in linkspan_region: b"region..",
    Walk in linkspan_walk: b"walk....",
    Writer in linkspan_writer: b"writer..",
    Reader in linkspan_reader: b"reader..",
}

/// Hands an object out.
pub(crate) fn give<T>(object: T) -> *mut T {
    Box::into_raw(Box::new(object))
}

#[cold]
fn is_none_of_ours() -> Error {
    Error::new(
        ErrorKind::InvalidState,
        "this is no channel, listener, server, publisher, subscriber, service, controller, region, walk, writer or reader; hand in what one of their functions gave",
    )
}

pub(crate) fn has_none(text: &str) -> Error {
    Error::new(ErrorKind::Unsupported, text)
}

/// A descriptor for event loops, of a channel, listener, server, subscriber, service or watching controller: readable while receiving from it
/// (accepting, taking the next) would not wait. It stays the object's: do not close it.
///
/// # Safety
/// `object` is live, `fd` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_fileno(object: *const c_void, fd: *mut c_int) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(fd, || match any(object)? {
            Any::Channel(channel) => channel.fileno(),
            Any::Listener(listener) => Ok(listener.fileno()),
            Any::Server(server) => server.fileno(),
            Any::Subscriber(subscriber) => subscriber.fileno(),
            Any::Serving(serving) => Ok(serving.service.fileno()),
            Any::Controller(controller) => controller.fileno(),
            Any::Publisher(_) | Any::Region(_) | Any::Walk(_) | Any::Writer(_) | Any::Reader(_) => {
                Err(has_none(
                    "a publisher, a region, a walk, a writer or a reader waits for nobody, so it has no descriptor",
                ))
            }
        })
    }
}

/// What has happened to a channel, server, publisher or subscriber since the last call: an array of maps with `kind`
/// (`connected`, `disconnected`, `lagged`, `back`, `forgotten`, `schema_mismatch`), `at`, `missed` and `text`. The caller releases it.
///
/// # Safety
/// `object` is live, `events` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_events(
    object: *const c_void,
    events: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(events, || {
            Ok(linkspan_message::events(match any(object)? {
                Any::Channel(channel) => channel.events(),
                Any::Server(server) => server.events(),
                Any::Publisher(publisher) => publisher.events(),
                Any::Subscriber(subscriber) => subscriber.events(),
                Any::Listener(listener) => listener.events(),
                Any::Serving(_) | Any::Controller(_) => {
                    return Err(has_none(
                        "what happens to services is in their logs: linkspan_controller_log",
                    ));
                }
                Any::Region(_) | Any::Walk(_) | Any::Writer(_) | Any::Reader(_) => {
                    return Err(has_none(
                        "nothing happens to a region, a walk, a writer or a reader that could be told",
                    ));
                }
            }))
        })
    }
}

/// Counters of a channel, server, publisher (with `subscribers`, how many there are now), subscriber or service, or
/// those of a controller itself, as a map, which the caller releases.
///
/// # Safety
/// `object` is live, `stats` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_stats(
    object: *const c_void,
    stats: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(stats, || {
            Ok(linkspan_message::of(match any(object)? {
                Any::Channel(channel) => channel.stats(),
                Any::Server(server) => server.stats(),
                Any::Publisher(publisher) => publisher.stats(),
                Any::Subscriber(subscriber) => subscriber.stats(),
                Any::Serving(serving) => serving.service.stats(),
                Any::Controller(controller) => controller.stats(Timeout::Default)?,
                Any::Listener(listener) => listener.stats(),
                Any::Region(_) | Any::Walk(_) | Any::Writer(_) | Any::Reader(_) => {
                    return Err(has_none("a region, a walk, a writer or a reader counts nothing"));
                }
            }))
        })
    }
}

/// Closes an object; waits of other threads end. It still has to be released.
///
/// A channel closes once what was sent has been taken over, a server once its answers have, a service once its controller has
/// heard its goodbye, a publisher once its subscribers have been given what they had still to be given, within the time-out; the others close at once. Channels that a listener accepted stay. The newest
/// value goes with its publisher.
///
/// # Safety
/// `object` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_close(object: *const c_void, timeout: i64) -> linkspan_status {
    guard(|| {
        let wait = wait(timeout)?;
        // SAFETY: as the caller promises.
        match unsafe { any(object) }? {
            Any::Channel(channel) => return channel.close(wait),
            Any::Server(server) => return server.close(wait),
            Any::Serving(serving) => return serving.service.close(wait),
            Any::Listener(listener) => listener.close(),
            Any::Controller(controller) => controller.close(),
            Any::Publisher(publisher) => return publisher.close(wait),
            Any::Subscriber(subscriber) => subscriber.close(),
            Any::Region(_) | Any::Walk(_) | Any::Writer(_) | Any::Reader(_) => {
                return Err(has_none(
                    "a region, a walk, a writer or a reader is not closed, only released: linkspan_release",
                ));
            }
        }
        Ok(())
    })
}

/// Closes an object and frees it. NULL is allowed. Messages have a release of their own: `linkspan_message_release`.
///
/// A second release of the same object, and any other use of it, is `InvalidState` while no more than 1024 others have
/// been released meanwhile. After that its memory may be anything's, as with any freed pointer.
///
/// # Safety
/// `object` is NULL or what one of the functions gave, and no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_release(object: *mut c_void) -> linkspan_status {
    guard(|| {
        if object.is_null() {
            return Ok(());
        }
        // SAFETY: as the caller promises.
        unsafe { take_back(object) }
    })
}
