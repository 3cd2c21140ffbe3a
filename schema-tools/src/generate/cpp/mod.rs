//! C++: one header with a struct for each record, and their way to and from the wire.
//!
//! | what | lives in |
//! |---|---|
//! | the header, and what every message has | here |
//! | structs, enums, unions | `define` |
//! | statements that write and read one value | `values` |
//! | types and defaults | `types` |

mod define;
mod types;
mod values;

use linkspan::schema::Layout;

use super::native::{self, comment, names_width};
use super::packed;
use super::{Case, Definition, File, Naming, Plan, Text, TypeDef};
use types::indent;

/// How names are written in C++.
pub(super) const NAMING: Naming = Naming {
    types: Case::Pascal,
    fields: Case::Snake,
    values: Case::Snake,
    variants: Case::Snake,
    ignores_case: false,
    longest: 255,
    reserved: native::RESERVED_CPP,
    reserved_if_packed: &["pack", "unpack", "size"],
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

    /// What a packed record has in the place of its way through fields.
    fn packed_members(&self, text: &mut Text, name: &str, layout: &Layout<'_>) {
        let size = layout.size;
        text.line(format!("\n/// The bytes of a message.\nstatic constexpr std::size_t size = {size};\n"));
        text.line(format!("/// Copies it to {size} bytes."));
        text.block("void pack(std::uint8_t *bytes_) const {", "}\n", |text| {
            text.line("std::memcpy(bytes_, this, size);");
            packed::clear_padding(text, layout, &packed::CPP);
        });
        text.line(format!("/// Copies {size} bytes into it; false, and nothing is copied, where they hold a truth value or an enum's\n/// number that there is not."));
        text.block("bool unpack(const std::uint8_t *bytes_) {", "}\n", |text| {
            packed::check(text, layout, &packed::CPP);
            text.line("std::memcpy(static_cast<void *>(this), bytes_, size);\nreturn true;");
        });
        self.write_head(text, |text| {
            text.line("std::uint8_t bytes_[size];\npack(bytes_);\nwriter_.put_bytes(key_, linkspan::bytes_view(bytes_, size));");
        });
        text.line("");
        self.read_head(text, |text| {
            text.line(format!(
                "*this = {name}{{}};
const std::vector<std::uint8_t> bytes_ = reader_.get_bytes();
if (bytes_.size() != size) {{
    reader_.refuse(LINKSPAN_WRONG_TYPE, \"{size} packed bytes are expected\");
}} else if (!unpack(bytes_.data())) {{
    reader_.refuse(LINKSPAN_OUT_OF_RANGE, \"packed bytes hold a truth value or an enum's number that there is not\");
}}"
            ));
        });
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
}
