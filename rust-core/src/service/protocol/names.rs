//! Names of services, and texts that are cut to a length.

use crate::error::{Error, ErrorKind, Result};
use crate::transport::endpoint::Endpoint;

/// Returns `InvalidEndpoint` for a text that is not the name of a service: segments as in an endpoint.
pub fn check_service_name(name: &str) -> Result<()> {
    // A leading slash would make a path, and a colon an endpoint.
    let plain = !name.contains(':') && !name.starts_with('/');
    match format!("shm:{name}").parse::<Endpoint>() {
        Ok(_) if plain => Ok(()),
        _ => {
            let text = format!(
                "{:?} is not a valid name for a service: segments of 1 to 64 characters [A-Za-z0-9._-], joined by / where there are several",
                cut(name, 400)
            );
            Err(Error::new(ErrorKind::InvalidEndpoint, text))
        }
    }
}

/// Returns `InvalidEndpoint` for a text that cannot be the name of a service: `NAME`, or `NAME@MACHINE` for
/// one of another machine.
pub fn check_known_name(name: &str) -> Result<()> {
    let (service, machine) = name.split_once('@').unwrap_or((name, "machine"));
    check_service_name(service).and_then(|()| check_service_name(machine))
}

/// Returns at most `length` bytes of a text, with a mark if the rest was cut off.
pub fn cut(text: &str, length: usize) -> String {
    if text.len() <= length {
        return text.to_owned();
    }
    let end = (0..=length).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}… ({} bytes more)", &text[..end], text.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_name_other_than_segments_is_refused() {
        for good in ["power", "lab/power-2", "a.b_c"] {
            check_service_name(good).unwrap();
            check_known_name(good).unwrap();
            check_known_name(&format!("{good}@north")).unwrap();
        }
        for bad in ["", "a b", "../x", "/tmp/x", "a//b", "unix:x", "ü", &"x".repeat(65)] {
            assert_eq!(
                check_known_name(&format!("{bad}@north")).unwrap_err().kind(),
                ErrorKind::InvalidEndpoint,
                "{bad:?}"
            );
            assert_eq!(check_service_name(bad).unwrap_err().kind(), ErrorKind::InvalidEndpoint, "{bad:?}");
        }
    }

    #[test]
    fn long_lines_are_cut_at_a_character() {
        let text = cut(&"é".repeat(10), 5);
        assert_eq!(text, "éé… (16 bytes more)");
        assert_eq!(cut("short", 5), "short");
    }
}
