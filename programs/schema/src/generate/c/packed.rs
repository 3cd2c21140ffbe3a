//! Packed records: copies to and from the bytes of a message.

use linkspan::schema::Layout;

use super::super::{Case, Text, packed};
use super::generator::C;

impl C<'_> {
    /// Writes the layout of a packed record, and the copies to and from its bytes.
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
            "// Returns the fault in {} bytes with the path of the field; NULL if they are valid.",
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
            "// Copies {} bytes to `to`. Returns false and copies nothing if a truth value or an enum number is invalid.",
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

linkspan_status {root}_encode(const {root} *from, linkspan_message *message) {{
    const linkspan_status status = linkspan_message_clear(message);
    return status == LINKSPAN_OK ? {root}_put(from, message, NULL) : status;
}}

linkspan_status {root}_decode({root} *to, const linkspan_message *message) {{
    return {root}_get(to, message, \"\");
}}

linkspan_status {root}_put(const {root} *from, linkspan_message *message, const char *key) {{
    uint8_t bytes[{upper}_SIZE];
    {root}_pack(from, bytes);
    return linkspan_message_put_bytes(message, key, bytes, sizeof bytes);
}}

linkspan_status {root}_get({root} *to, const linkspan_message *message, const char *path) {{
    const uint8_t *bytes;
    size_t length;
    linkspan_status status = LINKSPAN_OK;
    if (path != NULL && *path == '\\0') {{
        status = linkspan_message_check_fingerprint(message, {upper}_FINGERPRINT);
    }}
    if (status == LINKSPAN_OK) {{
        status = linkspan_message_get_bytes(message, path, &bytes, &length);
    }}
    memset(to, 0, sizeof *to);
    if (status != LINKSPAN_OK) {{
        return status;
    }}
    if (length != {upper}_SIZE) {{
        return linkspan_set_last_error(LINKSPAN_WRONG_TYPE, \"{size} packed bytes are expected\");
    }}
    if (!{root}_unpack(to, bytes)) {{
        return linkspan_set_last_error(LINKSPAN_OUT_OF_RANGE, {root}_unpack_refusal(bytes));
    }}
    return LINKSPAN_OK;
}}"
        ));
    }
}
