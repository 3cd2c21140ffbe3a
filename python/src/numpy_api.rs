//! NumPy's C interface: arrays made over memory and read without calls of Python functions. NumPy stays optional, also
//! to build.
//!
//! NumPy has a table of functions in a capsule, for modules that are built against its headers. Each entry keeps its
//! place in all versions of one ABI, and so do the members of an array up to its flags, which its headers read without
//! a call.

use std::ffi::{c_int, c_long, c_uint, c_void};
use std::ptr::{self, NonNull};

use linkspan::value::NdArrayRef;
use linkspan::{DType, NdArray, Order};
use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// The places of what is used of the table.
mod place {
    pub const ABI_VERSION: usize = 0;
    pub const ARRAY_CLASS: usize = 2;
    pub const DESCRIPTION_OF_NUMBER: usize = 45;
    pub const NEW_FROM_DESCRIPTION: usize = 94;
    pub const SET_BASE_OBJECT: usize = 282;
}

/// `NPY_ARRAY_C_CONTIGUOUS` and others.
mod flag {
    use std::ffi::c_int;
    pub const ROW_MAJOR: c_int = 0x1;
    pub const COLUMN_MAJOR: c_int = 0x2;
    pub const ALIGNED: c_int = 0x100;
    pub const WRITABLE: c_int = 0x400;
}

/// `PyArray_NewFromDescr`: the class, the description (which it takes over), dimensions, lengths, strides, memory,
/// flags, None.
type NewFromDescription = unsafe extern "C" fn(
    *mut ffi::PyTypeObject,
    *mut ffi::PyObject,
    c_int,
    *const isize,
    *const isize,
    *mut c_void,
    c_int,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;

/// `PyArray_SetBaseObject`: the array, and the object that keeps its memory (which it takes over, also where it fails).
type SetBaseObject = unsafe extern "C" fn(*mut ffi::PyObject, *mut ffi::PyObject) -> c_int;

/// The beginning of every array: `PyArrayObject_fields`.
#[repr(C)]
struct Fields {
    object: ffi::PyObject,
    data: *mut u8,
    rank: c_int,
    shape: *mut isize,
    strides: *mut isize,
    base: *mut ffi::PyObject,
    description: *mut ffi::PyObject,
    flags: c_int,
}

/// What is used of NumPy, which is never unloaded.
struct Api {
    class: *mut ffi::PyTypeObject,
    new_from_description: NewFromDescription,
    set_base_object: SetBaseObject,
    /// The description of each element type in the machine's byte order: one object for all arrays, which this holds.
    descriptions: [*mut ffi::PyObject; DTYPES.len()],
}

// SAFETY: the addresses are those of functions and objects that live as long as the process, and are used with the
// interpreter attached.
unsafe impl Send for Api {}
// SAFETY: as above.
unsafe impl Sync for Api {}

static API: PyOnceLock<Option<Api>> = PyOnceLock::new();

const LONG_IS_64: bool = size_of::<c_long>() == 8;

/// Our element types with NumPy's numbers of them.
const DTYPES: [(DType, c_int); 13] = [
    (DType::Bool, 0),
    (DType::I8, 1),
    (DType::I16, 3),
    (DType::I32, 5),
    (DType::I64, if LONG_IS_64 { 7 } else { 9 }),
    (DType::U8, 2),
    (DType::U16, 4),
    (DType::U32, 6),
    (DType::U64, if LONG_IS_64 { 8 } else { 10 }),
    (DType::F32, 11),
    (DType::F64, 12),
    (DType::C64, 14),
    (DType::C128, 15),
];

/// Finds the interface; `None` in a NumPy whose table is not the one that is known here.
fn find(py: Python<'_>) -> PyResult<Option<Api>> {
    let module = match py.import("numpy._core.multiarray") {
        Err(error) if error.is_instance_of::<PyImportError>(py) => py.import("numpy.core.multiarray"),
        found => found,
    };
    // What stands in for NumPy in a program has neither.
    let Ok(capsule) = module.and_then(|module| module.getattr("_ARRAY_API")) else { return Ok(None) };
    // SAFETY: the interpreter checks that it is a capsule without a name, as NumPy makes it; it lives as long as the
    // module.
    let table: *const *mut c_void =
        unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), ptr::null()) }.cast();
    if table.is_null() {
        drop(PyErr::take(py));
        return Ok(None);
    }
    // SAFETY: the table has these entries in every version of both ABIs, which the first one names; they are what
    // NumPy's headers cast them to.
    unsafe {
        let at = |place: usize| *table.add(place);
        let version: unsafe extern "C" fn() -> c_uint = std::mem::transmute(at(place::ABI_VERSION));
        if !matches!(version(), 0x0100_0009 | 0x0200_0000) {
            return Ok(None);
        }
        let description: unsafe extern "C" fn(c_int) -> *mut ffi::PyObject =
            std::mem::transmute(at(place::DESCRIPTION_OF_NUMBER));
        let mut descriptions = [ptr::null_mut(); DTYPES.len()];
        for (dtype, number) in DTYPES {
            let found = description(number);
            if found.is_null() {
                return Err(PyErr::fetch(py));
            }
            descriptions[dtype as usize] = found;
        }
        Ok(Some(Api {
            class: at(place::ARRAY_CLASS).cast(),
            new_from_description: std::mem::transmute::<*mut c_void, NewFromDescription>(at(
                place::NEW_FROM_DESCRIPTION,
            )),
            set_base_object: std::mem::transmute::<*mut c_void, SetBaseObject>(at(place::SET_BASE_OBJECT)),
            descriptions,
        }))
    }
}

/// Finds the interface of NumPy, which the program has imported.
pub fn learn(py: Python<'_>) -> PyResult<()> {
    API.get_or_try_init(py, || find(py)).map(drop)
}

/// An array over memory, to be made.
pub struct Over<'a> {
    pub dtype: DType,
    pub shape: &'a [isize],
    pub strides: &'a [isize],
    pub data: *const u8,
    /// The same memory, if it may be written.
    pub written: Option<NonNull<u8>>,
}

/// Returns an array over memory that `owner` keeps; `None` where the interface is not found.
///
/// # Safety
///
/// The elements lie at `data`, and `owner` keeps them there as long as it lives; they may be written if `written` is
/// given.
pub unsafe fn array<'py>(owner: &Bound<'py, PyAny>, over: &Over<'_>) -> Option<PyResult<Bound<'py, PyAny>>> {
    let py = owner.py();
    let api = API.get(py)?.as_ref()?;
    let description = api.descriptions[over.dtype as usize];
    let data = over.written.map_or(over.data.cast_mut(), NonNull::as_ptr);
    let flags = if over.written.is_some() { flag::WRITABLE } else { 0 };
    // SAFETY: the function takes over a reference to the description, and copies lengths and strides, of which there
    // are as many as dimensions. Alignment and order it finds itself, since strides are given.
    let made = unsafe {
        ffi::Py_INCREF(description);
        let (shape, strides) = (over.shape.as_ptr(), over.strides.as_ptr());
        let rank = over.shape.len() as c_int;
        let made = (api.new_from_description)(
            api.class,
            description,
            rank,
            shape,
            strides,
            data.cast(),
            flags,
            ptr::null_mut(),
        );
        Bound::from_owned_ptr_or_err(py, made)
    };
    Some(made.and_then(|made| {
        // SAFETY: a new array without a base, which takes over a reference to its owner.
        match unsafe { (api.set_base_object)(made.as_ptr(), owner.clone().into_ptr()) } {
            0 => Ok(made),
            _ => Err(PyErr::fetch(py)),
        }
    }))
}

/// Returns the fields of an object that is exactly a `numpy.ndarray`, where the interface is found.
#[inline]
fn fields<'a>(object: &'a Bound<'_, PyAny>) -> Option<(&'a Api, *mut Fields)> {
    let api = API.get(object.py())?.as_ref()?;
    // The interface outlives every object.
    ptr::eq(object.get_type_ptr(), api.class).then(|| (api, object.as_ptr().cast()))
}

/// The elements of an array where they lie.
pub struct Elements<'a> {
    dtype: DType,
    order: Order,
    rank: usize,
    shape: [u64; NdArrayRef::MAX_RANK],
    data: &'a [u8],
}

impl Elements<'_> {
    /// Whether the array, whose elements lie at `place`, is this one: as it is, and nothing less.
    pub fn is_same(&self, array: &NdArray, place: *const u8) -> bool {
        let shape = &self.shape[..self.rank];
        (self.dtype, self.order, shape, self.data.len())
            == (array.dtype, array.order, &*array.shape, array.data.len())
            && ptr::eq(self.data.as_ptr(), place)
    }

    /// The array; `Malformed` where a bool is neither 0 nor 1.
    pub fn array(&self) -> linkspan::Result<NdArrayRef<'_>> {
        NdArrayRef::new(self.dtype, self.order, &self.shape[..self.rank], self.data)
    }
}

/// Returns the elements of an object that is exactly a `numpy.ndarray`, if they lie together, aligned and in the
/// machine's byte order.
///
/// # Safety
///
/// No Python code runs while the result is used: it could write the elements or free them.
#[inline]
pub unsafe fn elements<'a>(object: &'a Bound<'_, PyAny>) -> Option<Elements<'a>> {
    let (api, fields) = fields(object)?;
    // SAFETY: an array, which is alive, begins with these fields.
    let fields = unsafe { &*fields };
    let dtype = DTYPES.iter().map(|(dtype, _)| *dtype).find(|dtype| {
        let description = api.descriptions[*dtype as usize];
        ptr::eq(description, fields.description)
    })?;
    let order = match fields.flags {
        flags if flags & flag::ALIGNED == 0 => return None,
        flags if flags & flag::ROW_MAJOR != 0 => Order::Row,
        flags if flags & flag::COLUMN_MAJOR != 0 => Order::Column,
        _ => return None,
    };
    let rank = usize::try_from(fields.rank).ok().filter(|rank| *rank <= NdArrayRef::MAX_RANK)?;
    let mut shape = [0; NdArrayRef::MAX_RANK];
    let mut bytes = dtype.size();
    for (at, length) in shape[..rank].iter_mut().enumerate() {
        // SAFETY: there are as many lengths as dimensions.
        let counted = usize::try_from(unsafe { *fields.shape.add(at) }).ok()?;
        *length = counted as u64;
        bytes = bytes.checked_mul(counted)?;
    }
    let data = match bytes {
        0 => &[],
        // SAFETY: the elements lie together, and live as the caller promises.
        bytes => unsafe { std::slice::from_raw_parts(fields.data, bytes) },
    };
    Some(Elements { dtype, order, rank, shape, data })
}

/// Returns the object that keeps the memory of an object that is exactly a `numpy.ndarray`, if there is one.
pub fn base<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let (_, fields) = fields(object)?;
    // SAFETY: an array, which is alive, begins with these fields; its base is an object or null.
    unsafe { Bound::from_borrowed_ptr_or_opt(object.py(), (*fields).base) }
}

/// Makes an object that is exactly a `numpy.ndarray` read-only. Returns false, and does nothing, for others.
pub fn make_read_only(object: &Bound<'_, PyAny>) -> bool {
    let Some((_, fields)) = fields(object) else { return false };
    // SAFETY: an array, which is alive, begins with these fields; the interpreter is attached, so that no other thread
    // uses them.
    unsafe { (*fields).flags &= !flag::WRITABLE };
    true
}
