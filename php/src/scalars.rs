//! The value classes besides arrays: `Bytes`, `Timestamp`, `BigInt`, `Decimal`, `Uuid`.

use base64::Engine;
use ext_php_rs::convert::{FromZval, IntoZval};
use ext_php_rs::flags::DataType;
use ext_php_rs::prelude::*;
use ext_php_rs::types::{ZendHashTable, ZendObject, ZendStr, Zval};
use ext_php_rs::zend::ce;
use linkspan::{Error, ErrorKind, Result, Value};

use crate::call::call_php;
use crate::date_time::timestamp_of;
use crate::edge::{PhpResult, edge};
use crate::room::{Size, within_limit};
use crate::zend::{self, Made, made, try_made};

/// A string that PHP owns; any bytes.
pub struct Text(pub ext_php_rs::boxed::ZBox<ZendStr>);

impl Text {
    /// Copies a few bytes to PHP. PHP allocates, so a PHP object or the stack must own them.
    pub fn of(bytes: impl AsRef<[u8]>) -> Text {
        Text(ZendStr::new(bytes, false))
    }

    /// An error beyond memory_limit, which would end the script.
    pub fn within_limit(bytes: impl AsRef<[u8]>) -> Result<Text> {
        let length = bytes.as_ref().len();
        let refused = |length, left| {
            format!(
                "the string has {length} bytes and memory_limit leaves {left}: raise it, or take a part, such as $array[0]"
            )
        };
        within_limit(Size::Bytes(length), || length, refused, || Text::of(bytes))
    }

    pub fn into_value(self) -> Zval {
        let mut zval = Zval::new();
        zval.set_zend_string(self.0);
        zval
    }

    /// Returns the text of a short value, at most 64 bytes, without Rust memory.
    fn short(value: impl std::fmt::Display) -> Text {
        use std::io::Write;
        let mut room = [0u8; 64];
        let mut rest = &mut room[..];
        // The buffer cuts a longer text instead of overflowing.
        let _ = write!(rest, "{value}");
        let left = rest.len();
        Text::of(&room[..64 - left])
    }
}

impl IntoZval for Text {
    const TYPE: DataType = DataType::String;
    const NULLABLE: bool = false;

    fn set_zval(self, zval: &mut Zval, _: bool) -> ext_php_rs::error::Result<()> {
        zval.set_zend_string(self.0);
        Ok(())
    }
}

/// A string argument with any bytes.
pub struct AnyString<'a>(pub &'a [u8]);

impl<'a> FromZval<'a> for AnyString<'a> {
    const TYPE: DataType = DataType::String;

    fn from_zval(zval: &'a Zval) -> Option<Self> {
        zval.zend_str().map(|s| AnyString(s.as_bytes()))
    }
}

pub struct DateTime<'a>(&'a ZendObject);

impl<'a> FromZval<'a> for DateTime<'a> {
    const TYPE: DataType = DataType::object("DateTimeInterface");

    fn from_zval(zval: &'a Zval) -> Option<Self> {
        zval.object().filter(|o| o.instance_of(zend::date_time_interface())).map(DateTime)
    }
}

pub struct DateTimeImmutable(Zval);

impl IntoZval for DateTimeImmutable {
    const TYPE: DataType = DataType::object("DateTimeImmutable");
    const NULLABLE: bool = false;

    fn set_zval(self, zval: &mut Zval, _: bool) -> ext_php_rs::error::Result<()> {
        *zval = self.0;
        Ok(())
    }
}

/// The property with this name from the output of `var_export`, for `__set_state`.
pub fn exported<'a, T>(
    properties: &'a ZendHashTable,
    name: &str,
    read: impl FnOnce(&'a Zval) -> Option<T>,
) -> linkspan::Result<T> {
    properties.get(name).and_then(read).ok_or_else(|| {
        let text =
            format!("__set_state accepts what var_export wrote: there is no property {name} of its type");
        Error::new(ErrorKind::WrongType, text).under_key(name)
    })
}

#[php_class]
#[php(name = "Linkspan\\Bytes", flags = zend::FINAL)]
#[php(implements(ce = ce::countable, stub = "\\Countable"))]
#[php(implements(ce = zend::json_serializable, stub = "\\JsonSerializable"))]
#[derive(Clone)]
pub struct Bytes(bytes::Bytes);

impl Bytes {
    pub fn new(bytes: bytes::Bytes) -> Bytes {
        Bytes(bytes)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[php_impl]
impl Bytes {
    pub fn __construct(data: AnyString<'_>) -> PhpResult<Self> {
        edge(|| linkspan::copy_bytes(data.0).map(|copy| Bytes(copy.into())))
    }
    #[php(name = "__set_state")]
    pub fn set_state(properties: &ZendHashTable) -> PhpResult<Made<Bytes>> {
        edge(|| {
            let data = exported(properties, "data", |zval| zval.zend_str())?;
            try_made(|| linkspan::copy_bytes(data.as_bytes()).map(|copy| Bytes(copy.into())))
        })
    }
    #[php(getter)]
    pub fn get_data(&self) -> PhpResult<Text> {
        edge(|| Text::within_limit(&self.0))
    }
    pub fn count(&self) -> i64 {
        self.0.len() as i64
    }
    pub fn __to_string(&self) -> PhpResult<Text> {
        edge(|| Text::within_limit(&self.0))
    }
    pub fn json_serialize(&self) -> PhpResult<Zval> {
        edge(|| base64_of(&self.0))
    }
}

pub fn base64_of(bytes: &[u8]) -> Result<Zval> {
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    Text::within_limit(ext_php_rs::zend::BailoutGuard::new(text).as_bytes()).map(Text::into_value)
}

#[php_class]
#[php(name = "Linkspan\\Timestamp", flags = zend::FINAL)]
#[php(implements(ce = zend::json_serializable, stub = "\\JsonSerializable"))]
#[derive(Clone)]
pub struct Timestamp(pub linkspan::Timestamp);

#[php_impl]
impl Timestamp {
    pub fn __construct(nanoseconds: i64) -> Self {
        Timestamp(linkspan::Timestamp(nanoseconds))
    }
    #[php(name = "__set_state")]
    pub fn set_state(properties: &ZendHashTable) -> PhpResult<Made<Timestamp>> {
        edge(|| {
            let nanoseconds = exported(properties, "nanoseconds", Zval::long)?;
            Ok(made(|| Timestamp(linkspan::Timestamp(nanoseconds))))
        })
    }
    pub fn now() -> Made<Timestamp> {
        made(|| Timestamp(linkspan::Timestamp::now()))
    }
    pub fn parse(text: &str) -> PhpResult<Made<Timestamp>> {
        edge(|| text.parse().map(|at| made(|| Timestamp(at))))
    }
    pub fn from_date_time(time: DateTime<'_>) -> PhpResult<Made<Timestamp>> {
        edge(|| timestamp_of(time.0).map(|at| made(|| Timestamp(at))))
    }
    #[php(getter)]
    pub fn get_nanoseconds(&self) -> i64 {
        self.0.nanoseconds()
    }
    #[php(getter)]
    pub fn get_seconds(&self) -> f64 {
        let (seconds, nanoseconds) = self.0.parts();
        seconds as f64 + f64::from(nanoseconds) / 1e9
    }
    pub fn to_date_time(&self) -> PhpResult<DateTimeImmutable> {
        edge(|| {
            let (seconds, nanoseconds) = self.0.parts();
            call_php(|| {
                let text = Text::short(format_args!("{seconds}.{:06}", nanoseconds / 1000));
                let arguments: [Zval; 2] =
                    [Text::of("U.u"), text].map(|t| t.into_zval(false).unwrap_or_default());
                let mut answer = Zval::new();
                if let Some(class) = ext_php_rs::zend::ClassEntry::try_find("DateTimeImmutable") {
                    // SAFETY: the function comes from the class's own table and is static.
                    unsafe {
                        let function = ext_php_rs::ffi::zend_hash_str_find_ptr_lc(
                            &raw const class.function_table,
                            c"createfromformat".as_ptr(),
                            16,
                        );
                        ext_php_rs::ffi::zend_call_known_function(
                            function.cast(),
                            std::ptr::null_mut(),
                            std::ptr::from_ref(class).cast_mut(),
                            &raw mut answer,
                            2,
                            arguments.as_ptr().cast_mut(),
                            std::ptr::null_mut(),
                        );
                    }
                }
                DateTimeImmutable(answer)
            })
        })
    }
    pub fn __to_string(&self) -> Text {
        Text::short(self.0)
    }
    pub fn json_serialize(&self) -> Zval {
        Text::short(self.0).into_zval(false).unwrap_or_default()
    }
}

#[php_class]
#[php(name = "Linkspan\\BigInt", flags = zend::FINAL)]
#[php(implements(ce = zend::json_serializable, stub = "\\JsonSerializable"))]
#[derive(Clone)]
pub struct BigInt(pub Value);

impl BigInt {
    fn text(&self) -> Result<Text> {
        Ok(match &self.0 {
            Value::Int(v) => Text::short(v),
            Value::Uint(v) => Text::short(v),
            Value::BigInt(v) => {
                Text::within_limit(ext_php_rs::zend::BailoutGuard::new(v.to_string()).as_bytes())?
            }
            _ => Text::of(""),
        })
    }
}

#[php_impl]
impl BigInt {
    pub fn __construct(text: &str) -> PhpResult<Self> {
        edge(|| linkspan::BigInt::parse(text).map(BigInt))
    }
    #[php(name = "__set_state")]
    pub fn set_state(properties: &ZendHashTable) -> PhpResult<Made<BigInt>> {
        edge(|| {
            let text = exported(properties, "text", Zval::str)?;
            try_made(|| linkspan::BigInt::parse(text).map(BigInt))
        })
    }
    #[php(getter)]
    pub fn get_text(&self) -> PhpResult<Text> {
        edge(|| self.text())
    }
    pub fn __to_string(&self) -> PhpResult<Text> {
        edge(|| self.text())
    }
    pub fn json_serialize(&self) -> PhpResult<Zval> {
        edge(|| self.text().map(Text::into_value))
    }
}

#[php_class]
#[php(name = "Linkspan\\Decimal", flags = zend::FINAL)]
#[php(implements(ce = zend::json_serializable, stub = "\\JsonSerializable"))]
#[derive(Clone)]
pub struct Decimal(pub linkspan::Decimal);

#[php_impl]
impl Decimal {
    pub fn __construct(text: &str) -> PhpResult<Self> {
        edge(|| text.parse().map(Decimal))
    }
    #[php(name = "__set_state")]
    pub fn set_state(properties: &ZendHashTable) -> PhpResult<Made<Decimal>> {
        edge(|| {
            let text = exported(properties, "text", Zval::str)?;
            try_made(|| text.parse().map(Decimal))
        })
    }
    #[php(getter)]
    pub fn get_text(&self) -> PhpResult<Text> {
        edge(|| Text::within_limit(self.0.as_str()))
    }
    pub fn __to_string(&self) -> PhpResult<Text> {
        edge(|| Text::within_limit(self.0.as_str()))
    }
    pub fn json_serialize(&self) -> PhpResult<Zval> {
        edge(|| Text::within_limit(self.0.as_str()).map(Text::into_value))
    }
}

#[php_class]
#[php(name = "Linkspan\\Uuid", flags = zend::FINAL)]
#[php(implements(ce = zend::json_serializable, stub = "\\JsonSerializable"))]
#[derive(Clone)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    fn text(&self) -> Text {
        let hex = |at: usize| u128::from_be_bytes(self.0) >> (128 - at) & 0xffff_ffff_ffff;
        Text::short(format_args!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            hex(32) & 0xffff_ffff,
            hex(48) & 0xffff,
            hex(64) & 0xffff,
            hex(80) & 0xffff,
            hex(128)
        ))
    }

    fn parse(text: &str) -> linkspan::Result<Uuid> {
        Uuid::read(text).ok_or_else(|| {
            let example = "01234567-89ab-cdef-0123-456789abcdef";
            Error::new(ErrorKind::Malformed, format!("{text:?} is not a UUID such as {example}"))
        })
    }

    fn read(text: &str) -> Option<Uuid> {
        let hyphens = [8, 13, 18, 23];
        let shaped = text.len() == 36
            && text
                .bytes()
                .enumerate()
                .all(|(i, c)| if hyphens.contains(&i) { c == b'-' } else { c.is_ascii_hexdigit() });
        let number = shaped.then(|| u128::from_str_radix(&text.replace('-', ""), 16).ok()).flatten()?;
        Some(Uuid(number.to_be_bytes()))
    }
}

#[php_impl]
impl Uuid {
    pub fn __construct(text: &str) -> PhpResult<Self> {
        edge(|| Uuid::parse(text))
    }
    #[php(name = "__set_state")]
    pub fn set_state(properties: &ZendHashTable) -> PhpResult<Made<Uuid>> {
        edge(|| {
            let uuid = Uuid::parse(exported(properties, "text", Zval::str)?)?;
            Ok(made(|| uuid))
        })
    }
    pub fn from_bytes(bytes: AnyString<'_>) -> PhpResult<Made<Uuid>> {
        edge(|| match <[u8; 16]>::try_from(bytes.0) {
            Ok(bytes) => Ok(made(|| Uuid(bytes))),
            Err(_) => Err(Error::new(
                ErrorKind::Malformed,
                format!("a UUID has 16 bytes, here are {}", bytes.0.len()),
            )),
        })
    }
    #[php(getter)]
    pub fn get_text(&self) -> Text {
        self.text()
    }
    pub fn to_bytes(&self) -> Text {
        Text::of(self.0)
    }
    pub fn __to_string(&self) -> Text {
        self.text()
    }
    pub fn json_serialize(&self) -> Zval {
        self.text().into_zval(false).unwrap_or_default()
    }
}
