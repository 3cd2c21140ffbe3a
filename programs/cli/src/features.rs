//! The error of a command that needs a missing feature of this build.

use linkspan::{Error, ErrorKind};

/// The error for `what`. `instead` may name another way, such as "use --once or ".
#[cfg_attr(all(feature = "web", feature = "top", feature = "tls"), allow(dead_code))]
pub fn missing(what: &str, feature: &str, instead: &str) -> Error {
    let text = format!(
        "{what} is not built in: {instead}build the program with `cargo build --release -p linkspan-cli --features {feature}`"
    );
    Error::new(ErrorKind::Unsupported, text)
}
