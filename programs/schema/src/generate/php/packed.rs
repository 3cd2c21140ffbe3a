//! Packed records in PHP: `pack` and `unpack` by the extension.
//!
//! If a field does not fit, PHP's functions of these names run with one format each, and checks name the field in an
//! error.

mod methods;

use std::collections::HashMap;

use linkspan::schema::{Layout, PackedField, Width};
use linkspan::value::Order;

use super::generator::Php;
use super::{comment, describe};
use crate::generate::plan::{Definition, Member, Shape};
use crate::generate::{Text, packed};
use methods::METHODS;

/// Enums with more values are looked up in a list.
const MOST_ARMS: usize = 16;

impl Php<'_> {
    pub(super) fn packed_methods(&self, out: &mut Text) {
        if self.plan.schema.packed {
            out.line(METHODS);
        }
    }

    /// Writes the class of a packed record, or of one nested in it.
    pub(super) fn packed_class(
        &self,
        out: &mut Text,
        name: &str,
        members: &[Member],
        root: Option<&Layout<'_>>,
    ) {
        out.line(format!("final class {name}\n{{"));
        out.indented("}", |out| {
            if let Some(layout) = root {
                self.constants(out);
                out.line(format!("/** The bytes of a message. */\npublic const SIZE = {};\n", layout.size));
            }
            self.places(out, name, members);
            out.line("/**");
            for member in members {
                let text = format!(
                    "@param {} ${} {}",
                    self.of(&member.slot),
                    member.name,
                    comment(&describe(member))
                );
                out.line(format!(" * {}", text.trim_end()));
            }
            out.line(" */");
            out.line("public function __construct(");
            out.indented(") {\n}", |out| {
                for member in members {
                    out.line(format!("public readonly {} ${},", self.of(&member.slot), member.name));
                }
            });
            if let Some(layout) = root {
                self.packing(out, members, layout);
                super::decode(out, "\\Linkspan\\unpack_instance(self::class, $message->value) ?? ");
            }
        });
    }

    /// Writes the offsets of a class's properties, for the extension.
    fn places(&self, out: &mut Text, name: &str, members: &[Member]) {
        let mut offsets = HashMap::new();
        if let (Some(root), Some(layout)) = (self.plan.root_type(), self.plan.schema.layout())
            && let Definition::Record(of_root) = &root.definition
        {
            self.offsets(&root.name, of_root, &mut layout.fields.iter(), &mut offsets);
        }
        let offsets = offsets.remove(name).unwrap_or_default();
        out.line("/** @internal The first byte and the type of each property. */");
        out.block("public const LINKSPAN_PACKED = [", "];\n", |out| {
            for (member, offset) in members.iter().zip(offsets) {
                out.line(format!("'{}' => [{offset}, {}],", member.name, self.item(&member.slot, None)));
            }
        });
    }

    /// Collects offsets of properties and nested classes, relative to the instance's beginning.
    ///
    /// Returns the offset of this class.
    fn offsets<'l>(
        &self,
        name: &str,
        members: &[Member],
        places: &mut std::slice::Iter<'l, PackedField<'l>>,
        found: &mut HashMap<String, Vec<usize>>,
    ) -> usize {
        let mut offsets = Vec::new();
        for member in members {
            offsets.push(match &member.slot.shape {
                Shape::Named(at) => match &self.plan.types[*at].definition {
                    Definition::Record(inner) => {
                        self.offsets(&self.plan.types[*at].name, inner, places, found)
                    }
                    _ => places.next().map_or(0, |place| place.offset),
                },
                _ => places.next().map_or(0, |place| place.offset),
            });
        }
        // The first field of a record has no padding before it.
        let start = offsets.first().copied().unwrap_or(0);
        found.insert(name.to_owned(), offsets.iter().map(|offset| offset - start).collect());
        start
    }

    fn packing(&self, out: &mut Text, members: &[Member], layout: &Layout<'_>) {
        let fields: Vec<(String, &Shape)> = packed::leaves(self.plan, members, "$this->", "->");
        let (mut pack, mut unpack, mut end) = (String::new(), Vec::new(), 0);
        for (at, (place, (_, of))) in layout.fields.iter().zip(&fields).enumerate() {
            if place.offset > end {
                pack += &format!("x{}", place.offset - end);
                unpack.push(format!("x{}", place.offset - end));
            }
            let letter = letter(of, place);
            pack += &letter;
            unpack.push(format!("{letter}f{at}"));
            end = place.offset + place.size;
        }
        if layout.size > end {
            pack += &format!("x{}", layout.size - end);
        }
        out.line("\n/**\n * The bytes of a message. Bytes between the fields are zero.\n *\n * @throws \\Linkspan\\LinkspanException WrongType or OutOfRange for a wrong field\n */");
        out.line("public function pack(): string\n{");
        out.indented("}", |out| {
            out.block("return \\Linkspan\\pack_instance($this) ?? pack(", ");", |out| {
                out.line(format!("'{pack}',"));
                for (place, (value, of)) in layout.fields.iter().zip(&fields) {
                    out.line(format!("{},", self.packed_write(value, of, &place.path)));
                }
            });
        });
        out.line("\n/**\n * Returns the record in the bytes of a message.\n *\n * @throws \\Linkspan\\LinkspanException WrongType or OutOfRange for invalid bytes\n */");
        out.line("public static function unpack(string|\\Linkspan\\Bytes $block): self\n{");
        out.indented("}", |out| {
            out.line("return \\Linkspan\\unpack_instance(self::class, $block) ?? self::fromWire($block);");
        });
        out.line("\n/** Returns the value in the form that `send` takes. */\npublic function toWire(): \\Linkspan\\Bytes\n{");
        out.indented("}", |out| out.line("return new \\Linkspan\\Bytes($this->pack());"));
        out.line("\n/**\n * Returns the record in the value of a message.\n *\n * @throws \\Linkspan\\LinkspanException WrongType or OutOfRange for invalid bytes\n */");
        out.line("public static function fromWire(mixed $value): self\n{");
        out.indented("}", |out| {
            let format = unpack.join("/");
            // `unpack` needs no format for the padding after the last field.
            out.line(format!("$fields = {}::unpacked('{format}', self::SIZE, $value);", self.reader));
            let mut places = layout.fields.iter().enumerate();
            out.block("return new self(", ");", |out| self.packed_read(out, members, &mut places));
        });
    }

    fn packed_write(&self, value: &str, of: &Shape, path: &str) -> String {
        let reader = &self.reader;
        let checked = |check: &str| format!("{reader}::checked('{path}', {reader}::{check}, {value})");
        match of {
            Shape::Bool => format!("(int) {value}"),
            Shape::Integer(Width::I64) | Shape::F64 => value.to_owned(),
            // An inline check accepts nearly every value without a call. The reader handles other values with an
            // exact error.
            Shape::Integer(Width::U64) => {
                let checked = checked("u64(...)");
                format!("is_int({value}) && {value} >= 0 ? {value} : {reader}::bits({checked})")
            }
            Shape::Integer(width) => {
                let (low, high) = width.bounds();
                let checked = checked(&format!("integer('{}', {low}, {high})", width.name()));
                format!("{value} >= {low} && {value} <= {high} ? {value} : {checked}")
            }
            Shape::F32 => {
                let checked = checked("f32(...)");
                format!("{value} > -3.4e38 && {value} < 3.4e38 ? {value} : {checked}")
            }
            Shape::Timestamp => format!("{value}->nanoseconds"),
            Shape::Uuid => format!("{value}->toBytes()"),
            Shape::NdArray { dtype, shape, order } => {
                let lengths = list(&packed::lengths(shape.as_deref()));
                let asked = order.map_or("null".to_owned(), |order| format!("'{}'", order.name()));
                let array = checked(&format!("array('{}', {lengths}, {asked})", dtype.name()));
                format!("{reader}::elements({array}, {lengths}, '{}')", order.unwrap_or(Order::Row).name())
            }
            Shape::Named(at) => match self.few_cases(*at) {
                Some(cases) => {
                    let arm = |(number, case): (usize, String)| format!("{case} => {number}");
                    let arms: Vec<_> = cases.into_iter().enumerate().map(arm).collect();
                    format!("match ({value}) {{ {} }}", arms.join(", "))
                }
                None => format!("{reader}::number({value})"),
            },
            _ => format!("{reader}::number({value})"),
        }
    }

    fn few_cases(&self, at: usize) -> Option<Vec<String>> {
        let of = &self.plan.types[at];
        let Definition::Enum(values) = &of.definition else { return None };
        (values.len() <= MOST_ARMS)
            .then(|| values.iter().map(|(name, _)| format!("{}::{name}", of.name)).collect())
    }

    fn packed_read<'l>(
        &self,
        out: &mut Text,
        members: &[Member],
        places: &mut impl Iterator<Item = (usize, &'l PackedField<'l>)>,
    ) {
        let reader = &self.reader;
        for member in members {
            let name = &member.name;
            if let Shape::Named(at) = member.slot.shape
                && let Definition::Record(inner) = &self.plan.types[at].definition
            {
                let head = format!("{name}: new {}(", self.plan.types[at].name);
                out.block(head, "),", |out| self.packed_read(out, inner, places));
                continue;
            }
            let Some((at, place)) = places.next() else { return };
            let (field, path) = (format!("$fields['f{at}']"), &place.path);
            let value = match &member.slot.shape {
                Shape::Bool => format!("{field} < 2 ? {field} === 1 : {reader}::truth('{path}', {field})"),
                Shape::Integer(Width::U64) => format!("{field} >= 0 ? {field} : {reader}::unsigned({field})"),
                Shape::Integer(Width::I16 | Width::I32) => {
                    format!("{reader}::signed({field}, {})", 8 * place.size)
                }
                Shape::Integer(_) | Shape::F32 | Shape::F64 => field,
                Shape::Timestamp => format!("new \\Linkspan\\Timestamp({field})"),
                Shape::Uuid => format!("\\Linkspan\\Uuid::fromBytes({field})"),
                Shape::NdArray { dtype, shape, order } => {
                    let (dtype, lengths) = (dtype.name(), list(&packed::lengths(shape.as_deref())));
                    let order = order.unwrap_or(Order::Row).name();
                    format!("{reader}::ndarray('{path}', '{dtype}', {lengths}, '{order}', {field})")
                }
                of => {
                    let numbered =
                        format!("{reader}::numbered('{path}', {}::class, {field})", self.of(&member.slot));
                    let cases = if let Shape::Named(at) = of { self.few_cases(*at) } else { None };
                    match cases {
                        Some(cases) => {
                            let arm = |(number, case): (usize, String)| format!("{number} => {case}");
                            let arms: Vec<_> = cases.into_iter().enumerate().map(arm).collect();
                            format!("match ({field}) {{ {}, default => {numbered} }}", arms.join(", "))
                        }
                        None => numbered,
                    }
                }
            };
            out.line(format!("{name}: {value},"));
        }
    }
}

/// Returns a field's letter for `pack` and `unpack`, little-endian on every machine.
fn letter(of: &Shape, place: &PackedField<'_>) -> String {
    match (of, place.size) {
        (Shape::Uuid | Shape::NdArray { .. }, size) => format!("a{size}"),
        (Shape::F32, _) => "g".to_owned(),
        (Shape::F64, _) => "e".to_owned(),
        (Shape::Integer(Width::I8), _) => "c".to_owned(),
        (_, 1) => "C".to_owned(),
        (_, 2) => "v".to_owned(),
        (_, 4) => "V".to_owned(),
        _ => "P".to_owned(),
    }
}

fn list(lengths: &[u64]) -> String {
    format!("[{}]", lengths.iter().map(u64::to_string).collect::<Vec<_>>().join(", "))
}
