//! A hostile member of a group that shares a directory: links, pipes, leases, numbers and sizes in spools, journals and
//! files. Run as root, because root's programs are the worthwhile target.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Once, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime};

use linkspan::{Channel, ErrorKind, Options, Publisher, Server, Subscriber, Value, latest, registry};

use crate::support::alone::alone;
use crate::support::spools::{called, json, names};
use crate::support::{SOON, as_user, name, needs_root};

const MEMBER: u32 = 20_011;
const OTHER: u32 = 20_012;
const GROUP: u32 = 20_110;
const DAY: Duration = Duration::from_secs(25 * 3600);
const NOW: Duration = Duration::ZERO;

static SHARED: Once = Once::new();

/// A name in a runtime directory, and one in a state directory, that root shares with a group.
struct Place {
    endpoint: String,
    path: PathBuf,
    /// A file of root alone.
    secret: tempfile::TempDir,
}

impl Place {
    fn new(transport: &str) -> Place {
        needs_root();
        let endpoint = name(transport);
        let run = PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap());
        SHARED.call_once(|| {
            for directory in [&run, &run.join("state")] {
                fs::create_dir_all(directory).unwrap();
                chown(directory, Some(0), Some(GROUP)).unwrap();
                fs::set_permissions(directory, PermissionsExt::from_mode(0o2770)).unwrap();
            }
        });
        let file = format!("{}.{transport}", endpoint.split_once(':').unwrap().1.replace('/', "@"));
        let around = if transport == "journal" { run.join("state") } else { run };
        let secret = tempfile::tempdir().unwrap();
        fs::set_permissions(secret.path(), PermissionsExt::from_mode(0o700)).unwrap();
        Place { endpoint, path: around.join(file), secret }
    }

    fn spool() -> Place {
        Place::new("spool")
    }

    /// Files of root's that are old enough to be swept, if anybody could.
    fn secrets(&self) -> Vec<PathBuf> {
        let old = SystemTime::now() - DAY;
        let all = ["thesis", "x.json", "00000000000000000001.panel.json", "committed"];
        all.map(|name| {
            let path = self.secret.path().join(name);
            let file = fs::File::create(&path).unwrap();
            std::io::Write::write_all(&mut &file, b"precious").unwrap();
            file.set_modified(old).unwrap();
            path
        })
        .to_vec()
    }

    fn untouched(&self) {
        for path in ["thesis", "x.json", "00000000000000000001.panel.json", "committed"] {
            let path = self.secret.path().join(path);
            assert_eq!(fs::read(&path).unwrap(), b"precious", "{}", path.display());
        }
        let facts = self.secret.path().metadata().unwrap();
        assert_eq!((facts.mode() & 0o7777, facts.gid()), (0o700, 0), "mode and group of what is root's");
        assert_eq!(names(self.secret.path()).len(), 4, "{:?}", names(self.secret.path()));
    }

    fn member<T: Send>(&self, work: impl FnOnce(&Path) -> T + Send) -> T {
        as_user(MEMBER, GROUP, || work(&self.path))
    }

    /// Replaces a name as a member of the group can: moves it aside, where allowed, and puts something in its place.
    fn swap(&self, at: &str, put: impl FnOnce(&Path) + Send) -> bool {
        self.member(|path| {
            let at = path.join(at);
            let aside = at.with_file_name(format!(".aside-{}", at.file_name().unwrap().display()));
            if at.symlink_metadata().is_ok() && fs::rename(&at, aside).is_err() {
                return false;
            }
            put(&at);
            true
        })
    }
}

fn fifo(at: &Path) {
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, at, kind, rustix::fs::Mode::from_raw_mode(0o666), 0).unwrap();
}

/// Held for reading while a test needs a spool of root's that is empty: a sweep of another test, in the same directory, removes it.
static SWEEP: RwLock<()> = RwLock::new(());

fn no_sweep() -> RwLockReadGuard<'static, ()> {
    SWEEP.read().unwrap_or_else(PoisonError::into_inner)
}

/// What root's programs do on their own.
fn root_looks_around() {
    let _others_wait = SWEEP.write().unwrap_or_else(PoisonError::into_inner);
    registry::list().unwrap();
    registry::clean().unwrap();
}

#[test]
fn links_in_a_root_spool_lead_nowhere() {
    alone!(links_in_a_root_spool_lead_nowhere);
    for at in ["rejected", "client", "server", "hello", ".boot"] {
        let place = Place::spool();
        place.secrets();
        let quiet = no_sweep();
        drop(Server::serve(&place.endpoint, &json()).unwrap());
        let secret = place.secret.path().to_owned();
        let target = if at == ".boot" { secret.join("thesis") } else { secret };
        place.swap(at, |at| symlink(target, at).unwrap());
        drop(quiet);
        root_looks_around();
        place.untouched();
        // Refused, or served as ever: but nothing is written there.
        if let Ok(server) = Server::serve(&place.endpoint, &json()) {
            let request = place.path.join("server/00000000000000000001.panel.json");
            place.member(|_| fs::write(&request, "1").unwrap());
            server.next(SOON).unwrap().unwrap().reply(&Value::from("mine")).unwrap();
        }
        place.untouched();
    }
}

#[test]
fn links_in_a_member_s_spool_are_not_followed_and_are_reported() {
    alone!(links_in_a_member_s_spool_are_not_followed_and_are_reported);
    for at in ["rejected", "client", "server", "hello", ""] {
        let place = Place::spool();
        place.secrets();
        let secret = place.secret.path().to_owned();
        place.member(|path| {
            if at.is_empty() {
                return symlink(secret, path).unwrap();
            }
            // Made as a whole: other programs, which list the directory, would add missing parts.
            let made = path.with_extension("made");
            for folder in ["server", "client", "hello", "rejected"].into_iter().filter(|f| *f != at) {
                fs::create_dir_all(made.join(folder)).unwrap();
            }
            fs::write(made.join(".boot"), "another life").unwrap();
            symlink(secret, made.join(at)).unwrap();
            fs::rename(made, path).unwrap();
        });
        root_looks_around();
        place.untouched();
        for error in [
            Server::serve(&place.endpoint, &json()).err().unwrap(),
            Channel::connect(&place.endpoint, &called("panel"), NOW).err().unwrap(),
        ] {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{at}: {error}");
            let shown = if at.is_empty() { place.path.clone() } else { place.path.join(at) };
            for said in ["a symbolic link", &format!("uid {MEMBER}"), shown.to_str().unwrap()] {
                assert!(error.text().contains(said), "{at}: {error}");
            }
        }
        place.untouched();
        let left = registry::clean().unwrap().left;
        let told = left
            .iter()
            .any(|(endpoint, why)| *endpoint == place.endpoint && why.text().contains("symbolic link"));
        assert!(told, "{left:?}");
        place.member(|path| fs::remove_dir_all(path).or_else(|_| fs::remove_file(path)).unwrap());
    }
}

#[test]
fn forged_boot_file_wipes_nothing() {
    alone!(forged_boot_file_wipes_nothing);
    let place = Place::spool();
    let server = Server::serve(&place.endpoint, &json()).unwrap();
    let client = Channel::connect(&place.endpoint, &called("root-panel"), SOON).unwrap();
    client.start_call(&client.encode(&Value::Int(1)).unwrap(), SOON).unwrap();
    drop((server, client));
    let lies = |at: &Path| fs::write(at, "00000000-0000-0000-0000-000000000000").unwrap();
    place.swap(".boot", lies);
    // A file of root's with the member's words in it may be had by its name.
    let own = place.path.join("server/.words");
    fs::write(&own, "00000000-0000-0000-0000-000000000000").unwrap();
    place.member(|path| fs::rename(&own, path.join(".boot")).is_ok());
    root_looks_around();
    drop(Server::serve(&place.endpoint, &json()).unwrap());
    assert_eq!(names(&place.path.join("server")), ["00000000000000000001.root-panel.json"]);
    assert_eq!(names(&place.path.join("hello")), ["root-panel"]);
}

#[test]
fn old_files_of_another_user_stay_and_are_reported() {
    alone!(old_files_of_another_user_stay_and_are_reported);
    let place = Place::spool();
    let alone = SWEEP.write().unwrap_or_else(PoisonError::into_inner);
    drop(Server::serve(&place.endpoint, &json()).unwrap());
    for (folder, name) in [("rejected", "theirs"), ("client", "theirs.json"), ("hello", "php-1+00000000")] {
        let path = place.path.join(folder).join(name);
        place.member(|_| {
            let file = fs::File::create(&path).unwrap();
            file.set_modified(SystemTime::now() - DAY).unwrap();
        });
        let own = place.path.join(folder).join(format!("own-{name}"));
        fs::File::create(&own).unwrap().set_modified(SystemTime::now() - DAY).unwrap();
        let left = registry::clean().unwrap().left;
        assert!(path.exists() && !own.exists(), "{folder}");
        let told = |(_, why): &(String, linkspan::Error)| why.text().contains(path.to_str().unwrap());
        assert!(left.iter().any(told), "{left:?}");
        place.member(|_| fs::remove_file(&path).unwrap());
    }
    // A directory in the place of a file ends no sweep.
    place.member(|path| fs::create_dir(path.join("rejected/junk")).unwrap());
    drop(alone);
    root_looks_around();
    drop(Server::serve(&place.endpoint, &json()).unwrap());
}

#[test]
fn pipes_links_and_huge_files_in_place_of_small_ones_block_no_program() {
    alone!(pipes_links_and_huge_files_in_place_of_small_ones_block_no_program);
    let giant = |at: &Path| fs::File::create(at).unwrap().set_len(2 << 30).unwrap();
    for at in [".boot", "hello/.lock", "hello/server", "hello/panel", "client/x.json", "server/x.json"] {
        for (kind, put) in [("pipe", &fifo as &(dyn Fn(&Path) + Sync)), ("giant", &giant)] {
            let place = Place::spool();
            place.secrets();
            let server = Server::serve(&place.endpoint, &json()).unwrap();
            drop(Channel::connect(&place.endpoint, &called("panel"), SOON).unwrap());
            let swapped = place.swap(at, |at| put(at));
            assert_eq!(swapped, at != ".boot", "only there a member may put something");
            root_looks_around();
            let short = Duration::from_secs(1);
            let joined = Channel::connect(&place.endpoint, &called("other"), short);
            match &joined {
                Err(e) if at == "hello/.lock" => {
                    assert!(e.text().contains("hello/.lock") && kind == "pipe", "{e}");
                    continue;
                }
                joined => assert!(joined.is_ok(), "{at} {kind}: {}", joined.as_ref().err().unwrap()),
            }
            let again = Channel::connect(&place.endpoint, &called("panel"), short);
            if at == "hello/panel" {
                let error = again.err().unwrap();
                assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            }
            std::thread::scope(|s| {
                let calling = s.spawn(|| joined.unwrap().call(&Value::Int(1), SOON).unwrap());
                let request = server.next(SOON).unwrap().unwrap();
                request.reply(&Value::Int(2)).unwrap();
                assert_eq!(calling.join().unwrap().value().unwrap(), &Value::Int(2), "{at} {kind}");
            });
            drop(server);
            match Server::serve(&place.endpoint, &json()) {
                // The server's file describes it, and another user's file there is not replaced.
                Err(e) if at == "hello/server" => {
                    assert!(e.kind() == ErrorKind::PermissionDenied && e.text().contains(at), "{e}");
                }
                served => drop(served.unwrap()),
            }
            place.untouched();
        }
    }
}

#[test]
fn lock_file_as_a_link_is_refused_and_what_it_leads_to_is_left() {
    alone!(lock_file_as_a_link_is_refused_and_what_it_leads_to_is_left);
    let place = Place::spool();
    place.secrets();
    let server = Server::serve(&place.endpoint, &json()).unwrap();
    let thesis = place.secret.path().join("thesis");
    assert!(place.swap("hello/.lock", |at| symlink(&thesis, at).unwrap()));
    let error = Channel::connect(&place.endpoint, &json(), Duration::from_secs(1)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    place.untouched();
    drop(server);
}

#[test]
fn leased_request_blocks_no_other_and_is_served_when_the_lease_ends() {
    alone!(leased_request_blocks_no_other_and_is_served_when_the_lease_ends);
    let place = Place::spool();
    let server = Server::serve(&place.endpoint, &json()).unwrap();
    let leased = place.member(|path| {
        let (new, at) = (path.join("server/.a"), path.join("server/a.json"));
        fs::write(&new, "\"leased\"").unwrap();
        let file = fs::OpenOptions::new().read(true).write(true).open(&new).unwrap();
        // SAFETY: the descriptor is open, and the commands take numbers. Breaking the lease sends this process a signal
        // that is ignored by default.
        unsafe {
            assert_eq!(libc::fcntl(file.as_raw_fd(), 10, libc::SIGURG), 0);
            assert_eq!(libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK), 0);
        }
        fs::rename(&new, at).unwrap();
        fs::write(path.join("server/.b"), "\"free\"").unwrap();
        fs::rename(path.join("server/.b"), path.join("server/b.json")).unwrap();
        file
    });
    let request = server.next(SOON).unwrap().unwrap();
    assert_eq!(request.value().unwrap(), &Value::from("free"), "the leased one keeps nobody waiting");
    request.reply(&Value::Null).unwrap();
    assert!(place.path.join("server/a.json").exists());
    drop(leased);
    let request = server.next(SOON).unwrap().unwrap();
    assert_eq!(request.value().unwrap(), &Value::from("leased"));
    request.reply(&Value::Null).unwrap();
    assert_eq!(names(&place.path.join("client")), ["a.json", "b.json"]);
}

#[test]
fn numbers_at_the_end_of_the_range_block_no_peer() {
    alone!(numbers_at_the_end_of_the_range_block_no_peer);
    let place = Place::spool();
    let server = Server::serve(&place.endpoint, &json()).unwrap();
    let far = [u64::MAX, u64::MAX - 1, i64::MAX as u64 + 1, i64::MAX as u64, (1 << 62) + 1, 1 << 62, 0];
    place.member(|path| {
        for number in far {
            fs::write(path.join(format!("client/{number:020}.panel.data.json")), "7").unwrap();
            fs::write(path.join(format!("server/{number:020}.x.data.json")), "8").unwrap();
        }
    });
    let client = Channel::connect(&place.endpoint, &called("panel"), SOON).unwrap();
    // Those whose number is none are no messages for anybody.
    for _ in 3..far.len() {
        assert_eq!(client.recv(SOON).unwrap().value().unwrap(), &Value::Int(7));
    }
    for i in 0..3i64 {
        client.send(&Value::Int(i), SOON).unwrap();
    }
    let mut got = Vec::new();
    while got.len() < far.len() + 3 {
        let request = server.next(SOON).unwrap().unwrap();
        got.push(request.value().unwrap().clone());
    }
    for i in 0..3i64 {
        assert!(got.contains(&Value::Int(i)), "{got:?}");
    }
    std::thread::scope(|s| {
        let calling = s.spawn(|| client.call(&Value::Int(1), SOON).unwrap());
        server.next(SOON).unwrap().unwrap().reply(&Value::Int(2)).unwrap();
        assert_eq!(calling.join().unwrap().value().unwrap(), &Value::Int(2));
    });
    drop(client);
    // The stored numbers come from a file, too.
    let panel = place.path.join("hello/panel");
    let text = fs::read_to_string(&panel).unwrap();
    let used = text.split('"').nth(3).unwrap().to_owned();
    for lie in [format!("{}", u64::MAX), format!("{:020}", i64::MAX), "x".into(), String::new()] {
        fs::write(&panel, text.replacen(&used, &lie, 1)).unwrap();
        let client = Channel::connect(&place.endpoint, &called("panel"), SOON).unwrap();
        match client.send(&Value::Int(1), SOON) {
            Ok(_) => drop(server.next(SOON).unwrap().unwrap()),
            Err(e) => assert!(e.kind() == ErrorKind::InvalidState && e.text().contains("used up"), "{e}"),
        }
    }
}

#[test]
fn request_of_2_gib_is_rejected_unread_and_absurd_names_block_no_peer() {
    alone!(request_of_2_gib_is_rejected_unread_and_absurd_names_block_no_peer);
    let place = Place::spool();
    let server = Server::serve(&place.endpoint, &json()).unwrap();
    let (long, odd) = (format!("{}.json", "n".repeat(250)), "line\nbreak \u{202e}é.json");
    place.member(|path| {
        let file = fs::File::create(path.join("server/.g")).unwrap();
        file.set_len(2 << 30).unwrap();
        drop(file);
        fs::rename(path.join("server/.g"), path.join("server/giant.json")).unwrap();
        use std::os::unix::ffi::OsStrExt;
        fs::write(path.join("server").join(std::ffi::OsStr::from_bytes(b"\xff\xfe.json")), "1").unwrap();
        fs::write(path.join("server").join(&long), "1").unwrap();
        fs::write(path.join("server").join(odd), "\"odd\"").unwrap();
    });
    let request = server.next(SOON).unwrap().unwrap();
    assert_eq!(request.value().unwrap(), &Value::from("odd"));
    request.reply(&Value::Null).unwrap();
    assert_eq!(server.next(Duration::from_millis(20)).err().unwrap().kind(), ErrorKind::Timeout);
    let rejected = names(&place.path.join("rejected"));
    assert!(
        rejected.len() == 2 && rejected[0] == "giant.json" && long.starts_with(&rejected[1]),
        "{rejected:?}"
    );
    let told = fs::read_to_string(place.path.join("client/giant.json.error")).unwrap();
    assert!(told.contains("TooLarge") && told.contains("2147483648"), "{told}");
}

#[test]
fn answer_is_readable_only_for_the_requesting_member() {
    alone!(answer_is_readable_only_for_the_requesting_member);
    for server_s in [0, OTHER] {
        let place = Place::spool();
        let serve = || Server::serve(&place.endpoint, &json()).unwrap();
        let server = if server_s == 0 { serve() } else { as_user(server_s, GROUP, serve) };
        place.member(|path| fs::write(path.join("server/ask.json"), "1").unwrap());
        let answered = || server.next(SOON).unwrap().unwrap().reply(&Value::from("for the member")).unwrap();
        if server_s == 0 {
            answered()
        } else {
            as_user(server_s, GROUP, answered)
        };
        let answer = place.path.join("client/ask.json");
        let reads = |uid| as_user(uid, GROUP, || fs::read_to_string(&answer).map_err(|e| e.kind()));
        assert_eq!(reads(MEMBER).unwrap(), "\"for the member\"");
        assert_eq!(reads(20_013), Err(std::io::ErrorKind::PermissionDenied), "served by {server_s}");
        place.member(|_| fs::remove_file(&answer).unwrap());
        // Through the library, both ways.
        let client = place.member(|_| Channel::connect(&place.endpoint, &json(), SOON).unwrap());
        std::thread::scope(|s| {
            let calling = s.spawn(|| as_user(MEMBER, GROUP, || client.call(&Value::Int(1), SOON).unwrap()));
            let answered = || server.next(SOON).unwrap().unwrap().reply(&Value::Int(2)).unwrap();
            if server_s == 0 {
                answered()
            } else {
                as_user(server_s, GROUP, answered)
            };
            assert_eq!(calling.join().unwrap().value().unwrap(), &Value::Int(2));
        });
    }
}

#[test]
fn client_id_of_another_user_is_refused() {
    alone!(client_id_of_another_user_is_refused);
    let place = Place::spool();
    let server = Server::serve(&place.endpoint, &json()).unwrap();
    drop(place.member(|_| Channel::connect(&place.endpoint, &called("panel"), SOON).unwrap()));
    for uid in [OTHER, 0] {
        let error =
            as_user(uid, GROUP, || Channel::connect(&place.endpoint, &called("panel"), SOON).err().unwrap());
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(
            error.text().contains("client_id") && error.text().contains(&format!("uid {MEMBER}")),
            "{error}"
        );
    }
    place.member(|_| drop(Channel::connect(&place.endpoint, &called("panel"), SOON).unwrap()));
    drop(server);
}

#[test]
fn more_names_than_are_held_at_once_are_served_in_their_order() {
    alone!(more_names_than_are_held_at_once_are_served_in_their_order);
    const COUNT: usize = 17_000;
    let place = Place::spool();
    let quiet = no_sweep();
    drop(Server::serve(&place.endpoint, &json()).unwrap());
    for i in 0..COUNT {
        fs::write(place.path.join(format!("server/{i:06}.data.json")), i.to_string()).unwrap();
    }
    drop(quiet);
    let server = Server::serve(&place.endpoint, &json()).unwrap();
    for i in 0..COUNT {
        let request = server.next(SOON).unwrap().unwrap();
        assert_eq!(request.value().unwrap(), &Value::Int(i as i64));
    }
}

#[test]
fn link_in_the_place_of_a_journal_s_directory_gives_nothing_away() {
    alone!(link_in_the_place_of_a_journal_s_directory_gives_nothing_away);
    let place = Place::new("journal");
    place.secrets();
    let secret = place.secret.path().to_owned();
    place.member(|path| symlink(&secret, path).unwrap());
    let mut shared = Options::default();
    shared.set("mode", &0o660.into()).unwrap();
    shared.set("group", &i64::from(GROUP).into()).unwrap();
    for error in [
        Publisher::new(&place.endpoint, &shared).err().unwrap(),
        latest(&place.endpoint, &Options::default(), NOW).err().unwrap(),
    ] {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(
            error.text().contains("a symbolic link") && error.text().contains(&format!("uid {MEMBER}")),
            "{error}"
        );
    }
    root_looks_around();
    place.untouched();
    fs::remove_file(&place.path).unwrap();
    // A directory of root's to which a member gave the name is not opened to others.
    let (own, name) = (place.path.with_extension("own"), place.path.clone());
    fs::create_dir(&own).unwrap();
    fs::set_permissions(&own, PermissionsExt::from_mode(0o700)).unwrap();
    fs::write(own.join("thesis"), "precious").unwrap();
    place.member(|_| fs::rename(&own, &name).unwrap());
    let _ = Publisher::new(&place.endpoint, &shared).map(|publisher| publisher.send(&Value::Int(1)).unwrap());
    assert_eq!(name.metadata().unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn links_pipes_and_second_names_in_a_journal_are_refused() {
    alone!(links_pipes_and_second_names_in_a_journal_are_refused);
    let place = Place::new("journal");
    place.secrets();
    let mut shared = Options::default();
    shared.set("mode", &0o660.into()).unwrap();
    shared.set("group", &i64::from(GROUP).into()).unwrap();
    let publisher = Publisher::new(&place.endpoint, &shared).unwrap();
    for i in 1..=3i64 {
        publisher.send(&Value::Int(i)).unwrap();
    }
    publisher.close(SOON).unwrap();
    drop(publisher);
    let segment = "00000000000000000001.segment";
    let thesis = place.secret.path().join("thesis");
    for at in ["committed", segment, "logger.consumer"] {
        let good = place.path.join(at);
        let kept = fs::read(&good).ok();
        for kind in ["link", "pipe", "second name"] {
            assert!(place.swap(at, |at| match kind {
                "link" => symlink(&thesis, at).unwrap(),
                "pipe" => fifo(at),
                // As a member can where the kernel does not protect from that (fs.protected_hardlinks).
                _ => fs::write(at, "x").unwrap(),
            }));
            if kind == "second name" {
                fs::remove_file(&good).unwrap();
                fs::hard_link(&thesis, &good).unwrap();
            }
            let reads = || {
                let mut named = Options::default();
                named.set("client_id", &"logger".into())?;
                Subscriber::new(&place.endpoint, &named)?.recv(Duration::from_millis(200)).map(drop)
            };
            let errors = [
                Publisher::new(&place.endpoint, &shared).err().filter(|_| at != "logger.consumer"),
                reads().err(),
            ];
            for error in errors.iter().flatten() {
                let kinds = [ErrorKind::PermissionDenied, ErrorKind::Corrupt];
                assert!(kinds.contains(&error.kind()) && error.text().contains(at), "{at} {kind}: {error}");
            }
            assert!(errors[1].is_some(), "{at} {kind}");
            root_looks_around();
            fs::remove_file(&good).unwrap();
            fs::remove_file(place.path.join(format!(".aside-{at}"))).ok();
            place.untouched();
        }
        if let Some(kept) = kept {
            fs::write(&good, kept).unwrap();
        }
    }
    Publisher::new(&place.endpoint, &shared).unwrap().send(&Value::Int(4)).unwrap();
}

#[test]
fn place_of_another_user_s_consumer_is_refused() {
    alone!(place_of_another_user_s_consumer_is_refused);
    let place = Place::new("journal");
    let mut shared = Options::default();
    shared.set("mode", &0o660.into()).unwrap();
    shared.set("group", &i64::from(GROUP).into()).unwrap();
    let publisher = Publisher::new(&place.endpoint, &shared).unwrap();
    for i in 1..=2i64 {
        publisher.send(&Value::Int(i)).unwrap();
    }
    let reads = |uid| {
        as_user(uid, GROUP, || {
            let mut named = Options::default();
            named.set("client_id", &"logger".into())?;
            let subscriber = Subscriber::new(&place.endpoint, &named)?;
            // The second receive acknowledges the first message.
            subscriber.recv(SOON)?;
            subscriber.recv(SOON)?;
            subscriber.close();
            Ok::<(), linkspan::Error>(())
        })
    };
    reads(MEMBER).unwrap();
    for uid in [OTHER, 0] {
        let error = reads(uid).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(error.text().contains("client_id") && error.text().contains("logger.consumer"), "{error}");
    }
}

#[test]
fn file_of_another_user_is_replaced_only_where_its_mode_lets_one_write() {
    alone!(file_of_another_user_is_replaced_only_where_its_mode_lets_one_write);
    for lock in [false, true] {
        let place = Place::new("file");
        place.secrets();
        let mut options = json();
        options.set("locked", &lock.into()).unwrap();
        let publish = |uid: u32, value: i64| {
            let send = || Publisher::new(&place.endpoint, &options)?.send(&Value::Int(value)).map(drop);
            if uid == 0 { send() } else { as_user(uid, GROUP, send) }
        };
        let told = |error: linkspan::Error| {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(error.text().contains(place.path.to_str().unwrap()), "{error}");
        };
        publish(MEMBER, 1).unwrap();
        publish(OTHER, 2).unwrap();
        // Root does not write into a member's file, nor create its own with a member's mode.
        told(publish(0, 3).unwrap_err());
        fs::remove_file(&place.path).unwrap();
        publish(0, 4).unwrap();
        fs::set_permissions(&place.path, PermissionsExt::from_mode(0o640)).unwrap();
        chown(&place.path, None, Some(GROUP + 1)).unwrap();
        told(publish(MEMBER, 5).unwrap_err());
        publish(0, 6).unwrap();
        let facts = place.path.metadata().unwrap();
        assert_eq!((facts.uid(), facts.gid(), facts.mode() & 0o777), (0, GROUP + 1, 0o640), "as it was set");
        // The temporary file of a new value, and a file in the place of the value itself.
        let new = place.path.with_file_name(format!(".new.{}", place.path.file_name().unwrap().display()));
        let thesis = place.secret.path().join("thesis");
        place.member(|_| symlink(&thesis, &new).unwrap());
        publish(0, 7).unwrap();
        fs::remove_file(&place.path).unwrap();
        fs::hard_link(&thesis, &place.path).unwrap();
        let read = latest(&place.endpoint, &options, NOW).unwrap_err();
        assert_eq!(read.kind(), ErrorKind::PermissionDenied, "{read}");
        let _ = publish(0, 8);
        fs::remove_file(&place.path).unwrap();
        place.member(fifo);
        assert_eq!(latest(&place.endpoint, &options, NOW).unwrap_err().kind(), ErrorKind::Corrupt);
        assert!(publish(0, 9).is_err());
        fs::remove_file(&place.path).unwrap();
        place.untouched();
    }
}

#[test]
fn file_that_counts_to_the_end_is_no_value_and_the_next_one_is() {
    alone!(file_that_counts_to_the_end_is_no_value_and_the_next_one_is);
    let place = Place::new("file");
    let publisher = Publisher::new(&place.endpoint, &json()).unwrap();
    publisher.send(&Value::Int(1)).unwrap();
    let mut bytes = fs::read(&place.path).unwrap();
    bytes[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
    bytes[12..16].fill(0);
    let check = crc32c::crc32c(&bytes[..64]).to_le_bytes();
    bytes[12..16].copy_from_slice(&check);
    fs::write(&place.path, &bytes).unwrap();
    let error = latest(&place.endpoint, &json(), NOW).unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupt && error.text().contains("number"), "{error}");
    assert_eq!(publisher.send(&Value::Int(2)).unwrap(), 2);
    assert_eq!(latest(&place.endpoint, &json(), NOW).unwrap().value().unwrap(), &Value::Int(2));
}
