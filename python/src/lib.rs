//! Edge of the language; see ARCHITECTURE.md.
