//! Memory that a channel, a request or a publisher lends for an array: the program writes it until it is sent.

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

/// Memory that was lent for an array: it can be written by the buffer protocol until it is sent.
#[pyclass(frozen, weakref, module = "linkspan._native")]
pub struct Loan {
    array: NdArray,
    place: AtomicPtr<u8>,
    is_sent: AtomicBool,
    /// How many buffers of it are lent by the buffer protocol.
    exports: AtomicUsize,
}

/// Where a loan lies that can still be sent.
struct Outstanding {
    from: usize,
    length: usize,
    /// The loan itself, which takes this entry away before it is freed.
    loan: Address,
    /// The array that the program has of it.
    array: Py<PyWeakrefReference>,
}

/// The address of a loan.
struct Address(NonNull<Loan>);

// SAFETY: a loan may be used by any thread, as every object of Python.
unsafe impl Send for Address {}

static OUTSTANDING: Mutex<Vec<Outstanding>> = Mutex::new(Vec::new());
/// How many there are, for a program that has none.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A loan whose elements are being encoded.
enum Met {
    /// By the array that `loan` gave, as it was given.
    Whole(Py<PyAny>),
    /// By something else over its memory, which begins here.
    From(usize),
}

thread_local! {
    /// The loans that were met in the encoding that is under way.
    static MET: RefCell<Vec<Met>> = const { RefCell::new(Vec::new()) };
}
/// How many entries `MET` has in all threads: a program without loans looks at nothing else.
static ALL_MET: AtomicUsize = AtomicUsize::new(0);

/// Remembers a loan until the encoding ends.
fn meet(met: Met) {
    MET.with_borrow_mut(|all| all.push(met));
    ALL_MET.fetch_add(1, Ordering::Relaxed);
}

/// Whether this thread may have met any.
#[inline]
fn may_have_met() -> bool {
    ALL_MET.load(Ordering::Relaxed) > 0
}

/// Passes the loans of an encoding that has ended to `end`, and forgets them.
#[cold]
fn end_each(end: impl FnMut(&Met) -> PyResult<()>) -> PyResult<()> {
    // Taken first: what is dropped may be an array whose end runs code of Python.
    let mut met = MET.with_borrow_mut(std::mem::take);
    ALL_MET.fetch_sub(met.len(), Ordering::Relaxed);
    let ended = met.iter().try_for_each(end);
    // Its memory is kept for the next one.
    met.clear();
    MET.replace(met);
    ended
}

fn outstanding() -> MutexGuard<'static, Vec<Outstanding>> {
    OUTSTANDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request for a loan: the shape, the type of the elements and their order, as NumPy has them.
pub struct Wanted<'a, 'py> {
    /// The array's shape.
    pub shape: Lengths,
    /// `float64` where it is absent.
    pub dtype: Option<Bound<'py, PyAny>>,
    /// `"C"` or `"F"`.
    pub order: &'a str,
}

/// Borrows the memory for an array that `lender` gives.
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
    // SAFETY: the loan keeps its own array, whose elements may be written until it is sent: then the array becomes
    // read-only.
    let inner = unsafe { array::as_numpy(loan.as_any(), &loan.get().array, Some(place)) }?;
    // NumPy makes `inner` the base of every view of the array that is given, so its reference count is that of the
    // views. SAFETY: `inner` keeps the loan.
    let given = unsafe { array::as_numpy(&inner, &loan.get().array, Some(place)) }?;
    let array = PyWeakrefReference::new(&given)?.unbind();
    outstanding().push(Outstanding { from, length, loan: Address(loan.get().into()), array });
    COUNT.fetch_add(1, Ordering::Relaxed);
    Ok(given)
}

/// Calls `visit` with the core's array of the loan that this object is the array of, as `loan` gave it; it is being
/// encoded then. Not where something else may write the elements later: then they are copied as those of any other
/// array.
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

/// The loan that an array was given for, and the array between both.
fn loan_of<'py>(array: &Bound<'py, PyAny>) -> Option<(Bound<'py, PyAny>, Bound<'py, Loan>)> {
    let inner = numpy_api::base(array)?;
    let loan = numpy_api::base(&inner)?.cast_into_exact::<Loan>().ok()?;
    Some((inner, loan))
}

impl Loan {
    /// Whether no other object than the array that `loan` gave can write the elements once that is read-only. Views of
    /// NumPy refer to `inner`; other views (memoryviews, subclasses, DLPack) to the array, which has a reference of the
    /// program's and one of the call, and `temporary` ones of the walk that found it.
    fn is_only_reached_by(
        &self,
        given: &Bound<'_, PyAny>,
        inner: &Bound<'_, PyAny>,
        temporary: isize,
    ) -> bool {
        // SAFETY: both are alive, and the interpreter is attached.
        let references = |object: &Bound<'_, PyAny>| unsafe { ffi::Py_REFCNT(object.as_ptr()) };
        // One of the two references to `inner` is that of the caller here.
        references(inner) == 2
            && references(given) <= 2 + temporary
            && self.exports.load(Ordering::Relaxed) == 0
    }
}

/// The elements of an array are being encoded, which may lie in a loan. Returns whether they may be sent where they
/// are: not where they lie in a loan that something else may write later. `temporary` is how many references to the
/// object the walk itself has.
#[inline]
pub fn note(object: &Bound<'_, PyAny>, elements: &[u8], temporary: isize) -> bool {
    COUNT.load(Ordering::Relaxed) == 0 || look_for(object, elements, temporary)
}

#[cold]
fn look_for(object: &Bound<'_, PyAny>, elements: &[u8], temporary: isize) -> bool {
    let py = object.py();
    let at = elements.as_ptr().addr();
    let loans = outstanding();
    let Some(found) = loans.iter().find(|loan| (loan.from..loan.from + loan.length).contains(&at)) else {
        return true;
    };
    let (from, array) = (found.from, found.array.clone_ref(py));
    drop(loans);
    meet(Met::From(from));
    // Without NumPy the program has the loan itself, of which the caller has one buffer.
    if let Ok(loan) = object.cast_exact::<Loan>() {
        return loan.get().exports.load(Ordering::Relaxed) == 1;
    }
    let Some((inner, loan)) = loan_of(object) else { return false };
    // The array itself, and no view of it.
    let is_given = array.bind(py).upgrade().is_some_and(|array| array.is(object));
    is_given && loan.get().is_only_reached_by(object, &inner, temporary)
}

/// A value has been encoded, to be sent: the memory that was lent for its arrays is read-only from now on.
#[inline]
pub fn settled<T>(py: Python<'_>, encoded: Outcome<T>) -> Outcome<T> {
    if may_have_met() {
        let is_sent = encoded.is_ok();
        end_each(|met| if is_sent { end_writing(py, met) } else { Ok(()) })?;
    }
    encoded
}

/// A value has been encoded, and not to be sent: the memory that was lent for its arrays can be written as before.
#[inline]
pub fn kept() {
    if may_have_met() {
        // What does nothing does not fail.
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
            // SAFETY: its drop takes the entry away first, for which it waits for this lock.
            unsafe { loan.loan.0.as_ref() }.is_sent.store(true, Ordering::Relaxed);
            let weak = loan.array.clone_ref(py);
            drop(loans);
            weak.bind(py).upgrade()
        }
    };
    let Some(array) = array else { return Ok(()) };
    // Later views are made of the array between this one and the loan, too.
    if let Some(inner) = numpy_api::base(&array) {
        numpy_api::make_read_only(&inner);
    }
    // Without NumPy it is the loan itself, whose buffers are read-only from now on.
    if !numpy_api::make_read_only(&array) && array.cast::<Loan>().is_err() {
        array.call_method1(intern!(py, "setflags"), (false,))?;
    }
    Ok(())
}

#[pymethods]
impl Loan {
    /// # Safety
    /// Called by the interpreter alone, with a view to fill in.
    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let this = slf.get();
        let place = NonNull::new(this.place.load(Ordering::Relaxed));
        let place = place.filter(|_| !this.is_sent.load(Ordering::Relaxed));
        // SAFETY: as the interpreter promises. The place is that of the array's elements, which live as long as this
        // object.
        unsafe { this.array.fill_view(slf.as_any(), view, flags, place) }?;
        this.exports.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// # Safety
    /// Called by the interpreter alone, with a view that [`Loan::__getbuffer__`] filled in.
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        self.exports.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        // Its weak reference is dropped without the lock: that may run other code.
        let mut loans = outstanding();
        let at = loans.iter().position(|loan| ptr::eq(loan.loan.0.as_ptr(), self));
        let gone = at.map(|at| loans.swap_remove(at));
        drop(loans);
        COUNT.fetch_sub(usize::from(gone.is_some()), Ordering::Relaxed);
    }
}
