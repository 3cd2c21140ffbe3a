//! The environment of a run: versions, processors, the date, and a directory for its names.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// The runtime directory of this run, removed at its end.
pub struct Directory([PathBuf; 2]);

impl Directory {
    pub fn new() -> Result<Directory> {
        // Sockets and spools are in memory; durable files are on disk, next to the program.
        let memory = Path::new("/dev/shm");
        let or = || if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let base = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(or, PathBuf::from);
        let program = std::env::current_exe()?;
        let disk = program.parent().map_or_else(std::env::temp_dir, PathBuf::from);
        sweep_segments()?;
        sweep(&base)?;
        sweep(&disk)?;
        let lasting = disk.join(format!("{PREFIX}{}", std::process::id()));
        std::fs::create_dir_all(&lasting).map_err(|e| format!("making {}: {e}", lasting.display()))?;
        let path = base.join(format!("{PREFIX}{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|e| format!("making {}: {e}", path.display()))?;
        // SAFETY: this process has one thread, so no other thread reads the environment.
        unsafe {
            std::env::set_var("LINKSPAN_DIR", &path);
            std::env::set_var("LINKSPAN_STATE_DIR", &lasting);
        }
        Ok(Directory([path, lasting]))
    }
}

const PREFIX: &str = "linkspan-bench-";

/// Removes the remains of killed runs.
fn sweep(base: &Path) -> Result<()> {
    for entry in std::fs::read_dir(base)?.flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        if process.parse::<u32>().is_ok() && !Path::new("/proc").join(process).exists() {
            std::fs::remove_dir_all(entry.path())
                .map_err(|e| format!("removing {}: {e}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// Removes shared memory of a peer's killed workers, whose names begin with the peer's name.
fn sweep_segments() -> Result<()> {
    // Without the directory, nothing was left in it.
    let Ok(entries) = std::fs::read_dir("/dev/shm") else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix("linkspan-bench-iceoryx2-"));
        let Some((process, _)) = rest.and_then(|rest| rest.split_once('-')) else { continue };
        if !Path::new("/proc").join(process).exists() {
            std::fs::remove_file(entry.path())
                .map_err(|e| format!("removing {}: {e}", entry.path().display()))?;
        }
    }
    Ok(())
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = sweep_segments() {
            eprintln!("{error}");
        }
        for path in &self.0 {
            if let Err(error) = std::fs::remove_dir_all(path) {
                eprintln!("removing {}: {error}", path.display());
            }
        }
    }
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned())
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("unknown processor", |(_, name)| name).to_owned()
}

/// Returns the facts that the figures depend on, one per line.
pub fn describe(took: std::time::Duration) -> Vec<String> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut facts = vec![
        format!("linkspan {}", env!("CARGO_PKG_VERSION")),
        first_line("date", &["-u", "+%Y-%m-%d %H:%M UTC"]).unwrap_or_else(|| "unknown date".into()),
        format!("{} × {}", crate::cpu::count(), processor()),
        format!("Linux {}", kernel.trim()),
        format!("measured in {} s", took.as_secs()),
        format!("load average at the end {}", load.split(' ').next().unwrap_or("unknown")),
    ];
    // The run may have a higher priority than other programs; the results then mention it.
    let group = std::fs::read_to_string("/proc/self/autogroup").unwrap_or_default();
    if let Some(nice) = group.trim().rsplit_once("nice ").map(|(_, nice)| nice).filter(|nice| *nice != "0") {
        facts.push(format!("run before other programs: its group's nice value is {nice}"));
    }
    facts.extend(first_line("rustc", &["--version"]));
    facts
}
