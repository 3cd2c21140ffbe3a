//! Recordings: files in MCAP, written by the recorder and read by its tools and by Python.
//!
//! | what | lives in |
//! |---|---|
//! | the names in a file | `format` |

pub mod format;
