//! Programs that know only fcntl take part.

use super::*;

/// A program with only fcntl, in C or standard Python; it answers each line of its input with a line.
struct Partner {
    child: Child,
}

impl Partner {
    fn all(path: &Path, folder: &Path) -> Vec<Partner> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/faults");
        let program = folder.join("partner");
        let compiled = Command::new("cc")
            .args(["-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&program)
            .arg(sources.join("lock_partner.c"))
            .status()
            .expect("a C compiler called cc");
        assert!(compiled.success());
        let mut python = Command::new("python3");
        python.arg(sources.join("lock_partner.py"));
        [Command::new(program), python]
            .into_iter()
            .map(|mut command| Partner {
                child: command.arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap(),
            })
            .collect()
    }

    fn does(&mut self, order: &str) -> String {
        self.begins(order);
        self.answer()
    }

    fn begins(&mut self, order: &str) {
        self.child.stdin.as_mut().unwrap().write_all(format!("{order}\n").as_bytes()).unwrap();
    }

    fn answer(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.child.stdout.as_mut().unwrap().read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn programs_that_know_only_fcntl_take_part() {
    let (endpoint, path, folder) = place();
    let options = with(&[("framing", "lines".into()), ("locked", true.into())]);
    let out = Publisher::new(&endpoint, &options).unwrap();
    out.send(&Value::map([("by", "linkspan")])).unwrap();
    let short = with(&[("framing", "lines".into()), ("locked", true.into()), ("timeout", 0.02.into())]);
    let hasty = Publisher::new(&endpoint, &short).unwrap();
    for mut partner in Partner::all(&path, folder.path()) {
        // It reads our value under its read lock; we read while no program writes.
        assert_eq!(partner.does("read"), "{\"by\":\"linkspan\"}");
        assert_eq!(partner.does("lock shared"), "locked");
        assert_eq!(now(&endpoint, &options).unwrap(), Value::map([("by", "linkspan")]));
        let stalled = hasty.send(&Value::Int(1)).unwrap_err();
        assert_eq!(stalled.kind(), ErrorKind::Stalled, "{stalled}");
        let who = format!("process {} has the lock", partner.child.id());
        assert!(stalled.text().contains(&who), "{stalled}");
        assert_eq!(partner.does("unlock"), "unlocked");
        // While it has the lock, half of its value is in the file.
        assert_eq!(partner.does("lock exclusive"), "locked");
        assert_eq!(partner.does("put {\"by\":"), "put");
        assert_eq!(now(&endpoint, &options).unwrap_err().kind(), ErrorKind::Stalled);
        let error = latest(&endpoint, &options, Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stalled, "{error}");
        let readings = Subscriber::new(&endpoint, &options).unwrap();
        assert_eq!(readings.recv(Duration::from_millis(20)).unwrap_err().kind(), ErrorKind::Timeout);
        thread::scope(|s| {
            let (mut hooked, waiting) = waiting_options();
            (hooked.framing, hooked.locked) = (options.framing, true);
            let endpoint = &endpoint;
            let waits = s.spawn(move || latest(endpoint, &hooked, SOON).unwrap());
            waiting.recv().unwrap();
            assert_eq!(partner.does("put \"partner\"}"), "put");
            // The open file causes no close event, but the lock is released.
            assert_eq!(partner.does("unlock"), "unlocked");
            let value = Value::map([("by", "partner")]);
            assert_eq!(waits.join().unwrap().value().unwrap(), &value);
            assert_eq!(readings.recv(SOON).unwrap().value().unwrap(), &value);
        });
        assert_eq!(partner.does("lock shared"), "locked");
        thread::scope(|s| {
            let (mut hooked, waiting) = waiting_options();
            (hooked.framing, hooked.locked) = (options.framing, true);
            let endpoint = &endpoint;
            let writes = s.spawn(move || {
                Publisher::new(endpoint, &hooked).unwrap().send(&Value::map([("by", "linkspan")]))
            });
            waiting.recv().unwrap();
            assert_eq!(partner.does("unlock"), "unlocked");
            writes.join().unwrap().unwrap();
        });
        partner.begins("write 300");
        for _ in 0..300 {
            out.send(&Value::map([("by", "linkspan")])).unwrap();
            let value = now(&endpoint, &options).or_else(|e| match e.kind() {
                ErrorKind::Stalled => latest(&endpoint, &options, SOON)?.value().cloned(),
                _ => Err(e),
            });
            let by = value.unwrap().at("by").unwrap().as_text().unwrap().to_owned();
            assert!(by == "linkspan" || by == "partner", "{by}");
        }
        assert_eq!(partner.answer(), "written 300");
        out.send(&Value::map([("by", "linkspan")])).unwrap();
    }
}
