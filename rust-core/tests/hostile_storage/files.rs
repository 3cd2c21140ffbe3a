//! A hostile member of a group that shares a file.

use super::*;

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
        let check_error = |error: linkspan::Error| {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(error.text().contains(place.path.to_str().unwrap()), "{error}");
        };
        publish(MEMBER, 1).unwrap();
        publish(OTHER, 2).unwrap();
        // Root does not write into a member's file, nor create its own with a member's mode.
        check_error(publish(0, 3).unwrap_err());
        fs::remove_file(&place.path).unwrap();
        publish(0, 4).unwrap();
        fs::set_permissions(&place.path, PermissionsExt::from_mode(0o640)).unwrap();
        chown(&place.path, None, Some(GROUP + 1)).unwrap();
        check_error(publish(MEMBER, 5).unwrap_err());
        publish(0, 6).unwrap();
        let facts = place.path.metadata().unwrap();
        assert_eq!((facts.uid(), facts.gid(), facts.mode() & 0o777), (0, GROUP + 1, 0o640), "as it was set");
        // The temporary file of a new value, and a file instead of the value itself.
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
