//! Reads any bytes as a recording: each reader must return the content or report the problem.
//!
//! The tests and the fuzzing target share this file.

use linkspan_recording::reader::Limits;
use linkspan_recording::{Columns, Compression, Entry, Outline, Reader, Summary};

/// The most bytes of a record or chunk, which limits the memory of a fuzzer.
const RECORD: u64 = 1 << 20;

/// Reads a file of these bytes in each way.
pub fn read(bytes: &[u8]) {
    // The number keeps files of parallel tests apart.
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("linkspan-any-{}-{number}.mcap", std::process::id()));
    std::fs::write(&path, bytes).expect("a file of few bytes is written");
    let limits = Limits { record: RECORD, described: RECORD, ..Limits::default() };
    let open = || Reader::of(vec![path.clone()], limits);
    if let Ok(mut reader) = open() {
        // A copy uses this compression.
        let compression = reader.compression().expect("the file is there");
        let says = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
        match compression {
            Some(Compression::Zstd) => assert!(says(b"zstd"), "no chunk says zstd"),
            Some(Compression::Lz4) => assert!(says(b"lz4"), "no chunk says lz4"),
            None => {}
        }
        let mut columns = Columns::default();
        let mut messages = 0;
        while let Some(entry) = reader.read().expect("the file is there") {
            if let Entry::Attachment(_, length) = entry {
                // Its whole record is in the file.
                assert!(length <= bytes.len() as u64, "an attachment of {length} bytes");
                let (content, ..) = reader.attachment().expect("the file is there");
                assert_eq!(content.len() as u64, length);
            } else if let Entry::Message(message) = entry {
                messages += 1;
                assert!(message.body.len() as u64 <= RECORD, "a body of {} bytes", message.body.len());
                // A value that cannot be decoded is an error without a row.
                let rows = columns.rows();
                let added = columns.add(&message).is_ok();
                assert_eq!(columns.rows(), rows + usize::from(added));
            }
        }
        let rows = columns.rows();
        for column in columns.take() {
            assert_eq!(column.length, rows, "{}", column.name);
        }
        let summary = Summary::read(&mut open().expect("it was opened before")).expect("the file is there");
        let counted: u64 = summary.names.values().map(|name| name.messages).sum();
        assert!(counted <= messages, "{counted} of {messages}");
        if let Ok(mut within) = open().and_then(|reader| reader.within(10, 20)) {
            while within.read().expect("the file is there").is_some() {}
        }
        drop(Outline::read(&path));
    }
    let _ = std::fs::remove_file(&path);
}
