//! A hostile member of a group that shares a spool.

use super::*;

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
        // Nothing is written there, refused or not.
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
            // Created as a whole: other programs, which list the directory, would add missing parts.
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
            for part in ["a symbolic link", &format!("uid {MEMBER}"), shown.to_str().unwrap()] {
                assert!(error.text().contains(part), "{at}: {error}");
            }
        }
        place.untouched();
        let left = registry::clean().unwrap().left;
        let named = left
            .iter()
            .any(|(endpoint, why)| *endpoint == place.endpoint && why.text().contains("symbolic link"));
        assert!(named, "{left:?}");
        place.member(|path| fs::remove_dir_all(path).or_else(|_| fs::remove_file(path)).unwrap());
    }
}

#[test]
fn forged_boot_file_wipes_nothing() {
    alone!(forged_boot_file_wipes_nothing);
    let place = Place::spool();
    let server = Server::serve(&place.endpoint, &json()).unwrap();
    let client = Channel::connect(&place.endpoint, &called("root-panel"), SOON).unwrap();
    let asked = client.start_call(&client.encode(&Value::Int(1)).unwrap(), SOON).unwrap();
    drop((server, client, asked));
    let write_wrong_id = |at: &Path| fs::write(at, "00000000-0000-0000-0000-000000000000").unwrap();
    place.swap(".boot", write_wrong_id);
    // A file of root's that contains the member's words is available by its name.
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
        let named = |(_, why): &(String, linkspan::Error)| why.text().contains(path.to_str().unwrap());
        assert!(left.iter().any(named), "{left:?}");
        place.member(|_| fs::remove_file(&path).unwrap());
    }
    // A directory instead of a file does not end a sweep.
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
                // The server's file describes it, and another user's file is not replaced.
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
        // SAFETY: the descriptor is open, and the commands accept numbers. Breaking the lease sends this
        // process a signal that is ignored by default.
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
    assert_eq!(request.value().unwrap(), &Value::from("free"), "no worker waits for the leased one");
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
    // Files without a valid number are not messages.
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
    // The stored numbers also come from a file.
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
    let named = fs::read_to_string(place.path.join("client/giant.json.error")).unwrap();
    assert!(named.contains("TooLarge") && named.contains("2147483648"), "{named}");
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
