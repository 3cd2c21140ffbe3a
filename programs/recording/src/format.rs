//! The names in a recording: topics, keys of metadata, encodings. docs/recording-format.md describes them.

use std::collections::BTreeMap;

/// The profile in the header of each file.
pub const PROFILE: &str = "linkspan";
/// The profile of a file for viewers, with messages in the encoding of ROS 2.
pub const PROFILE_ROS2: &str = "ros2";
/// The beginning of the library name in the header, which identifies the writer.
pub const LIBRARY: &str = "linkspan-record ";
/// The topic of events.
pub const EVENTS: &str = "linkspan/events";
/// The name of the schema of events.
pub const EVENT_SCHEMA: &str = "linkspan.Event";

/// The most bytes of a publisher and similar texts, which an export repeats for each message.
pub(crate) const MAX_TEXT: usize = 1_024;

/// Shortens a peer's text for a channel.
pub(crate) fn brief(text: &str) -> String {
    let fits = |(at, one): &(usize, char)| at.saturating_add(one.len_utf8()) <= MAX_TEXT;
    text.char_indices().take_while(fits).map(|(_, one)| one).collect()
}

/// Notations of schemas.
pub mod schema_encoding {
    /// In Linkspan's notation.
    pub const LINKSPAN: &str = "linkspan";
    /// JSON Schema.
    pub const JSON_SCHEMA: &str = "jsonschema";
}

/// Keys in the metadata of a channel.
pub mod channel {
    /// The endpoint with its transport.
    pub const ENDPOINT: &str = "linkspan.endpoint";
    /// The incarnation of the publisher, 16 hexadecimal digits.
    pub const INCARNATION: &str = "linkspan.incarnation";
    /// The number of the channel's first message in this part.
    pub const FIRST: &str = "linkspan.first";
    /// The publisher's `client_id`, or its program and process number.
    pub const SOURCE: &str = "linkspan.source";
    /// The machine that the name was imported from.
    pub const MACHINE: &str = "linkspan.machine";
    /// The schema in Linkspan's notation, if the channel's own schema has another notation.
    pub const SCHEMA: &str = "linkspan.schema";
    /// A JSON Schema that admits all messages, in addition to the channel's own schema.
    pub const JSON_SCHEMA: &str = "linkspan.jsonschema";
    /// The unit of a field, followed by its path. The message itself has an empty path.
    pub const UNIT: &str = "linkspan.unit";
    /// `true` for a channel of repeated messages.
    pub const REPEATED: &str = "linkspan.repeated";
}

/// Metadata records.
pub mod metadata {
    /// At the beginning of each part.
    pub const RECORDING: &str = "linkspan.recording";
    /// At the end of a closed part.
    pub const END: &str = "linkspan.end";
    /// The next number of each publisher, at the beginning of a part.
    pub const NUMBERS: &str = "linkspan.numbers";
    /// In a copy: the facts and the file of an original.
    pub const ORIGINAL: &str = "linkspan.original";
    /// At the end of a copy: data of the originals that could not be read.
    pub const OMITTED: &str = "linkspan.omitted";
    /// At the end of a copy: an unclosed part of the originals, with the keys of module `omitted`.
    pub const UNCLOSED: &str = "linkspan.unclosed";
    /// Parts that the recorder removed, written at the removal and at the beginning of each later part.
    pub const DROPPED: &str = "linkspan.dropped";
    /// The notes of `--note`.
    pub const NOTES: &str = "linkspan.notes";
}

/// The key of the removed parts at the end of a part.
pub const DROPPED: &str = "dropped";

/// Keys in a metadata record about unreadable data.
pub mod omitted {
    /// The file.
    pub const FILE: &str = "file";
    /// The offset of the data.
    pub const BYTE: &str = "byte";
    /// The reason.
    pub const TEXT: &str = "text";
}

/// Returns the entries of a `linkspan.omitted` record as one text.
pub fn omitted(entries: &BTreeMap<String, String>) -> String {
    let of = |key| entries.get(key).map_or("", String::as_str);
    let byte = entries.get(omitted::BYTE).map_or_else(String::new, |byte| format!(": byte {byte}"));
    format!("{}{byte}: {}", of(omitted::FILE), of(omitted::TEXT))
}

/// Parses a number from digits without signs or blanks.
pub fn number(text: &str, radix: u32) -> Option<u64> {
    let is_plain = text.chars().all(|digit| digit.is_digit(radix));
    u64::from_str_radix(text, radix).ok().filter(|_| is_plain)
}

/// Parses an entry of `linkspan.numbers`: an incarnation, its topic, and its next number.
pub fn next_number<'a>(key: &'a str, text: &str) -> Option<(u64, &'a str, u64)> {
    let (incarnation, topic) = key.split_once(' ')?;
    Some((number(incarnation, 16)?, topic, number(text, 10)?))
}
