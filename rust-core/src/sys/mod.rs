//! The kernel, and the only place that knows it.
