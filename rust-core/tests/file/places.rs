//! Damage, links, modes, other users or a missing directory at the place of a file.

use super::*;

#[test]
fn damage_is_noticed_and_healed_by_the_next_write() {
    for options in [Options::default(), locked()] {
        let (endpoint, path, _folder) = place();
        let out = Publisher::new(&endpoint, &options).unwrap();
        for _ in 0..4 {
            out.send_payload(&raw(body(3))).unwrap();
        }
        let whole = fs::read(&path).unwrap();
        let readings = Subscriber::new(&endpoint, &options).unwrap();
        readings.recv(SOON).unwrap();
        for at in [0, 12, 30, 130, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, &damaged).unwrap();
            let error = now(&endpoint, &options).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Malformed), "{at}: {error:?}");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "at {at}: {error}");
            assert!(error.endpoint().is_some() && error.offset().is_some());
        }
        for length in [1, 63, 64, 100, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(now(&endpoint, &options).unwrap_err().kind(), ErrorKind::Corrupt, "{length} bytes");
        }
        fs::write(&path, b"").unwrap();
        assert_eq!(now(&endpoint, &options).unwrap_err().kind(), ErrorKind::Empty);
        fs::write(&path, &whole[..1000]).unwrap();
        // The header still has the last number.
        assert_eq!(out.send_payload(&raw(body(4))).unwrap(), 5);
        fs::write(&path, b"nonsense").unwrap();
        assert_eq!(out.send_payload(&raw(body(5))).unwrap(), 6);
        assert_eq!(check_body(latest(&endpoint, &options, Duration::ZERO).unwrap().body()), 5);
        while readings.recv(Duration::from_millis(1)).is_ok() {}
        fs::write(&path, &whole[..1000]).unwrap();
        if options.locked {
            assert_eq!(readings.recv(SOON).unwrap_err().kind(), ErrorKind::Corrupt);
            assert_eq!(readings.recv(Duration::from_millis(1)).unwrap_err().kind(), ErrorKind::Timeout);
        }
        out.send_payload(&raw(body(6))).unwrap();
        assert_eq!(check_body(readings.recv(SOON).unwrap().body()), 6);
    }
}

#[test]
fn links_are_not_followed_and_only_regular_files_are_read() {
    let (endpoint, path, folder) = place();
    let secret = folder.path().join("secret");
    fs::write(&secret, "untouched").unwrap();
    symlink(&secret, &path).unwrap();
    let out = Publisher::new(&endpoint, &locked()).unwrap();
    for error in [
        now(&endpoint, &Options::default()).unwrap_err(),
        now(&endpoint, &locked()).unwrap_err(),
        out.send(&Value::Int(1)).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(error.text().contains("symbolic link"), "{error}");
    }
    // A rename replaces the link itself.
    Publisher::new(&endpoint, &Options::default()).unwrap().send(&Value::Int(1)).unwrap();
    assert!(path.symlink_metadata().unwrap().is_file());
    assert_eq!(fs::read_to_string(&secret).unwrap(), "untouched");
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert_eq!(now(&endpoint, &Options::default()).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(out.send(&Value::Int(1)).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn modes_are_as_requested_and_changed_modes_stay() {
    for lock in [false, true] {
        let (endpoint, path, _folder) = place();
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
        Publisher::new(&endpoint, &with(&[("locked", lock.into())])).unwrap().send(&Value::Int(1)).unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        Publisher::new(&endpoint, &with(&[("locked", lock.into())])).unwrap().send(&Value::Int(2)).unwrap();
        assert_eq!(mode(&path), 0o644, "the administrator's word stays");
        fs::remove_file(&path).unwrap();
        let open = with(&[("locked", lock.into()), ("mode", 0o666i64.into()), ("durable", true.into())]);
        Publisher::new(&endpoint, &open).unwrap().send(&Value::Int(3)).unwrap();
        assert_eq!(mode(&path), 0o666, "whatever the umask");
    }
}

#[test]
fn other_users_have_the_access_of_the_mode() {
    const NOBODY: u32 = 65534;
    const GROUP: u32 = 4321;
    for lock in [false, true] {
        let (endpoint, path, folder) = place();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let lock = ("locked", Value::from(lock));
        let own = with(std::slice::from_ref(&lock));
        let out = Publisher::new(&endpoint, &own).unwrap();
        out.send(&Value::from("mine")).unwrap();
        if !is_root() {
            // Users other than root can only be refused files of root.
            let error = now("file:/etc/shadow", &own).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            continue;
        }
        let reads = |uid, gid| as_user(uid, gid, || now(&endpoint, &own));
        let refused = reads(NOBODY, NOBODY).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        for part in ["uid 65534 may not read", "uid 0 and gid 0 with mode 0600", "linkspan setup"] {
            assert!(refused.text().contains(part), "{refused}");
        }
        let written = as_user(NOBODY, NOBODY, || Publisher::new(&endpoint, &own)?.send(&Value::Int(1)));
        let refused = written.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        // Without `locked`, the lock of the directory comes first.
        let what = if lock.1 == Value::from(true) { "may not write" } else { "may not open the lock file" };
        for part in ["uid 65534", what, "linkspan setup"] {
            assert!(refused.text().contains(part), "{refused}");
        }
        fs::remove_file(&path).unwrap();
        let shared = with(&[lock.clone(), ("mode", 0o640i64.into()), ("group", i64::from(GROUP).into())]);
        Publisher::new(&endpoint, &shared).unwrap().send(&Value::from("ours")).unwrap();
        assert_eq!(reads(NOBODY, GROUP).unwrap(), Value::from("ours"));
        assert_eq!(reads(NOBODY, NOBODY).unwrap_err().kind(), ErrorKind::PermissionDenied);
        std::os::unix::fs::chown(folder.path(), None, Some(GROUP)).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o2770)).unwrap();
        fs::remove_file(&path).unwrap();
        let wide = with(&[lock.clone(), ("mode", 0o660i64.into()), ("group", i64::from(GROUP).into())]);
        let _ = fs::remove_file(folder.path().join(".lock"));
        as_user(NOBODY, GROUP, || Publisher::new(&endpoint, &wide).unwrap().send(&Value::Int(1)).unwrap());
        assert_eq!(now(&endpoint, &own).unwrap(), Value::Int(1));
        as_user(1234, GROUP, || Publisher::new(&endpoint, &own).unwrap().send(&Value::Int(2)).unwrap());
        assert_eq!(reads(NOBODY, GROUP).unwrap(), Value::Int(2));
    }
}

#[test]
fn deleted_directory_is_an_error_and_no_hang() {
    let (endpoint, _path, folder) = place();
    let out = Publisher::new(&endpoint, &Options::default()).unwrap();
    out.send(&Value::Int(1)).unwrap();
    let readings = Subscriber::new(&endpoint, &Options::default()).unwrap();
    readings.recv(SOON).unwrap();
    let path = folder.path().to_owned();
    drop(folder);
    assert_eq!(out.send(&Value::Int(2)).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(readings.recv(Duration::from_millis(10)).unwrap_err().kind(), ErrorKind::NotFound);
    fs::create_dir(&path).unwrap();
    assert_eq!(out.send(&Value::Int(3)).unwrap(), 2, "and it is taken up again where it is made anew");
    assert_eq!(readings.recv(SOON).unwrap().value().unwrap(), &Value::Int(3));
    fs::remove_dir_all(&path).unwrap();
}
