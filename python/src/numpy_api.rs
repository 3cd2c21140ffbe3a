//! NumPy's C interface: makes arrays over memory and reads them without Python calls.
//!
//! NumPy stays optional, also at build time. Its capsule holds a function table. Within one ABI, entries keep their
//! index, and array members up to the flags keep their offset.

use std::ffi::{c_int, c_long, c_uint, c_void};
use std::ptr::{self, NonNull};

use linkspan::value::NdArrayRef;
use linkspan::{DType, NdArray, Order};
use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

mod place {
    pub const ABI_VERSION: usize = 0;
    pub const ARRAY_CLASS: usize = 2;
    pub const DESCRIPTION_OF_NUMBER: usize = 45;
    pub const NEW_FROM_DESCRIPTION: usize = 94;
    pub const SET_BASE_OBJECT: usize = 282;
}

/// NumPy's flags, such as `NPY_ARRAY_C_CONTIGUOUS`.
mod flag {
    use std::ffi::c_int;
    pub const ROW_MAJOR: c_int = 0x1;
    pub const COLUMN_MAJOR: c_int = 0x2;
    pub const ALIGNED: c_int = 0x100;
    pub const WRITABLE: c_int = 0x400;
}

/// `PyArray_NewFromDescr`.
///
/// Its parameters are class, description (stolen), dimensions, lengths, strides, memory, flags, None.
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

/// `PyArray_SetBaseObject`: the array and its memory's owner, stolen even on failure.
type SetBaseObject = unsafe extern "C" fn(*mut ffi::PyObject, *mut ffi::PyObject) -> c_int;

/// The first members of every array: `PyArrayObject_fields`.
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

/// The parts of NumPy in use, which is never unloaded.
struct Api {
    class: *mut ffi::PyTypeObject,
    new_from_description: NewFromDescription,
    set_base_object: SetBaseObject,
    /// One shared, owned description for each element type in native byte order.
    descriptions: [*mut ffi::PyObject; DTYPES.len()],
}

// SAFETY: functions and objects live as long as the process, and are used with the interpreter attached.
unsafe impl Send for Api {}
// SAFETY: as above.
unsafe impl Sync for Api {}

static API: PyOnceLock<Option<Api>> = PyOnceLock::new();

const LONG_IS_64: bool = size_of::<c_long>() == 8;

/// Element types with their NumPy type numbers.
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

/// Returns `None` if this NumPy has an unknown ABI version.
fn find(py: Python<'_>) -> PyResult<Option<Api>> {
    let module = match py.import("numpy._core.multiarray") {
        Err(error) if error.is_instance_of::<PyImportError>(py) => py.import("numpy.core.multiarray"),
        found => found,
    };
    // Stand-ins for NumPy have neither.
    let Ok(capsule) = module.and_then(|module| module.getattr("_ARRAY_API")) else { return Ok(None) };
    // SAFETY: the interpreter checks that it is an unnamed capsule, as NumPy's is. It lives as long as the module.
    let table: *const *mut c_void =
        unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), ptr::null()) }.cast();
    if table.is_null() {
        drop(PyErr::take(py));
        return Ok(None);
    }
    // SAFETY: every version of both ABIs has these entries, with the types that NumPy's headers give them. The first
    // entry is the ABI version.
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

/// Call it only after the program has imported NumPy.
pub fn learn(py: Python<'_>) -> PyResult<()> {
    API.get_or_try_init(py, || find(py)).map(drop)
}

pub struct Over<'a> {
    pub dtype: DType,
    pub shape: &'a [isize],
    pub strides: &'a [isize],
    pub data: *const u8,
    /// The address of the memory if it is writable.
    pub written: Option<NonNull<u8>>,
}

/// Returns an array over memory that `owner` keeps; `None` without the interface.
///
/// # Safety
///
/// The elements lie at `data` while `owner` lives, writable if `written` is given.
pub unsafe fn array<'py>(owner: &Bound<'py, PyAny>, over: &Over<'_>) -> Option<PyResult<Bound<'py, PyAny>>> {
    let py = owner.py();
    let api = API.get(py)?.as_ref()?;
    let description = api.descriptions[over.dtype as usize];
    let data = over.written.map_or(over.data.cast_mut(), NonNull::as_ptr);
    let flags = if over.written.is_some() { flag::WRITABLE } else { 0 };
    // SAFETY: the function steals a reference to the description and copies `rank` lengths and strides. It derives
    // alignment and order from the strides.
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
        // SAFETY: a new array without a base, which steals a reference to its owner.
        match unsafe { (api.set_base_object)(made.as_ptr(), owner.clone().into_ptr()) } {
            0 => Ok(made),
            _ => Err(PyErr::fetch(py)),
        }
    }))
}

/// Returns `None` for other objects than an exact `numpy.ndarray`, or without the interface.
#[inline]
fn fields<'a>(object: &'a Bound<'_, PyAny>) -> Option<(&'a Api, *mut Fields)> {
    let api = API.get(object.py())?.as_ref()?;
    ptr::eq(object.get_type_ptr(), api.class).then(|| (api, object.as_ptr().cast()))
}

pub struct Elements<'a> {
    dtype: DType,
    order: Order,
    rank: usize,
    shape: [u64; NdArrayRef::MAX_RANK],
    data: &'a [u8],
}

impl Elements<'_> {
    /// Whether this is the whole, unchanged array with elements at `place`.
    pub fn is_same(&self, array: &NdArray, place: *const u8) -> bool {
        let shape = &self.shape[..self.rank];
        (self.dtype, self.order, shape, self.data.len())
            == (array.dtype, array.order, &*array.shape, array.data.len())
            && ptr::eq(self.data.as_ptr(), place)
    }

    /// Fails with `Malformed` if a bool is neither 0 nor 1.
    pub fn array(&self) -> linkspan::Result<NdArrayRef<'_>> {
        NdArrayRef::new(self.dtype, self.order, &self.shape[..self.rank], self.data)
    }
}

/// Returns the elements of an exact `numpy.ndarray` if they are contiguous, aligned and native-endian.
///
/// # Safety
///
/// No Python code may run while the result is in use. It could write or free the elements.
#[inline]
pub unsafe fn elements<'a>(object: &'a Bound<'_, PyAny>) -> Option<Elements<'a>> {
    let (api, fields) = fields(object)?;
    // SAFETY: a live array begins with these fields.
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
        // SAFETY: there are `rank` lengths.
        let counted = usize::try_from(unsafe { *fields.shape.add(at) }).ok()?;
        *length = counted as u64;
        bytes = bytes.checked_mul(counted)?;
    }
    let data = match bytes {
        0 => &[],
        // SAFETY: the elements are contiguous, and the caller promises that they live.
        bytes => unsafe { std::slice::from_raw_parts(fields.data, bytes) },
    };
    Some(Elements { dtype, order, rank, shape, data })
}

/// Returns the object that keeps the memory of an exact `numpy.ndarray`, if any.
pub fn base<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let (_, fields) = fields(object)?;
    // SAFETY: a live array begins with these fields; its base is an object or null.
    unsafe { Bound::from_borrowed_ptr_or_opt(object.py(), (*fields).base) }
}

/// Returns false for objects other than an exact `numpy.ndarray`.
pub fn make_read_only(object: &Bound<'_, PyAny>) -> bool {
    let Some((_, fields)) = fields(object) else { return false };
    // SAFETY: a live array begins with these fields. The interpreter is attached, so no other thread uses them.
    unsafe { (*fields).flags &= !flag::WRITABLE };
    true
}
