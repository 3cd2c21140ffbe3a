//! C: a header with one struct for each record, and a source with the table by which those are encoded and decoded.
//!
//! | what | lives in |
//! |---|---|
//! | the two files, and the functions in them | here |
//! | the state of what writes them | `generator` |
//! | structs, enums, unions | `declare` |
//! | the table of a struct: offsets, keys, defaults | `table` |
//! | copies of packed records | `packed` |

mod declare;
mod generator;
mod packed;
mod table;

use super::native::{self, literal, names_width};
use super::{Case, Definition, File, Plan, Text};
use generator::C;

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
        File { name: format!("{}.c", c.name), text: c.source()? },
    ])
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
            self.plan.fingerprint
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
            "// Sets every field to its default or to zero; false if there is no memory for a default.
bool {root}_init({root} *to);

// Frees what a struct owns, and sets the struct to zero.
void {root}_free({root} *to);
"
        ));
        text.line(if self.plan.schema.packed { packed::declarations(root) } else { declarations(root) });
        text.line(format!(
            "// Writes `from` as one value: with `key` inside an open map, with NULL otherwise.
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

    fn source(&self) -> linkspan::Result<String> {
        let mut text = Text::new("    ");
        native::heading(&mut text, "//", self.plan);
        text.line(format!("#include \"{}.h\"\n", self.name));
        text.line(native::c_text(&format!("const char {}_schema[]", self.name), &self.plan.schema.to_toml()));
        text.line("");
        for def in &self.plan.types {
            if let Definition::Enum(values) = &def.definition {
                self.names(&mut text, &def.name, values.iter().map(|(_, value)| value.as_str()));
            }
        }
        match self.plan.schema.layout() {
            Some(layout) => self.packed_functions(&mut text, self.root(), layout.size),
            None => {
                self.table(&mut text)?;
                text.line(functions(self.root(), &self.plan.name(Case::Upper)));
            }
        }
        Ok(text.finish())
    }

    /// The names of an enum, and the function that gives one.
    fn names<'n>(&self, text: &mut Text, name: &str, names: impl Iterator<Item = &'n str>) {
        let names: Vec<&str> = names.collect();
        let width = names_width(names.iter().copied()) + 1;
        let list: Vec<String> = names.iter().map(|name| literal(name.as_bytes())).collect();
        text.line(format!("static const char {name}_names[][{width}] = {{{}}};\n", list.join(", ")));
        text.line(format!(
            "const char *{name}_name({name} value) {{\n    return (unsigned)value < {} ? {name}_names[value] : NULL;\n}}\n",
            names.len()
        ));
    }
}

/// The functions from and to messages and bytes.
fn declarations(root: &str) -> String {
    format!(
        "// Sets `message` to one that holds `from`. `writer` is not needed and may be NULL.
linkspan_status {root}_encode(const {root} *from, linkspan_writer *writer, linkspan_message *message);

// Reads a message into `to`, which {root}_init() or an earlier call has set: what it held is freed. At an error, `to` holds a part
// of the message. `reader` is not needed and may be NULL.
linkspan_status {root}_decode({root} *to, linkspan_reader *reader, const linkspan_message *message);

// Encodes `from`. Free the bytes with linkspan_free().
linkspan_status {root}_to_bytes(const {root} *from, linkspan_encoding encoding, uint8_t **bytes, size_t *length);

// Reads encoded bytes into `to`, as {root}_decode() does.
linkspan_status {root}_from_bytes({root} *to, const uint8_t *bytes, size_t length, linkspan_encoding encoding);
"
    )
}

/// Each is one call into the library with the table of the struct.
fn functions(root: &str, upper: &str) -> String {
    let record = table::record(root);
    format!(
        "bool {root}_init({root} *to) {{
    return linkspan_record_init(&{record}, to) == LINKSPAN_OK;
}}

void {root}_free({root} *to) {{
    linkspan_record_free(&{record}, to);
}}

linkspan_status {root}_encode(const {root} *from, linkspan_writer *writer, linkspan_message *message) {{
    (void)writer;
    return linkspan_record_put(&{record}, from, message);
}}

linkspan_status {root}_decode({root} *to, linkspan_reader *reader, const linkspan_message *message) {{
    const linkspan_status status = linkspan_message_check_fingerprint(message, {upper}_FINGERPRINT);
    (void)reader;
    return status == LINKSPAN_OK ? linkspan_record_get(&{record}, to, message) : status;
}}

linkspan_status {root}_to_bytes(const {root} *from, linkspan_encoding encoding, uint8_t **bytes, size_t *length) {{
    return linkspan_record_encode(&{record}, from, encoding, bytes, length);
}}

linkspan_status {root}_from_bytes({root} *to, const uint8_t *bytes, size_t length, linkspan_encoding encoding) {{
    return linkspan_record_decode(&{record}, to, bytes, length, encoding);
}}

void {root}_write(linkspan_writer *writer, const char *key, const {root} *from) {{
    linkspan_writer_put_record(writer, key, &{record}, from);
}}

void {root}_read(linkspan_reader *reader, {root} *to) {{
    linkspan_reader_get_record(reader, &{record}, to);
}}"
    )
}
