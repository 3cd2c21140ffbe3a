//! Schemas from other notations and from messages, for the program `linkspan-schema`.
//!
//! | part | lives in |
//! |---|---|
//! | schemas from other notations | [`import`] |
//! | schemas from messages, with open questions | the crate [`infer`] |

#![forbid(unsafe_code)]

pub mod import;
pub use linkspan_schema_infer as infer;
