//! C++: one header with a struct for each record, and their way to and from the wire.

use linkspan::schema::{Layout, Length, Width};
use linkspan::value::{DType, Order, Value};

use super::native::{self, comment, fixed, literal, names_width};
use super::packed;
use super::{Case, Definition, File, Member, Naming, Plan, Shape, Slot, Text, TypeDef, describe};

/// How names are written in C++.
pub(super) const NAMING: Naming = Naming {
    types: Case::Pascal,
    fields: Case::Snake,
    values: Case::Snake,
    variants: Case::Snake,
    ignores_case: false,
    longest: 255,
    reserved: native::RESERVED_CPP,
};

/// The header.
pub(super) fn generate(plan: &Plan<'_>) -> linkspan::Result<Vec<File>> {
    let cpp = Cpp { plan };
    Ok(vec![File { name: format!("{}.hpp", plan.name(Case::Snake)), text: cpp.header() }])
}

struct Cpp<'p> {
    plan: &'p Plan<'p>,
}

impl Cpp<'_> {
    fn header(&self) -> String {
        let mut text = Text::new("    ");
        let upper = self.plan.name(Case::Upper);
        native::heading(&mut text, "//", self.plan);
        text.line(format!("#ifndef {upper}_HPP\n#define {upper}_HPP\n\n#include <linkspan/record.hpp>\n"));
        text.line("#include <array>\n#include <complex>\n#include <cstddef>\n#include <cstdint>\n#include <cstring>\n#include <limits>\n#include <map>\n#include <optional>\n#include <string>\n#include <type_traits>\n#include <utility>\n#include <variant>\n#include <vector>\n");
        for def in &self.plan.types {
            self.define(&mut text, def);
        }
        if let (Some(layout), Some(root)) = (self.plan.schema.layout(), self.plan.root_type()) {
            text.line(format!(
                "static_assert(std::is_trivially_copyable_v<{}>, \"one copy moves it\");",
                root.name
            ));
            packed::assertions(&mut text, self.plan, &layout, &root.name, "static_assert");
            text.line("");
        }
        let root = self.plan.root_type();
        if root.is_none_or(|def| matches!(def.definition, Definition::Enum(_))) {
            self.wrapper(&mut text);
        }
        text.line("#endif");
        text.finish()
    }

    /// The functions and constants that every message has.
    fn message(&self, text: &mut Text, name: &str) {
        text.line("");
        text.line(format!(
            "/// The fingerprint of the schema.
static constexpr const char *fingerprint = \"{}\";

/// The schema, for the option `schema` of endpoints.
static const char *schema() {{",
            self.plan.schema.fingerprint()
        ));
        text.line(indent(&native::c_text("static const char text_[]", &self.plan.schema.to_toml())));
        text.line("    return text_;\n}\n");
        text.line(format!(
            "/// Makes `message` one that holds this value. A writer may be used for any number of messages, one after the other.
void encode(linkspan::writer &writer_, linkspan::message &message_) const {{
    write(writer_, nullptr);
    writer_.finish(message_);
}}

/// The value of a message. Throws `linkspan::missing`, `wrong_type` or `out_of_range`, with the path, where it is another one. A
/// reader may be used for any number of messages, one after the other.
static {name} decode(linkspan::reader &reader_, const linkspan::message &message_) {{
    {name} result_;
    reader_.begin(message_);
    result_.read(reader_);
    reader_.finish();
    return result_;
}}"
        ));
    }

    /// A message that is no record, table or union.
    fn wrapper(&self, text: &mut Text) {
        let slot = &self.plan.root;
        let name = match self.plan.root_type() {
            Some(def) => format!("{}Message", def.name),
            None => self.plan.name(Case::Pascal),
        };
        text.line("/// A message.");
        text.block(format!("struct {name} {{"), "};\n", |text| {
            text.line(format!("{} value{{}};", self.type_of(&slot.shape, false)));
            self.message(text, &name);
            text.line("");
            self.write_head(text, |text| self.write(text, "key_", slot, "value", 0, false));
            text.line("");
            self.read_head(text, |text| self.read(text, slot, "value", 0, false, None));
        });
    }

    fn write_head(&self, text: &mut Text, body: impl FnOnce(&mut Text)) {
        text.line("/// Writes it as one value: with `key` in a map that is open, with null anywhere else.");
        text.block("void write(linkspan::writer &writer_, const char *key_) const {", "}", body);
    }

    fn read_head(&self, text: &mut Text, body: impl FnOnce(&mut Text)) {
        text.line("/// Reads the next value of a reader; `finish` throws the error.");
        text.block("void read(linkspan::reader &reader_) {", "}", body);
    }

    fn define(&self, text: &mut Text, def: &TypeDef) {
        let name = &def.name;
        let is_root = self.plan.root_type().is_some_and(|root| root.name == *name);
        let doc = if def.doc.is_empty() { format!("`{}`.", def.path) } else { def.doc.clone() };
        comment(text, "/// ", &doc);
        match &def.definition {
            Definition::Enum(values) => self.enumeration(text, name, values),
            Definition::Union(variants) => self.union(text, name, variants, is_root),
            Definition::Record(members) | Definition::Table(members) => {
                self.record(text, name, members, is_root)
            }
        }
        text.line("");
    }

    fn enumeration(&self, text: &mut Text, name: &str, values: &[(String, String)]) {
        let of = if self.plan.schema.packed { packed::enum_type(values.len()) } else { "int32_t" };
        text.block(format!("enum class {name} : std::{of} {{"), "};\n", |text| {
            values.iter().for_each(|(value, _)| text.line(format!("{value},")));
        });
        text.line("/// The name on the wire; null for a number that is none of the values.");
        text.block(format!("inline const char *name_of({name} value) {{"), "}\n", |text| {
            text.block("switch (value) {", "}", |text| {
                for (value, wire) in values {
                    text.line(format!("case {name}::{value}: return \"{wire}\";"));
                }
            });
            text.line("return nullptr;");
        });
        text.line(
            "/// Reads a value; a name that is not known is `unknown`, or an error where that is below zero.",
        );
        text.block(
            format!("inline {name} read_{name}(linkspan::reader &reader_, std::int32_t unknown) {{"),
            "}",
            |text| {
                self.table(text, values.iter().map(|(_, wire)| wire.as_str()), None);
                text.line(format!("return static_cast<{name}>(reader_.get_enum(table_, unknown));"));
            },
        );
    }

    fn union(&self, text: &mut Text, name: &str, variants: &[Member], is_root: bool) {
        text.block(format!("struct {name} {{"), "};", |text| {
            text.line("/// What `alternative` can be, in this order.");
            text.block("enum Kind : std::size_t {", "};\n", |text| {
                variants.iter().for_each(|variant| text.line(format!("{},", variant.name)));
            });
            let types: Vec<String> =
                variants.iter().map(|variant| self.type_of(&variant.slot.shape, true)).collect();
            for variant in variants {
                let words = describe(variant);
                if !words.is_empty() {
                    comment(text, "/// ", &format!("{}: {words}", variant.key));
                }
            }
            text.line(format!("std::variant<{}> alternative{{}};\n", types.join(", ")));
            text.line("/// Which alternative there is.\nKind kind() const { return static_cast<Kind>(alternative.index()); }");
            if is_root {
                self.message(text, name);
            }
            text.line("");
            self.write_head(text, |text| {
                text.line("writer_.begin_map(key_);");
                text.block("switch (kind()) {", "}", |text| {
                    for (at, variant) in variants.iter().enumerate() {
                        text.block(format!("case {}:", variant.name), "", |text| {
                            let from = format!("std::get<{at}>(alternative)");
                            self.write(text, &format!("\"{}\"", variant.key), &variant.slot, &from, 0, true);
                            text.line("break;");
                        });
                    }
                    text.block("default:", "", |text| text.line("writer_.put_name(key_, nullptr);\nbreak;"));
                });
                text.line("writer_.end();");
            });
            text.line("");
            self.read_head(text, |text| {
                self.table(text, variants.iter().map(|variant| variant.key.as_str()), None);
                text.block("switch (reader_.get_variant(table_)) {", "}", |text| {
                    for (at, variant) in variants.iter().enumerate() {
                        text.block(format!("case {at}:"), "", |text| {
                            let to = format!("alternative.emplace<{at}>()");
                            text.line(format!("{to};"));
                            self.read(text, &variant.slot, &format!("std::get<{at}>(alternative)"), 0, true, None);
                            text.line("break;");
                        });
                    }
                    text.block("default:", "", |text| text.line("break;"));
                });
                text.line("reader_.end();");
            });
        });
    }

    fn record(&self, text: &mut Text, name: &str, members: &[Member], is_root: bool) {
        text.block(format!("struct {name} {{"), "};", |text| {
            for member in members {
                comment(text, "/// ", &describe(member));
                let of = self.type_of(&member.slot.shape, true);
                if member.optional {
                    text.line(format!("std::optional<{of}> {};", member.name));
                } else {
                    let initial = member
                        .default
                        .as_ref()
                        .map_or(String::new(), |value| self.initial(&member.slot.shape, value));
                    text.line(format!("{of} {}{{{initial}}};", member.name));
                }
            }
            if let Some(layout) = self.plan.schema.layout() {
                if is_root {
                    self.message(text, name);
                    self.packed_members(text, name, &layout);
                }
                return;
            }
            if is_root {
                self.message(text, name);
            }
            text.line("");
            self.write_head(text, |text| {
                text.line("writer_.begin_map(key_);");
                for member in members {
                    let key = format!("\"{}\"", member.key);
                    if member.optional {
                        text.block(format!("if ({}.has_value()) {{", member.name), "}", |text| {
                            self.write(text, &key, &member.slot, &format!("(*{})", member.name), 0, true);
                        });
                    } else {
                        self.write(text, &key, &member.slot, &member.name, 0, true);
                    }
                }
                text.line("writer_.end();");
            });
            text.line("");
            self.read_head(text, |text| self.read_record(text, name, members));
        });
    }

    /// What a packed record has in the place of its way through fields.
    fn packed_members(&self, text: &mut Text, name: &str, layout: &Layout<'_>) {
        let size = layout.size;
        text.line(format!("\n/// The bytes of a message.\nstatic constexpr std::size_t size = {size};\n"));
        text.line(format!("/// Copies it to {size} bytes."));
        text.block("void pack(std::uint8_t *bytes) const {", "}\n", |text| {
            text.line("std::memcpy(bytes, this, size);");
            packed::clear_padding(text, layout, "std::memset");
        });
        text.line(format!("/// Copies {size} bytes into it; false, and nothing is copied, where they hold a truth value or an enum's\n/// number that there is not."));
        text.block("bool unpack(const std::uint8_t *bytes) {", "}\n", |text| {
            packed::check(text, layout, "std::", "std::memcpy");
            text.line("std::memcpy(static_cast<void *>(this), bytes, size);\nreturn true;");
        });
        self.write_head(text, |text| {
            text.line("std::uint8_t bytes[size];\npack(bytes);\nwriter_.put_bytes(key_, linkspan::bytes_view(bytes, size));");
        });
        text.line("");
        self.read_head(text, |text| {
            text.line(format!(
                "*this = {name}{{}};
const std::vector<std::uint8_t> bytes = reader_.get_bytes();
if (bytes.size() != size) {{
    reader_.refuse(LINKSPAN_WRONG_TYPE, \"{size} packed bytes are expected\");
}} else if (!unpack(bytes.data())) {{
    reader_.refuse(LINKSPAN_OUT_OF_RANGE, \"packed bytes hold a truth value or an enum's number that there is not\");
}}"
            ));
        });
    }

    fn read_record(&self, text: &mut Text, name: &str, members: &[Member]) {
        text.line(format!("*this = {name}{{}};\nreader_.begin_map();"));
        if !members.is_empty() {
            let (keys, rules) = native::fields(members);
            self.table(text, keys.iter().map(String::as_str), Some(&rules));
            let head = "for (std::int32_t field_ = reader_.get_field(table_); field_ >= 0; field_ = reader_.get_field(table_)) {";
            text.block(head, "}", |text| {
                text.block("switch (field_) {", "}", |text| {
                    for (at, member) in members.iter().enumerate() {
                        text.block(format!("case {at}: // {}", member.key), "", |text| {
                            if member.optional {
                                text.block("if (!reader_.get_null()) {", "}", |text| {
                                    text.line(format!("{}.emplace();", member.name));
                                    self.read(
                                        text,
                                        &member.slot,
                                        &format!("(*{})", member.name),
                                        0,
                                        true,
                                        None,
                                    );
                                });
                            } else {
                                self.read(text, &member.slot, &member.name, 0, true, member.default.as_ref());
                            }
                            text.line("break;");
                        });
                    }
                    text.block("default:", "", |text| text.line("break;"));
                });
            });
        }
        text.line("reader_.end();");
    }

    /// A table of names, each in a place of one width, as the variable `table_`.
    fn table<'n>(
        &self,
        text: &mut Text,
        names: impl Iterator<Item = &'n str>,
        rules: Option<&[native::Rule]>,
    ) {
        let names: Vec<&str> = names.collect();
        let width = names_width(names.iter().copied()) + 1;
        let list: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        text.line(format!("static constexpr char names_[][{width}] = {{{}}};", list.join(", ")));
        let mut given = "nullptr";
        if let Some(rules) = rules {
            let rules: Vec<String> = rules.iter().map(native::Rule::c).collect();
            text.line(format!("static constexpr std::int32_t rules_[] = {{{}}};", rules.join(", ")));
            given = "rules_";
        }
        text.line(format!(
            "static constexpr linkspan::name_table table_ = {{names_[0], {width}, {}, {given}}};",
            names.len()
        ));
    }

    /// The type of a variable. Only a field of a struct is a `std::array`.
    fn type_of(&self, shape: &Shape, is_field: bool) -> String {
        match shape {
            Shape::Any => "std::shared_ptr<linkspan::message>".to_owned(),
            Shape::Bool => "bool".to_owned(),
            Shape::Integer(width) => integer(*width),
            Shape::F32 => "float".to_owned(),
            Shape::F64 => "double".to_owned(),
            Shape::Text(_) => "std::string".to_owned(),
            Shape::Decimal => "linkspan::decimal".to_owned(),
            Shape::Bytes(_) => "std::vector<std::uint8_t>".to_owned(),
            Shape::Timestamp => "linkspan::timestamp".to_owned(),
            Shape::Uuid => "linkspan::uuid".to_owned(),
            Shape::List(of, _) => format!("std::vector<{}>", self.type_of(&of.shape, false)),
            Shape::Map(of) => format!("std::map<std::string, {}>", self.type_of(&of.shape, false)),
            Shape::NdArray { dtype, .. } => {
                let element = element(*dtype);
                match fixed(shape).filter(|_| is_field) {
                    Some(lengths) => lengths
                        .iter()
                        .rev()
                        .fold(element.to_owned(), |of, length| format!("std::array<{of}, {length}>")),
                    None => format!("linkspan::ndarray<{element}>"),
                }
            }
            Shape::Named(at) => self.plan.types[*at].name.clone(),
        }
    }

    /// The default of a field, for its braces.
    fn initial(&self, shape: &Shape, value: &Value) -> String {
        match (shape, value) {
            (Shape::Named(at), Value::Text(name)) => {
                let def = &self.plan.types[*at];
                let Definition::Enum(values) = &def.definition else { return String::new() };
                let value = values.iter().find(|(_, wire)| wire == name);
                value.map_or(String::new(), |(value, _)| format!("{}::{value}", def.name))
            }
            (Shape::Text(_), Value::Text(text)) => sized(text.as_bytes()),
            (Shape::Decimal, Value::Decimal(number)) => format!("\"{}\"", number.as_str()),
            (Shape::Bytes(_), Value::Bytes(bytes)) => {
                bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")
            }
            (Shape::Timestamp, Value::Timestamp(_)) => {
                let number = native::number(shape, value).unwrap_or_default();
                format!("std::chrono::nanoseconds({number})")
            }
            (Shape::List(of, _), Value::Array(items)) => items
                .iter()
                .map(|item| {
                    format!("{}{{{}}}", self.type_of(&of.shape, false), self.initial(&of.shape, item))
                })
                .collect::<Vec<_>>()
                .join(", "),
            (Shape::Map(of), Value::Map(entries)) => entries
                .iter()
                .map(|(key, item)| {
                    let of_item = self.type_of(&of.shape, false);
                    format!("{{{}, {of_item}{{{}}}}}", literal(key.as_bytes()), self.initial(&of.shape, item))
                })
                .collect::<Vec<_>>()
                .join(", "),
            (shape, value) => native::number(shape, value).unwrap_or_default(),
        }
    }

    fn write(&self, text: &mut Text, key: &str, slot: &Slot, from: &str, level: usize, is_field: bool) {
        let put = |what: &str, value: &str| format!("writer_.put_{what}({key}, {value});");
        match &slot.shape {
            Shape::Any => text.line(put("message", from)),
            Shape::Bool => text.line(put("bool", from)),
            Shape::Integer(Width::U8 | Width::U16 | Width::U32 | Width::U64) => text.line(put("u64", from)),
            Shape::Integer(_) => text.line(put("i64", from)),
            Shape::F32 => text.line(put("f64", &format!("static_cast<double>({from})"))),
            Shape::F64 => text.line(put("f64", from)),
            Shape::Text(_) => text.line(put("text", from)),
            Shape::Bytes(_) => text.line(put("bytes", from)),
            Shape::Timestamp => text.line(put("timestamp", from)),
            Shape::Uuid => text.line(put("uuid", from)),
            Shape::Decimal => text.line(put("decimal", from)),
            Shape::List(of, _) => {
                text.line(format!("writer_.begin_array({key});"));
                text.block(format!("for (const auto &item{level}_ : {from}) {{"), "}", |text| {
                    self.write(text, "nullptr", of, &format!("item{level}_"), level + 1, false);
                });
                text.line("writer_.end();");
            }
            Shape::Map(of) => {
                text.line(format!("writer_.begin_map({key});"));
                text.block(
                    format!("for (const auto &[key{level}_, item{level}_] : {from}) {{"),
                    "}",
                    |text| {
                        let key = format!("linkspan::zstring(key{level}_).c_str()");
                        self.write(text, &key, of, &format!("item{level}_"), level + 1, false);
                    },
                );
                text.line("writer_.end();");
            }
            Shape::NdArray { dtype, .. } => match fixed(&slot.shape).filter(|_| is_field) {
                Some(lengths) => text.block("{", "}", |text| {
                    text.line(shape_variable(&lengths.iter().map(u64::to_string).collect::<Vec<_>>()));
                    text.line(format!(
                        "writer_.put_array({key}, {}, linkspan::order::row, shape_, {}, {from}.data());",
                        dtype_name(*dtype),
                        lengths.len(),
                    ));
                }),
                None => text.line(format!("writer_.put_array({key}, {}, {from});", dtype_name(*dtype))),
            },
            Shape::Named(at) => match self.plan.types[*at].definition {
                Definition::Enum(_) => text.line(put("name", &format!("name_of({from})"))),
                _ => text.line(format!("{from}.write(writer_, {key});")),
            },
        }
    }

    fn read(
        &self,
        text: &mut Text,
        slot: &Slot,
        to: &str,
        level: usize,
        is_field: bool,
        default: Option<&Value>,
    ) {
        let get = |what: &str| format!("{to} = reader_.get_{what}();");
        match &slot.shape {
            Shape::Any => text.line(get("message")),
            Shape::Bool => text.line(get("bool")),
            Shape::Integer(width) => text.line(get(&format!("integer<{}>", integer(*width)))),
            Shape::F32 => text.line(get("f32")),
            Shape::F64 => text.line(get("f64")),
            Shape::Text(_) => text.line(get("text")),
            Shape::Bytes(_) => text.line(get("bytes")),
            Shape::Timestamp => text.line(get("timestamp")),
            Shape::Uuid => text.line(get("uuid")),
            Shape::Decimal => text.line(get("decimal")),
            Shape::List(of, _) | Shape::Map(of) => {
                let is_map = matches!(slot.shape, Shape::Map(_));
                text.line(format!("{to}.clear();"));
                let begin = if is_map { "begin_entries" } else { "begin_array" };
                text.block(
                    format!("for (std::size_t left{level}_ = reader_.{begin}(); left{level}_ > 0; left{level}_--) {{"),
                    "}",
                    |text| {
                        if is_map {
                            text.line(format!("std::string key{level}_ = reader_.get_key();"));
                        }
                        text.line(format!("{} item{level}_{{}};", self.type_of(&of.shape, false)));
                        self.read(text, of, &format!("item{level}_"), level + 1, false, None);
                        text.line(if is_map {
                            format!("{to}.insert_or_assign(std::move(key{level}_), std::move(item{level}_));")
                        } else {
                            format!("{to}.push_back(std::move(item{level}_));")
                        });
                    },
                );
                text.line("reader_.end();");
            }
            Shape::NdArray { dtype, shape, order } => match fixed(&slot.shape).filter(|_| is_field) {
                Some(lengths) => text.block("{", "}", |text| {
                    text.line(shape_variable(&lengths.iter().map(u64::to_string).collect::<Vec<_>>()));
                    text.line(format!(
                        "reader_.get_elements({}, shape_, {}, {to}.data());",
                        dtype_name(*dtype),
                        lengths.len()
                    ));
                }),
                None => self.read_array(text, to, *dtype, shape.as_deref(), *order),
            },
            Shape::Named(at) => {
                let def = &self.plan.types[*at];
                match (&def.definition, default) {
                    (Definition::Enum(_), Some(value)) => {
                        let unknown = self.initial(&slot.shape, value);
                        text.line(format!(
                            "{to} = read_{}(reader_, static_cast<std::int32_t>({unknown}));",
                            def.name
                        ));
                    }
                    (Definition::Enum(_), None) => {
                        text.line(format!("{to} = read_{}(reader_, -1);", def.name))
                    }
                    _ => text.line(format!("{to}.read(reader_);")),
                }
            }
        }
    }

    fn read_array(
        &self,
        text: &mut Text,
        to: &str,
        dtype: DType,
        shape: Option<&[Length]>,
        order: Option<Order>,
    ) {
        let order = match order {
            Some(Order::Row) => "LINKSPAN_ROW",
            Some(Order::Column) => "LINKSPAN_COLUMN",
            _ => "-1",
        };
        let get = format!("reader_.get_array<{}>({}, {order}", element(dtype), dtype_name(dtype));
        match shape {
            None => text.line(format!("{to} = {get}, -1, nullptr);")),
            Some([]) => text.line(format!("{to} = {get}, 0, nullptr);")),
            Some(lengths) => text.block("{", "}", |text| {
                let lengths: Vec<String> = lengths
                    .iter()
                    .map(|length| match length {
                        Length::Fixed(length) => length.to_string(),
                        _ => "UINT64_MAX".to_owned(),
                    })
                    .collect();
                text.line(shape_variable(&lengths));
                text.line(format!("{to} = {get}, {}, shape_);", lengths.len()));
            }),
        }
    }
}

fn shape_variable(lengths: &[String]) -> String {
    format!("static constexpr std::uint64_t shape_[] = {{{}}};", lengths.join(", "))
}

fn integer(width: Width) -> String {
    match width.name().split_at(1) {
        ("u", bits) => format!("std::uint{bits}_t"),
        (_, bits) => format!("std::int{bits}_t"),
    }
}

fn element(dtype: DType) -> &'static str {
    match dtype {
        DType::I8 => "std::int8_t",
        DType::I16 => "std::int16_t",
        DType::I32 => "std::int32_t",
        DType::I64 => "std::int64_t",
        // A vector of bool is no block of memory.
        DType::Bool | DType::U8 => "std::uint8_t",
        DType::U16 => "std::uint16_t",
        DType::U32 => "std::uint32_t",
        DType::U64 => "std::uint64_t",
        DType::F32 => "float",
        DType::C64 => "std::complex<float>",
        DType::C128 => "std::complex<double>",
        _ => "double",
    }
}

fn dtype_name(dtype: DType) -> String {
    let name = if dtype == DType::Bool { "boolean" } else { dtype.name() };
    format!("linkspan::dtype::{name}")
}

/// A text literal with its length, since it may have a NUL inside.
fn sized(bytes: &[u8]) -> String {
    if bytes.contains(&0) { format!("{}, {}", literal(bytes), bytes.len()) } else { literal(bytes) }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
