//! Finding the process that listens at a TCP port of this machine, if this user may see it.

use std::fs;

/// Returns the process that listens at a port, and its program; `None` if no process of this user listens there.
pub fn listener(port: u16) -> Option<(u32, String)> {
    let sockets: Vec<u64> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().skip(1).filter_map(|line| listening(line, port)).collect::<Vec<_>>())
        .collect();
    if sockets.is_empty() {
        return None;
    }
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        // Descriptors of other users' processes are not readable.
        let holds = fs::read_dir(entry.path().join("fd")).ok()?.flatten().any(|fd| {
            let link = fs::read_link(fd.path()).unwrap_or_default();
            let inode = link.to_str().and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']'));
            inode.and_then(|inode| inode.parse().ok()).is_some_and(|inode: u64| sockets.contains(&inode))
        });
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        holds.then(|| (pid, name.trim().to_owned()))
    })
}

/// Returns the inode of the socket in this line of the kernel's table, if it listens at this port.
fn listening(line: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_whitespace().skip(1);
    let (_, at) = fields.next()?.rsplit_once(':')?;
    let state = fields.nth(1)?;
    (u16::from_str_radix(at, 16) == Ok(port) && state == LISTEN).then_some(())?;
    fields.nth(5)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listener_of_this_process_is_found() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert_eq!(listener(port).unwrap().0, std::process::id());
        drop(socket);
        assert_eq!(listener(port), None);
    }
}
