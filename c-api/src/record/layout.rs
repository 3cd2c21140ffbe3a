//! The checked layout of a struct, read once from the C table. Offsets outside the struct are refused.

use std::ffi::c_char;

use linkspan::codec::{FlatKey, FlatRecord};
use linkspan::value::{Keys, NdArrayRef};
use linkspan::{DType, Encoding, Order, Result, Value, codec};

use super::access::Through;
use super::error::wrong_table;
use super::table::*;
use crate::argument::{block, c_text, items};
use crate::array::linkspan_array;
use crate::message::linkspan_message;

/// The size of a `linkspan_text`, `linkspan_bytes`, list or map: a pointer and a length.
pub(crate) const PAIR: usize = size_of::<*mut u8>() + size_of::<usize>();

/// More than any schema has.
const MAX_DEPTH: usize = 64;

pub(crate) struct Layout {
    /// The size of a value in bytes.
    pub size: usize,
    /// Whether a value can own memory.
    pub owns: bool,
    /// Whether there are maps or values of any type, in which a key may be repeated.
    pub has_maps: bool,
    /// Whether there are N-d arrays or values of any type.
    pub has_arrays: bool,
    /// Whether there are structs with defaults.
    pub has_defaults: bool,
    /// Whether functions of the program reach values or fields.
    pub is_reached: bool,
    /// The functions that reach the value, if the table cannot describe its layout.
    pub through: Option<Through>,
    pub kind: Kind,
}

pub(crate) enum Kind {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    Text,
    Bytes,
    Timestamp,
    Uuid,
    Decimal,
    Any,
    Enum(Vec<&'static str>),
    List(Box<Layout>),
    /// Booleans that functions read one by one.
    Bools,
    /// A boolean with another size than one byte, and its number for true.
    Logical(usize),
    /// Unsigned integers, each stored in a signed one of twice the size.
    WideU8,
    WideU16,
    WideU32,
    Map(Box<Entries>),
    Struct(Fields),
    /// The size of the variant's number in bytes; 0 if functions find the variant.
    Union(usize, Fields),
    Array {
        dtype: DType,
        order: Option<Order>,
        lengths: Option<Vec<u64>>,
    },
    Elements {
        dtype: DType,
        order: Order,
        lengths: Vec<u64>,
    },
}

pub(crate) struct Entries {
    /// The size of an entry, if entries are contiguous.
    pub size: usize,
    /// The offset and layout of the key in an entry; `None` for a `linkspan_text` at the beginning.
    pub key: Option<(usize, Layout)>,
    pub offset: usize,
    pub value: Layout,
}

pub(crate) struct Fields {
    pub all: Vec<Field>,
    /// Whether the struct is encoded as a flat record.
    pub is_flat: bool,
    /// Older keys, each with the position of its field.
    pub aliases: Vec<(&'static str, usize)>,
}

pub(crate) struct Field {
    pub key: &'static str,
    /// The key in a flat record, if the value has a flat form.
    pub flat_key: Option<FlatKey>,
    pub offset: usize,
    pub optional: bool,
    pub reach: Reach,
    pub default: Option<Value>,
    /// The number that unknown names of an enum get.
    pub unknown: Option<usize>,
    pub of: Layout,
}

/// How the presence of a field is stored.
pub(crate) enum Reach {
    There,
    /// The boolean at this offset.
    Flag(usize),
    /// Functions, which also return the address.
    Through(Through),
}

impl Fields {
    pub fn position(&self, key: &[u8]) -> Option<usize> {
        self.all.iter().position(|field| field.key.as_bytes() == key)
    }

    pub fn list(&self) -> String {
        self.all.iter().map(|field| field.key).collect::<Vec<_>>().join(", ")
    }
}

impl Layout {
    /// How keys are checked, because a map in a struct can repeat a key.
    pub fn keys(&self) -> Keys {
        if self.has_maps { Keys::Check } else { Keys::Trust }
    }

    /// # Safety
    /// The table and all its pointees are valid and unchanged while the program runs.
    pub unsafe fn read(record: &linkspan_record) -> Result<Layout> {
        if record.size != size_of::<linkspan_record>() {
            let text = format!("has {} bytes, {} are expected", record.size, size_of::<linkspan_record>());
            return Err(wrong_table(text));
        }
        // SAFETY: by contract.
        unsafe { Layout::of(record.of, 0) }
    }

    /// # Safety
    /// As for [`Layout::read`].
    unsafe fn of(of: *const linkspan_record_type, depth: usize) -> Result<Layout> {
        // SAFETY: by contract.
        let Some(of) = (unsafe { of.as_ref() }) else { return Err(wrong_table("names no type".into())) };
        if depth > MAX_DEPTH {
            return Err(wrong_table(format!("has types inside each other, more than {MAX_DEPTH}")));
        }
        // SAFETY: by contract.
        let inner = || unsafe { Layout::of(of.of, depth + 1) };
        // SAFETY: by contract.
        let fields = || unsafe { read_fields(of, depth) };
        // SAFETY: by contract.
        let lengths = || unsafe { read_lengths(of) };
        // SAFETY: by contract.
        let through = unsafe { Through::of(of.access, of.which) };
        let kind = match of.kind {
            LINKSPAN_RECORD_BOOL => Kind::Bool,
            LINKSPAN_RECORD_I8 => Kind::I8,
            LINKSPAN_RECORD_I16 => Kind::I16,
            LINKSPAN_RECORD_I32 => Kind::I32,
            LINKSPAN_RECORD_I64 => Kind::I64,
            LINKSPAN_RECORD_U8 if of.size == 2 => Kind::WideU8,
            LINKSPAN_RECORD_U8 => Kind::U8,
            LINKSPAN_RECORD_U16 if of.size == 4 => Kind::WideU16,
            LINKSPAN_RECORD_U16 => Kind::U16,
            LINKSPAN_RECORD_U32 if of.size == 8 => Kind::WideU32,
            LINKSPAN_RECORD_U32 => Kind::U32,
            LINKSPAN_RECORD_U64 => Kind::U64,
            LINKSPAN_RECORD_F32 => Kind::F32,
            LINKSPAN_RECORD_F64 => Kind::F64,
            LINKSPAN_RECORD_TEXT => Kind::Text,
            LINKSPAN_RECORD_BYTES => Kind::Bytes,
            LINKSPAN_RECORD_TIMESTAMP => Kind::Timestamp,
            LINKSPAN_RECORD_UUID => Kind::Uuid,
            LINKSPAN_RECORD_DECIMAL => Kind::Decimal,
            LINKSPAN_RECORD_ANY => Kind::Any,
            // SAFETY: by contract.
            LINKSPAN_RECORD_ENUM => Kind::Enum(unsafe { read_names(of.names, Some(of.count)) }?),
            LINKSPAN_RECORD_BOOLS => Kind::Bools,
            LINKSPAN_RECORD_LOGICAL => Kind::Logical(of.count),
            LINKSPAN_RECORD_LIST => {
                let items = inner()?;
                holds(of.item_size, 0, items.size, "an item of a list")?;
                if items.size != of.item_size || items.size == 0 {
                    return Err(wrong_table(
                        "has a list whose items have another size than their type".into(),
                    ));
                }
                Kind::List(Box::new(items))
            }
            LINKSPAN_RECORD_MAP => {
                // SAFETY: by contract.
                Kind::Map(Box::new(unsafe { read_entries(of, depth) }?))
            }
            LINKSPAN_RECORD_STRUCT => Kind::Struct(fields()?),
            LINKSPAN_RECORD_UNION => {
                let fields = fields()?;
                holds(of.size, 0, of.kind_size, "what says which variant there is")?;
                let is_found = of.kind_size == 0
                    && fields.all.iter().all(|field| matches!(field.reach, Reach::Through(_)));
                if !is_found && !matches!(of.kind_size, 1 | 2 | 4 | 8) {
                    return Err(wrong_table(format!("has an enum of {} bytes", of.kind_size)));
                }
                Kind::Union(of.kind_size, fields)
            }
            LINKSPAN_RECORD_ARRAY => {
                let order = match of.order {
                    0 => Some(Order::Row),
                    1 => Some(Order::Column),
                    _ => None,
                };
                Kind::Array { dtype: dtype(of)?, order, lengths: lengths()? }
            }
            LINKSPAN_RECORD_ELEMENTS => {
                let order = if of.order == 1 { Order::Column } else { Order::Row };
                Kind::Elements { dtype: dtype(of)?, order, lengths: lengths()?.unwrap_or_default() }
            }
            other => {
                return Err(wrong_table(format!(
                    "has a type of kind {other}, which this library does not know"
                )));
            }
        };
        if through.is_none() && matches!(kind, Kind::Bools) {
            return Err(wrong_table("has a list of truth values that no function reaches".into()));
        }
        // The program gives the size of values that functions reach.
        let size = if through.is_some() { of.size } else { kind.size(of)? };
        if size != of.size {
            let text = format!("has a value of {} bytes, where its kind {} takes {size}", of.size, of.kind);
            return Err(wrong_table(text));
        }
        let any = |what: fn(&Layout) -> bool| match &kind {
            Kind::List(of) => what(of),
            Kind::Map(entries) => what(&entries.value),
            Kind::Struct(fields) | Kind::Union(_, fields) => fields.all.iter().any(|field| what(&field.of)),
            _ => false,
        };
        let owns = through.is_none()
            && matches!(
                kind,
                Kind::Text
                    | Kind::Bytes
                    | Kind::Decimal
                    | Kind::Any
                    | Kind::List(_)
                    | Kind::Map(..)
                    | Kind::Array { .. }
            );
        let is_array = matches!(kind, Kind::Array { .. } | Kind::Elements { .. } | Kind::Any);
        let has_defaults = match &kind {
            Kind::Struct(fields) => {
                fields.all.iter().any(|field| field.default.is_some() || field.of.has_defaults)
            }
            _ => false,
        };
        let is_reached = through.is_some()
            || any(|of| of.is_reached)
            || match &kind {
                Kind::Map(entries) => entries.key.is_some(),
                Kind::Struct(fields) | Kind::Union(_, fields) => {
                    fields.all.iter().any(|field| matches!(field.reach, Reach::Through(_)))
                }
                _ => false,
            };
        Ok(Layout {
            has_defaults,
            size,
            is_reached,
            through,
            owns: owns || any(|of| of.owns),
            has_maps: matches!(kind, Kind::Map(..) | Kind::Any) || any(|of| of.has_maps),
            has_arrays: is_array || any(|of| of.has_arrays),
            kind,
        })
    }
}

impl Kind {
    /// Returns the size that a value of this kind must have, in bytes.
    fn size(&self, of: &linkspan_record_type) -> Result<usize> {
        Ok(match self {
            Kind::Bool | Kind::I8 | Kind::U8 => 1,
            Kind::I16 | Kind::U16 | Kind::WideU8 => 2,
            Kind::I32 | Kind::U32 | Kind::F32 | Kind::WideU16 => 4,
            Kind::I64 | Kind::U64 | Kind::F64 | Kind::Timestamp | Kind::WideU32 => 8,
            Kind::Uuid => 16,
            Kind::Any => size_of::<*mut linkspan_message>(),
            Kind::Text | Kind::Bytes | Kind::Decimal | Kind::List(_) | Kind::Map(_) => PAIR,
            Kind::Array { .. } => size_of::<linkspan_array>(),
            Kind::Elements { dtype, lengths, .. } => NdArrayRef::byte_length(*dtype, lengths)? as usize,
            Kind::Enum(_) | Kind::Logical(_) if !matches!(of.size, 1 | 2 | 4 | 8) => {
                return Err(wrong_table(format!("has an enum or a truth value of {} bytes", of.size)));
            }
            // The compiler gives their size, and all fields were checked to lie inside.
            Kind::Enum(_) | Kind::Logical(_) | Kind::Struct(_) | Kind::Union(..) | Kind::Bools => of.size,
        })
    }
}

fn holds(whole: usize, at: usize, size: usize, what: &str) -> Result<()> {
    match at.checked_add(size) {
        Some(end) if end <= whole => Ok(()),
        _ => Err(wrong_table(format!("has {what} of {size} bytes at {at}, in {whole} bytes"))),
    }
}

fn dtype(of: &linkspan_record_type) -> Result<DType> {
    let dtype = usize::try_from(of.dtype).ok().and_then(|n| DType::ALL.get(n)).copied();
    dtype.ok_or_else(|| wrong_table(format!("has an array of dtype {}, which there is not", of.dtype)))
}

/// # Safety
/// As for [`Layout::read`].
unsafe fn read_lengths(of: &linkspan_record_type) -> Result<Option<Vec<u64>>> {
    let Ok(rank) = usize::try_from(of.rank) else { return Ok(None) };
    if rank > NdArrayRef::MAX_RANK {
        return Err(wrong_table(format!("has an array of {rank} dimensions")));
    }
    // SAFETY: this many, by contract.
    Ok(Some(unsafe { items(of.dims, rank, "the lengths of an array") }?.to_vec()))
}

/// Reads `count` texts, or all before a NULL.
///
/// # Safety
/// As for [`Layout::read`].
unsafe fn read_names(names: *const *const c_char, count: Option<usize>) -> Result<Vec<&'static str>> {
    let mut before_null = 0;
    // SAFETY: by contract, a NULL follows the last name of a list without a count.
    while count.is_none() && !names.is_null() && unsafe { !(*names.add(before_null)).is_null() } {
        before_null += 1;
    }
    // SAFETY: by contract.
    unsafe {
        let names = items(names, count.unwrap_or(before_null), "the names in the table of a record")?;
        names.iter().map(|name| c_text(*name, "a name in the table of a record")).collect()
    }
}

/// An entry is a `linkspan_text` and a value, or two fields, the first a text that functions reach.
///
/// # Safety
/// As for [`Layout::read`].
unsafe fn read_entries(of: &linkspan_record_type, depth: usize) -> Result<Entries> {
    let size = of.item_size;
    if of.fields.is_null() {
        // SAFETY: by contract.
        let value = unsafe { Layout::of(of.of, depth + 1) }?;
        // Inserted entries have addresses of the program.
        if of.access.is_null() {
            holds(size, PAIR, value.size, "the value of an entry")?;
        }
        return Ok(Entries { size, key: None, offset: PAIR, value });
    }
    let entry = linkspan_record_type { size, ..*of };
    // SAFETY: by contract.
    let fields = unsafe { read_fields(&entry, depth) }?.all;
    match <[Field; 2]>::try_from(fields) {
        Ok([key, value]) if matches!(key.of.kind, Kind::Text) && key.of.through.is_some() => {
            Ok(Entries { size, key: Some((key.offset, key.of)), offset: value.offset, value: value.of })
        }
        _ => Err(wrong_table("has a map whose entries are no key and value".into())),
    }
}

fn flat_key(key: &str, kind: &Kind) -> Option<FlatKey> {
    let has_form = matches!(
        kind,
        Kind::Bool
            | Kind::I8
            | Kind::I16
            | Kind::I32
            | Kind::I64
            | Kind::U8
            | Kind::U16
            | Kind::U32
            | Kind::U64
            | Kind::WideU8
            | Kind::WideU16
            | Kind::WideU32
            | Kind::Logical(_)
            | Kind::F32
            | Kind::F64
            | Kind::Text
            | Kind::Bytes
            | Kind::Timestamp
            | Kind::Enum(_)
    );
    if has_form { FlatKey::new(key) } else { None }
}

/// # Safety
/// As for [`Layout::read`].
unsafe fn read_fields(of: &linkspan_record_type, depth: usize) -> Result<Fields> {
    let mut fields = Fields { all: Vec::new(), is_flat: false, aliases: Vec::new() };
    // SAFETY: this many fields, by contract.
    let given = unsafe { items(of.fields, of.count, "the fields of a record") }?;
    for (position, field) in given.iter().enumerate() {
        // SAFETY: by contract.
        let layout = unsafe { Layout::of(field.of, depth + 1) }?;
        // SAFETY: by contract.
        let key = unsafe { c_text(field.key, "a key in the table of a record") }?;
        // SAFETY: by contract.
        let reach = match unsafe { Through::of(field.access, field.which) } {
            Some(through) => Reach::Through(through),
            None if field.optional => Reach::Flag(field.presence),
            None => Reach::There,
        };
        // Functions return the address of a value; other values lie within the struct.
        let length = if let Reach::Through(_) = reach { 0 } else { layout.size };
        holds(of.size, field.offset, length, &format!("the field {key}"))?;
        if let Reach::Flag(presence) = reach {
            holds(of.size, presence, 1, &format!("what says whether {key} is there"))?;
        }
        // SAFETY: by contract.
        let default = match unsafe { block(field.default_value, field.default_length, "a default") }? {
            [] => None,
            bytes => Some(codec::decode(bytes, Encoding::Cbor)?),
        };
        let unknown = match (&layout.kind, &default) {
            (Kind::Enum(names), Some(Value::Text(name))) => names.iter().position(|known| known == name),
            _ => None,
        };
        // SAFETY: by contract.
        let aliases = unsafe { read_names(field.aliases, None) }?;
        fields.aliases.extend(aliases.into_iter().map(|alias| (alias, position)));
        let (offset, optional) = (field.offset, field.optional);
        let flat_key = flat_key(key, &layout.kind);
        fields.all.push(Field { key, flat_key, offset, optional, reach, default, unknown, of: layout });
    }
    fields.is_flat = fields.all.len() <= FlatRecord::MOST_ENTRIES.into()
        && fields.all.iter().all(|field| field.flat_key.is_some());
    Ok(fields)
}
