//! Reads arrays and numbers at a path into memory of the program.

use std::ffi::c_char;

use linkspan::codec::FlatValue;
use linkspan::value::NdArrayRef;
use linkspan::{DType, Error, ErrorKind, Order, Result, Value};

use crate::argument::{c_text, handle, is_null, named, out, place};
use crate::array::{
    LINKSPAN_MAX_RANK, copy_elements, dtype, linkspan_array, linkspan_dtype, linkspan_order, order,
    same_in_both_orders,
};
use crate::error::guard;
use crate::message::linkspan_message;
use crate::read::array_in_place;
use crate::status::linkspan_status;

/// Passes the lengths of an N-d array, or of a list from a language without typed arrays.
///
/// Other values have no dimensions.
fn with_shape<T>(value: &Value, rank: usize, then: impl FnOnce(&[u64]) -> T) -> T {
    match value {
        Value::NdArray(array) => then(&array.shape),
        Value::Array(items) if rank < 2 => then(&[items.len() as u64]),
        Value::Array(items) => then(&nested(items, rank)),
        _ => then(&[]),
    }
}

/// Returns the lengths of nested lists, at most `rank`, while all lists of a level have one length.
///
/// An empty list may have any number of dimensions.
fn nested(items: &[Value], rank: usize) -> Vec<u64> {
    let mut lengths = vec![items.len() as u64];
    let mut level: Vec<&Value> = items.iter().collect();
    while lengths.len() < rank.min(LINKSPAN_MAX_RANK) {
        let lists: Option<Vec<&Vec<Value>>> = level
            .iter()
            .map(|value| if let Value::Array(items) = value { Some(items) } else { None })
            .collect();
        let Some(lists) = lists else { break };
        let length = lists.first().map_or(0, |list| list.len());
        if lists.iter().any(|list| list.len() != length) {
            break;
        }
        lengths.push(length as u64);
        level = lists.into_iter().flatten().collect();
    }
    lengths
}

fn other_rank(value: &Value, rank: usize) -> Error {
    match value {
        Value::NdArray(array) => other_shape(&array.shape, rank),
        Value::Array(items) => match nested(items, rank).as_slice() {
            [length] if rank > 1 && items.iter().all(|item| matches!(item, Value::Array(_))) => {
                not_an_array(&format!("a list of {length} lists of different lengths"), rank)
            }
            [length] => not_an_array(&format!("a list of {length} values"), rank),
            shape => not_an_array(&format!("lists with the shape {shape:?}"), rank),
        },
        other => not_an_array(other.type_name(), rank),
    }
}

fn other_shape(shape: &[u64], rank: usize) -> Error {
    not_an_array(&format!("an array with {} and the shape {shape:?}", dimensions(shape.len())), rank)
}

fn not_an_array(found: &str, rank: usize) -> Error {
    let asked =
        if rank == 0 { "a single number".to_owned() } else { format!("an array with {}", dimensions(rank)) };
    Error::new(ErrorKind::WrongType, format!("{asked} is expected, found {found}"))
}

fn dimensions(rank: usize) -> String {
    if rank == 1 { "1 dimension".to_owned() } else { format!("{rank} dimensions") }
}

fn number_into(value: &Value, dtype: DType, to: &mut [u8]) -> Result<()> {
    let integer = |to: &mut [u8]| {
        let value = value.as_i64()?;
        let room = to.len();
        let bits = 64 - 8 * room as u32;
        if (value << bits) >> bits != value {
            return Err(too_large(&value, dtype));
        }
        to.copy_from_slice(&value.to_le_bytes()[..room]);
        Ok(())
    };
    let unsigned = |to: &mut [u8]| {
        let value = value.as_u64()?;
        let room = to.len();
        if value > u64::MAX >> (64 - 8 * room as u32) {
            return Err(too_large(&value, dtype));
        }
        to.copy_from_slice(&value.to_le_bytes()[..room]);
        Ok(())
    };
    let single = |wide: f64, to: &mut [u8]| {
        if wide.is_finite() && wide.abs() > f64::from(f32::MAX) {
            return Err(too_large(&format!("{wide:e}"), dtype));
        }
        to.copy_from_slice(&(wide as f32).to_le_bytes());
        Ok(())
    };
    match dtype {
        DType::Bool => to.copy_from_slice(&[u8::from(value.as_bool()?)]),
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => integer(to)?,
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => unsigned(to)?,
        DType::F32 => single(value.as_f64()?, to)?,
        DType::F64 => to.copy_from_slice(&value.as_f64()?.to_le_bytes()),
        DType::C64 => {
            let (real, imaginary) = parts(value)?;
            single(real, &mut to[..4])?;
            single(imaginary, &mut to[4..])?;
        }
        DType::C128 => {
            let (real, imaginary) = parts(value)?;
            to[..8].copy_from_slice(&real.to_le_bytes());
            to[8..].copy_from_slice(&imaginary.to_le_bytes());
        }
    }
    Ok(())
}

#[cold]
fn too_large(value: &dyn std::fmt::Display, dtype: DType) -> Error {
    Error::new(ErrorKind::OutOfRange, format!("the number {value} does not fit {}", dtype.name()))
}

/// A complex number is an array without dimensions; real numbers get 0.
fn parts(value: &Value) -> Result<(f64, f64)> {
    let Value::NdArray(array) = value else { return Ok((value.as_f64()?, 0.0)) };
    let mut both = [0; 16];
    copy_elements(array.as_ref(), DType::C128, array.order, &mut both)?;
    let part = |at: usize| f64::from_le_bytes(std::array::from_fn(|i| both[at + i]));
    Ok((part(0), part(8)))
}

fn fill(value: &Value, path: &str, dtype: DType, order: Order, dims: &[u64], to: &mut [u8]) -> Result<()> {
    match value {
        // A complex number may become narrower, like a single real number.
        Value::NdArray(array) if array.shape == dims && !(dims.is_empty() && dtype == DType::C64) => {
            copy_elements(array.as_ref(), dtype, order, to)
        }
        Value::Array(items) if !dims.is_empty() && with_shape(value, dims.len(), |shape| shape == dims) => {
            fill_from_list(items, path, dtype, &strides(order, dims), 0, to)
        }
        single if dims.is_empty() && with_shape(single, 0, <[u64]>::is_empty) => {
            number_into(single, dtype, to)
        }
        other if with_shape(other, dims.len(), |shape| shape.len() == dims.len()) => {
            let text = with_shape(other, dims.len(), |shape| {
                format!(
                    "an array with the shape {dims:?} is to be filled, found one with the shape {shape:?}"
                )
            });
            Err(Error::new(ErrorKind::WrongType, text))
        }
        other => Err(other_rank(other, dims.len())),
    }
}

/// The distance in elements between neighbours along each dimension.
fn strides(order: Order, dims: &[u64]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for at in 1..dims.len() {
        let (here, faster) = match order {
            Order::Row => (dims.len() - 1 - at, dims.len() - at),
            Order::Column => (at, at - 1),
        };
        strides[here] = strides[faster] * dims[faster] as usize;
    }
    strides
}

fn fill_from_list(
    items: &[Value],
    path: &str,
    dtype: DType,
    strides: &[usize],
    first: usize,
    to: &mut [u8],
) -> Result<()> {
    let (step, inner) = strides.split_first().map_or((1, strides), |(step, inner)| (*step, inner));
    let size = dtype.size();
    for (position, item) in items.iter().enumerate() {
        let at = first + position * step;
        match item {
            Value::Array(items) if !inner.is_empty() => {
                fill_from_list(items, &below(path, position), dtype, inner, at, to)?;
            }
            number => number_into(number, dtype, &mut to[at * size..(at + 1) * size])
                .map_err(|e| e.with_path(below(path, position)))?,
        }
    }
    Ok(())
}

fn below(path: &str, position: usize) -> String {
    if path.is_empty() { position.to_string() } else { format!("{path}/{position}") }
}

/// Reads a number of a flat map. `None` leaves the errors to the general path.
fn flat_number(value: FlatValue<'_>, dtype: DType, to: &mut [u8]) -> Option<()> {
    let value = match value {
        FlatValue::Bool(value) => Value::Bool(value),
        FlatValue::Int(value) => Value::Int(value),
        FlatValue::Float(value) => Value::Float(value),
        FlatValue::Null | FlatValue::Text(_) => return None,
    };
    number_into(&value, dtype, to).ok()
}

/// Gets the lengths of the N-d array at a path, or of nested lists.
///
/// `WrongType`, with the shape in its text, if the rank differs.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_shape(
    message: *const linkspan_message,
    path: *const c_char,
    rank: usize,
    dims: *mut u64,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let (message, path) = (handle(message)?, c_text(path, "path")?);
        if rank > 0 && dims.is_null() {
            return Err(is_null("dims"));
        }
        let give = |shape: &[u64]| {
            let fits = shape.len() == rank;
            if fits && rank > 0 {
                dims.copy_from_nonoverlapping(shape.as_ptr(), rank);
            }
            fits
        };
        if message.look_array(path, |array| Ok(give(array.shape))).transpose()? == Some(true) {
            return Ok(());
        }
        message.look_at(path, |value| {
            if with_shape(value, rank, give) { Ok(()) } else { Err(other_rank(value, rank)) }
        })
    })
}

/// Copies the N-d array or list at a path into `to->data`; each element keeps its indexes.
///
/// `to` gives type, order and shape. Types are widened as by `linkspan_array_copy`. `OutOfRange` for a number that does
/// not fit. `WrongType`, with both shapes in its text, if they differ. After an error `to->data` is partly written.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_array_into(
    message: *const linkspan_message,
    path: *const c_char,
    to: *const linkspan_array,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let (message, path, to) = (handle(message)?, c_text(path, "path")?, named(to, "to")?);
        let (dtype, order, dims) = to.layout()?;
        let room = to.room()?;
        if dims.is_empty() && message.look_flat(path, |flat| flat_number(flat, dtype, room)).is_some() {
            return Ok(());
        }
        let from_slot = |array: NdArrayRef<'_>| {
            let fits = array.shape == dims;
            if fits {
                copy_elements(array, dtype, order, room)?;
            }
            Ok(fits)
        };
        if !dims.is_empty() && message.look_array(path, from_slot).transpose()? == Some(true) {
            return Ok(());
        }
        message.look_at(path, |value| fill(value, path, dtype, order, dims, room))
    })
}

/// Gets a view of the N-d array at a path, with exactly this type, order and rank.
///
/// Otherwise `WrongType`; `linkspan_message_get_array_into` converts it.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_array_view(
    message: *const linkspan_message,
    path: *const c_char,
    dtype: linkspan_dtype,
    order: linkspan_order,
    rank: usize,
    array: *mut linkspan_array,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let to = out(place!(array))?;
        let (message, path) = (handle(message)?, c_text(path, "path")?);
        let (dtype, order) = (self::dtype(dtype)?, self::order(order)?);
        array_in_place(message, path, to, |array| {
            if array.shape.len() != rank {
                return Err(other_shape(array.shape, rank));
            }
            let reason = if array.dtype != dtype {
                format!("a view of {} is asked for, found an array of {}", dtype.name(), array.dtype.name())
            } else if array.order != order && !same_in_both_orders(array.shape) {
                format!(
                    "a {}-major view is asked for, found a {}-major array",
                    order.name(),
                    array.order.name()
                )
            } else {
                return Ok(());
            };
            Err(Error::new(
                ErrorKind::WrongType,
                format!("{reason}; get a copy of it (in Fortran: into an allocatable)"),
            ))
        })
    })
}
