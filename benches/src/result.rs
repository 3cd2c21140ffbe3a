//! The result of whatever may fail here.

/// Any error ends as a line of text on the terminal, so no kind of error is kept apart.
pub type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;
