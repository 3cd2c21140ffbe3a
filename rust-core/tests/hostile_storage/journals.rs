//! A hostile member of a group that shares a journal.

use super::*;

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
    // A directory of root's that a member renamed is not opened to others.
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
                // A member can do so if the kernel does not protect hard links (fs.protected_hardlinks).
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
