//! N-d arrays and the buffer protocol: arrays from buffers, and `NdArray`, which lends one.

use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};

use linkspan::value::NdArrayRef;
use linkspan::{DType, Error, ErrorKind, NdArray as Array, Order};
use pyo3::exceptions::{PyBufferError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyMemoryView, PyRange, PyString, PyTuple};

use crate::arguments::{ElementOrder, ElementType, refused};
use crate::elements::Layout;
use crate::errors::{Failure, Outcome, imported};
use crate::made;
use crate::numpy_api::{self, Over};
use crate::shape::Lengths;

/// An N-d array of numbers with read-only memory in the buffer protocol, as received without NumPy.
///
/// It supports `memoryview(a)`, `a[i]`, `a[i, j]`, `for x in a` and `a.tolist()`.
#[pyclass(frozen, module = "linkspan")]
pub struct NdArray {
    array: Array,
    /// Shape and strides as `Py_ssize_t`; `None` if an empty array has a longer dimension.
    counts: Option<Counts>,
}

/// The lengths of the dimensions, followed by the strides.
enum Counts {
    /// Up to [`SHORT_RANK`] dimensions, without an allocation.
    Short(u8, [isize; 2 * SHORT_RANK]),
    Long(Box<[isize]>),
}

const SHORT_RANK: usize = 4;

impl Counts {
    /// The array must pass [`fits_numpy`].
    fn of(array: &Array) -> Counts {
        let rank = array.shape.len();
        let mut counts = if rank <= SHORT_RANK {
            Counts::Short(rank as u8, [0; 2 * SHORT_RANK])
        } else {
            Counts::Long(vec![0; rank.saturating_mul(2)].into())
        };
        let both = match &mut counts {
            Counts::Short(_, both) => &mut both[..rank.saturating_mul(2)],
            Counts::Long(both) => both,
        };
        let (shape, strides) = both.split_at_mut(rank);
        let mut stride = array.dtype.size() as isize;
        let mut step = |i: usize| {
            (shape[i], strides[i]) = (array.shape[i] as isize, stride);
            stride = stride.saturating_mul(shape[i].max(1));
        };
        match array.order {
            Order::Row => (0..rank).rev().for_each(&mut step),
            Order::Column => (0..rank).for_each(&mut step),
        }
        counts
    }

    fn shape_and_strides(&self) -> (&[isize], &[isize]) {
        match self {
            Counts::Short(rank, both) => both[..2 * usize::from(*rank)].split_at((*rank).into()),
            Counts::Long(both) => both.split_at(both.len() / 2),
        }
    }
}

impl NdArray {
    pub fn new(array: Array) -> NdArray {
        let counts = fits_numpy(&array).then(|| Counts::of(&array));
        NdArray { array, counts }
    }

    pub fn array(&self) -> &Array {
        &self.array
    }

    fn layout(&self) -> Layout<'_> {
        Layout::of(&self.array)
    }

    pub fn lend(&self) -> NdArrayRef<'_> {
        self.array.as_ref()
    }
}

#[pymethods]
impl NdArray {
    /// Copies the elements of a buffer into a new array.
    ///
    /// If `dtype` is given, `data` holds little-endian elements in `order`.
    #[new]
    #[pyo3(signature = (data, dtype=None, shape=None, order=ElementOrder("row".to_owned())), text_signature = "(data, dtype=None, shape=None, order='row')")]
    fn from_buffer(
        data: &Bound<'_, PyAny>,
        dtype: Option<ElementType>,
        shape: Option<Lengths>,
        order: ElementOrder,
    ) -> Outcome<NdArray> {
        let lent = BorrowedArray::of_argument("data", data)?;
        let given = lent.array()?;
        let shape = shape.map(|shape| shape.0);
        let Some(name) = dtype else {
            return Ok(NdArray::new(match shape {
                Some(shape) => NdArrayRef::new(given.dtype, given.order, &shape, given.data)?.to_owned(),
                None => given.to_owned(),
            }));
        };
        let unknown = |what: &str, name: &str| {
            Error::new(ErrorKind::Unsupported, format!("no {what} is called {name:?}"))
        };
        let dtype = DType::from_name(&name).ok_or_else(|| unknown("element type", &name))?;
        let order = Order::from_name(&order).ok_or_else(|| unknown("order", &order))?;
        let shape = shape.unwrap_or_else(|| vec![given.data.chunks_exact(dtype.size()).len() as u64]);
        Ok(NdArray::new(NdArrayRef::new(dtype, order, &shape, given.data)?.to_owned()))
    }

    /// The element type: `bool`, `i8` to `i64`, `u8` to `u64`, `f32`, `f64`, `c64` or `c128`.
    #[getter]
    fn dtype(&self) -> &'static str {
        self.array.dtype.name()
    }

    /// The length of each dimension.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.array.shape)
    }

    /// The order of the elements in memory: `row` (C) or `column` (Fortran).
    #[getter]
    fn order(&self) -> &'static str {
        self.array.order.name()
    }

    /// The size of all elements in bytes.
    #[getter]
    fn nbytes(&self) -> usize {
        self.array.data.len()
    }

    /// Returns the elements as nested lists of Python numbers.
    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.layout().to_lists(py)
    }

    /// Returns an element; for an index with fewer integers, an array of the remaining dimensions.
    fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, layout) = (index.py(), self.layout());
        let positions = layout.positions(index)?;
        if positions.len() == self.array.shape.len() {
            return layout.element(py, &positions);
        }
        Ok(Bound::new(py, NdArray::new(layout.sub_array(&positions)))?.into_any())
    }

    /// Returns the elements as a NumPy array, for callers without buffers.
    #[pyo3(signature = (dtype=None, *, copy=None))]
    fn __array__<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> Outcome<Bound<'py, PyAny>> {
        let array = viewed(slf)?;
        let array = match dtype {
            Some(dtype) => array.call_method1("astype", (dtype,))?,
            None => array,
        };
        Ok(if copy == Some(true) { array.call_method0("copy")? } else { array })
    }

    /// Returns the elements as a DLPack capsule; a copy for versions that cannot mark memory as read-only.
    #[pyo3(signature = (**how))]
    fn __dlpack__<'py>(
        slf: &Bound<'py, Self>,
        how: Option<&Bound<'py, PyDict>>,
    ) -> Outcome<Bound<'py, PyAny>> {
        let array = viewed(slf)?;
        match array.call_method("__dlpack__", (), how) {
            Err(why) if why.is_instance_of::<PyBufferError>(slf.py()) => {
                Ok(array.call_method0("copy")?.call_method("__dlpack__", (), how)?)
            }
            given => Ok(given?),
        }
    }

    /// Returns DLPack's numbers for the memory of the CPU.
    const fn __dlpack_device__(&self) -> (i32, i32) {
        (1, 0)
    }

    fn __len__(&self) -> PyResult<usize> {
        let first =
            self.array.shape.first().ok_or_else(|| PyTypeError::new_err("a single number has no length"))?;
        isize::try_from(*first)
            .map(|length| length as usize)
            .map_err(|_| PyOverflowError::new_err(format!("the length {first} does not fit a Python length")))
    }

    /// Iterates over the first dimension: over elements, or over arrays.
    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let positions = PyRange::new(slf.py(), 0, isize::try_from(slf.get().__len__()?)?)?;
        slf.py().import("builtins")?.call_method1("map", (slf.getattr("__getitem__")?, positions))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<NdArray>().is_ok_and(|other| self.array == other.get().array)
    }

    fn __repr__(&self) -> String {
        format!("<linkspan.NdArray {} {:?} {}-major>", self.dtype(), self.array.shape, self.order())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let (py, this) = (slf.py(), slf.get());
        let data = made::bytes(py, &this.array.data).map_err(made::raised)?;
        Ok((
            slf.get_type().into_any(),
            (data, this.dtype(), this.shape(py)?, this.order()).into_pyobject(py)?,
        ))
    }

    /// # Safety
    /// Only the interpreter calls this.
    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        // SAFETY: the interpreter passes a view to fill.
        unsafe { slf.get().fill_view(slf.as_any(), view, flags, None) }
    }
}

impl NdArray {
    /// `written` is the address of the elements if they are writable.
    ///
    /// # Safety
    /// `view` may be filled. `owner` keeps this array alive. `written` is writable while `owner` lives.
    pub unsafe fn fill_view(
        &self,
        owner: &Bound<'_, PyAny>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
        written: Option<NonNull<u8>>,
    ) -> PyResult<()> {
        let this = self;
        // SAFETY: the caller promises a view to fill.
        let view = unsafe { &mut *view };
        view.obj = std::ptr::null_mut();
        let refuse = |why: &'static str| Err(PyBufferError::new_err(why));
        if flags & ffi::PyBUF_WRITABLE == ffi::PyBUF_WRITABLE && written.is_none() {
            return refuse("what has arrived, or was sent, cannot be written to: copy it first");
        }
        let Some(counts) = &this.counts else {
            return refuse("the array is empty and one of its lengths is too long for a buffer");
        };
        let (shape, strides) = counts.shape_and_strides();
        let (rank, asked) = (shape.len(), |flag| flags & flag == flag);
        let (row, column) =
            (this.array.order == Order::Row || rank < 2, this.array.order == Order::Column || rank < 2);
        if (!row && (asked(ffi::PyBUF_C_CONTIGUOUS) || !asked(ffi::PyBUF_STRIDES)))
            || (!column && asked(ffi::PyBUF_F_CONTIGUOUS) && !asked(ffi::PyBUF_ANY_CONTIGUOUS))
        {
            return refuse("the elements lie in the other order: ask for strides, or copy");
        }
        let data = &this.array.data;
        view.buf = written.map_or(data.as_ptr().cast_mut(), NonNull::as_ptr).cast::<c_void>();
        view.len = data.len() as isize;
        view.readonly = c_int::from(written.is_none());
        view.itemsize = this.array.dtype.size() as isize;
        view.format = if asked(ffi::PyBUF_FORMAT) {
            format(this.array.dtype).as_ptr().cast_mut()
        } else {
            std::ptr::null_mut()
        };
        view.ndim = rank as c_int;
        let or_null = |wanted: bool, of: &[isize]| {
            if wanted && rank > 0 { of.as_ptr().cast_mut() } else { std::ptr::null_mut() }
        };
        view.shape = or_null(asked(ffi::PyBUF_ND), shape);
        view.strides = or_null(asked(ffi::PyBUF_STRIDES), strides);
        view.suboffsets = std::ptr::null_mut();
        view.internal = std::ptr::null_mut();
        // The view keeps this object alive, and with it shape, strides and elements.
        view.obj = owner.clone().into_ptr();
        Ok(())
    }
}

/// Element types with their `struct` letter, and all letters with an equal meaning at that size.
const LETTERS: [(DType, &CStr, &[u8]); 13] = [
    (DType::Bool, c"?", b"?"),
    (DType::I8, c"b", b"bhilqn"),
    (DType::I16, c"h", b"bhilqn"),
    (DType::I32, c"i", b"bhilqn"),
    (DType::I64, c"q", b"bhilqn"),
    (DType::U8, c"B", b"BHILQN"),
    (DType::U16, c"H", b"BHILQN"),
    (DType::U32, c"I", b"BHILQN"),
    (DType::U64, c"Q", b"BHILQN"),
    (DType::F32, c"f", b"f"),
    (DType::F64, c"d", b"d"),
    (DType::C64, c"Zf", b"F"),
    (DType::C128, c"Zd", b"D"),
];

/// Returns the element type that NumPy or the `struct` module names, such as `"f8"` or `"d"`; cached.
pub fn dtype_of(name: &Bound<'_, PyAny>) -> Outcome<DType> {
    static KNOWN: Mutex<Vec<(String, DType)>> = Mutex::new(Vec::new());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(text) = name.cast_exact::<PyString>() else { return look_up_dtype(name) };
    let Ok(text) = text.to_str() else { return look_up_dtype(name) };
    let found = known().iter().find(|(there, _)| there == text).map(|(_, dtype)| *dtype);
    if let Some(dtype) = found {
        return Ok(dtype);
    }
    let dtype = look_up_dtype(name)?;
    let mut known = known();
    // Bounds the memory of programs with many names.
    if known.len() < 64 {
        known.push((text.to_owned(), dtype));
    }
    Ok(dtype)
}

fn look_up_dtype(name: &Bound<'_, PyAny>) -> Outcome<DType> {
    let py = name.py();
    let unknown = || {
        const GIVE: &str =
            "an element type as NumPy or the struct module names it, such as \"f8\" or numpy.int32";
        refused(ErrorKind::WrongType, "dtype", name, GIVE)
    };
    let (letter, size, is_native) = match py.import("numpy") {
        Ok(numpy) => {
            let Ok(dtype) = numpy.call_method1("dtype", (name,)) else { return Err(unknown()) };
            let text = |attribute| dtype.getattr(attribute)?.extract::<String>();
            (text("char")?, dtype.getattr("itemsize")?.extract()?, dtype.getattr("isnative")?.is_truthy()?)
        }
        Err(error) if error.is_instance_of::<pyo3::exceptions::PyImportError>(py) => {
            let size = py.import("struct")?.call_method1("calcsize", (name,)).and_then(|size| size.extract());
            let (Ok(letter), Ok(size)) = (name.extract(), size) else { return Err(unknown()) };
            (letter, size, true)
        }
        Err(error) => return Err(error.into()),
    };
    let known = dtype(letter.as_bytes(), size).filter(|_| is_native);
    known.ok_or_else(|| {
        let text = format!(
            "an array of {name} has no form: bool, integers, floats of 4 or 8 bytes, complex numbers"
        );
        Error::new(ErrorKind::Unsupported, text).into()
    })
}

fn format(dtype: DType) -> &'static CStr {
    LETTERS[dtype as usize].1
}

fn dtype(format: &[u8], size: usize) -> Option<DType> {
    let means =
        |ours: &CStr, all: &[u8]| ours.to_bytes() == format || matches!(format, [one] if all.contains(one));
    LETTERS.iter().find(|(dtype, ours, all)| dtype.size() == size && means(ours, all)).map(|found| found.0)
}

/// An array over the buffer of another object, released on drop.
pub struct BorrowedArray<'py> {
    // Some exporters keep the address of the view.
    view: Box<ffi::Py_buffer>,
    dtype: DType,
    order: Order,
    shape: Vec<u64>,
    copy: Option<Vec<u8>>,
    attached: PhantomData<Bound<'py, PyAny>>,
}

impl<'py> BorrowedArray<'py> {
    pub fn possible(object: &Bound<'py, PyAny>) -> bool {
        // SAFETY: the interpreter is attached and the object alive.
        unsafe { ffi::PyObject_CheckBuffer(object.as_ptr()) == 1 }
    }

    pub fn of_argument(name: &str, object: &Bound<'py, PyAny>) -> Outcome<BorrowedArray<'py>> {
        if !BorrowedArray::possible(object) {
            const GIVE: &str = "bytes, or an object with the buffer protocol, such as a numpy.ndarray";
            return Err(refused(ErrorKind::WrongType, name, object, GIVE));
        }
        BorrowedArray::new(object)
    }

    /// Borrows row-major or column-major memory; copies any other layout to row-major.
    pub fn new(object: &Bound<'py, PyAny>) -> Outcome<BorrowedArray<'py>> {
        let py = object.py();
        let mut view = Box::new(ffi::Py_buffer::new());
        // SAFETY: the object is alive, and the boxed view keeps its address.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &mut *view, ffi::PyBUF_FULL_RO) } != 0 {
            let why = PyErr::fetch(py);
            // NumPy raises these for element types without a buffer format, such as datetime64.
            if why.is_instance_of::<PyValueError>(py) || why.is_instance_of::<PyBufferError>(py) {
                return Err(
                    Error::new(ErrorKind::Unsupported, format!("the array has no form: {why}")).into()
                );
            }
            return Err(why.into());
        }
        let mut lent = BorrowedArray {
            view,
            dtype: DType::U8,
            order: Order::Row,
            shape: Vec::new(),
            copy: None,
            attached: PhantomData,
        };
        let format = if lent.view.format.is_null() {
            c"B" // the default format of the protocol
        } else {
            // SAFETY: the exporter gives NUL-terminated text that lives as long as the view.
            unsafe { CStr::from_ptr(lent.view.format) }
        };
        let (swapped, letters) = match format.to_bytes() {
            [b'>' | b'!', rest @ ..] => (true, rest),
            [b'<' | b'=' | b'@', rest @ ..] => (false, rest),
            all => (false, all),
        };
        let size = lent.view.itemsize as usize;
        lent.dtype = dtype(letters, size).ok_or_else(|| {
            let text = format!(
                "an array of elements {format:?} has no form: there are bool, 8 to 64-bit integers, float32, float64, complex64 and complex128"
            );
            Error::new(ErrorKind::Unsupported, text)
        })?;
        for i in 0..lent.view.ndim as usize {
            // SAFETY: with PyBUF_FULL_RO there is one length for each dimension.
            lent.shape.push(unsafe { *lent.view.shape.add(i) } as u64);
        }
        let contiguous = |order: u8| {
            // SAFETY: the view was filled above.
            unsafe { ffi::PyBuffer_IsContiguous(&*lent.view, order as _) == 1 }
        };
        if contiguous(b'C') {
            lent.order = Order::Row;
        } else if contiguous(b'F') {
            lent.order = Order::Column;
        } else {
            lent.gather(py)?;
        }
        if swapped && size > 1 {
            lent.swap()?;
        }
        Ok(lent)
    }

    fn gather(&mut self, py: Python<'py>) -> Result<(), Failure> {
        let mut copy = room(self.view.len as usize)?;
        copy.resize(self.view.len as usize, 0);
        // SAFETY: the copy has the length of the view, and the view is alive.
        let done = unsafe {
            ffi::PyBuffer_ToContiguous(copy.as_mut_ptr().cast(), &*self.view, self.view.len, b'C' as _)
        };
        if done != 0 {
            return Err(PyErr::fetch(py).into());
        }
        self.copy = Some(copy);
        Ok(())
    }

    /// Converts big-endian elements, common in instruments, to little-endian.
    fn swap(&mut self) -> linkspan::Result<()> {
        let parts = if matches!(self.dtype, DType::C64 | DType::C128) { 2 } else { 1 };
        let mut copy = copy_of(self.bytes())?;
        copy.chunks_exact_mut(self.dtype.size().checked_div(parts).unwrap_or(1)).for_each(<[u8]>::reverse);
        self.copy = Some(copy);
        Ok(())
    }

    fn bytes(&self) -> &[u8] {
        match &self.copy {
            Some(copy) => copy,
            None if self.view.len == 0 => &[],
            // SAFETY: the exporter lends this many contiguous bytes until the view is released.
            None => unsafe { std::slice::from_raw_parts(self.view.buf.cast(), self.view.len as usize) },
        }
    }

    /// Fails with `Malformed` if a bool is neither 0 nor 1, `TooLarge` above 15 dimensions.
    pub fn array(&self) -> linkspan::Result<NdArrayRef<'_>> {
        NdArrayRef::new(self.dtype, self.order, &self.shape, self.bytes())
    }
}

impl Drop for BorrowedArray<'_> {
    fn drop(&mut self) {
        // SAFETY: PyObject_GetBuffer filled the view, and the marker proves that the interpreter is attached.
        unsafe { ffi::PyBuffer_Release(&mut *self.view) }
    }
}

/// Fails with `Unsupported` without NumPy.
fn viewed<'py>(array: &Bound<'py, NdArray>) -> Outcome<Bound<'py, PyAny>> {
    let py = array.py();
    let numpy = py.import("numpy").map_err(|_| {
        let text =
            "NumPy gives the elements by this protocol, and is not installed: memoryview(array) has them";
        Error::new(ErrorKind::Unsupported, text)
    })?;
    Ok(numpy.call_method1("asarray", (PyMemoryView::from(array.as_any())?,))?)
}

pub fn copy_of(elements: &[u8]) -> linkspan::Result<Vec<u8>> {
    let mut copy = room(elements.len())?;
    copy.extend_from_slice(elements);
    Ok(copy)
}

fn room(bytes: usize) -> linkspan::Result<Vec<u8>> {
    let mut room = Vec::new();
    room.try_reserve_exact(bytes).map_err(|_| {
        let text =
            format!("no memory for a copy of {bytes} bytes, which elements that do not lie together need");
        Error::new(ErrorKind::OutOfMemory, text)
    })?;
    Ok(room)
}

/// NumPy's lengths are `intptr_t`, also in an empty array.
fn fits_numpy(array: &Array) -> bool {
    let size = array.dtype.size() as u64;
    let bytes = array.shape.iter().try_fold(size, |n, length| n.checked_mul((*length).max(1)));
    bytes.is_some_and(|bytes| isize::try_from(bytes).is_ok())
}

/// Call it only after the program has imported NumPy.
pub fn learn_numpy(py: Python<'_>) -> PyResult<()> {
    imported(py, &NDARRAY, "numpy", "ndarray").and_then(|_| numpy_api::learn(py))
}

/// Returns false before [`learn_numpy`].
#[inline]
pub fn is_exact_ndarray(object: &Bound<'_, PyAny>) -> bool {
    NDARRAY.get(object.py()).is_some_and(|class| ptr::eq(object.get_type_ptr().cast(), class.as_ptr()))
}

static NDARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Returns a received array as a read-only `numpy.ndarray` over its memory, or as an `NdArray`.
pub fn arrived(py: Python<'_>, array: Array) -> PyResult<Bound<'_, PyAny>> {
    let owner = Bound::new(py, NdArray::new(array))?;
    // SAFETY: the object keeps its own array.
    unsafe { as_numpy(owner.as_any(), owner.get(), None) }
}

/// Returns a `numpy.ndarray` over the array, or `owner` if NumPy is missing or cannot hold the array.
///
/// # Safety
///
/// `owner` keeps the array alive and lends it by the buffer protocol. `written`, if given, is the address of its
/// elements, writable while `owner` lives.
pub unsafe fn as_numpy<'py>(
    owner: &Bound<'py, PyAny>,
    array: &NdArray,
    written: Option<NonNull<u8>>,
) -> PyResult<Bound<'py, PyAny>> {
    static AS_ARRAY: PyOnceLock<Option<Py<PyAny>>> = PyOnceLock::new();
    let py = owner.py();
    let Some(counts) = &array.counts else { return Ok(owner.clone()) };
    let (shape, strides) = counts.shape_and_strides();
    let NdArray { array, .. } = array;
    let over = Over { dtype: array.dtype, shape, strides, data: array.data.as_ptr(), written };
    // SAFETY: the caller's promise.
    if let Some(made) = unsafe { numpy_api::array(owner, &over) } {
        return made;
    }
    // This is the first array, or NumPy's C interface has an unknown version.
    let as_array = AS_ARRAY.get_or_try_init(py, || match py.import("numpy") {
        Ok(numpy) => {
            numpy_api::learn(py)?;
            numpy.getattr(PyString::intern(py, "asarray")).map(|f| Some(f.unbind()))
        }
        Err(error) if error.is_instance_of::<pyo3::exceptions::PyImportError>(py) => Ok(None),
        Err(error) => Err(error),
    })?;
    let Some(as_array) = as_array else { return Ok(owner.clone()) };
    // SAFETY: the caller's promise.
    unsafe { numpy_api::array(owner, &over) }.unwrap_or_else(|| as_array.bind(py).call1((owner,)))
}
