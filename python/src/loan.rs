//! Memory that a channel, request or publisher lends for an array, written before sending.

use std::cell::RefCell;
use std::ffi::c_int;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use linkspan::{DType, Error, ErrorKind, LoanMemory, Order};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use crate::array::{self, NdArray};
use crate::errors::Outcome;
use crate::numpy_api;
use crate::shape::Lengths;

/// Memory lent for an array, writable through the buffer protocol until it is sent.
#[pyclass(frozen, weakref, module = "linkspan._native")]
pub struct Loan {
    array: NdArray,
    place: AtomicPtr<u8>,
    is_sent: AtomicBool,
    /// The number of live buffers.
    exports: AtomicUsize,
}

/// The memory of a loan that can still be sent.
struct Outstanding {
    from: usize,
    length: usize,
    /// The loan. It removes this entry before it is freed.
    loan: Address,
    /// The array that the program got.
    array: Py<PyWeakrefReference>,
}

struct Address(NonNull<Loan>);

// SAFETY: any thread may use a loan, as it may use every Python object.
unsafe impl Send for Address {}

static OUTSTANDING: Mutex<Vec<Outstanding>> = Mutex::new(Vec::new());
/// The length of `OUTSTANDING`, for a fast check.
static COUNT: AtomicUsize = AtomicUsize::new(0);

enum Met {
    /// The unchanged array that `loan` returned.
    Whole(Py<PyAny>),
    /// Another object over the memory at this address.
    From(usize),
}

thread_local! {
    static MET: RefCell<Vec<Met>> = const { RefCell::new(Vec::new()) };
}
/// The total length of `MET` in all threads, for a fast check.
static ALL_MET: AtomicUsize = AtomicUsize::new(0);

fn meet(met: Met) {
    MET.with_borrow_mut(|all| all.push(met));
    ALL_MET.fetch_add(1, Ordering::Relaxed);
}

#[inline]
fn may_have_met() -> bool {
    ALL_MET.load(Ordering::Relaxed) > 0
}

#[cold]
fn end_each(end: impl FnMut(&Met) -> PyResult<()>) -> PyResult<()> {
    // Taken first, because dropping an array may run Python code.
    let mut met = MET.with_borrow_mut(std::mem::take);
    ALL_MET.fetch_sub(met.len(), Ordering::Relaxed);
    let ended = met.iter().try_for_each(end);
    // Keeps the allocation for the next encoding.
    met.clear();
    MET.replace(met);
    ended
}

fn outstanding() -> MutexGuard<'static, Vec<Outstanding>> {
    OUTSTANDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request for a loan, in NumPy's terms.
pub struct Wanted<'a, 'py> {
    pub shape: Lengths,
    /// The element type; `float64` if absent.
    pub dtype: Option<Bound<'py, PyAny>>,
    /// `"C"` or `"F"`.
    pub order: &'a str,
}

pub fn lend<'py>(
    py: Python<'py>,
    wanted: Wanted<'_, 'py>,
    lender: impl FnOnce(DType, &[u64], Order) -> linkspan::Result<LoanMemory>,
) -> Outcome<Bound<'py, PyAny>> {
    let order = match wanted.order {
        "C" => Order::Row,
        "F" => Order::Column,
        other => {
            let text = format!("order {other:?} is not known: \"C\" for row-major, \"F\" for column-major");
            return Err(Error::new(ErrorKind::InvalidState, text).into());
        }
    };
    let dtype = wanted.dtype.map_or(Ok(DType::F64), |dtype| array::dtype_of(&dtype))?;
    let memory = lender(dtype, &wanted.shape.0, order)?;
    let (array, place) = memory.into_written_array();
    let (from, length) = (place.as_ptr().addr(), array.data.len());
    let loan = Loan {
        array: NdArray::new(array),
        place: AtomicPtr::new(place.as_ptr()),
        is_sent: AtomicBool::new(false),
        exports: AtomicUsize::new(0),
    };
    let loan = Bound::new(py, loan)?;
    // SAFETY: the loan keeps its own array, writable until sending makes it read-only.
    let inner = unsafe { array::as_numpy(loan.as_any(), &loan.get().array, Some(place)) }?;
    // NumPy makes `inner` the base of every view of `given`, so the reference count of `inner` counts the views.
    // SAFETY: `inner` keeps the loan.
    let given = unsafe { array::as_numpy(&inner, &loan.get().array, Some(place)) }?;
    let array = PyWeakrefReference::new(&given)?.unbind();
    outstanding().push(Outstanding { from, length, loan: Address(loan.get().into()), array });
    COUNT.fetch_add(1, Ordering::Relaxed);
    Ok(given)
}

/// Calls `visit` with the core's array if `object` is an unchanged loan that only the program holds.
///
/// Other loans are copied like any array.
#[inline]
pub fn visit_whole(object: &Bound<'_, PyAny>, visit: impl FnOnce(&linkspan::NdArray)) {
    if COUNT.load(Ordering::Relaxed) > 0
        && let Some((inner, loan)) = loan_of(object)
    {
        let loan = loan.get();
        // SAFETY: no Python code runs while the elements are used.
        let elements = unsafe { numpy_api::elements(object) };
        if elements.is_some_and(|e| e.is_same(loan.array.array(), loan.place.load(Ordering::Relaxed)))
            && loan.is_only_reached_by(object, &inner, 0)
        {
            meet(Met::Whole(object.clone().unbind()));
            visit(loan.array.array());
        }
    }
}

/// Returns the loan of an array, and the array between both.
fn loan_of<'py>(array: &Bound<'py, PyAny>) -> Option<(Bound<'py, PyAny>, Bound<'py, Loan>)> {
    let inner = numpy_api::base(array)?;
    let loan = numpy_api::base(&inner)?.cast_into_exact::<Loan>().ok()?;
    Some((inner, loan))
}

impl Loan {
    /// Whether only the given array can write the elements, so that making it read-only is enough.
    ///
    /// NumPy views refer to `inner`. Other views (memoryviews, subclasses, DLPack) refer to the array. The program and
    /// the call hold one reference each to the array; the walk holds `temporary` more.
    fn is_only_reached_by(
        &self,
        given: &Bound<'_, PyAny>,
        inner: &Bound<'_, PyAny>,
        temporary: isize,
    ) -> bool {
        // SAFETY: both are alive, and the interpreter is attached.
        let references = |object: &Bound<'_, PyAny>| unsafe { ffi::Py_REFCNT(object.as_ptr()) };
        // The caller holds one of the two references to `inner`.
        references(inner) == 2
            && references(given) <= temporary.saturating_add(2)
            && self.exports.load(Ordering::Relaxed) == 0
    }
}

/// Notes that elements are being encoded; returns whether they may be sent in place.
///
/// The walk holds `temporary` references to the object.
#[inline]
pub fn note(object: &Bound<'_, PyAny>, elements: &[u8], temporary: isize) -> bool {
    COUNT.load(Ordering::Relaxed) == 0 || look_for(object, elements, temporary)
}

#[cold]
fn look_for(object: &Bound<'_, PyAny>, elements: &[u8], temporary: isize) -> bool {
    let py = object.py();
    let at = elements.as_ptr().addr();
    let loans = outstanding();
    let Some(found) =
        loans.iter().find(|loan| (loan.from..loan.from.saturating_add(loan.length)).contains(&at))
    else {
        return true;
    };
    let (from, array) = (found.from, found.array.clone_ref(py));
    drop(loans);
    meet(Met::From(from));
    // Without NumPy the program has the loan itself, and the caller holds one buffer of it.
    if let Ok(loan) = object.cast_exact::<Loan>() {
        return loan.get().exports.load(Ordering::Relaxed) == 1;
    }
    let Some((inner, loan)) = loan_of(object) else { return false };
    // The object must be the given array, not a view of it.
    let is_given = array.bind(py).upgrade().is_some_and(|array| array.is(object));
    is_given && loan.get().is_only_reached_by(object, &inner, temporary)
}

/// Makes the loans of a sent value read-only.
#[inline]
pub fn settled<T>(py: Python<'_>, encoded: Outcome<T>) -> Outcome<T> {
    if may_have_met() {
        let is_sent = encoded.is_ok();
        end_each(|met| if is_sent { end_writing(py, met) } else { Ok(()) })?;
    }
    encoded
}

/// Leaves the loans of an encoded value writable.
#[inline]
pub fn kept() {
    if may_have_met() {
        // The closure cannot fail.
        let _ = end_each(|_| Ok(()));
    }
}

fn end_writing(py: Python<'_>, met: &Met) -> PyResult<()> {
    let array = match met {
        Met::Whole(array) => {
            let array = array.bind(py);
            if let Some((_, loan)) = loan_of(array) {
                loan.get().is_sent.store(true, Ordering::Relaxed);
            }
            Some(array.clone())
        }
        Met::From(from) => {
            let loans = outstanding();
            let Some(loan) = loans.iter().find(|loan| loan.from == *from) else { return Ok(()) };
            // SAFETY: the drop of a loan first removes its entry, and waits for this lock.
            unsafe { loan.loan.0.as_ref() }.is_sent.store(true, Ordering::Relaxed);
            let weak = loan.array.clone_ref(py);
            drop(loans);
            weak.bind(py).upgrade()
        }
    };
    let Some(array) = array else { return Ok(()) };
    // Later views derive from the inner array, so it also becomes read-only.
    if let Some(inner) = numpy_api::base(&array) {
        numpy_api::make_read_only(&inner);
    }
    // Without NumPy the object is the loan itself; `is_sent` makes its later buffers read-only.
    if !numpy_api::make_read_only(&array) && array.cast::<Loan>().is_err() {
        array.call_method1(intern!(py, "setflags"), (false,))?;
    }
    Ok(())
}

#[pymethods]
impl Loan {
    /// # Safety
    /// Only the interpreter calls this.
    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let this = slf.get();
        let place = NonNull::new(this.place.load(Ordering::Relaxed));
        let place = place.filter(|_| !this.is_sent.load(Ordering::Relaxed));
        // SAFETY: the interpreter passes a view to fill. The elements live as long as this object.
        unsafe { this.array.fill_view(slf.as_any(), view, flags, place) }?;
        this.exports.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// # Safety
    /// Only the interpreter calls this, with a view of [`Loan::__getbuffer__`].
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        self.exports.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        // The weak reference is dropped without the lock, because that may run other code.
        let mut loans = outstanding();
        let at = loans.iter().position(|loan| ptr::eq(loan.loan.0.as_ptr(), self));
        let gone = at.map(|at| loans.swap_remove(at));
        drop(loans);
        COUNT.fetch_sub(usize::from(gone.is_some()), Ordering::Relaxed);
    }
}
