//! `Linkspan\NdArray`: N-d arrays of numbers, to and from PHP's nested lists.

use std::cell::Cell;
use std::rc::Rc;

use ext_php_rs::flags::DataType;
use ext_php_rs::prelude::*;
use ext_php_rs::types::{ZendClassObject, ZendHashTable, Zval};
use ext_php_rs::zend::ce;
use linkspan::value::NdArrayRef;
use linkspan::{DType, Error, ErrorKind, Order, Result, Value};

use crate::edge::{PhpResult, edge};
use crate::finite::without_special_floats;
use crate::iteration::{Feed, Iteration};
use crate::room::{OBJECT, Size, within_limit};
use crate::scalars::{AnyString, BigInt, Text, exported};
use crate::zend::{self, Entries, Made, into_zval, made, try_made};

/// The elements are one shared block.
#[php_class]
#[php(name = "Linkspan\\NdArray", flags = zend::FINAL)]
#[php(implements(ce = ce::arrayaccess, stub = "\\ArrayAccess"))]
#[php(implements(ce = ce::countable, stub = "\\Countable"))]
#[php(implements(ce = ce::aggregate, stub = "\\IteratorAggregate"))]
#[php(implements(ce = zend::json_serializable, stub = "\\JsonSerializable"))]
#[derive(Clone)]
pub struct NdArray(pub linkspan::NdArray);

const MAX_RANK: usize = NdArrayRef::MAX_RANK;

#[php_impl]
impl NdArray {
    #[php(defaults(order = "\"row\""))]
    pub fn __construct(
        dtype: &str,
        shape: &ZendHashTable,
        data: AnyString<'_>,
        order: &str,
    ) -> PhpResult<Self> {
        edge(|| {
            let (dtype, order) = (dtype_named(dtype)?, order_named(order)?);
            let shape = shape_of(shape)?;
            NdArrayRef::new(dtype, order, &shape, data.0).and_then(NdArrayRef::try_to_owned).map(NdArray)
        })
    }
    #[php(name = "__set_state")]
    pub fn set_state(properties: &ZendHashTable) -> PhpResult<Made<NdArray>> {
        edge(|| {
            let dtype = dtype_named(exported(properties, "dtype", Zval::str)?)?;
            let order = order_named(exported(properties, "order", Zval::str)?)?;
            let shape = exported(properties, "shape", Zval::array)?;
            let data = exported(properties, "data", |zval| zval.zend_str())?.as_bytes();
            try_made(|| {
                let shape = shape_of(shape)?;
                NdArrayRef::new(dtype, order, &shape, data).and_then(NdArrayRef::try_to_owned).map(NdArray)
            })
        })
    }

    #[php(defaults(dtype = "\"f64\""))]
    pub fn from_array(items: &ZendHashTable, dtype: &str) -> PhpResult<Made<NdArray>> {
        edge(|| {
            try_made(|| {
                let dtype = dtype_named(dtype)?;
                let shape = measure(items, dtype)?;
                let mut data = Vec::new();
                gather(items, dtype, &shape, &mut data)?;
                NdArrayRef::new(dtype, Order::Row, &shape, &data)
                    .and_then(NdArrayRef::try_to_owned)
                    .map(NdArray)
            })
        })
    }

    #[php(getter)]
    pub fn get_dtype(&self) -> Text {
        Text::of(self.0.dtype.name())
    }
    #[php(getter)]
    pub fn get_shape(&self) -> ext_php_rs::boxed::ZBox<ZendHashTable> {
        let mut table = ZendHashTable::with_capacity(self.0.shape.len() as u32);
        for length in &self.0.shape {
            let _ = table.push(count(*length));
        }
        table
    }
    #[php(getter)]
    pub fn get_order(&self) -> Text {
        Text::of(self.0.order.name())
    }
    #[php(getter)]
    pub fn get_data(&self) -> PhpResult<Text> {
        edge(|| Text::within_limit(&self.0.data))
    }

    pub fn to_array(&self) -> PhpResult<Zval> {
        edge(|| with_room_for_lists(&self.0, || nested(&self.0, &strides(&self.0), 0, 0)))
    }
    pub fn json_serialize(&self) -> PhpResult<Zval> {
        edge(|| {
            with_room_for_lists(&self.0, || {
                without_special_floats(&nested(&self.0, &strides(&self.0), 0, 0), &|_| None)
            })
        })
    }
    pub fn get_iterator(&self) -> PhpResult<Made<Iteration>> {
        edge(|| {
            if self.0.shape.is_empty() {
                let text = "an array without dimensions has one element and no items: $array->toArray() is that element";
                return Err(Error::new(ErrorKind::WrongType, text));
            }
            Ok(made(|| Iteration::over(Rc::new(Items { array: self.0.clone(), at: Cell::new(0) }))))
        })
    }
    pub fn count(&self) -> i64 {
        self.0.shape.first().map_or(1, |n| count(*n))
    }

    pub fn offset_exists(&self, offset: &Zval) -> bool {
        locate(&self.0, offset).is_ok()
    }
    pub fn offset_get(&self, offset: &Zval) -> PhpResult<Zval> {
        edge(|| locate(&self.0, offset).map(|(dimension, at)| item(&self.0, dimension, at)))
    }
    pub fn offset_set(&self, offset: &Zval, value: &Zval) -> PhpResult<()> {
        let _ = (offset, value);
        edge(|| Err(read_only()))
    }
    pub fn offset_unset(&self, offset: &Zval) -> PhpResult<()> {
        let _ = offset;
        edge(|| Err(read_only()))
    }
}

/// The element at these positions, or the array of the remaining dimensions.
fn item(array: &linkspan::NdArray, dimension: usize, at: usize) -> Zval {
    if dimension == array.shape.len() {
        return element(array, at);
    }
    into_zval(made(|| NdArray(below(array, dimension, at))))
}

struct Items {
    array: linkspan::NdArray,
    at: Cell<u64>,
}

impl Feed for Items {
    fn next_item(&self) -> Result<Option<Zval>> {
        let at = self.at.get();
        if self.array.shape.first().is_none_or(|length| at >= *length) {
            return Ok(None);
        }
        self.at.set(at + 1);
        Ok(Some(item(&self.array, 1, at as usize * strides(&self.array)[0])))
    }

    fn begin_again(&self) -> bool {
        self.at.set(0);
        true
    }
}

fn read_only() -> Error {
    Error::new(
        ErrorKind::InvalidState,
        "an NdArray is read-only: change toArray() and make another by fromArray()",
    )
}

fn dtype_named(name: &str) -> Result<DType> {
    DType::from_name(name).ok_or_else(|| {
        let names: Vec<_> = DType::ALL.iter().map(|d| d.name()).collect();
        Error::new(
            ErrorKind::Unsupported,
            format!("no element type is called {name:?}: there are {}", names.join(", ")),
        )
    })
}

fn order_named(name: &str) -> Result<Order> {
    Order::from_name(name).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, format!("no order is called {name:?}: there are row and column"))
    })
}

fn shape_of(table: &ZendHashTable) -> Result<Vec<u64>> {
    let lengths = Entries::new(table).map(|(_, length)| {
        let length = length.long().and_then(|n| u64::try_from(n).ok());
        length
            .ok_or_else(|| Error::new(ErrorKind::OutOfRange, "a shape is a list of integers from 0 upwards"))
    });
    lengths.collect()
}

/// Saturates: only an empty array can have a longer length.
fn count(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// An empty array may have any number of empty lists.
fn with_room_for_lists<T>(array: &linkspan::NdArray, make: impl FnOnce() -> T) -> Result<T> {
    const LIST: u64 = 56;
    const ITEM: u64 = 16;
    // The limit for a script without memory_limit.
    const MOST: u64 = 1 << 40;
    // A complex number is a list of two.
    let pair = matches!(array.dtype, DType::C64 | DType::C128).then_some(&2);
    let (mut lists, mut needed) = (1u64, 0u64);
    for length in array.shape.iter().chain(pair) {
        let items = lists.saturating_mul(*length);
        needed = needed.saturating_add(lists.saturating_mul(LIST)).saturating_add(items.saturating_mul(ITEM));
        lists = items;
    }
    let refused = |needed, left: usize| {
        format!(
            "nested lists of shape {:?} take at least {needed} bytes and memory_limit leaves {left}, of which PHP takes pages and whole chunks of 2 MiB: take a part of the array, such as $a[0]",
            array.shape
        )
    };
    if needed > MOST {
        return Err(Error::new(ErrorKind::OutOfMemory, refused(needed as usize, MOST as usize)));
    }
    // Unsigned 64-bit numbers may be objects, which the lower bound omits.
    let objects = if array.dtype == DType::U64 { lists.saturating_mul(OBJECT as u64) } else { 0 };
    let size = Size::Roughly(needed.saturating_add(objects) as usize);
    within_limit(size, || needed as usize, refused, make)
}

/// Returns distances in elements; zeros for an empty array.
fn strides(array: &linkspan::NdArray) -> [usize; MAX_RANK] {
    let mut strides = [0; MAX_RANK];
    if array.data.is_empty() {
        return strides;
    }
    let mut step = 1usize;
    let rank = array.shape.len();
    for i in 0..rank {
        let dimension = if array.order == Order::Row { rank - 1 - i } else { i };
        strides[dimension] = step;
        step = step.saturating_mul(array.shape[dimension] as usize);
    }
    strides
}

fn nested(array: &linkspan::NdArray, strides: &[usize; MAX_RANK], dimension: usize, at: usize) -> Zval {
    let Some(length) = array.shape.get(dimension) else { return element(array, at) };
    let mut table = ZendHashTable::with_capacity(u32::try_from(*length).unwrap_or(u32::MAX));
    for i in 0..*length as usize {
        let _ = table.push(nested(array, strides, dimension + 1, at + i * strides[dimension]));
    }
    let mut zval = Zval::new();
    zval.set_hashtable(table);
    zval
}

/// Returns the dimension and the element of an offset, `$a[1]` or `$a[[1, 2]]`.
fn locate(array: &linkspan::NdArray, offset: &Zval) -> Result<(usize, usize)> {
    let strides = strides(array);
    let step = |dimension: usize, at: usize, index: &Zval| {
        let length = array.shape.get(dimension).copied();
        match (index.long(), length) {
            (Some(i), Some(length)) if i >= 0 && (i as u64) < length => {
                Ok(at + i as usize * strides[dimension])
            }
            (Some(i), Some(length)) => Err(Error::new(
                ErrorKind::Missing,
                format!("no position {i} in a dimension of length {length}"),
            )),
            (Some(_), None) => Err(Error::new(
                ErrorKind::Missing,
                format!("more positions than the {} dimensions of the array", array.shape.len()),
            )),
            (None, _) => Err(Error::new(ErrorKind::WrongType, "a position is an integer, or a list of them")),
        }
    };
    match offset.array() {
        None => step(0, 0, offset).map(|at| (1, at)),
        Some(list) => Entries::new(list).try_fold((0, 0), |(dimension, at), (_, index)| {
            step(dimension, at, index).map(|at| (dimension + 1, at))
        }),
    }
}

/// A view if the elements are contiguous.
fn below(array: &linkspan::NdArray, dimension: usize, at: usize) -> linkspan::NdArray {
    let size = array.dtype.size();
    let shape = array.shape[dimension..].to_vec();
    // The other lengths of an empty array may be huge, and their product may overflow.
    let count = if array.data.is_empty() { 0 } else { shape.iter().product::<u64>() as usize };
    let data = match array.order {
        Order::Row => array.data.slice(at * size..(at + count) * size),
        Order::Column => {
            let step = strides(array)[dimension];
            let places = (0..count).map(|i| (at + i * step) * size);
            places.flat_map(|from| array.data[from..from + size].iter().copied()).collect()
        }
    };
    linkspan::NdArray { dtype: array.dtype, order: array.order, shape, data }
}

fn element(array: &linkspan::NdArray, at: usize) -> Zval {
    macro_rules! read {
        ($number:ty, $from:expr) => {{
            const SIZE: usize = size_of::<$number>();
            let mut bytes = [0; SIZE];
            bytes.copy_from_slice(&array.data[$from..$from + SIZE]);
            <$number>::from_le_bytes(bytes)
        }};
    }
    let from = at * array.dtype.size();
    let mut zval = Zval::new();
    match array.dtype {
        DType::Bool => zval.set_bool(array.data[from] != 0),
        DType::I8 => zval.set_long(read!(i8, from)),
        DType::I16 => zval.set_long(read!(i16, from)),
        DType::I32 => zval.set_long(read!(i32, from)),
        DType::I64 => zval.set_long(read!(i64, from)),
        DType::U8 => zval.set_long(read!(u8, from)),
        DType::U16 => zval.set_long(read!(u16, from)),
        DType::U32 => zval.set_long(read!(u32, from)),
        DType::U64 => match Value::from(read!(u64, from)) {
            Value::Int(small) => zval.set_long(small),
            large => {
                let object = made(|| BigInt(large));
                let _ = ext_php_rs::convert::IntoZval::set_zval(object, &mut zval, false);
            }
        },
        DType::F32 => zval.set_double(read!(f32, from)),
        DType::F64 => zval.set_double(read!(f64, from)),
        DType::C64 => zval.set_hashtable(pair(read!(f32, from).into(), read!(f32, from + 4).into())),
        DType::C128 => zval.set_hashtable(pair(read!(f64, from), read!(f64, from + 8))),
    }
    zval
}

fn pair(real: f64, imaginary: f64) -> ext_php_rs::boxed::ZBox<ZendHashTable> {
    let mut table = ZendHashTable::with_capacity(2);
    let _ = table.push(real);
    let _ = table.push(imaginary);
    table
}

/// Returns the shape of the first items of nested lists; [`gather`] checks the others.
fn measure(items: &ZendHashTable, dtype: DType) -> Result<Vec<u64>> {
    let mut shape = vec![items.len() as u64];
    let mut first = Entries::new(items).next();
    while let Some(inner) = first.and_then(|(_, zval)| zval.array()) {
        if shape.len() > MAX_RANK {
            break;
        }
        shape.push(inner.len() as u64);
        first = Entries::new(inner).next();
    }
    // The innermost lists of two are complex numbers.
    if matches!(dtype, DType::C64 | DType::C128) && shape.last() == Some(&2) {
        shape.pop();
    }
    NdArrayRef::byte_length(dtype, &shape)?;
    Ok(shape)
}

fn gather(items: &ZendHashTable, dtype: DType, shape: &[u64], data: &mut Vec<u8>) -> Result<()> {
    let Some((length, rest)) = shape.split_first() else { return Ok(()) };
    if items.len() as u64 != *length {
        let text =
            format!("{} items where the others have {length}: every row has the same length", items.len());
        return Err(Error::new(ErrorKind::Malformed, text));
    }
    for (i, (_, item)) in Entries::new(items).enumerate() {
        let done = match (rest.is_empty(), item.array()) {
            (true, _) => write(item, dtype, data),
            (false, Some(inner)) => gather(inner, dtype, rest, data),
            (false, None) => {
                Err(Error::new(ErrorKind::WrongType, "a number stands where the others are lists"))
            }
        };
        done.map_err(|e| e.under_index(i))?;
    }
    Ok(())
}

fn write(item: &Zval, dtype: DType, data: &mut Vec<u8>) -> Result<()> {
    macro_rules! integer {
        ($number:ty) => {
            data.extend(<$number>::try_from(whole(item)?).map_err(|_| misfit(item, dtype))?.to_le_bytes())
        };
    }
    match dtype {
        DType::Bool => data.push(item.bool().ok_or_else(|| wrong(item, "a bool"))?.into()),
        DType::I8 => integer!(i8),
        DType::I16 => integer!(i16),
        DType::I32 => integer!(i32),
        DType::I64 => integer!(i64),
        DType::U8 => integer!(u8),
        DType::U16 => integer!(u16),
        DType::U32 => integer!(u32),
        DType::U64 => integer!(u64),
        DType::F32 => data.extend(single(item)?.to_le_bytes()),
        DType::F64 => data.extend(number(item)?.to_le_bytes()),
        DType::C64 | DType::C128 => {
            let parts =
                item.array().filter(|a| a.len() == 2).ok_or_else(|| wrong(item, "a list of two numbers"))?;
            for (_, part) in Entries::new(parts) {
                match dtype {
                    DType::C64 => data.extend(single(part)?.to_le_bytes()),
                    _ => data.extend(number(part)?.to_le_bytes()),
                }
            }
        }
    }
    Ok(())
}

fn whole(item: &Zval) -> Result<i128> {
    if let Some(n) = item.long() {
        return Ok(n.into());
    }
    let big = item.object().and_then(ZendClassObject::<BigInt>::from_zend_obj);
    match big.map(|b| &b.0) {
        Some(Value::Uint(n)) => Ok((*n).into()),
        Some(Value::Int(n)) => Ok((*n).into()),
        _ => Err(wrong(item, "an integer")),
    }
}

fn number(item: &Zval) -> Result<f64> {
    match (item.double(), item.long()) {
        (Some(v), _) => Ok(v),
        (None, Some(n)) => Value::Int(n).as_f64(),
        (None, None) => Err(wrong(item, "a number")),
    }
}

fn single(item: &Zval) -> Result<f32> {
    let wide = number(item)?;
    let narrow = wide as f32;
    if wide.is_finite() && !narrow.is_finite() { Err(misfit(item, DType::F32)) } else { Ok(narrow) }
}

#[cold]
fn wrong(item: &Zval, expected: &str) -> Error {
    let there = match item.dereference().get_type() {
        DataType::Null => "null",
        DataType::True | DataType::False | DataType::Bool => "a bool",
        DataType::Long => "an int",
        DataType::Double => "a float",
        DataType::String => "a string",
        DataType::Array => "an array",
        _ => "something else",
    };
    Error::new(ErrorKind::WrongType, format!("expected {expected}, found {there}"))
}

#[cold]
fn misfit(item: &Zval, dtype: DType) -> Error {
    let number = item.long().map(|n| n.to_string()).or_else(|| item.double().map(|v| format!("{v:?}")));
    let text = format!("{} does not fit {}", number.as_deref().unwrap_or("the number"), dtype.name());
    Error::new(ErrorKind::OutOfRange, text)
}
