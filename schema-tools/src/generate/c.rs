//! C: a header with one struct for each record, and a source with their way to and from the wire.

use linkspan::schema::{Layout, Length, Width};
use linkspan::value::{DType, Order, Value};

use super::native::{self, comment, dtype_constant, fixed, literal, names_width};
use super::packed;
use super::{Case, Definition, File, Member, Naming, Plan, Shape, Slot, Text, TypeDef, describe};

/// How names are written in C. Those words are kept that C++ programs keep, too, since they can use the header.
pub(super) const NAMING: Naming = Naming {
    types: Case::Snake,
    fields: Case::Snake,
    values: Case::Upper,
    variants: Case::Snake,
    ignores_case: false,
    longest: 255,
    reserved: native::RESERVED_C,
};

/// The header and the source.
pub(super) fn generate(plan: &Plan<'_>) -> linkspan::Result<Vec<File>> {
    for def in &plan.types {
        if let Definition::Record(members) | Definition::Table(members) = &def.definition {
            native::check_presence(&def.path, members)?;
        }
    }
    let c = C { plan, name: plan.name(Case::Snake) };
    Ok(vec![
        File { name: format!("{}.h", c.name), text: c.header() },
        File { name: format!("{}.c", c.name), text: c.source() },
    ])
}

struct C<'p> {
    plan: &'p Plan<'p>,
    name: String,
}

impl C<'_> {
    /// The identifier of the type of a message.
    fn root(&self) -> &str {
        self.plan.root_type().map_or(&self.name, |def| &def.name)
    }

    fn header(&self) -> String {
        let mut text = Text::new("    ");
        let (root, upper) = (self.root(), self.plan.name(Case::Upper));
        native::heading(&mut text, "//", self.plan);
        text.line(format!(
            "#ifndef {upper}_H\n#define {upper}_H\n\n#include <linkspan/record.h>\n\n#include <stddef.h>\n"
        ));
        text.line("#ifdef __cplusplus\nextern \"C\" {\n#endif\n");
        text.line(format!(
            "// The fingerprint of the schema.\n#define {upper}_FINGERPRINT \"{}\"\n",
            self.plan.schema.fingerprint()
        ));
        text.line("// The schema, for the option `schema` of endpoints.");
        text.line(format!("extern const char {}_schema[];\n", self.name));
        for def in &self.plan.types {
            self.define(&mut text, def);
        }
        if self.plan.root_type().is_none() {
            text.line("// A message.");
            text.block("typedef struct {", format!("}} {root};"), |text| {
                text.line(self.declare(&self.plan.root.shape, "value", false) + ";");
            });
            text.line("");
        }
        if let Some(layout) = self.plan.schema.layout() {
            self.pack(&mut text, root, &layout);
        }
        text.line(format!(
            "// Sets every field to its default or to zero; false where there is no memory for a default.
bool {root}_init({root} *to);

// Frees what a struct holds, which then is all zero.
void {root}_free({root} *to);

// Makes `message` one that holds `from`. The writer may be used for any number of messages, one after the other.
linkspan_status {root}_encode(const {root} *from, linkspan_writer *writer, linkspan_message *message);

// Reads a message into `to`, which {root}_init() or an earlier call has set: what it held is freed. At an error, `to` holds a part
// of the message. The reader may be used for any number of messages, one after the other.
linkspan_status {root}_decode({root} *to, linkspan_reader *reader, const linkspan_message *message);

// Writes `from` as one value: with `key` in a map that is open, with NULL anywhere else.
void {root}_write(linkspan_writer *writer, const char *key, const {root} *from);

// Reads the next value of a reader, as {root}_decode() does; linkspan_reader_finish() gives the error.
void {root}_read(linkspan_reader *reader, {root} *to);

#ifdef __cplusplus
}}
#endif

#endif"
        ));
        text.finish()
    }

    /// The layout of a packed record, and the copies to and from its bytes.
    fn pack(&self, text: &mut Text, root: &str, layout: &Layout<'_>) {
        let upper = self.plan.name(Case::Upper);
        text.line(format!("// The bytes of a message.\n#define {upper}_SIZE {}\n", layout.size));
        text.line("#ifndef __cplusplus");
        packed::assertions(text, self.plan, layout, root, "_Static_assert");
        text.line("#endif\n");
        text.line(format!("// Copies `from` to {} bytes.", layout.size));
        text.block(
            format!("static inline void {root}_pack(const {root} *from, uint8_t *bytes) {{"),
            "}\n",
            |text| {
                text.line(format!("memcpy(bytes, from, {upper}_SIZE);"));
                packed::clear_padding(text, layout, "memset");
            },
        );
        text.line(format!(
            "// Copies {} bytes to `to`; false, and nothing is copied, where they hold a truth value or an enum's number that there is not.",
            layout.size
        ));
        text.block(
            format!("static inline bool {root}_unpack({root} *to, const uint8_t *bytes) {{"),
            "}\n",
            |text| {
                packed::check(text, layout, "", "memcpy");
                text.line(format!("memcpy(to, bytes, {upper}_SIZE);\nreturn true;"));
            },
        );
    }

    /// The functions of a packed record.
    fn packed_functions(&self, text: &mut Text, root: &str, size: usize) {
        let upper = self.plan.name(Case::Upper);
        text.line(format!(
            "bool {root}_init({root} *to) {{
    memset(to, 0, sizeof *to);
    return true;
}}

void {root}_free({root} *to) {{
    memset(to, 0, sizeof *to);
}}

void {root}_write(linkspan_writer *writer, const char *key, const {root} *from) {{
    uint8_t bytes[{upper}_SIZE];
    {root}_pack(from, bytes);
    linkspan_writer_put_bytes(writer, key, bytes, sizeof bytes);
}}

void {root}_read(linkspan_reader *reader, {root} *to) {{
    const uint8_t *bytes;
    size_t length;
    memset(to, 0, sizeof *to);
    if (linkspan_reader_get_bytes(reader, &bytes, &length) != LINKSPAN_OK) {{
        return;
    }}
    if (length != {upper}_SIZE) {{
        linkspan_reader_refuse(reader, LINKSPAN_WRONG_TYPE, \"{size} packed bytes are expected\");
    }} else if (!{root}_unpack(to, bytes)) {{
        linkspan_reader_refuse(reader, LINKSPAN_OUT_OF_RANGE, \"packed bytes hold a truth value or an enum's number that there is not\");
    }}
}}
"
        ));
    }

    fn define(&self, text: &mut Text, def: &TypeDef) {
        let name = &def.name;
        if def.doc.is_empty() {
            text.line(format!("// `{}`.", def.path));
        } else {
            comment(text, "// ", &def.doc);
        }
        match &def.definition {
            Definition::Enum(values) => {
                text.block("typedef enum {", format!("}} {name};"), |text| {
                    for (_, value) in values {
                        text.line(format!("{},", constant(&def.path, value)));
                    }
                });
                text.line(format!(
                    "\n// The name on the wire; NULL for a number that is none of the values.\nconst char *{name}_name({name} value);"
                ));
            }
            Definition::Union(variants) => {
                text.block("typedef enum {", format!("}} {name}_kind;"), |text| {
                    for variant in variants {
                        text.line(format!("{},", constant(&def.path, &variant.key)));
                    }
                });
                text.line("");
                text.block("typedef struct {", format!("}} {name};"), |text| {
                    text.line(format!("// Which member of `as` there is.\n{name}_kind kind;"));
                    text.block("union {", "} as;", |text| {
                        variants.iter().for_each(|variant| self.field(text, variant));
                    });
                });
            }
            Definition::Record(members) | Definition::Table(members) => {
                text.block("typedef struct {", format!("}} {name};"), |text| {
                    members.iter().for_each(|member| self.field(text, member));
                    if members.is_empty() {
                        text.line("// C has no empty structs.\nchar unused;");
                    }
                });
            }
        }
        text.line("");
    }

    fn field(&self, text: &mut Text, member: &Member) {
        let note = match member.slot.shape {
            Shape::Timestamp => "Nanoseconds since 1970-01-01T00:00:00Z.",
            Shape::Decimal => "An exact decimal number, such as \"1.10\".",
            Shape::Any => "Any value; NULL is null.",
            _ => "",
        };
        let said = [describe(member), note.to_owned()];
        comment(
            text,
            "// ",
            said.iter().filter(|s| !s.is_empty()).cloned().collect::<Vec<_>>().join(" ").as_str(),
        );
        if member.optional {
            text.line(format!("bool {};", native::presence(member)));
        }
        text.line(self.declare(&member.slot.shape, &member.name, true) + ";");
    }

    /// The declaration of a variable. Only a field of a struct can be an array of C's.
    fn declare(&self, shape: &Shape, name: &str, is_field: bool) -> String {
        let plain = |word: &str| format!("{word} {name}");
        match shape {
            Shape::Any => format!("linkspan_message *{name}"),
            Shape::Bool => plain("bool"),
            Shape::Integer(width) => plain(&integer(*width)),
            Shape::F32 => plain("float"),
            Shape::F64 => plain("double"),
            Shape::Text(_) | Shape::Decimal => plain("linkspan_text"),
            Shape::Bytes(_) => plain("linkspan_bytes"),
            Shape::Timestamp => plain("int64_t"),
            Shape::Uuid => plain("linkspan_uuid"),
            Shape::List(of, _) => {
                let items = indent(&self.declare(&of.shape, "*items", false));
                format!("struct {{\n{items};\n    size_t count;\n}} {name}")
            }
            Shape::Map(of) => {
                let value = indent(&indent(&self.declare(&of.shape, "value", false)));
                format!(
                    "struct {{\n    struct {{\n        linkspan_text key;\n{value};\n    }} *items;\n    size_t count;\n}} {name}"
                )
            }
            Shape::NdArray { dtype, .. } => match fixed(shape).filter(|_| is_field) {
                Some(lengths) => {
                    let (element, parts) = element(*dtype);
                    let lengths: String = lengths.iter().map(|length| format!("[{length}]")).collect();
                    format!("{element} {name}{lengths}{parts}")
                }
                None => plain("linkspan_array"),
            },
            Shape::Named(at) => match &self.plan.types[*at].definition {
                // In a packed record, an enum has as few bytes as its values need.
                Definition::Enum(values) if self.plan.schema.packed => plain(packed::enum_type(values.len())),
                _ => plain(&self.plan.types[*at].name),
            },
        }
    }

    fn source(&self) -> String {
        let mut text = Text::new("    ");
        native::heading(&mut text, "//", self.plan);
        text.line(format!("#include \"{}.h\"\n", self.name));
        text.line(native::c_text(&format!("const char {}_schema[]", self.name), &self.plan.schema.to_toml()));
        text.line("");
        if let Some(layout) = self.plan.schema.layout() {
            for def in &self.plan.types {
                if let Definition::Enum(values) = &def.definition {
                    let name = &def.name;
                    self.names(&mut text, name, values.iter().map(|(_, value)| value.as_str()));
                    text.line(format!(
                        "const char *{name}_name({name} value) {{\n    return (unsigned)value < {} ? {name}_names[value] : NULL;\n}}\n",
                        values.len()
                    ));
                }
            }
            self.packed_functions(&mut text, self.root(), layout.size);
        }
        for def in self.plan.types.iter().filter(|_| !self.plan.schema.packed) {
            let is_root = self.plan.root_type().is_some_and(|root| root.name == def.name);
            self.functions(&mut text, def, is_root);
        }
        let root = self.root();
        if self.plan.root_type().is_none() {
            let slot = &self.plan.root;
            self.four(
                &mut text,
                root,
                "",
                |text| self.set_default(text, slot, "to->value", None),
                |text| self.free(text, &slot.shape, "to->value", 0, false),
                |text| self.write(text, "key", slot, "from->value", 0, false),
                |text| self.read(text, slot, "to->value", 0, false, None),
            );
        }
        if matches!(self.plan.root_type().map(|def| &def.definition), Some(Definition::Enum(_))) {
            text.line(format!(
                "bool {root}_init({root} *to) {{
    *to = ({root})0;
    return true;
}}

void {root}_free({root} *to) {{
    *to = ({root})0;
}}

void {root}_write(linkspan_writer *writer, const char *key, const {root} *from) {{
    linkspan_write_name(writer, key, {root}_name(*from));
}}

void {root}_read(linkspan_reader *reader, {root} *to) {{
    {root}_get(reader, -1, to);
}}
"
            ));
        }
        text.line(format!(
            "linkspan_status {root}_encode(const {root} *from, linkspan_writer *writer, linkspan_message *message) {{
    {root}_write(writer, NULL, from);
    return linkspan_writer_finish(writer, message);
}}

linkspan_status {root}_decode({root} *to, linkspan_reader *reader, const linkspan_message *message) {{
    linkspan_reader_message(reader, message);
    {root}_read(reader, to);
    return linkspan_reader_finish(reader);
}}"
        ));
        text.finish()
    }

    /// A type's four functions: init, free, write, read.
    #[allow(clippy::too_many_arguments, reason = "four bodies of four functions")]
    fn four(
        &self,
        text: &mut Text,
        name: &str,
        public: &str,
        init: impl FnOnce(&mut Text),
        free: impl FnOnce(&mut Text),
        write: impl FnOnce(&mut Text),
        read: impl FnOnce(&mut Text),
    ) {
        text.block(format!("{public}bool {name}_init({name} *to) {{"), "}\n", |text| {
            text.line("bool there = true;\nmemset(to, 0, sizeof *to);");
            init(text);
            text.line("return there;");
        });
        text.block(format!("{public}void {name}_free({name} *to) {{"), "}\n", |text| {
            free(text);
            text.line("memset(to, 0, sizeof *to);");
        });
        text.block(
            format!(
                "{public}void {name}_write(linkspan_writer *writer, const char *key, const {name} *from) {{"
            ),
            "}\n",
            write,
        );
        text.block(
            format!("{public}void {name}_read(linkspan_reader *reader, {name} *to) {{"),
            "}\n",
            |text| {
                text.line(format!("{name}_free(to);\nlinkspan_read_memory(reader, {name}_init(to));"));
                read(text);
            },
        );
    }

    fn functions(&self, text: &mut Text, def: &TypeDef, is_root: bool) {
        let (name, public) = (&def.name, if is_root { "" } else { "static " });
        match &def.definition {
            Definition::Enum(values) => {
                self.names(text, name, values.iter().map(|(_, value)| value.as_str()));
                text.line(format!(
                    "const char *{name}_name({name} value) {{
    return (unsigned)value < {count} ? {name}_names[value] : NULL;
}}

static void {name}_get(linkspan_reader *reader, int32_t unknown, {name} *to) {{
    int32_t value;
    linkspan_reader_get_enum(reader, {name}_names[0], sizeof {name}_names[0], {count}, unknown, &value);
    *to = ({name})value;
}}
",
                    count = values.len()
                ));
            }
            Definition::Union(variants) => {
                self.names(text, name, variants.iter().map(|variant| variant.key.as_str()));
                self.four(
                    text,
                    name,
                    public,
                    |_| {},
                    |text| {
                        self.switch(text, def, variants, "to->kind", "", |text, variant| {
                            self.free(text, &variant.slot.shape, &format!("to->as.{}", variant.name), 0, true);
                        });
                    },
                    |text| {
                        text.line("linkspan_writer_begin_map(writer, key);");
                        let refuse = "linkspan_write_name(writer, key, NULL);\n";
                        self.switch(text, def, variants, "from->kind", refuse, |text, variant| {
                            let key = format!("\"{}\"", variant.key);
                            self.write(text, &key, &variant.slot, &format!("from->as.{}", variant.name), 0, true);
                        });
                        text.line("linkspan_writer_end(writer);");
                    },
                    |text| {
                        text.line(format!(
                            "int32_t variant;\nlinkspan_reader_get_variant(reader, {name}_names[0], sizeof {name}_names[0], {}, &variant);",
                            variants.len()
                        ));
                        text.block("switch (variant) {", "}", |text| {
                            for (at, variant) in variants.iter().enumerate() {
                                text.block(format!("case {at}:"), "", |text| {
                                    text.line(format!("to->kind = {};", constant(&def.path, &variant.key)));
                                    let to = format!("to->as.{}", variant.name);
                                    self.read(text, &variant.slot, &to, 0, true, None);
                                    text.line("break;");
                                });
                            }
                            text.block("default:", "", |text| text.line("break;"));
                        });
                        text.line("linkspan_reader_end(reader);");
                    },
                );
            }
            Definition::Record(members) | Definition::Table(members) => {
                self.record(text, name, public, members);
            }
        }
    }

    fn record(&self, text: &mut Text, name: &str, public: &str, members: &[Member]) {
        if !members.is_empty() {
            let (keys, rules) = native::fields(members);
            self.names(text, &format!("{name}_field"), keys.iter().map(String::as_str));
            let rules: Vec<String> = rules.iter().map(native::Rule::c).collect();
            text.line(format!("static const int32_t {name}_rules[] = {{{}}};\n", rules.join(", ")));
        }
        self.four(
            text,
            name,
            public,
            |text| {
                for member in members {
                    let to = format!("to->{}", member.name);
                    self.set_default(text, &member.slot, &to, member.default.as_ref());
                }
            },
            |text| {
                for member in members {
                    self.free(text, &member.slot.shape, &format!("to->{}", member.name), 0, true);
                }
            },
            |text| {
                if members.is_empty() {
                    text.line("(void)from;");
                }
                text.line("linkspan_writer_begin_map(writer, key);");
                for member in members {
                    let (key, from) = (format!("\"{}\"", member.key), format!("from->{}", member.name));
                    if member.optional {
                        text.block(format!("if (from->{}) {{", native::presence(member)), "}", |text| {
                            self.write(text, &key, &member.slot, &from, 0, true);
                        });
                    } else {
                        self.write(text, &key, &member.slot, &from, 0, true);
                    }
                }
                text.line("linkspan_writer_end(writer);");
            },
            |text| self.read_record(text, name, members),
        );
    }

    fn read_record(&self, text: &mut Text, name: &str, members: &[Member]) {
        text.line("linkspan_reader_begin_map(reader, NULL);");
        if members.is_empty() {
            text.line("linkspan_reader_end(reader);");
            return;
        }
        let count = native::fields(members).0.len();
        text.line("int32_t field;");
        text.block("do {", "} while (field >= 0);", |text| {
            text.line(format!(
                "linkspan_reader_get_field(reader, {name}_field_names[0], sizeof {name}_field_names[0], {count}, {name}_rules, &field);"
            ));
            text.block("switch (field) {", "}", |text| {
                for (at, member) in members.iter().enumerate() {
                    let to = format!("to->{}", member.name);
                    text.block(format!("case {at}: // {}", member.key), "", |text| {
                        if member.optional {
                            text.block("if (!linkspan_read_null(reader)) {", "}", |text| {
                                text.line(format!("to->{} = true;", native::presence(member)));
                                self.read(text, &member.slot, &to, 0, true, None);
                            });
                        } else {
                            self.read(text, &member.slot, &to, 0, true, member.default.as_ref());
                        }
                        text.line("break;");
                    });
                }
                text.block("default:", "", |text| text.line("break;"));
            });
        });
        text.line("linkspan_reader_end(reader);");
    }

    /// A table of names, each in a place of one width.
    fn names<'n>(&self, text: &mut Text, name: &str, names: impl Iterator<Item = &'n str>) {
        let names: Vec<&str> = names.collect();
        let width = names_width(names.iter().copied()) + 1;
        let list: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        text.line(format!("static const char {name}_names[][{width}] = {{{}}};\n", list.join(", ")));
    }

    fn switch(
        &self,
        text: &mut Text,
        def: &TypeDef,
        variants: &[Member],
        on: &str,
        otherwise: &str,
        body: impl Fn(&mut Text, &Member),
    ) {
        text.block(format!("switch ({on}) {{"), "}", |text| {
            for variant in variants {
                text.block(format!("case {}:", constant(&def.path, &variant.key)), "", |text| {
                    body(text, variant);
                    text.line("break;");
                });
            }
            text.block("default:", "", |text| text.line(format!("{otherwise}break;")));
        });
    }

    /// Sets a place, which is all zero, to its default.
    fn set_default(&self, text: &mut Text, slot: &Slot, to: &str, value: Option<&Value>) {
        if let Shape::Named(at) = slot.shape {
            let def = &self.plan.types[at];
            match (&def.definition, value) {
                (Definition::Enum(_), Some(Value::Text(name))) => {
                    text.line(format!("{to} = {};", constant(&def.path, name)));
                }
                (Definition::Enum(_), _) => {}
                _ => text.line(format!("there = {}_init(&{to}) && there;", def.name)),
            }
            return;
        }
        let Some(value) = value else { return };
        match (&slot.shape, value) {
            (Shape::Text(_), Value::Text(value)) => {
                let length = value.len();
                text.line(format!(
                    "there = linkspan_text_set(&{to}, {}, {length}) && there;",
                    literal(value.as_bytes())
                ));
            }
            (Shape::Decimal, Value::Decimal(value)) => {
                let (value, length) = (value.as_str(), value.as_str().len());
                text.line(format!("there = linkspan_text_set(&{to}, \"{value}\", {length}) && there;"));
            }
            (Shape::Bytes(_), Value::Bytes(value)) => {
                let (bytes, length) = (literal(value), value.len());
                text.line(format!(
                    "there = linkspan_bytes_set(&{to}, (const uint8_t *){bytes}, {length}) && there;"
                ));
            }
            (Shape::List(of, _), Value::Array(items)) if !items.is_empty() => {
                text.line(format!("{to}.items = calloc({}, sizeof *{to}.items);", items.len()));
                text.block(
                    format!("if ({to}.items != NULL) {{"),
                    "} else {\n    there = false;\n}",
                    |text| {
                        text.line(format!("{to}.count = {};", items.len()));
                        for (at, item) in items.iter().enumerate() {
                            self.set_default(text, of, &format!("{to}.items[{at}]"), Some(item));
                        }
                    },
                );
            }
            (Shape::Map(of), Value::Map(entries)) if !entries.is_empty() => {
                text.line(format!("{to}.items = calloc({}, sizeof *{to}.items);", entries.len()));
                text.block(
                    format!("if ({to}.items != NULL) {{"),
                    "} else {\n    there = false;\n}",
                    |text| {
                        text.line(format!("{to}.count = {};", entries.len()));
                        for (at, (key, item)) in entries.iter().enumerate() {
                            let key = Value::Text(key.clone());
                            let named = Slot { shape: Shape::Text(None), unit: None, range: None };
                            self.set_default(text, &named, &format!("{to}.items[{at}].key"), Some(&key));
                            self.set_default(text, of, &format!("{to}.items[{at}].value"), Some(item));
                        }
                    },
                );
            }
            (shape, value) => {
                if let Some(number) = native::number(shape, value, native::Dialect::C) {
                    text.line(format!("{to} = {number};"));
                }
            }
        }
    }

    fn free(&self, text: &mut Text, shape: &Shape, to: &str, level: usize, is_field: bool) {
        match shape {
            Shape::Any => text.line(format!("linkspan_message_release({to});")),
            Shape::Text(_) | Shape::Decimal => text.line(format!("linkspan_text_free(&{to});")),
            Shape::Bytes(_) => text.line(format!("linkspan_bytes_free(&{to});")),
            Shape::NdArray { .. } if !is_field || fixed(shape).is_none() => {
                text.line(format!("linkspan_array_free(&{to});"));
            }
            Shape::List(of, _) => {
                if self.holds_memory(&of.shape) {
                    self.each(text, to, level, |text, item| {
                        self.free(text, &of.shape, item, level + 1, false)
                    });
                }
                text.line(format!("free({to}.items);"));
            }
            Shape::Map(of) => {
                self.each(text, to, level, |text, item| {
                    text.line(format!("linkspan_text_free(&{item}.key);"));
                    self.free(text, &of.shape, &format!("{item}.value"), level + 1, false);
                });
                text.line(format!("free({to}.items);"));
            }
            Shape::Named(at) if !matches!(self.plan.types[*at].definition, Definition::Enum(_)) => {
                text.line(format!("{}_free(&{to});", self.plan.types[*at].name));
            }
            _ => {}
        }
    }

    /// Whether freeing does anything.
    fn holds_memory(&self, shape: &Shape) -> bool {
        match shape {
            Shape::Any | Shape::Text(_) | Shape::Decimal | Shape::Bytes(_) => true,
            Shape::NdArray { .. } | Shape::List(..) | Shape::Map(_) => true,
            Shape::Named(at) => !matches!(self.plan.types[*at].definition, Definition::Enum(_)),
            _ => false,
        }
    }

    /// A loop over the items of a list.
    fn each(&self, text: &mut Text, list: &str, level: usize, body: impl FnOnce(&mut Text, &str)) {
        let head = format!("for (size_t i{level} = 0; i{level} < {list}.count; i{level}++) {{");
        text.block(head, "}", |text| body(text, &format!("{list}.items[i{level}]")));
    }

    fn write(&self, text: &mut Text, key: &str, slot: &Slot, from: &str, level: usize, is_field: bool) {
        let put = |what: &str, value: &str| format!("linkspan_writer_put_{what}(writer, {key}, {value});");
        match &slot.shape {
            Shape::Any => text.line(put("message", from)),
            Shape::Bool => text.line(put("bool", from)),
            Shape::Integer(Width::U8 | Width::U16 | Width::U32 | Width::U64) => text.line(put("u64", from)),
            Shape::Integer(_) => text.line(put("i64", from)),
            Shape::F32 => text.line(put("f64", &format!("(double){from}"))),
            Shape::F64 => text.line(put("f64", from)),
            Shape::Text(_) => text.line(put("text", &format!("{from}.data, {from}.length"))),
            Shape::Bytes(_) => text.line(put("bytes", &format!("{from}.data, {from}.length"))),
            Shape::Timestamp => text.line(put("timestamp", from)),
            Shape::Uuid => text.line(put("uuid", &format!("{from}.bytes"))),
            Shape::Decimal => text.line(put("decimal", &format!("{from}.data, {from}.length"))),
            Shape::List(of, _) => {
                text.line(format!("linkspan_writer_begin_array(writer, {key});"));
                self.each(text, from, level, |text, item| {
                    self.write(text, "NULL", of, item, level + 1, false)
                });
                text.line("linkspan_writer_end(writer);");
            }
            Shape::Map(of) => {
                text.line(format!("linkspan_writer_begin_map(writer, {key});"));
                self.each(text, from, level, |text, item| {
                    self.write(
                        text,
                        &format!("linkspan_write_key(&{item}.key)"),
                        of,
                        &format!("{item}.value"),
                        level + 1,
                        false,
                    );
                });
                text.line("linkspan_writer_end(writer);");
            }
            Shape::NdArray { dtype, .. } => match fixed(&slot.shape).filter(|_| is_field) {
                Some(lengths) => text.line(format!(
                    "linkspan_write_elements(writer, {key}, {}, {}, {}, {from});",
                    dtype_constant(*dtype),
                    lengths.len(),
                    dims(&lengths)
                )),
                None => text.line(put("array", &format!("&{from}"))),
            },
            Shape::Named(at) => {
                let def = &self.plan.types[*at];
                match def.definition {
                    Definition::Enum(_) => {
                        text.line(format!("linkspan_write_name(writer, {key}, {}_name({from}));", def.name));
                    }
                    _ => text.line(format!("{}_write(writer, {key}, &{from});", def.name)),
                }
            }
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
        match &slot.shape {
            Shape::Any => text.line(format!("linkspan_read_message(reader, &{to});")),
            Shape::Bool => text.line(format!("{to} = linkspan_read_bool(reader);")),
            Shape::Integer(width) => {
                let (kind, upper) = (integer(*width), width.name()[1..].to_owned());
                match width {
                    Width::U64 => text.line(format!("{to} = linkspan_read_unsigned(reader, UINT64_MAX);")),
                    Width::I64 => {
                        text.line(format!("{to} = linkspan_read_integer(reader, INT64_MIN, INT64_MAX);"));
                    }
                    Width::U8 | Width::U16 | Width::U32 => {
                        text.line(format!("{to} = ({kind})linkspan_read_unsigned(reader, UINT{upper}_MAX);"));
                    }
                    _ => text.line(format!(
                        "{to} = ({kind})linkspan_read_integer(reader, INT{upper}_MIN, INT{upper}_MAX);"
                    )),
                }
            }
            Shape::F32 => text.line(format!("{to} = linkspan_read_f32(reader);")),
            Shape::F64 => text.line(format!("{to} = linkspan_read_f64(reader);")),
            Shape::Text(_) => text.line(format!("linkspan_read_text(reader, &{to});")),
            Shape::Bytes(_) => text.line(format!("linkspan_read_bytes(reader, &{to});")),
            Shape::Timestamp => text.line(format!("{to} = linkspan_read_timestamp(reader);")),
            Shape::Uuid => text.line(format!("{to} = linkspan_read_uuid(reader);")),
            Shape::Decimal => text.line(format!("linkspan_read_decimal(reader, &{to});")),
            Shape::List(of, _) => {
                if default.is_some() {
                    self.free(text, &slot.shape, to, level, is_field);
                }
                text.line(format!(
                    "linkspan_reader_begin_array(reader, &{to}.count);\n{to}.items = linkspan_read_items(reader, &{to}.count, sizeof *{to}.items);"
                ));
                self.each(text, to, level, |text, item| self.read(text, of, item, level + 1, false, None));
                text.line("linkspan_reader_end(reader);");
            }
            Shape::Map(of) => {
                if default.is_some() {
                    self.free(text, &slot.shape, to, level, is_field);
                }
                text.line(format!(
                    "linkspan_reader_begin_map(reader, &{to}.count);\n{to}.items = linkspan_read_items(reader, &{to}.count, sizeof *{to}.items);"
                ));
                self.each(text, to, level, |text, item| {
                    text.line(format!("linkspan_read_key(reader, &{item}.key);"));
                    self.read(text, of, &format!("{item}.value"), level + 1, false, None);
                });
                text.line("linkspan_reader_end(reader);");
            }
            Shape::NdArray { dtype, shape, order } => match fixed(&slot.shape).filter(|_| is_field) {
                Some(lengths) => text.line(format!(
                    "linkspan_read_elements(reader, {}, {}, {}, {to});",
                    dtype_constant(*dtype),
                    lengths.len(),
                    dims(&lengths)
                )),
                None => {
                    let order = match order {
                        Some(Order::Row) => "LINKSPAN_ROW",
                        Some(Order::Column) => "LINKSPAN_COLUMN",
                        _ => "-1",
                    };
                    let (rank, dims) = match shape {
                        None => ("-1".to_owned(), "NULL".to_owned()),
                        Some(shape) if shape.is_empty() => ("0".to_owned(), "NULL".to_owned()),
                        Some(shape) => (shape.len().to_string(), any_dims(shape)),
                    };
                    let dtype = dtype_constant(*dtype);
                    text.line(format!(
                        "linkspan_read_array(reader, {dtype}, {order}, {rank}, {dims}, &{to});"
                    ));
                }
            },
            Shape::Named(at) => {
                let def = &self.plan.types[*at];
                match (&def.definition, default) {
                    (Definition::Enum(_), Some(Value::Text(name))) => {
                        let unknown = constant(&def.path, name);
                        text.line(format!("{}_get(reader, (int32_t){unknown}, &{to});", def.name));
                    }
                    (Definition::Enum(_), _) => text.line(format!("{}_get(reader, -1, &{to});", def.name)),
                    _ => text.line(format!("{}_read(reader, &{to});", def.name)),
                }
            }
        }
    }
}

/// The constant of an enum's value or a union's variant.
fn constant(path: &str, value: &str) -> String {
    Case::Upper.join(&format!("{path}.{value}"))
}

fn integer(width: Width) -> String {
    match width.name().split_at(1) {
        ("u", bits) => format!("uint{bits}_t"),
        (_, bits) => format!("int{bits}_t"),
    }
}

/// The type of an array's elements, and the dimension behind those of the array where an element has two parts.
pub(super) fn element(dtype: DType) -> (&'static str, &'static str) {
    match dtype {
        DType::Bool => ("bool", ""),
        DType::I8 => ("int8_t", ""),
        DType::I16 => ("int16_t", ""),
        DType::I32 => ("int32_t", ""),
        DType::I64 => ("int64_t", ""),
        DType::U8 => ("uint8_t", ""),
        DType::U16 => ("uint16_t", ""),
        DType::U32 => ("uint32_t", ""),
        DType::U64 => ("uint64_t", ""),
        DType::F32 => ("float", ""),
        DType::C64 => ("float", "[2]"),
        DType::C128 => ("double", "[2]"),
        _ => ("double", ""),
    }
}

fn dims(lengths: &[u64]) -> String {
    let lengths: Vec<String> = lengths.iter().map(u64::to_string).collect();
    format!("(const uint64_t[]){{{}}}", lengths.join(", "))
}

/// The lengths that a reader asks for, any length where it is not fixed.
fn any_dims(shape: &[Length]) -> String {
    let lengths: Vec<String> = shape
        .iter()
        .map(|length| match length {
            Length::Fixed(length) => length.to_string(),
            _ => "UINT64_MAX".to_owned(),
        })
        .collect();
    format!("(const uint64_t[]){{{}}}", lengths.join(", "))
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
