//! Packed records: copies to and from the bytes of a message.

use linkspan::schema::Layout;

use super::super::{Case, Text, packed};
use super::generator::C;

impl C<'_> {
    /// The layout of a packed record, and the copies to and from its bytes.
    pub(super) fn pack(&self, text: &mut Text, root: &str, layout: &Layout<'_>) {
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
                packed::clear_padding(text, layout, &packed::C);
            },
        );
        text.line(format!(
            "// Returns what is wrong with {} bytes, with the path of the field; NULL if they are valid.",
            layout.size
        ));
        text.block(
            format!("static inline const char *{root}_unpack_refusal(const uint8_t *bytes) {{"),
            "}\n",
            |text| {
                text.line("(void)bytes;");
                packed::check(text, layout, &packed::C);
            },
        );
        text.line(format!(
            "// Copies {} bytes to `to`; false, and nothing is copied, if they hold an invalid truth value or enum number.",
            layout.size
        ));
        text.block(
            format!("static inline bool {root}_unpack({root} *to, const uint8_t *bytes) {{"),
            "}\n",
            |text| {
                text.line(format!("if ({root}_unpack_refusal(bytes) != NULL) return false;"));
                text.line(format!("memcpy(to, bytes, {upper}_SIZE);\nreturn true;"));
            },
        );
    }

    /// The functions of a packed record.
    pub(super) fn packed_functions(&self, text: &mut Text, root: &str, size: usize) {
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
        linkspan_reader_refuse(reader, LINKSPAN_OUT_OF_RANGE, {root}_unpack_refusal(bytes));
    }}
}}

linkspan_status {root}_encode(const {root} *from, linkspan_writer *writer, linkspan_message *message) {{
    {root}_write(writer, NULL, from);
    return linkspan_writer_finish(writer, message);
}}

linkspan_status {root}_decode({root} *to, linkspan_reader *reader, const linkspan_message *message) {{
    const linkspan_status status = linkspan_message_check_fingerprint(message, {upper}_FINGERPRINT);
    if (status != LINKSPAN_OK) {{
        return status;
    }}
    linkspan_reader_message(reader, message);
    {root}_read(reader, to);
    return linkspan_reader_finish(reader);
}}"
        ));
    }
}

/// The functions from and to messages.
pub(super) fn declarations(root: &str) -> String {
    format!(
        "// Sets `message` to one that holds `from`. The writer may be used for any number of messages, one after the other.
linkspan_status {root}_encode(const {root} *from, linkspan_writer *writer, linkspan_message *message);

// Reads a message into `to`. LINKSPAN_SCHEMA_MISMATCH for a message of another schema. At an error, `to` holds a part of the message. The reader may be used for any number of messages, one
// after the other.
linkspan_status {root}_decode({root} *to, linkspan_reader *reader, const linkspan_message *message);
"
    )
}
