//! The result type of functions that may fail.

/// Every error ends as a line of text on the terminal, so errors have no kinds.
pub type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;
