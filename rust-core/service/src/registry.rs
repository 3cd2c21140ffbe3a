//! The listing of this machine: names in the runtime directory with their holders' reports, and stores.
//!
//! A listing reads the directories and then queries each name, by a hello, its record or the files of a store.

mod answer;
mod asking;
mod cleaning;
mod inspection;
mod listed;
mod own_names;
mod places;
mod query;
mod schemas;

use std::sync::atomic::{AtomicUsize, Ordering};

use self::asking::ask_all;
use self::places::{ListedName, places, places_in_state_directory};
use self::query::{Stale, read_files};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::directory::Directory;
use crate::sys::thread;
use crate::transport::driver::ListingSource;
use crate::transport::endpoint::Endpoint;
use crate::transport::place::Place;
use crate::transport::store::History;

pub use crate::transport::name_pattern::matches;
pub use answer::{answer, peers};
pub(crate) use cleaning::tidy;
pub use cleaning::{Cleaned, clean};
pub(crate) use inspection::{Inspection, Leftover, inspect, inspect_name};
pub use listed::Listed;
pub use own_names::{BRIDGE_STATUS, GATEWAY_STATUS, is_own_name};
pub(crate) use places::named;
pub use schemas::{reply_schema, schema, schema_of, schemas};

const MAX_READERS: usize = 8;

/// Returns the runtime directory of this process, created on demand.
pub fn directory() -> Result<std::path::PathBuf> {
    Ok(Directory::runtime()?.path().to_owned())
}

/// Returns the directory of journals and durable spools, created on demand.
pub fn state_directory() -> Result<std::path::PathBuf> {
    Ok(Directory::state()?.path().to_owned())
}

/// Returns the identity of the journal at an endpoint and the range of its records.
///
/// `None` without a journal, or for an endpoint without history.
pub fn history(endpoint: &str) -> Result<Option<History>> {
    let endpoint: Endpoint = endpoint.parse()?;
    let Some(store) = endpoint.transport().driver().store() else { return Ok(None) };
    Place::of(&endpoint).and_then(|place| store.history(&place)).map_err(|e| e.on(&endpoint))
}

/// Returns the first numbers of the segments of the journal at an endpoint, in order.
pub fn segments(endpoint: &str) -> Result<Vec<u64>> {
    let endpoint: Endpoint = endpoint.parse()?;
    let Some(store) = endpoint.transport().driver().store() else { return Ok(Vec::new()) };
    Place::of(&endpoint).and_then(|place| store.segments(&place)).map_err(|e| e.on(&endpoint))
}

/// Returns the user whose process on this machine calls this process over TCP.
///
/// `from` is the caller's end of the connection, `own` the end of this process. `None` if the caller has disconnected,
/// or the kernel does not show it.
pub fn user_calling(from: std::net::SocketAddr, own: std::net::SocketAddr) -> Option<u32> {
    crate::sys::inet::user_calling(from, own)
}

/// Returns every name that a living process holds, and every `file:`, `journal:` and `spool:`, sorted.
///
/// Sockets at absolute paths (`unix:/…`) are not in the runtime directory and not listed.
///
/// Listeners are queried at once: 128, or an eighth of the descriptors that this process may open. A listener without
/// an answer within 0.5 s is listed with that problem. Many silent listeners get less time, at least 20 ms each, and
/// together delay a listing by 1 s or more. Stale files of this user's dead processes are removed; other users' stale
/// files are listed as a problem.
pub fn list() -> Result<Vec<Listed>> {
    let mut places = places()?;
    places.extend(places_in_state_directory()?);
    examine_all(&places, Stale::Remove)
}

/// Returns the machine of a name, if it stands for a name of another machine.
///
/// # Errors
///
/// Those of the directory.
pub fn machine(endpoint: &str) -> Result<Option<String>> {
    let wanted: Endpoint = endpoint.parse()?;
    let mut places = places()?;
    places.retain(|found| found.endpoint == wanted);
    Ok(examine_all(&places, Stale::Remove)?.into_iter().find_map(|listed| listed.machine))
}

fn examine_all(places: &[ListedName], stale: Stale) -> Result<Vec<Listed>> {
    let files = |found: &ListedName| match found.endpoint.transport().driver().listing_source() {
        ListingSource::Files { owned } => Some(owned),
        _ => None,
    };
    let stores: Vec<_> = places.iter().filter_map(|found| Some((found, files(found)?))).collect();
    let next = AtomicUsize::new(0);
    let read = || {
        let mut listed = Vec::new();
        while let Some((found, owned)) = stores.get(next.fetch_add(1, Ordering::Relaxed)) {
            listed.extend(read_files(found, *owned, stale));
        }
        listed
    };
    let mut listed = std::thread::scope(|scope| {
        let help = |_| thread::start_scoped(scope, "linkspan-list", read).ok();
        // If no thread can be started, this thread reads all.
        let helpers: Vec<_> = (0..stores.len().min(MAX_READERS)).map_while(help).collect();
        let mut listed = ask_all(places.iter().filter(|found| files(found).is_none()), stale)?;
        listed.extend(read());
        for helper in helpers {
            listed.extend(helper.join().map_err(|_| {
                Error::new(ErrorKind::Internal, "a thread that read the files of names ended in a defect")
            })?);
        }
        Ok::<_, Error>(listed)
    })?;
    listed.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::transport::place::Access;

    #[test]
    fn silent_listeners_do_not_delay_others() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::existing(folder.path()).unwrap());
        let endpoint = |name: String| format!("unix:{name}").parse::<Endpoint>().unwrap();
        let place = |directory: &Arc<Directory>, endpoint: &Endpoint| Place {
            directory: directory.clone(),
            file: endpoint.file_name(),
        };
        let found = |directory: &Arc<Directory>, name: String| {
            let endpoint = endpoint(name);
            ListedName { place: place(directory, &endpoint), endpoint, files: Vec::new() }
        };
        let mut places: Vec<_> = (0..300).map(|i| found(&directory, format!("silent/{i:03}"))).collect();
        // They listen but never accept, as in a stopped process.
        let bound: Vec<_> = places.iter().map(|found| found.place.bind(Access::default()).unwrap()).collect();
        let answering = format!("working/{}", std::process::id());
        let answering_listener =
            crate::engine::Listener::listen(&format!("unix:{answering}"), &Default::default()).unwrap();
        places.push(found(&Arc::new(Directory::runtime().unwrap()), answering));
        // A listing waits about a second for all. If the silent names delayed the answering name, it would never answer
        // in time.
        let began = std::time::Instant::now();
        let listed = loop {
            let listed = examine_all(&places, Stale::Remove).unwrap();
            if listed.last().is_some_and(|last| last.problem.is_none()) || began.elapsed().as_secs() > 60 {
                break listed;
            }
        };
        let names: Vec<_> = listed.iter().map(|listed| listed.endpoint.clone()).collect();
        assert_eq!(names, places.iter().map(|found| found.endpoint.to_string()).collect::<Vec<_>>());
        let (last, silent) = listed.split_last().unwrap();
        assert!(last.problem.is_none() && last.pid == Some(std::process::id()), "{last:?}");
        let text = |one: &Listed| one.problem.as_ref().map(|e| e.text().to_owned()).unwrap_or_default();
        assert!(silent.iter().all(|one| text(one).contains("does not answer")), "{silent:?}");
        drop(bound);
        drop(answering_listener);
        assert!(examine_all(&places, Stale::Remove).unwrap().is_empty());
    }

    #[test]
    fn as_many_names_as_there_are_places_are_asked_before_one_has_answered() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::existing(folder.path()).unwrap());
        let endpoints =
            (0..asking::places()).map(|i| format!("unix:one/{i:03}").parse::<Endpoint>().unwrap());
        let found = endpoints.map(|endpoint| {
            let place = Place { directory: directory.clone(), file: endpoint.file_name() };
            ListedName { place, endpoint, files: Vec::new() }
        });
        let names: Vec<_> = found.collect();
        let listening =
            |found: &ListedName| std::os::unix::net::UnixListener::bind(found.place.path()).unwrap();
        let listeners: Vec<_> = names.iter().map(listening).collect();
        let listed = std::thread::scope(|scope| {
            let accept = || listeners.iter().map(|one| one.accept().unwrap()).collect::<Vec<_>>();
            scope.spawn(accept);
            examine_all(&names, Stale::Remove).unwrap()
        });
        assert_eq!(listed.len(), names.len());
        let full = |one: &Listed| one.problem.as_ref().is_some_and(|e| e.kind() == ErrorKind::Full);
        assert!(listed.iter().all(full), "{listed:?}");
    }

    #[test]
    fn names_whose_listener_closes_each_connection_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::existing(folder.path()).unwrap());
        let endpoint: Endpoint = "unix:closing/one".parse().unwrap();
        let place = Place { directory, file: endpoint.file_name() };
        let listener = std::os::unix::net::UnixListener::bind(place.path()).unwrap();
        let names = [ListedName { place, endpoint, files: Vec::new() }];
        let over = std::sync::atomic::AtomicBool::new(false);
        let listed: Vec<_> = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    drop(listener.accept());
                }
            });
            let listed = (0..100).map(|_| examine_all(&names, Stale::Remove).unwrap().len()).collect();
            over.store(true, Ordering::SeqCst);
            std::os::unix::net::UnixStream::connect(names[0].place.path()).unwrap();
            listed
        });
        assert_eq!(listed, [1; 100]);
    }
}
