//! A helper process that outlives the test process and removes what it left: a test that is killed (by
//! nextest's time limit, by Ctrl-C) drops nothing. It runs in a session of its own and notices the end of the
//! test process by the end of its input.

use std::fmt;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// What the reaper knows how to remove.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Pid,
    Container,
    Volume,
    Network,
    Dir,
}

/// Announces something that has to be gone when this process is.
pub fn will_leave(kind: Kind, name: impl fmt::Display) {
    tell('+', kind, &name);
}

/// Takes it back: it was removed in the ordinary way.
pub fn removed(kind: Kind, name: impl fmt::Display) {
    tell('-', kind, &name);
}

fn tell(sign: char, kind: Kind, name: &dyn fmt::Display) {
    static REAPER: OnceLock<Mutex<Child>> = OnceLock::new();
    let mut reaper = REAPER.get_or_init(|| Mutex::new(start())).lock().expect("reaper");
    let kind = match kind {
        Kind::Pid => "pid",
        Kind::Container => "container",
        Kind::Volume => "volume",
        Kind::Network => "network",
        Kind::Dir => "dir",
    };
    let input = reaper.stdin.as_mut().expect("the reaper's input");
    writeln!(input, "{sign} {kind} {name}").expect("the reaper reads");
}

fn start() -> Child {
    Command::new("setsid")
        .args(["bash", "-c", include_str!("reaper.sh"), "reaper"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("setsid and bash, for the reaper")
}
