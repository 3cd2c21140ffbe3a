//! Schemas out of other notations and out of messages, for the program `linkspan-schema`.
//!
//! | what | lives in |
//! |---|---|
//! | schemas out of other notations, with refusals by name and place | [`import`] |
//! | schemas out of messages, with what remains in doubt | the crate [`infer`] |

#![forbid(unsafe_code)]

pub mod import;
pub use linkspan_schema_infer as infer;
