//! Packed records in Rust: a struct with the message's layout, and safe `pack` and `unpack`.

use linkspan::schema::{Kind, Layout, Length, PackedField};
use linkspan::value::{DType, Order};

use super::generator::Rust;
use super::words::{from_word, padded, read_whole, words};
use crate::generate::plan::{Definition, Member, Shape, Slot, TypeDef};
use crate::generate::{Text, describe, packed};

/// The functions before the types in a file of packed records.
const FUNCTIONS: &str = "/// The bytes of a field.
#[inline]
fn part<const N: usize>(bytes: &[u8; SIZE], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

/// Checks truth values.
#[inline]
fn truth(bytes: &[u8], path: &str) -> linkspan::Result<()> {
    bytes.iter().find(|byte| **byte > 1).map_or(Ok(()), |byte| Err(refused(path, \"bool\", format_args!(\"byte {byte}\"))))
}

/// Checks the number of an enum value.
#[inline]
fn number<E: typed::Enumeration>(number: u32, path: &str) -> linkspan::Result<()> {
    if (number as usize) < E::NAMES.len() {
        return Ok(());
    }
    Err(refused(path, &format!(\"one of {}\", E::NAMES.join(\", \")), format_args!(\"number {number}\")))
}

#[cold]
fn refused(path: &str, expected: &str, found: std::fmt::Arguments<'_>) -> linkspan::Error {
    let text = format!(\"{expected} is expected, the {found} was found\");
    linkspan::Error::new(linkspan::ErrorKind::OutOfRange, text).with_path(path)
}

/// The error for a wrong number of bytes.
#[cold]
fn other_size(found: usize) -> linkspan::Error {
    let text = format!(\"{SIZE} packed bytes are expected, {found} were found\");
    linkspan::Error::new(linkspan::ErrorKind::WrongType, text)
}
";

/// The functions of the root that encode and decode messages.
const MESSAGES: &str = "impl Source for NAME {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> linkspan::Result<()> {
        sink.bytes(&self.pack())
    }
}

/// Builds a [`NAME`] from the bytes of a message.
#[derive(Debug, Default)]
pub struct NAMEBuilder(Option<NAME>);

impl typed::Build for NAMEBuilder {
    type Output = NAME;

    fn event(&mut self, event: typed::Event<'_>) -> linkspan::Result<bool> {
        let typed::Event::Bytes(bytes, _) = event else { return Err(event.unexpected(\"bytes\")) };
        self.0 = Some(NAME::unpack(bytes)?);
        Ok(true)
    }

    fn finish(self) -> linkspan::Result<NAME> {
        self.0.ok_or_else(|| linkspan::Error::new(linkspan::ErrorKind::Missing, \"no value came\"))
    }
}

impl typed::Decode for NAME {
    type Builder = NAMEBuilder;
}
";

impl Rust<'_> {
    /// Returns a field's type in a packed record; arrays are inside it.
    pub(super) fn packed_type(&self, slot: &Slot) -> String {
        match &slot.shape {
            Shape::NdArray { dtype, shape, order } => {
                nested(&lengths(*dtype, shape.as_deref(), *order), element(*dtype))
            }
            _ => self.of(slot),
        }
    }

    pub(super) fn packed_heading(&self, out: &mut Text, layout: &Layout<'_>) {
        out.line(format!("\n/// The bytes of a message.\npub const SIZE: usize = {};\n", layout.size));
        out.line(FUNCTIONS.trim_end());
    }

    pub(super) fn packed_record(&self, out: &mut Text, of: &TypeDef, members: &[Member]) {
        out.line("#[derive(Clone, Copy, Debug, PartialEq)]\n#[repr(C)]");
        out.block(format!("pub struct {} {{", of.name), "}", |out| {
            for member in members {
                let mut text = describe(member);
                if let Shape::NdArray { dtype: DType::C64 | DType::C128, .. } = member.slot.shape {
                    text += " A complex number is its real part, then its imaginary part.";
                }
                text = [text.as_str(), packed::reversed(self.plan, &member.slot.shape)].join(" ");
                if text.trim().is_empty() {
                    text = format!("`{}`", member.key);
                }
                out.comment("/// ", text.trim());
                out.line(format!("pub {}: {},", member.name, self.packed_type(&member.slot)));
            }
        });
    }

    /// Writes the function from a packed record's number to an enum's value. `as` is the inverse.
    pub(super) fn packed_enumeration(&self, out: &mut Text, of: &TypeDef, values: &[(String, String)]) {
        out.block(format!("impl {} {{", of.name), "}", |out| {
            out.line("/// Returns the enum value of this number in a packed record.");
            let number = packed::enum_bits(values.len());
            out.line("#[must_use]");
            out.block(
                format!("pub const fn from_number(number: u{number}) -> Option<Self> {{"),
                "}",
                |out| {
                    out.block("Some(match number {", "})", |out| {
                        for (at, (identifier, _)) in values.iter().enumerate() {
                            out.line(format!("{at} => Self::{identifier},"));
                        }
                        if values.len() < 1 << number {
                            out.line("_ => return None,");
                        }
                    });
                },
            );
        });
    }

    pub(super) fn packing(&self, out: &mut Text, of: &TypeDef, members: &[Member], layout: &Layout<'_>) {
        let name = &of.name;
        out.line("\n// A record has the same layout in memory as in a message, so it is copied as a whole.");
        out.line("#[cfg(all(target_endian = \"little\", target_pointer_width = \"64\"))]");
        out.block("const _: () = {", "};\n", |out| {
            out.line(format!("assert!(size_of::<{name}>() == SIZE);"));
            for place in &layout.fields {
                let member = packed::member(self.plan, place);
                out.line(format!("assert!(std::mem::offset_of!({name}, {member}) == {});", place.offset));
            }
        });
        out.block(format!("impl {name} {{"), "}\n", |out| {
            out.line("/// The bytes of a message. Bytes between the fields are zero.\n#[inline]\n#[must_use]");
            out.block("pub fn pack(&self) -> [u8; SIZE] {", "}\n", |out| {
                out.line("let mut bytes = [0; SIZE];");
                let leaves = packed::leaves(self.plan, members, "self.", ".");
                let fields: Vec<_> = layout.fields.iter().zip(leaves).collect();
                for (at, width) in words(layout.size) {
                    if let Some(number) = padded(&fields, at, width) {
                        let end = at + width;
                        out.line(format!("bytes[{at}..{end}].copy_from_slice(&{number}.to_le_bytes());"));
                        continue;
                    }
                    for (place, (value, of)) in &fields {
                        if (at..at + width).contains(&place.offset) {
                            self.put(out, value, of, place);
                        }
                    }
                }
                out.line("bytes");
            });
            out.line("/// Returns the record in the bytes of a message.\n///\n/// # Errors\n///");
            out.line("/// `WrongType` if there are not [`SIZE`] bytes; `OutOfRange`, with the path of the field, for an invalid truth");
            out.line("/// value or enum number.\n#[inline]");
            let leaves = packed::leaves(self.plan, members, "", ".");
            let fields: Vec<_> = layout.fields.iter().zip(leaves).collect();
            let words = read_whole(&fields, layout.size);
            let tests: Vec<_> = layout.fields.iter().filter_map(|place| wrong(place, &words)).collect();
            if !words.is_empty() || tests.len() > 1 {
                out.line(
                    "#[allow(clippy::cast_possible_truncation)] // Fields are parts of a word.\n\
                     #[allow(clippy::needless_bitwise_bool)] // One branch for all tests.",
                );
            }
            out.block("pub fn unpack(bytes: &[u8]) -> linkspan::Result<Self> {", "}", |out| {
                out.block("let Ok(bytes) = <&[u8; SIZE]>::try_from(bytes) else {", "};", |out| {
                    out.line("return Err(other_size(bytes.len()));");
                });
                for (at, width) in &words {
                    out.line(format!("let word_{at} = u{}::from_le_bytes(part(bytes, {at}));", 8 * width));
                }
                if !tests.is_empty() {
                    let joined = match &tests[..] {
                        [only] => only.clone(),
                        tests => format!("({})", tests.join(")\n    | (")),
                    };
                    out.line(format!("let is_wrong = {joined};"));
                    out.block("if is_wrong {", "}", |out| out.line("return Err(wrong_value(bytes));"));
                }
                let mut places = layout.fields.iter();
                out.block("Ok(Self {", "})", |out| self.get(out, members, &mut places, &words));
            });
        });
        self.check_of_layout(out, members, layout);
        out.line(MESSAGES.replace("NAME", name).trim_end());
    }

    fn put(&self, out: &mut Text, value: &str, of: &Shape, place: &PackedField<'_>) {
        let (start, end) = (place.offset, place.offset + place.size);
        let copy = |bytes: &str| format!("bytes[{start}..{end}].copy_from_slice(&{bytes});");
        out.line(match of {
            Shape::Bool => format!("bytes[{start}] = u8::from({value});"),
            Shape::Uuid => copy(&format!("{value}.0")),
            Shape::Timestamp => copy(&format!("{value}.0.to_le_bytes()")),
            Shape::Named(_) => copy(&format!("({value} as u{}).to_le_bytes()", 8 * place.size)),
            Shape::NdArray { dtype, shape, order } => {
                let rank = lengths(*dtype, shape.as_deref(), *order).len();
                let is_bool = *dtype == DType::Bool;
                if rank == 0 {
                    let number = if is_bool { format!("u8::from({value})") } else { value.to_owned() };
                    return out.line(copy(&format!("{number}.to_le_bytes()")));
                }
                let each = match rank {
                    1 => format!("&{value}"),
                    _ => value.to_owned() + &".as_flattened()".repeat(rank - 1),
                };
                let number = if is_bool { "u8::from(*from)" } else { "from" };
                let chunks = format!("bytes[{start}..{end}].as_chunks_mut().0.iter_mut()");
                format!("for (to, from) in {chunks}.zip({each}) {{\n    *to = {number}.to_le_bytes();\n}}")
            }
            _ => copy(&format!("{value}.to_le_bytes()")),
        });
    }

    /// Writes the function that returns the error of `bytes` with an invalid truth value or enum number.
    ///
    /// `unpack` only decides whether to call it, so it is short enough to be inlined. A record returned through
    /// memory would wait for the stores of its single fields. The function always fails, so the compiler knows the
    /// remaining values after the call and does not compare them again.
    fn check_of_layout(&self, out: &mut Text, members: &[Member], layout: &Layout<'_>) {
        if !layout.fields.iter().any(|place| wrong(place, &[]).is_some()) {
            return;
        }
        out.line("/// Checks truth values and enum numbers.\n#[cold]");
        out.block("fn check(bytes: &[u8; SIZE]) -> linkspan::Result<()> {", "}\n", |out| {
            self.checks_of_fields(out, members, layout);
            out.line("Ok(())");
        });
        out.line("/// The error of bytes with an invalid truth value or enum number.\n#[cold]");
        out.block("fn wrong_value(bytes: &[u8; SIZE]) -> linkspan::Error {", "}\n", |out| {
            out.line("let internal = || linkspan::Error::new(linkspan::ErrorKind::Internal, \"no wrong value was found\");");
            out.line("check(bytes).err().unwrap_or_else(internal)");
        });
    }

    fn checks_of_fields(&self, out: &mut Text, members: &[Member], layout: &Layout<'_>) {
        for (place, (_, of)) in layout.fields.iter().zip(packed::leaves(self.plan, members, "", ".")) {
            let (start, end, path) = (place.offset, place.offset + place.size, &place.path);
            match of {
                Shape::Bool | Shape::NdArray { dtype: DType::Bool, .. } => {
                    out.line(format!("truth(&bytes[{start}..{end}], \"{path}\")?;"));
                }
                Shape::Named(at) => {
                    let number = number(place, "u32");
                    out.line(format!("number::<{}>({number}, \"{path}\")?;", self.plan.types[*at].name));
                }
                _ => {}
            }
        }
    }

    /// Writes the fields of a record's struct expression, from `bytes`.
    fn get<'l>(
        &self,
        out: &mut Text,
        members: &[Member],
        places: &mut impl Iterator<Item = &'l PackedField<'l>>,
        words: &[(usize, usize)],
    ) {
        for member in members {
            let name = &member.name;
            if let Shape::Named(at) = member.slot.shape
                && let Definition::Record(inner) = &self.plan.types[at].definition
            {
                let head = format!("{name}: {} {{", self.plan.types[at].name);
                out.block(head, "},", |out| self.get(out, inner, places, words));
                continue;
            }
            let Some(place) = places.next() else { return };
            let (start, end) = (place.offset, place.offset + place.size);
            let number = |of: &str| format!("{of}::from_le_bytes(part(bytes, {start}))");
            let shared = from_word(words, place);
            let value = match &member.slot.shape {
                Shape::Bool => match &shared {
                    // It was checked, so the other bits are zero.
                    Some(byte) => format!("({byte}) & 1 == 1"),
                    None => format!("bytes[{start}] == 1"),
                },
                Shape::Integer(of) => match &shared {
                    Some(number) if of.name().starts_with('i') => format!("({number}).cast_signed()"),
                    Some(number) => number.clone(),
                    None => number(of.name()),
                },
                Shape::F32 => match &shared {
                    Some(bits) => format!("f32::from_bits({bits})"),
                    None => number("f32"),
                },
                Shape::Uuid => format!("typed::Uuid(part(bytes, {start}))"),
                Shape::Timestamp => format!("linkspan::Timestamp({})", number("i64")),
                Shape::NdArray { dtype, shape, order } => {
                    let (lengths, element) = (lengths(*dtype, shape.as_deref(), *order), element(*dtype));
                    let from = format!("bytes[{start}..{end}]");
                    let (zero, from, get) = if element == "bool" {
                        ("false".to_owned(), format!("&{from}"), "*from == 1".to_owned())
                    } else {
                        let zero = if element.starts_with('f') { "0.0" } else { "0" };
                        let get = format!("{element}::from_le_bytes(*from)");
                        (format!("{zero}_{element}"), format!("{from}.as_chunks().0"), get)
                    };
                    if lengths.is_empty() {
                        out.line(match element {
                            "bool" => format!("{name}: bytes[{start}] == 1,"),
                            other => format!("{name}: {},", number(other)),
                        });
                        continue;
                    }
                    let flat = "as_flattened_mut().".repeat(lengths.len() - 1);
                    out.block(format!("{name}: {{"), "},", |out| {
                        out.line(format!("let mut values = {};", nested(&lengths, &zero)));
                        let head = format!("for (to, from) in values.{flat}iter_mut().zip({from}) {{");
                        out.block(head, "}", |out| out.line(format!("*to = {get};")));
                        out.line("values");
                    });
                    continue;
                }
                Shape::Named(at) => {
                    let of = &self.plan.types[*at];
                    let Definition::Enum(values) = &of.definition else { continue };
                    // The number was checked, so it has a value. The fallback to the first value avoids a panic path.
                    let number = shared.unwrap_or_else(|| self::number(place, ""));
                    format!("{0}::from_number({number}).unwrap_or({0}::{1})", of.name, values[0].0)
                }
                _ => number(&self.of(&member.slot)),
            };
            out.line(format!("{name}: {value},"));
        }
    }
}

/// Returns an expression that is true for an invalid field in `bytes`, whose `words` are read.
///
/// Returns `None` if every byte pattern of the field is valid.
fn wrong(place: &PackedField<'_>, words: &[(usize, usize)]) -> Option<String> {
    let (start, end) = (place.offset, place.offset + place.size);
    match &place.of.kind {
        Kind::Bool | Kind::NdArray { dtype: DType::Bool, .. } if place.size == 1 => {
            let byte = from_word(words, place).unwrap_or_else(|| format!("bytes[{start}]"));
            Some(format!("{byte} > 1"))
        }
        Kind::NdArray { dtype: DType::Bool, .. } => {
            Some(format!("bytes[{start}..{end}].iter().fold(0_u8, |all, byte| all | byte) > 1"))
        }
        Kind::Enum(values) if values.len() < 1 << (8 * place.size) => {
            let number = from_word(words, place).unwrap_or_else(|| number(place, ""));
            Some(format!("{number} >= {}", values.len()))
        }
        _ => None,
    }
}

fn number(place: &PackedField<'_>, wide: &str) -> String {
    let width = format!("u{}", 8 * place.size);
    let number = match place.size {
        1 => format!("bytes[{}]", place.offset),
        _ => format!("{width}::from_le_bytes(part(bytes, {}))", place.offset),
    };
    if wide.is_empty() || wide == width { number } else { format!("{number}.into()") }
}

/// Returns an array's nested lengths, outermost first.
///
/// Column order reverses them, and a complex number is an array of two.
fn lengths(dtype: DType, shape: Option<&[Length]>, order: Option<Order>) -> Vec<u64> {
    let mut lengths = packed::nested_lengths(shape, order);
    if matches!(dtype, DType::C64 | DType::C128) {
        lengths.push(2);
    }
    lengths
}

/// Returns the type of an array's elements, or of the parts of complex elements.
fn element(dtype: DType) -> &'static str {
    match dtype {
        DType::C64 => "f32",
        DType::C128 => "f64",
        other => other.name(),
    }
}

/// Returns an array of arrays: its type, or an expression with `of` for each element.
fn nested(lengths: &[u64], of: &str) -> String {
    lengths.iter().rev().fold(of.to_owned(), |inner, length| format!("[{inner}; {length}]"))
}
