//! A server from local binaries: a child process on a copy of the pristine data directory, with a proxy in
//! front. A free port can be lost to another process between choosing and listening; the server is then
//! started again on another one, the proxy's address stays.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::live::harness::Flavor;
use crate::live::harness::lane::{local_home, scratch, server_settings};
use crate::live::harness::logbook::{Log, read_lossy};
use crate::live::harness::proxy::Proxy;
use crate::live::harness::reaper::{self, Kind};

#[derive(Debug)]
pub struct Local {
    flavor: Flavor,
    dir: TempDir,
    network: Proxy,
    process: Mutex<Process>,
}

#[derive(Debug)]
struct Process {
    options: Vec<String>,
    child: Option<Child>,
}

impl Local {
    pub fn start(flavor: Flavor, options: Vec<String>) -> Local {
        let dir = scratch();
        reaper::will_leave(Kind::Dir, dir.path().display());
        copy_pristine(&local_home(flavor).join("pristine"), &dir.path().join("data"));
        let local = Local {
            flavor,
            dir,
            network: Proxy::start(SocketAddr::from(([127, 0, 0, 1], 0))),
            process: Mutex::new(Process { options, child: None }),
        };
        local.launch();
        local
    }

    pub fn name(&self) -> String {
        format!("{:?} on {}", self.flavor, self.network.address())
    }

    pub fn network(&self) -> &Proxy {
        &self.network
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("sock")
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn log(&self) -> Log {
        Log::File(self.dir.path().join("log"))
    }

    pub fn stop(&self) {
        self.signal("-TERM");
        self.wait(Duration::from_secs(30));
    }

    pub fn kill(&self) {
        self.signal("-KILL");
        self.wait(Duration::from_secs(10));
    }

    pub fn pause(&self) {
        self.signal("-STOP");
    }

    pub fn resume(&self) {
        self.signal("-CONT");
    }

    pub fn start_again(&self, options: Option<Vec<String>>) {
        {
            let mut process = self.process.lock().expect("server");
            assert!(process.child.is_none(), "{} runs", self.name());
            if let Some(options) = options {
                process.options = options;
            }
        }
        self.launch();
    }

    /// An error once the process has ended; restarts it if all it complained of was its port.
    pub fn check_alive(&self) -> Result<(), String> {
        let mut process = self.process.lock().expect("server");
        let child = process.child.as_mut().ok_or("not started")?;
        let Some(status) = child.try_wait().expect("wait") else {
            return Ok(());
        };
        reaper::removed(Kind::Pid, child.id());
        process.child = None;
        drop(process);
        let log = self.log().text();
        if log.lines().rev().take(30).any(|line| line.contains("port: ") && line.contains("TCP/IP")) {
            self.launch();
            return Err("the port was taken".to_owned());
        }
        panic!("{} ended with {status}\n{log}", self.name());
    }

    fn launch(&self) {
        let home = local_home(self.flavor);
        let port = free_port();
        let program = match self.flavor {
            Flavor::MySql => "mysqld",
            Flavor::MariaDb => "mariadbd",
        };
        let log =
            std::fs::File::options().create(true).append(true).open(self.dir.path().join("log")).expect("a log file");
        let mut process = self.process.lock().expect("server");
        // Not shared: MariaDB removes what it takes for its own leftovers there.
        let scratch = self.dir.path().join("tmp");
        std::fs::create_dir_all(&scratch).expect("a directory");
        let mut command = Command::new(home.join("bin").join(program));
        command
            .arg(format!("--defaults-file={}", server_settings().display()))
            .arg(format!("--datadir={}", self.data_dir().display()))
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!("--pid-file={}", self.dir.path().join("pid").display()))
            .arg(format!("--port={port}"))
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--tmpdir={}", scratch.display()))
            .args(running_as_root().then_some("--user=root"))
            .args(&process.options)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", home.display()));
        reaper::will_leave(Kind::Pid, child.id());
        process.child = Some(child);
        self.network.set_target(SocketAddr::from(([127, 0, 0, 1], port)));
    }

    fn signal(&self, signal: &str) {
        let process = self.process.lock().expect("server");
        if let Some(child) = &process.child {
            let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
            assert!(sent.success(), "kill {signal} {}", self.name());
        }
    }

    fn wait(&self, timeout: Duration) {
        let mut process = self.process.lock().expect("server");
        let Some(mut child) = process.child.take() else {
            return;
        };
        let started = Instant::now();
        while child.try_wait().expect("wait").is_none() {
            if started.elapsed() > timeout {
                drop(child.kill());
                drop(child.wait());
                panic!("{} does not end\n{}", self.name(), self.log().text());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        reaper::removed(Kind::Pid, child.id());
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(mut child) = process.child.take() {
            drop(child.kill());
            drop(child.wait());
            reaper::removed(Kind::Pid, child.id());
        }
    }
}

fn copy_pristine(from: &Path, to: &Path) {
    let copied = Command::new("cp").args(["-a", "--reflink=auto"]).arg(from).arg(to).status().expect("cp");
    assert!(copied.success(), "copy of {}", from.display());
}

/// A port below those the kernel gives to outgoing connections, free a moment ago.
fn free_port() -> u16 {
    loop {
        let port = rand::random_range(20_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn running_as_root() -> bool {
    read_lossy(Path::new("/proc/self/status"))
        .lines()
        .any(|line| line.strip_prefix("Uid:").is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0")))
}
