//! Packed records in PHP: `pack` and `unpack` through one format each of the functions of these names.

use linkspan::schema::{Layout, Place, Width};
use linkspan::value::Order;

use super::{Php, comment, describe};
use crate::generate::plan::{Definition, Member, Shape};
use crate::generate::{Text, packed};

/// What the reader of a file of packed records has besides.
const METHODS: &str = r#"
/**
 * The value of a field, if `$check` accepts it.
 *
 * @template T
 * @param \Closure(mixed): T $check
 * @return T
 */
public static function checked(string $path, \Closure $check, mixed $value): mixed
{
    return self::field([$path => $value], [$path], $check);
}

/**
 * The fields of a packed record; WrongType where it is none.
 *
 * @return array<string, mixed>
 */
public static function unpacked(string $format, int $size, mixed $block): array
{
    if (!$block instanceof \Linkspan\Bytes && !is_string($block)) {
        throw self::wrong('bytes', $block);
    }
    $found = strlen((string) $block);
    if ($found !== $size) {
        throw new \Linkspan\WrongTypeException("$size packed bytes are expected, $found were found");
    }
    return unpack($format, (string) $block) ?: throw self::wrong('bytes', $block);
}

public static function truth(string $path, int $byte): bool
{
    return $byte < 2 ? $byte === 1 : throw new \Linkspan\OutOfRangeException("$path: a bool is expected, the byte $byte was found");
}

/**
 * The case of an enum with this number.
 *
 * @template T of \BackedEnum
 * @param class-string<T> $enum
 * @return T
 */
public static function numbered(string $path, string $enum, int $number): \BackedEnum
{
    return $enum::cases()[$number]
        ?? throw new \Linkspan\OutOfRangeException("$path: a number below " . count($enum::cases()) . " is expected for $enum, $number was found");
}

/** The number of a case. */
public static function number(\BackedEnum $case): int
{
    return (int) array_search($case, $case::cases(), true);
}

/** A number of so many bits, of which the highest is its sign. */
public static function signed(int $number, int $bits): int
{
    $sign = 1 << ($bits - 1);
    return ($number ^ $sign) - $sign;
}

/** A number above PHP_INT_MAX is the same 64 bits as a negative one. */
public static function unsigned(int $bits): int|\Linkspan\BigInt
{
    return $bits < 0 ? new \Linkspan\BigInt(sprintf('%u', $bits)) : $bits;
}

/** The 64 bits of a number without sign. */
public static function bits(int|\Linkspan\BigInt $number): int
{
    if (is_int($number)) {
        return $number;
    }
    [$high, $low] = [0, 0];
    foreach (str_split((string) $number) as $digit) {
        $low = $low * 10 + (int) $digit;
        $high = $high * 10 + ($low >> 32);
        $low &= 0xFFFFFFFF;
    }
    return $high << 32 | $low;
}

/**
 * The elements of an array in this order.
 *
 * @param list<int> $shape
 */
public static function elements(\Linkspan\NdArray $array, array $shape, string $order): string
{
    $size = intdiv(strlen($array->data), array_product($shape));
    if ($array->order === $order || $size === 0) {
        return $array->data;
    }
    // The place of an element in the other order: its positions from the first dimension to the last weigh the other way round.
    $lengths = $order === 'row' ? $shape : array_reverse($shape);
    $weights = [];
    $weight = 1;
    foreach ($lengths as $at => $length) {
        $weights[$at] = $weight;
        $weight *= $length;
    }
    $elements = str_split($array->data, $size);
    $out = '';
    for ($to = 0; $to < $weight; $to++) {
        $from = 0;
        for ($rest = $to, $at = count($lengths) - 1; $at >= 0; $at--) {
            $from += $rest % $lengths[$at] * $weights[$at];
            $rest = intdiv($rest, $lengths[$at]);
        }
        $out .= $elements[$from];
    }
    return $out;
}

/**
 * An array of these elements.
 *
 * @param list<int> $shape
 */
public static function ndarray(string $path, string $dtype, array $shape, string $order, string $elements): \Linkspan\NdArray
{
    if ($dtype === 'bool' && strspn($elements, "\0\1") !== strlen($elements)) {
        throw new \Linkspan\OutOfRangeException("$path: bools are expected, another byte than 0 and 1 was found");
    }
    return new \Linkspan\NdArray($dtype, $shape, $elements, $order);
}"#;

impl Php<'_> {
    /// The methods that only packed records need.
    pub(super) fn packed_methods(&self, out: &mut Text) {
        if self.plan.schema.packed {
            out.line(METHODS);
        }
    }

    /// The class of a record that is packed, or lies in one.
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
                super::decode(out);
            }
        });
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
        out.line("\n/**\n * The bytes of a message. What lies between the fields is zero.\n *\n * @throws \\Linkspan\\LinkspanException WrongType or OutOfRange, where a field does not fit\n */");
        out.line("public function pack(): string\n{");
        out.indented("}", |out| {
            out.block("return pack(", ");", |out| {
                out.line(format!("'{pack}',"));
                for (place, (value, of)) in layout.fields.iter().zip(&fields) {
                    out.line(format!("{},", self.packed_write(value, of, &place.path)));
                }
            });
        });
        out.line("\n/**\n * From the bytes of a message.\n *\n * @throws \\Linkspan\\LinkspanException WrongType or OutOfRange, where they are none\n */");
        out.line("public static function unpack(string|\\Linkspan\\Bytes $block): self\n{");
        out.indented("}", |out| out.line("return self::fromWire($block);"));
        out.line("\n/** The value in the form that `send` takes. */\npublic function toWire(): \\Linkspan\\Bytes\n{");
        out.indented("}", |out| out.line("return new \\Linkspan\\Bytes($this->pack());"));
        out.line("\n/**\n * From the value of a message.\n *\n * @throws \\Linkspan\\LinkspanException WrongType or OutOfRange, where it is not one\n */");
        out.line("public static function fromWire(mixed $value): self\n{");
        out.indented("}", |out| {
            let format = unpack.join("/");
            // What `unpack` does not ask for behind the last field needs no format.
            out.line(format!("$fields = {}::unpacked('{format}', self::SIZE, $value);", self.reader));
            let mut places = layout.fields.iter().enumerate();
            out.block("return new self(", ");", |out| self.packed_read(out, members, &mut places));
        });
    }

    /// The expression that `pack` takes for a field.
    fn packed_write(&self, value: &str, of: &Shape, path: &str) -> String {
        let reader = &self.reader;
        let checked = |check: &str| format!("{reader}::checked('{path}', {reader}::{check}, {value})");
        match of {
            Shape::Bool => format!("(int) {value}"),
            Shape::Integer(Width::I64) | Shape::F64 => value.to_owned(),
            Shape::Integer(Width::U64) => format!("{reader}::bits({})", checked("u64(...)")),
            Shape::Integer(width) => {
                let (low, high) = width.bounds();
                checked(&format!("integer('{}', {low}, {high})", width.name()))
            }
            Shape::F32 => checked("f32(...)"),
            Shape::Timestamp => format!("{value}->nanoseconds"),
            Shape::Uuid => format!("{value}->toBytes()"),
            Shape::NdArray { dtype, shape, order } => {
                let lengths = list(&packed::lengths(shape.as_deref()));
                let asked = order.map_or("null".to_owned(), |order| format!("'{}'", order.name()));
                let array = checked(&format!("array('{}', {lengths}, {asked})", dtype.name()));
                format!("{reader}::elements({array}, {lengths}, '{}')", order.unwrap_or(Order::Row).name())
            }
            _ => format!("{reader}::number({value})"),
        }
    }

    /// The arguments of a record's constructor.
    fn packed_read<'l>(
        &self,
        out: &mut Text,
        members: &[Member],
        places: &mut impl Iterator<Item = (usize, &'l Place<'l>)>,
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
                Shape::Bool => format!("{reader}::truth('{path}', {field})"),
                Shape::Integer(Width::U64) => format!("{reader}::unsigned({field})"),
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
                _ => format!("{reader}::numbered('{path}', {}::class, {field})", self.of(&member.slot)),
            };
            out.line(format!("{name}: {value},"));
        }
    }
}

/// The letter of a field for `pack` and `unpack`, little-endian on every machine.
fn letter(of: &Shape, place: &Place<'_>) -> String {
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
