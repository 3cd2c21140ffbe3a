//! The open names nearest to a name without a listener: for errors, and for the doctor.

use crate::error::{Error, ErrorKind};
use crate::sys::directory::Directory;
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::{NameDirectory, Naming};
use crate::transport::owner;
use crate::transport::place::{self, Place};

const SHOWN: usize = 3;
/// Bounded, because a call that fails repeatedly must stay cheap.
const MAX_COMPARED: usize = 512;

/// Adds the nearest open names to the error of an endpoint without a listener.
pub fn named(error: Error, endpoint: &str) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    let Some(endpoint) = endpoint.parse().ok().filter(is_in_directory) else { return error };
    let (near, open) = nearest_open(&endpoint);
    let hint = match near.split_last() {
        None if open == 0 => "no name is open there".to_owned(),
        None => return error,
        Some((only, [])) => format!("open is {only}"),
        Some((last, others)) => format!("open are {} and {last}", others.join(", ")),
    };
    error.with_hint(&hint)
}

fn is_in_directory(endpoint: &Endpoint) -> bool {
    endpoint.transport().names() == NameDirectory::Runtime
        && endpoint.transport().naming() != Naming::Address
        && endpoint.absolute().is_none()
}

/// Returns the nearest held names, the nearest first, and the count of all compared names.
///
/// An unreadable directory gives none, because the call has already failed for another reason.
pub fn nearest_open(endpoint: &Endpoint) -> (Vec<String>, usize) {
    let Ok(Some(directory)) = Directory::find_runtime() else { return (Vec::new(), 0) };
    let directory = std::sync::Arc::new(directory);
    let wanted = endpoint.to_string();
    let is_name =
        |file: &String| place::of_temporary(file).is_none() && owner::file_of_record(file).is_none();
    let mut found: Vec<(usize, String, String)> = directory
        .names()
        .unwrap_or_default()
        .into_iter()
        .filter(is_name)
        .filter_map(|file| Some((Endpoint::from_file_name(&file)?.to_string(), file)))
        .filter(|(name, _)| *name != wanted)
        .take(MAX_COMPARED)
        .map(|(name, file)| (difference(&wanted, &name), name, file))
        .collect();
    found.sort();
    let count = found.len();
    let is_open = |file: String| Place { directory: directory.clone(), file }.is_bound().unwrap_or(false);
    let open = found.into_iter().filter_map(|(_, name, file)| is_open(file).then_some(name));
    (open.take(SHOWN).collect(), count)
}

/// Another transport counts as one letter. The last part of a name counts more than the parts before it.
fn difference(one: &str, other: &str) -> usize {
    let parts = |text: &str| {
        let (transport, name) = text.split_once(':').unwrap_or(("", text));
        let (front, last) = name.rsplit_once('/').unwrap_or(("", name));
        (transport.to_owned(), front.to_owned(), last.to_owned())
    };
    let (one, other) = (parts(one), parts(other));
    usize::from(one.0 != other.0)
        + strsim::osa_distance(&one.1, &other.1)
        + 2 * strsim::osa_distance(&one.2, &other.2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Listener, Options};

    #[test]
    fn missing_name_error_lists_the_nearest_open_names_in_order() {
        let own = std::process::id();
        let open = |name: &str| Listener::listen(&format!("{name}-{own}"), &Options::default()).unwrap();
        let _open = [open("unix:near/temperature"), open("shm:near/temperatura"), open("shm:near/other")];
        let endpoint: Endpoint = format!("shm:near/temperature-{own}").parse().unwrap();
        let (names, count) = nearest_open(&endpoint);
        assert_eq!(
            names[..2],
            [format!("unix:near/temperature-{own}"), format!("shm:near/temperatura-{own}")]
        );
        assert!(count >= 3);
        let error = named(Error::new(ErrorKind::NotFound, "no program listens"), &endpoint.to_string());
        assert!(error.text().starts_with(&format!("no program listens; open are {}, ", names[0])), "{error}");
        let other = named(Error::new(ErrorKind::Timeout, "late"), &endpoint.to_string());
        assert_eq!(other.text(), "late");
    }

    #[test]
    fn last_part_of_a_name_counts_most_and_the_transport_least() {
        let far = |other| difference("shm:lab/power", other);
        assert!(far("unix:lab/power") <= far("shm:lib/power") && far("shm:lib/power") < far("shm:lab/pover"));
        assert!(far("shm:lab/pover") < far("shm:lab/temperature"));
    }
}
