//! C++: one header with a struct for each record, and the functions that encode and decode it.
//!
//! | part | lives in |
//! |---|---|
//! | the header, and the members of every message | here |
//! | the generator's state | `generator` |
//! | structs, enums, unions | `define` |
//! | the table of a struct: places, keys, defaults | `table` |
//! | types and defaults | `types` |

mod define;
mod generator;
mod table;
mod types;

use linkspan::schema::Layout;

use super::native::{self, comment};
use super::packed;
use super::{Case, Definition, File, Plan, Text, TypeDef};
use generator::Cpp;
use types::indent;

/// The doc comments of the functions that convert between messages and structs.
const PUT_DOC: &str = "/// Puts this as one value of a message: `message.put(key, value)` calls it.";
const GET_DOC: &str = "/// Returns the value at a path of a message: `message.get<T>(path)` calls it.";

pub(super) fn generate(plan: &Plan<'_>) -> linkspan::Result<Vec<File>> {
    let cpp = Cpp { plan };
    Ok(vec![File { name: format!("{}.hpp", plan.name(Case::Snake)), text: cpp.header()? }])
}

impl Cpp<'_> {
    fn header(&self) -> linkspan::Result<String> {
        let mut text = Text::new("    ");
        let upper = self.plan.name(Case::Upper);
        native::heading(&mut text, "//", self.plan);
        text.line(format!("#ifndef {upper}_HPP\n#define {upper}_HPP\n\n#include <linkspan/table.hpp>\n"));
        text.line("#include <array>\n#include <complex>\n#include <cstddef>\n#include <cstdint>\n#include <cstring>\n#include <limits>\n#include <map>\n#include <optional>\n#include <string>\n#include <type_traits>\n#include <utility>\n#include <variant>\n#include <vector>\n");
        for def in &self.plan.types {
            self.define(&mut text, def)?;
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
        Ok(text.finish())
    }

    fn constants(&self, text: &mut Text) {
        text.line("");
        text.line(format!(
            "/// The fingerprint of the schema.
static constexpr const char *fingerprint = \"{}\";

/// The schema, for the option `schema` of endpoints.
static const char *schema() {{",
            self.plan.fingerprint
        ));
        text.line(indent(&native::c_text("static const char text_[]", &self.plan.notation())));
        text.line("    return text_;\n}\n");
    }

    /// Writes the functions of every message. `held` is the table's subject: the struct, or the single value in it.
    fn message(&self, text: &mut Text, name: &str, held: &str, of: &str) {
        self.constants(text);
        let place = |of: &str| match (held, of) {
            ("*this", "this") => "this".to_owned(),
            ("*this", of) => format!("&{of}"),
            (held, "this") => format!("&{held}"),
            (held, of) => format!("&{of}.{held}"),
        };
        let (this, result) = (place("this"), place("result_"));
        text.line(format!(
            "/// Makes this the value of `message`.
void encode(linkspan::message &message_) const {{ linkspan::record::put(table_(), {this}, message_); }}

/// Returns the value of a message. Throws `linkspan::schema_mismatch` for a message of another schema, and
/// `missing`, `wrong_type` or `out_of_range` with the path of a wrong value.
static {name} decode(const linkspan::message &message_) {{
    linkspan::check_fingerprint(message_, fingerprint);
    return get_(message_, \"\");
}}

/// Encodes this value.
std::vector<std::uint8_t> to_bytes(linkspan::encoding encoding_) const {{
    return linkspan::record::encode(table_(), {this}, encoding_);
}}

/// Returns the value of encoded bytes. Throws like `decode`.
static {name} from_bytes(linkspan::bytes_view bytes_, linkspan::encoding encoding_) {{
    {name} result_;
    linkspan::record::decode(table_(), {result}, bytes_, encoding_);
    return result_;
}}
"
        ));
        self.part(text, &this, &result, name, of);
    }

    /// Writes the table, and the functions of one value among others.
    ///
    /// `this` and `result` are the addresses of the described values.
    fn part(&self, text: &mut Text, this: &str, result: &str, name: &str, of: &str) {
        text.line(format!(
            "{PUT_DOC}
void put_(linkspan::message &message_, const char *key_) const {{
    linkspan::record::put(table_(), {this}, message_, key_);
}}

{GET_DOC}
static {name} get_(const linkspan::message &message_, const char *path_) {{
    {name} result_;
    linkspan::record::get(table_(), {result}, message_, path_);
    return result_;
}}
"
        ));
        text.line("/// The table that the library uses to read and fill this struct.");
        text.block("static linkspan_record *table_() {", "}", |text| {
            text.line(format!(
                "static linkspan_record record_ = linkspan::record::table({of});\nreturn &record_;"
            ));
        });
    }

    /// Writes a message that is not a record, table or union.
    fn wrapper(&self, text: &mut Text) {
        let slot = &self.plan.root;
        let name = match self.plan.root_type() {
            Some(def) => format!("{}Message", def.name),
            None => self.plan.name(Case::Pascal),
        };
        text.line("/// A message.");
        text.block(format!("struct {name} {{"), "};\n", |text| {
            text.line(format!("{} value{{}};", self.type_of(&slot.shape, false)));
            let of = format!("{}::type()", self.reached(&slot.shape, false));
            self.message(text, &name, "value", &of);
        });
    }

    fn define(&self, text: &mut Text, def: &TypeDef) -> linkspan::Result<()> {
        let name = &def.name;
        let is_root = self.plan.root_type().is_some_and(|root| root.name == *name);
        let doc = if def.doc.is_empty() { format!("`{}`.", def.path) } else { def.doc.clone() };
        comment(text, "/// ", &doc);
        match &def.definition {
            Definition::Enum(values) => self.enumeration(text, name, values),
            Definition::Union(variants) => self.union(text, name, variants, is_root)?,
            Definition::Record(members) | Definition::Table(members) => {
                self.record(text, name, members, is_root)?
            }
        }
        text.line("");
        Ok(())
    }

    /// Writes the functions of a packed record, which copy it as a whole.
    fn packed_members(&self, text: &mut Text, name: &str, layout: &Layout<'_>) {
        let size = layout.size;
        self.constants(text);
        text.line(format!(
            "/// Makes this the value of `message`.
void encode(linkspan::message &message_) const {{ put_(message_.clear(), nullptr); }}

/// Returns the value of a message. Throws `linkspan::schema_mismatch` for a message of another schema, and
/// `wrong_type` or `out_of_range` for invalid bytes.
static {name} decode(const linkspan::message &message_) {{
    linkspan::check_fingerprint(message_, fingerprint);
    return get_(message_, \"\");
}}"
        ));
        text.line(format!("\n/// The bytes of a message.\nstatic constexpr std::size_t size = {size};\n"));
        text.line(format!("/// Copies this record to {size} bytes."));
        text.block("void pack(std::uint8_t *bytes_) const {", "}\n", |text| {
            text.line("std::memcpy(bytes_, this, size);");
            packed::clear_padding(text, layout, &packed::CPP);
        });
        text.line("/// Returns the fault in the bytes of a record with the path of the field; null if they are valid.");
        text.block(
            "static const char *refusal_([[maybe_unused]] const std::uint8_t *bytes_) {",
            "}\n",
            |text| {
                packed::check(text, layout, &packed::CPP);
            },
        );
        text.line(format!("/// Copies {size} bytes into this record. Returns false and copies nothing if a truth value or an enum\n/// number is invalid."));
        text.block("bool unpack(const std::uint8_t *bytes_) {", "}\n", |text| {
            text.line("if (refusal_(bytes_) != nullptr) return false;");
            text.line("std::memcpy(static_cast<void *>(this), bytes_, size);\nreturn true;");
        });
        text.line(format!(
            "{PUT_DOC}
void put_(linkspan::message &message_, const char *key_) const {{
    std::uint8_t bytes_[size];
    pack(bytes_);
    linkspan::check(linkspan_message_put_bytes(message_.c(), key_, bytes_, size));
}}

{GET_DOC}
static {name} get_(const linkspan::message &message_, const char *path_) {{
    const auto bytes_ = message_.get<linkspan::bytes_view>(path_);
    if (bytes_.size() != size) {{
        linkspan::detail::refuse<linkspan::wrong_type>(LINKSPAN_WRONG_TYPE, \"{size} packed bytes are expected\", path_);
    }}
    {name} result_;
    if (!result_.unpack(bytes_.data())) {{
        linkspan::detail::refuse<linkspan::out_of_range>(LINKSPAN_OUT_OF_RANGE, refusal_(bytes_.data()), path_);
    }}
    return result_;
}}"
        ));
    }
}
