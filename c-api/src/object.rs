//! The handles of objects. A number before each object gives its kind, and whether it was freed.

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};

use linkspan::{Error, ErrorKind, Result};

use crate::error::guard;
use crate::life::{Checked, Shells, released};
use crate::status::linkspan_status;

/// The content of a handle after a number for its kind, which reveals a wrong cast.
///
/// The object is valid until its release; then the number is [`RELEASED`].
#[repr(C)]
pub(crate) struct Tagged<T> {
    kind: AtomicU64,
    object: MaybeUninit<T>,
}

/// No live kind has these letters.
const RELEASED: u64 = u64::from_le_bytes(*b"released");

/// Enough to detect late uses in most programs.
static SHELLS: Shells = Shells::new(1024);

impl<T: Kind> Tagged<T> {
    pub(crate) fn new(object: T) -> Tagged<T> {
        Tagged { kind: AtomicU64::new(T::KIND), object: MaybeUninit::new(object) }
    }

    /// Returns `InvalidState` if it was released, or has another kind.
    pub(crate) fn check(&self) -> Result<()> {
        match self.kind.load(Ordering::Acquire) {
            kind if kind == T::KIND => Ok(()),
            RELEASED => Err(released(T::NAME)),
            _ => Err(is_another(T::NAME)),
        }
    }

    /// Drops the object, once.
    ///
    /// # Safety
    /// No other thread uses the object now or later.
    pub(crate) unsafe fn release(&self) -> Result<()> {
        match self.kind.compare_exchange(T::KIND, RELEASED, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: the exchange turned a live number into a released one; the rest by contract.
            Ok(_) => unsafe { self.object.as_ptr().cast_mut().drop_in_place() },
            Err(_) => return self.check(),
        }
        Ok(())
    }
}

impl<T> Deref for Tagged<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: handles are checked when they are passed in, and no call releases an object that it uses.
        unsafe { self.object.assume_init_ref() }
    }
}

impl<T> DerefMut for Tagged<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `deref`.
        unsafe { self.object.assume_init_mut() }
    }
}

pub(crate) trait Kind {
    /// Eight letters: other memory or a message's reference count cannot match by chance.
    const KIND: u64;
    /// The C name of the handle, for errors.
    const NAME: &str;
}

pub(crate) trait Handle: Checked {
    /// Drops the object, once. `InvalidState` if it was dropped, or has another kind.
    ///
    /// # Safety
    /// No other thread uses the object now or later.
    unsafe fn release(&self) -> Result<()>;
}

/// Makes a C struct the handle of an object, with eight unique letters.
macro_rules! handle_kind {
    ($handle:ident of $object:ident: $letters:literal) => {
        impl $crate::object::Kind for $object {
            const KIND: u64 = u64::from_le_bytes(*$letters);
            const NAME: &str = stringify!($handle);
        }
        impl $crate::life::Checked for $handle {
            fn check(&self) -> linkspan::Result<()> {
                self.0.check()
            }
        }
        impl $crate::object::Handle for $handle {
            unsafe fn release(&self) -> linkspan::Result<()> {
                // SAFETY: by contract.
                unsafe { self.0.release() }
            }
        }
        // `check` needs the kind as the first word of every handle.
        const _: () = assert!(
            std::mem::offset_of!($handle, 0) == 0
                && size_of::<$handle>() == size_of::<$crate::object::Tagged<$object>>()
        );
    };
}
pub(crate) use handle_kind;

pub(crate) fn give<T>(object: T) -> *mut T {
    Box::into_raw(Box::new(object))
}

/// Runs a call that releases an object of [`give`]. Its shell is kept for a while.
///
/// # Safety
/// `object` is NULL or a handle, live or recently freed, and no other call uses it.
pub(crate) unsafe fn free<H: Handle>(object: *mut H) -> linkspan_status {
    guard(|| {
        // SAFETY: by contract.
        let Some(handle) = (unsafe { object.as_ref() }) else { return Ok(()) };
        // SAFETY: by contract. It came from `give`, and a shell drops nothing.
        unsafe {
            handle.release()?;
            SHELLS.keep(object);
        }
        Ok(())
    })
}

#[cold]
pub(crate) fn is_another(name: &str) -> Error {
    let text = format!(
        "this is not a {name}: pass what a function of that kind returned, and cast no other pointer to it"
    );
    Error::new(ErrorKind::InvalidState, text)
}
