//! The table of a struct as it is used: read once from what C wrote, with all that would lead out of the struct refused.

use std::ffi::c_char;

use linkspan::value::NdArrayRef;
use linkspan::{DType, Encoding, Order, Result, Value, codec};

use super::*;
use crate::argument::{block, c_text};
use crate::array::linkspan_array;

/// The bytes of a `linkspan_text` or `linkspan_bytes`, and of a list or map: a pointer and a length.
pub(crate) const PAIR: usize = size_of::<*mut u8>() + size_of::<usize>();

/// Types inside each other: more than any schema has.
const MAX_DEPTH: usize = 64;

/// How the values of one type lie in memory.
pub(crate) struct Layout {
    /// The bytes that a value takes.
    pub size: usize,
    /// Whether a value can own memory.
    pub owns: bool,
    /// Whether there are maps, or values of any kind, in which a key may come twice.
    pub has_maps: bool,
    /// Whether there are N-d arrays, or values of any kind.
    pub has_arrays: bool,
    /// Whether there are structs with defaults.
    pub has_defaults: bool,
    pub kind: Kind,
}

/// What a value is.
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
    /// Values behind a `linkspan_text`, in entries of so many bytes.
    Map(usize, Box<Layout>),
    Struct(Fields),
    /// The bytes of the number that says which field there is.
    Union(usize, Fields),
    Array {
        dtype: DType,
        order: Option<Order>,
        lengths: Option<Vec<u64>>,
    },
    Elements {
        dtype: DType,
        lengths: Vec<u64>,
    },
}

/// The fields of a struct, or the variants of a union.
pub(crate) struct Fields {
    pub all: Vec<Field>,
    /// Older keys, each with the position of its field.
    pub aliases: Vec<(&'static str, usize)>,
}

pub(crate) struct Field {
    pub key: &'static str,
    pub offset: usize,
    /// Where the truth value lies that says whether an optional field is there.
    pub presence: Option<usize>,
    pub default: Option<Value>,
    /// The number of an enum's value that stands for names which are not known.
    pub unknown: Option<usize>,
    pub of: Layout,
}

impl Fields {
    /// The position of a field.
    pub fn position(&self, key: &[u8]) -> Option<usize> {
        self.all.iter().position(|field| field.key.as_bytes() == key)
    }

    /// The keys, for an error.
    pub fn list(&self) -> String {
        self.all.iter().map(|field| field.key).collect::<Vec<_>>().join(", ")
    }
}

impl Layout {
    /// Reads a table.
    ///
    /// # Safety
    /// The table and all that it points to stay, unchanged, as long as the program runs.
    pub unsafe fn read(record: &linkspan_record) -> Result<Layout> {
        if record.size != size_of::<linkspan_record>() {
            let text = format!("has {} bytes, {} are expected", record.size, size_of::<linkspan_record>());
            return Err(wrong_table(text));
        }
        // SAFETY: as the caller promises.
        unsafe { Layout::of(record.of, 0) }
    }

    /// # Safety
    /// As for [`Layout::read`].
    unsafe fn of(of: *const linkspan_record_type, depth: usize) -> Result<Layout> {
        // SAFETY: as the caller promises.
        let Some(of) = (unsafe { of.as_ref() }) else { return Err(wrong_table("names no type".into())) };
        if depth > MAX_DEPTH {
            return Err(wrong_table(format!("has types inside each other, more than {MAX_DEPTH}")));
        }
        // SAFETY: as the caller promises.
        let inner = || unsafe { Layout::of(of.of, depth + 1) };
        // SAFETY: as the caller promises.
        let fields = || unsafe { read_fields(of, depth) };
        // SAFETY: as the caller promises.
        let lengths = || unsafe { read_lengths(of) };
        let kind = match of.kind {
            LINKSPAN_RECORD_BOOL => Kind::Bool,
            LINKSPAN_RECORD_I8 => Kind::I8,
            LINKSPAN_RECORD_I16 => Kind::I16,
            LINKSPAN_RECORD_I32 => Kind::I32,
            LINKSPAN_RECORD_I64 => Kind::I64,
            LINKSPAN_RECORD_U8 => Kind::U8,
            LINKSPAN_RECORD_U16 => Kind::U16,
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
            // SAFETY: as the caller promises.
            LINKSPAN_RECORD_ENUM => Kind::Enum(unsafe { read_names(of.names, Some(of.count)) }?),
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
                let values = inner()?;
                holds(of.item_size, PAIR, values.size, "the value of an entry")?;
                Kind::Map(of.item_size, Box::new(values))
            }
            LINKSPAN_RECORD_STRUCT => Kind::Struct(fields()?),
            LINKSPAN_RECORD_UNION => {
                holds(of.size, 0, of.kind_size, "what says which variant there is")?;
                if !matches!(of.kind_size, 1 | 2 | 4 | 8) {
                    return Err(wrong_table(format!("has an enum of {} bytes", of.kind_size)));
                }
                Kind::Union(of.kind_size, fields()?)
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
                Kind::Elements { dtype: dtype(of)?, lengths: lengths()?.unwrap_or_default() }
            }
            other => {
                return Err(wrong_table(format!(
                    "has a type of kind {other}, which this library does not know"
                )));
            }
        };
        let size = kind.size(of)?;
        if size != of.size {
            let text = format!("has a value of {} bytes, where its kind {} takes {size}", of.size, of.kind);
            return Err(wrong_table(text));
        }
        let any = |what: fn(&Layout) -> bool| match &kind {
            Kind::List(of) | Kind::Map(_, of) => what(of),
            Kind::Struct(fields) | Kind::Union(_, fields) => fields.all.iter().any(|field| what(&field.of)),
            _ => false,
        };
        let owns = matches!(
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
        Ok(Layout {
            has_defaults,
            size,
            owns: owns || any(|of| of.owns),
            has_maps: matches!(kind, Kind::Map(..) | Kind::Any) || any(|of| of.has_maps),
            has_arrays: is_array || any(|of| of.has_arrays),
            kind,
        })
    }
}

impl Kind {
    /// The bytes that a value of this kind has to take.
    fn size(&self, of: &linkspan_record_type) -> Result<usize> {
        Ok(match self {
            Kind::Bool | Kind::I8 | Kind::U8 => 1,
            Kind::I16 | Kind::U16 => 2,
            Kind::I32 | Kind::U32 | Kind::F32 => 4,
            Kind::I64 | Kind::U64 | Kind::F64 | Kind::Timestamp => 8,
            Kind::Uuid => 16,
            Kind::Any => size_of::<*mut linkspan_message>(),
            Kind::Text | Kind::Bytes | Kind::Decimal | Kind::List(_) | Kind::Map(..) => PAIR,
            Kind::Array { .. } => size_of::<linkspan_array>(),
            Kind::Elements { dtype, lengths } => NdArrayRef::byte_length(*dtype, lengths)? as usize,
            Kind::Enum(_) if !matches!(of.size, 1 | 2 | 4 | 8) => {
                return Err(wrong_table(format!("has an enum of {} bytes", of.size)));
            }
            // The compiler says how long these are; that all fields lie inside was looked at.
            Kind::Enum(_) | Kind::Struct(_) | Kind::Union(..) => of.size,
        })
    }
}

/// Refuses a part that does not lie inside of the whole.
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
    if rank == 0 {
        return Ok(Some(Vec::new()));
    }
    if of.dims.is_null() {
        return Err(is_null("the lengths of an array"));
    }
    // SAFETY: not NULL; the caller promises so many.
    Ok(Some(unsafe { std::slice::from_raw_parts(of.dims, rank) }.to_vec()))
}

/// Texts: so many, or all before a NULL.
///
/// # Safety
/// As for [`Layout::read`].
unsafe fn read_names(names: *const *const c_char, count: Option<usize>) -> Result<Vec<&'static str>> {
    let mut all = Vec::new();
    if names.is_null() {
        return Ok(all);
    }
    loop {
        if count == Some(all.len()) {
            return Ok(all);
        }
        // SAFETY: as the caller promises; there are so many, or there is a NULL behind the last one.
        let name = unsafe { *names.add(all.len()) };
        if name.is_null() && count.is_none() {
            return Ok(all);
        }
        // SAFETY: as the caller promises.
        all.push(unsafe { c_text(name, "a name in the table of a record") }?);
    }
}

/// # Safety
/// As for [`Layout::read`].
unsafe fn read_fields(of: &linkspan_record_type, depth: usize) -> Result<Fields> {
    let mut fields = Fields { all: Vec::new(), aliases: Vec::new() };
    if of.count > 0 && of.fields.is_null() {
        return Err(is_null("the fields of a record"));
    }
    for position in 0..of.count {
        // SAFETY: the caller promises so many fields.
        let field = unsafe { &*of.fields.add(position) };
        // SAFETY: as the caller promises.
        let layout = unsafe { Layout::of(field.of, depth + 1) }?;
        // SAFETY: as the caller promises.
        let key = unsafe { c_text(field.key, "a key in the table of a record") }?;
        holds(of.size, field.offset, layout.size, &format!("the field {key}"))?;
        if field.optional {
            holds(of.size, field.presence, 1, &format!("what says whether {key} is there"))?;
        }
        // SAFETY: as the caller promises.
        let default = match unsafe { block(field.default_value, field.default_length, "a default") }? {
            [] => None,
            bytes => Some(codec::decode(bytes, Encoding::Cbor)?),
        };
        let unknown = match (&layout.kind, &default) {
            (Kind::Enum(names), Some(Value::Text(name))) => names.iter().position(|known| known == name),
            _ => None,
        };
        // SAFETY: as the caller promises.
        let aliases = unsafe { read_names(field.aliases, None) }?;
        fields.aliases.extend(aliases.into_iter().map(|alias| (alias, position)));
        let presence = field.optional.then_some(field.presence);
        fields.all.push(Field { key, offset: field.offset, presence, default, unknown, of: layout });
    }
    Ok(fields)
}
