//! Recording tables through Arrow's C data interface.
//!
//! <https://arrow.apache.org/docs/format/CDataInterface.html>,
//! <https://arrow.apache.org/docs/format/CStreamInterface.html>

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::{Arc, OnceLock};

use linkspan::{DType, Error, ErrorKind, NdArray as Array, Order};
use linkspan_recording::{Buffer, Column};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyList};

use crate::arguments::ColumnName;
use crate::array;
use crate::errors::Outcome;
use crate::made;

/// The messages of a name: one row per message, one column per field.
///
/// Others read it by Arrow's C stream.
#[pyclass(frozen, module = "linkspan")]
pub struct Table {
    columns: Arc<[Column]>,
    rows: usize,
    /// Filled on first use, because tables can have thousands of columns.
    places: OnceLock<HashMap<String, usize>>,
}

impl Table {
    pub fn new(columns: Vec<Column>, rows: usize) -> Table {
        Table { columns: columns.into(), rows, places: OnceLock::new() }
    }

    fn column(&self, name: &str) -> Outcome<&Column> {
        let names = || self.columns.iter().map(|column| &*column.name).collect::<Vec<_>>().join(", ");
        let places = self.places.get_or_init(|| {
            self.columns.iter().enumerate().map(|(at, column)| (column.name.clone(), at)).collect()
        });
        let found = places.get(name).and_then(|at| self.columns.get(*at));
        found.ok_or_else(|| {
            Error::new(ErrorKind::Missing, format!("no column is called {name:?}; there are {}", names()))
                .into()
        })
    }

    fn array<'py>(
        &self,
        py: Python<'py>,
        dtype: DType,
        order: Order,
        shape: Vec<u64>,
        buffer: &Buffer,
    ) -> PyResult<Bound<'py, PyAny>> {
        let data = bytes::Bytes::from_owner(Kept {
            _columns: self.columns.clone(),
            at: buffer.as_ptr(),
            length: buffer.len(),
        });
        array::arrived(py, Array { dtype, order, shape, data })
    }
}

struct Kept {
    _columns: Arc<[Column]>,
    at: *const u8,
    length: usize,
}

// SAFETY: the memory never changes while the columns exist.
unsafe impl Send for Kept {}
// SAFETY: the memory never changes while the columns exist.
unsafe impl Sync for Kept {}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: address and length belong to a buffer of the columns, which `_columns` keeps.
        unsafe { std::slice::from_raw_parts(self.at, self.length) }
    }
}

#[pymethods]
impl Table {
    /// The names of the columns, in order.
    #[getter]
    fn column_names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| &*column.name).collect()
    }

    /// Returns the facts about a column: `unit`, `shape`, `order`, `encoding` and its Arrow `format`.
    fn describe(&self, name: ColumnName) -> Outcome<Vec<(&'static str, String)>> {
        let column = self.column(&name)?;
        let mut facts = vec![("format", column.format.clone())];
        facts.extend(column.metadata.iter().cloned());
        Ok(facts)
    }

    fn __len__(&self) -> usize {
        self.rows
    }

    /// Returns the numbers of a column as an array without a copy; `None` for other columns.
    ///
    /// Null is NaN in floats and 0 in other types. Instants are nanoseconds since 1970. Equally shaped arrays get an
    /// additional first dimension.
    fn numbers<'py>(&self, py: Python<'py>, name: ColumnName) -> Outcome<Option<Bound<'py, PyAny>>> {
        let column = self.column(&name)?;
        let rows = self.rows as u64;
        let dtype = match (&*column.format, &column.items) {
            ("l" | "tsn:UTC", _) => DType::I64,
            ("L", _) => DType::U64,
            ("g", _) => DType::F64,
            ("b", _) => {
                let is_set = |row: usize| u8::from(is_set(column.buffers.get(1), row));
                let data = (0..self.rows).map(is_set).collect::<Vec<_>>().into();
                let array = Array { dtype: DType::Bool, order: Order::Row, shape: vec![rows], data };
                return Ok(Some(array::arrived(py, array)?));
            }
            (format, Some(items)) if format.starts_with("+w:") => {
                let inner = items.items.as_deref().unwrap_or(items);
                let Some((dtype, buffer)) = elements(inner) else { return Ok(None) };
                let lengths = column.fact("shape").unwrap_or_default().trim_matches(['[', ']']).split(',');
                let lengths: Vec<u64> = lengths.filter_map(|text| text.trim().parse().ok()).collect();
                if column.fact("order") != Some("column") {
                    let shape = [&[rows], &lengths[..]].concat();
                    return Ok(Some(self.array(py, dtype, Order::Row, shape, buffer)?));
                }
                // Consecutive column-major arrays form one column-major array whose last dimension is the row.
                let shape = [&lengths[..], &[rows]].concat();
                let array = self.array(py, dtype, Order::Column, shape, buffer)?;
                let last = lengths.len();
                let axes: Vec<_> = std::iter::once(last).chain(0..last).collect();
                return Ok(Some(array.call_method1("transpose", (axes,))?));
            }
            _ => return Ok(None),
        };
        let Some(Some(buffer)) = column.buffers.get(1) else { return Ok(None) };
        Ok(Some(self.array(py, dtype, Order::Row, vec![rows], buffer)?))
    }

    /// Returns the texts or bytes of a column, at most `most`, nulls as `None`; `None` for other columns.
    #[pyo3(signature = (name, most=None))]
    fn texts<'py>(
        &self,
        py: Python<'py>,
        name: ColumnName,
        most: Option<usize>,
    ) -> Outcome<Option<Bound<'py, PyList>>> {
        let column = self.column(&name)?;
        let (is_text, [_, Some(Buffer::I64(ends)), Some(Buffer::Bytes(bytes))]) =
            (column.format == "U", &column.buffers[..])
        else {
            return Ok(None);
        };
        if column.items.is_some() {
            return Ok(None);
        }
        let list = made::list(py, std::iter::empty())?;
        for (row, span) in ends.windows(2).enumerate().take(most.unwrap_or(usize::MAX)) {
            let &[begin, end] = span else { break };
            let block = bytes.get(begin as usize..end as usize).unwrap_or_default();
            if !is_valid(column, row) {
                list.append(py.None())?;
            } else if is_text {
                // Texts of messages and JSON are valid UTF-8.
                list.append(made::text(py, &String::from_utf8_lossy(block))?)?;
            } else {
                list.append(made::bytes(py, block)?)?;
            }
        }
        Ok(Some(list))
    }

    /// Returns the ends, from 0 on, and the elements of a column of arrays; `None` for other columns.
    fn lists<'py>(
        &self,
        py: Python<'py>,
        name: ColumnName,
    ) -> Outcome<Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
        let column = self.column(&name)?;
        let ("+L", [_, Some(ends)], Some(items)) = (&*column.format, &column.buffers[..], &column.items)
        else {
            return Ok(None);
        };
        let inner = items.items.as_deref().unwrap_or(items);
        let Some((dtype, elements)) = elements(inner) else { return Ok(None) };
        let ends =
            self.array(py, DType::I64, Order::Row, vec![(self.rows as u64).saturating_add(1)], ends)?;
        Ok(Some((ends, self.array(py, dtype, Order::Row, vec![items.length as u64], elements)?)))
    }

    /// Returns an array of bools, false for null rows; `None` if no row is null.
    fn validity<'py>(&self, py: Python<'py>, name: ColumnName) -> Outcome<Option<Bound<'py, PyAny>>> {
        let column = self.column(&name)?;
        if column.nulls == 0 {
            return Ok(None);
        }
        let data = (0..self.rows).map(|row| u8::from(is_valid(column, row))).collect::<Vec<_>>().into();
        Ok(Some(array::arrived(
            py,
            Array { dtype: DType::Bool, order: Order::Row, shape: vec![self.rows as u64], data },
        )?))
    }

    /// Exports one batch through Arrow's C stream interface, as `pyarrow.table` calls it.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The protocol allows a producer to ignore the requested types.
        let _ = requested_schema;
        let state = Stream { columns: self.columns.clone(), rows: self.rows, is_given: false };
        let stream = ArrowArrayStream {
            get_schema: Some(stream_schema),
            get_next: Some(stream_next),
            get_last_error: Some(stream_error),
            release: Some(release_stream),
            private_data: Box::into_raw(Box::new(state)).cast(),
        };
        PyCapsule::new_with_value_and_destructor(py, Exported(stream), STREAM, |mut stream, _| {
            if let Some(release) = stream.0.release {
                // SAFETY: no consumer has taken the stream, so this capsule still owns it.
                unsafe { release(&raw mut stream.0) };
            }
        })
    }
}

fn is_set(bits: Option<&Option<Buffer>>, at: usize) -> bool {
    let Some(Some(Buffer::Bytes(bytes))) = bits else { return false };
    bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

fn is_valid(column: &Column, row: usize) -> bool {
    matches!(column.buffers.first(), None | Some(None)) || is_set(column.buffers.first(), row)
}

fn elements(items: &Column) -> Option<(DType, &Buffer)> {
    Some((DType::from_name(items.fact("dtype")?)?, items.buffers.get(1)?.as_ref()?))
}

const STREAM: &CStr = c"arrow_array_stream";

#[repr(transparent)]
struct Exported(ArrowArrayStream);

// SAFETY: the stream owns all its pointers, and any thread may use it, one at a time.
unsafe impl Send for Exported {}

#[repr(C)]
struct ArrowSchema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *mut *mut ArrowSchema,
    dictionary: *mut ArrowSchema,
    release: Option<unsafe extern "C" fn(*mut ArrowSchema)>,
    private_data: *mut c_void,
}

#[repr(C)]
struct ArrowArray {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *mut *const c_void,
    children: *mut *mut ArrowArray,
    dictionary: *mut ArrowArray,
    release: Option<unsafe extern "C" fn(*mut ArrowArray)>,
    private_data: *mut c_void,
}

#[repr(C)]
struct ArrowArrayStream {
    get_schema: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowSchema) -> c_int>,
    get_next: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowArray) -> c_int>,
    get_last_error: Option<unsafe extern "C" fn(*mut ArrowArrayStream) -> *const c_char>,
    release: Option<unsafe extern "C" fn(*mut ArrowArrayStream)>,
    private_data: *mut c_void,
}

const NULLABLE: i64 = 2;

struct Stream {
    columns: Arc<[Column]>,
    rows: usize,
    is_given: bool,
}

struct OwnedSchema {
    format: CString,
    name: CString,
    metadata: Vec<u8>,
    children: Vec<*mut ArrowSchema>,
}

struct OwnedArray {
    _columns: Arc<[Column]>,
    _bits: Option<Box<[u8]>>,
    buffers: Vec<*const c_void>,
    children: Vec<*mut ArrowArray>,
}

/// Formats and column names contain no zero byte.
fn c_text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

/// The count, then each text after its length.
#[expect(clippy::host_endian_bytes, reason = "both sides are in one process")]
fn c_metadata(pairs: &[(&'static str, String)]) -> Vec<u8> {
    let number = |length: usize| i32::try_from(length).unwrap_or(0).to_ne_bytes();
    let mut bytes = number(pairs.len()).to_vec();
    for text in pairs.iter().flat_map(|(key, text)| [*key, text.as_str()]) {
        bytes.extend(number(text.len()));
        bytes.extend(text.as_bytes());
    }
    bytes
}

fn schema(
    name: &str,
    format: &str,
    pairs: &[(&'static str, String)],
    children: Vec<ArrowSchema>,
) -> ArrowSchema {
    let children = children.into_iter().map(|child| Box::into_raw(Box::new(child))).collect();
    let metadata = if pairs.is_empty() { Vec::new() } else { c_metadata(pairs) };
    let mut owned = Box::new(OwnedSchema { format: c_text(format), name: c_text(name), metadata, children });
    ArrowSchema {
        format: owned.format.as_ptr(),
        name: owned.name.as_ptr(),
        metadata: if owned.metadata.is_empty() { ptr::null() } else { owned.metadata.as_ptr().cast() },
        flags: NULLABLE,
        n_children: owned.children.len() as i64,
        children: owned.children.as_mut_ptr(),
        dictionary: ptr::null_mut(),
        release: Some(release_schema),
        private_data: Box::into_raw(owned).cast(),
    }
}

fn schema_of(column: &Column) -> ArrowSchema {
    let children = column.items.iter().map(|items| schema_of(items)).collect();
    let format = if has_truth_values(column) { "b" } else { &*column.format };
    schema(&column.name, format, &column.metadata, children)
}

fn array(
    columns: &Arc<[Column]>,
    length: usize,
    nulls: usize,
    (buffers, bits): (Vec<*const c_void>, Option<Box<[u8]>>),
    children: Vec<ArrowArray>,
) -> ArrowArray {
    let children = children.into_iter().map(|child| Box::into_raw(Box::new(child))).collect();
    let mut owned = Box::new(OwnedArray { _columns: columns.clone(), _bits: bits, buffers, children });
    ArrowArray {
        length: length as i64,
        null_count: nulls as i64,
        offset: 0,
        n_buffers: owned.buffers.len() as i64,
        n_children: owned.children.len() as i64,
        buffers: owned.buffers.as_mut_ptr(),
        children: owned.children.as_mut_ptr(),
        dictionary: ptr::null_mut(),
        release: Some(release_array),
        private_data: Box::into_raw(owned).cast(),
    }
}

fn array_of(columns: &Arc<[Column]>, column: &Column) -> ArrowArray {
    let address =
        |buffer: &Option<Buffer>| buffer.as_ref().map_or(ptr::null(), |buffer| buffer.as_ptr().cast());
    let mut buffers: Vec<_> = column.buffers.iter().map(address).collect();
    let bits = has_truth_values(column).then(|| bits_of(column));
    if let (Some(bits), Some(values)) = (&bits, buffers.get_mut(1)) {
        *values = bits.as_ptr().cast();
    }
    let children = column.items.iter().map(|items| array_of(columns, items)).collect();
    array(columns, column.length, column.nulls, (buffers, bits), children)
}

/// A bool is one byte in a column but one bit in Arrow.
fn has_truth_values(items: &Column) -> bool {
    items.format == "C" && items.fact("dtype") == Some(DType::Bool.name())
}

fn bits_of(items: &Column) -> Box<[u8]> {
    let Some(Some(Buffer::Bytes(bytes))) = items.buffers.get(1) else { return Box::default() };
    let bits = |some: &[u8]| (0..).zip(some).fold(0, |bits, (at, is)| bits | u8::from(*is != 0) << at);
    bytes.chunks(8).map(bits).collect()
}

/// # Safety
/// This module made the stream, and it is not released.
unsafe fn state<'a>(stream: *mut ArrowArrayStream) -> &'a mut Stream {
    // SAFETY: `private_data` is the state, which lives until the release. A consumer calls one function at a time.
    unsafe { &mut *(*stream).private_data.cast::<Stream>() }
}

unsafe extern "C" fn stream_schema(stream: *mut ArrowArrayStream, out: *mut ArrowSchema) -> c_int {
    // SAFETY: the consumer passes an unreleased stream, and memory for a schema.
    unsafe {
        let children = state(stream).columns.iter().map(schema_of).collect();
        out.write(schema("", "+s", &[], children));
    }
    0
}

unsafe extern "C" fn stream_next(stream: *mut ArrowArrayStream, out: *mut ArrowArray) -> c_int {
    // SAFETY: the consumer passes an unreleased stream, and memory for an array. A zeroed array marks the end.
    unsafe {
        let state = state(stream);
        if std::mem::replace(&mut state.is_given, true) {
            out.write_bytes(0, 1);
        } else {
            let children = state.columns.iter().map(|column| array_of(&state.columns, column)).collect();
            out.write(array(&state.columns, state.rows, 0, (vec![ptr::null()], None), children));
        }
    }
    0
}

const unsafe extern "C" fn stream_error(_: *mut ArrowArrayStream) -> *const c_char {
    ptr::null()
}

unsafe extern "C" fn release_stream(stream: *mut ArrowArrayStream) {
    // SAFETY: called once for a stream of this module; its state is a box.
    unsafe {
        drop(Box::from_raw((*stream).private_data.cast::<Stream>()));
        (*stream).release = None;
    }
}

unsafe extern "C" fn release_schema(schema: *mut ArrowSchema) {
    // SAFETY: called once for a schema of this module, whose children are boxes. A consumer clears `release` of a
    // child that it takes.
    unsafe {
        let owned = Box::from_raw((*schema).private_data.cast::<OwnedSchema>());
        for child in owned.children {
            let mut child = Box::from_raw(child);
            if let Some(release) = child.release {
                release(&raw mut *child);
            }
        }
        (*schema).release = None;
    }
}

unsafe extern "C" fn release_array(array: *mut ArrowArray) {
    // SAFETY: called once for an array of this module. Its children follow the rules of a schema's.
    unsafe {
        let owned = Box::from_raw((*array).private_data.cast::<OwnedArray>());
        for child in owned.children {
            let mut child = Box::from_raw(child);
            if let Some(release) = child.release {
                release(&raw mut *child);
            }
        }
        (*array).release = None;
    }
}
