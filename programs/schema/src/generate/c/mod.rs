//! C: a header with a struct for each record, and a source with tables to encode and decode them.
//!
//! | part | lives in |
//! |---|---|
//! | the two files and their functions | here |
//! | the generator's state | `generator` |
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

pub(super) fn generate(plan: &Plan<'_>) -> linkspan::Result<Vec<File>> {
    for def in &plan.types {
        if let Definition::Record(members) | Definition::Table(members) = &def.definition {
            native::check_presence(&def.path, members)?;
        }
    }
    let c = C { plan, name: plan.name(Case::Snake) };
    c.check_names()?;
    Ok(vec![
        File { name: format!("{}.h", c.name), text: c.header() },
        File { name: format!("{}.c", c.name), text: c.source()? },
    ])
}

impl C<'_> {
    fn root(&self) -> &str {
        self.plan.root_type().map_or(&self.name, |def| &def.name)
    }

    /// Returns `Unsupported` if a type has the name of a generated function or constant.
    fn check_names(&self) -> linkspan::Result<()> {
        let root = self.root();
        let of_bytes: &[&str] = match self.plan.schema.packed {
            true => &["pack", "unpack", "unpack_refusal"],
            false => &["to_bytes", "from_bytes"],
        };
        let parts = ["init", "free", "encode", "decode", "put", "get"].iter().chain(of_bytes);
        let of_root: Vec<String> = parts.map(|part| format!("{root}_{part}")).collect();
        for def in &self.plan.types {
            let made = self.plan.types.iter().find(|of| {
                let parts: &[&str] = match of.definition {
                    Definition::Enum(_) => &["name", "names"],
                    Definition::Union(_) => &["kind"],
                    Definition::Record(_) | Definition::Table(_) => &[],
                };
                parts.iter().any(|part| def.name == format!("{}_{part}", of.name))
            });
            if let Some(of) = made {
                return Err(native::taken(def, &of.path));
            }
            if of_root.contains(&def.name) || def.name == format!("{}_schema", self.name) {
                return Err(native::taken(def, &self.plan.schema.name));
            }
        }
        Ok(())
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
            "// Sets every field to its default or to zero. Returns false if memory for a default is lacking.
bool {root}_init({root} *to);

// Frees the memory of a struct's fields, and sets the struct to zero.
void {root}_free({root} *to);
"
        ));
        text.line(declarations(root));
        if !self.plan.schema.packed {
            text.line(bytes_declarations(root));
        }
        text.line("#ifdef __cplusplus\n}\n#endif\n\n#endif");
        text.finish()
    }

    fn source(&self) -> linkspan::Result<String> {
        let mut text = Text::new("    ");
        native::heading(&mut text, "//", self.plan);
        text.line(format!("#include \"{}.h\"\n", self.name));
        text.line(native::c_text(&format!("const char {}_schema[]", self.name), &self.plan.notation()));
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

    /// Writes the names of an enum, and the function that returns one.
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

fn declarations(root: &str) -> String {
    format!(
        "// Makes `from` the value of `message`, which loses its previous value.
linkspan_status {root}_encode(const {root} *from, linkspan_message *message);

// Reads a message into `to`, and frees the old fields. Call {root}_init() before the first read. After an
// error, `to` holds a part of the message. Returns LINKSPAN_SCHEMA_MISMATCH for a message of another schema.
linkspan_status {root}_decode({root} *to, const linkspan_message *message);

// Puts `from` as one value into a message that the program builds: under `key` in a map. A NULL key appends to an
// array, or sets the whole value of an empty message.
linkspan_status {root}_put(const {root} *from, linkspan_message *message, const char *key);

// Reads the value at a path of a message into `to`, like {root}_decode(). The path \"\" is the whole message,
// which must be of this schema. The schema of a part is not checked.
linkspan_status {root}_get({root} *to, const linkspan_message *message, const char *path);
"
    )
}

fn bytes_declarations(root: &str) -> String {
    format!(
        "// Encodes `from`. Free the bytes with linkspan_free().
linkspan_status {root}_to_bytes(const {root} *from, linkspan_encoding encoding, uint8_t **bytes, size_t *length);

// Reads encoded bytes into `to`, like {root}_decode().
linkspan_status {root}_from_bytes({root} *to, const uint8_t *bytes, size_t length, linkspan_encoding encoding);
"
    )
}

fn functions(root: &str, upper: &str) -> String {
    let record = table::record(root);
    format!(
        "bool {root}_init({root} *to) {{
    return linkspan_record_init(&{record}, to) == LINKSPAN_OK;
}}

void {root}_free({root} *to) {{
    linkspan_record_free(&{record}, to);
}}

linkspan_status {root}_encode(const {root} *from, linkspan_message *message) {{
    return linkspan_record_put(&{record}, from, message);
}}

linkspan_status {root}_decode({root} *to, const linkspan_message *message) {{
    return {root}_get(to, message, \"\");
}}

linkspan_status {root}_put(const {root} *from, linkspan_message *message, const char *key) {{
    return linkspan_message_put_record(message, key, &{record}, from);
}}

linkspan_status {root}_get({root} *to, const linkspan_message *message, const char *path) {{
    if (path != NULL && *path == '\\0') {{
        const linkspan_status status = linkspan_message_check_fingerprint(message, {upper}_FINGERPRINT);
        if (status != LINKSPAN_OK) {{
            return status;
        }}
    }}
    return linkspan_message_get_record(message, path, &{record}, to);
}}

linkspan_status {root}_to_bytes(const {root} *from, linkspan_encoding encoding, uint8_t **bytes, size_t *length) {{
    return linkspan_record_encode(&{record}, from, encoding, bytes, length);
}}

linkspan_status {root}_from_bytes({root} *to, const uint8_t *bytes, size_t length, linkspan_encoding encoding) {{
    return linkspan_record_decode(&{record}, to, bytes, length, encoding);
}}"
    )
}
