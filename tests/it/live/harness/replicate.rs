//! `replicate` as its users run it: a process (in the container lane, one in a container of its own) with a
//! data directory that outlives it, its output in files.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::engine::{self, docker, docker_output, label, network};
use super::lane::{Lane, lane, replicate_image, scratch, unique_name};
use super::logbook::{Log, read_lossy, register, tails};
use super::reaper::{self, Kind};
use super::server::{REPLICATION, SINK};

/// One installation of `replicate`: a data directory and an environment; each call runs a process on it.
#[derive(Debug)]
pub struct Replicate {
    dir: TempDir,
    /// The volume that holds the data directory of containers.
    volume: Option<String>,
    env: Vec<(String, String)>,
    runs: AtomicU32,
}

/// How a process ended and what it said.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; 128 and the signal's number for one that was killed.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A running `replicate`; it is killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// The container it is in, in the container lane.
    container: Option<String>,
    stdout: PathBuf,
    stderr: PathBuf,
    code: Option<i32>,
}

impl Replicate {
    /// An empty data directory, and the passwords of the harness's accounts in the environment.
    pub fn new() -> Replicate {
        let dir = scratch();
        reaper::will_leave(Kind::Dir, dir.path().display());
        let volume = (lane() == Lane::Docker).then(|| {
            engine::require_image(&replicate_image());
            let name = unique_name("state");
            reaper::will_leave(Kind::Volume, &name);
            docker(&["volume", "create", "--label", label(), &name]);
            name
        });
        Replicate { dir, volume, env: Vec::new(), runs: AtomicU32::new(0) }
            .env("REPLICATE_MASTER_PASSWORD", REPLICATION.password)
            .env("REPLICATE_SINK_PASSWORD", SINK.password)
    }

    /// Adds to the environment of every process, or replaces what is there.
    pub fn env(mut self, name: &str, value: &str) -> Replicate {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The data directory; local lane only.
    pub fn data_dir(&self) -> PathBuf {
        assert!(self.volume.is_none(), "data_dir needs the local lane: not for tests of the container lane");
        self.dir.path().join("data")
    }

    /// Starts `replicate ARGS`.
    #[track_caller]
    pub fn spawn<S: AsRef<str>>(&self, args: &[S]) -> Process {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let stdout = self.dir.path().join(format!("out-{run}"));
        let stderr = self.dir.path().join(format!("err-{run}"));
        let create = |path: &Path| std::fs::File::create(path).expect("an output file");
        self.spawn_with(args, create(&stdout).into(), create(&stderr).into(), stdout, stderr)
    }

    /// Starts `replicate ARGS` with its standard output going elsewhere, a pipe say; `stdout_lines` of such a
    /// process is empty.
    #[track_caller]
    pub fn spawn_into<S: AsRef<str>>(&self, args: &[S], stdout: Stdio) -> Process {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let stderr = self.dir.path().join(format!("err-{run}"));
        let file = std::fs::File::create(&stderr).expect("an output file");
        self.spawn_with(args, stdout, file.into(), self.dir.path().join(format!("out-{run}")), stderr)
    }

    /// Runs `replicate ARGS` to its end; panics if that takes more than a minute.
    #[track_caller]
    pub fn run<S: AsRef<str>>(&self, args: &[S]) -> Finished {
        let mut process = self.spawn(args);
        process.wait_exit(Duration::from_secs(60));
        process.finished()
    }

    #[track_caller]
    fn spawn_with<S: AsRef<str>>(
        &self,
        args: &[S],
        out: Stdio,
        err: Stdio,
        stdout: PathBuf,
        stderr: PathBuf,
    ) -> Process {
        let args = args.iter().map(AsRef::as_ref);
        let mut container = None;
        let mut command = match &self.volume {
            None => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_replicate"));
                command.env("REPLICATE_DATA_DIR", self.data_dir()).env_remove("RUST_LOG");
                command.envs(self.env.iter().map(|(name, value)| (name, value)));
                command
            }
            Some(volume) => {
                let name = unique_name("replicate");
                reaper::will_leave(Kind::Container, &name);
                let mut command = Command::new("docker");
                // -i hands the test's stdin on; the client stays until the container ends and passes its exit
                // code on.
                command.args(["run", "-i", "--name", &name, "--label", label(), "--network", network()]);
                command.args(["-v", &format!("{volume}:/var/lib/replicate")]);
                for (variable, value) in &self.env {
                    command.args(["-e", &format!("{variable}={value}")]);
                }
                command.arg(replicate_image());
                container = Some(name);
                command
            }
        };
        let child = command.args(args).stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        if container.is_none() {
            reaper::will_leave(Kind::Pid, child.id());
        }
        register(format!("stderr of replicate, {}", stderr.display()), Log::File(stderr.clone()));
        Process { child, container, stdout, stderr, code: None }
    }
}

impl Drop for Replicate {
    fn drop(&mut self) {
        if let Some(volume) = &self.volume {
            // Goes only once the processes did; the reaper has the last word.
            if docker_output(&["volume", "rm", "-f", volume]).status.success() {
                reaper::removed(Kind::Volume, volume);
            }
        }
    }
}

impl Process {
    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.poll().is_none()
    }

    /// Process id; local lane only.
    pub fn pid(&self) -> u32 {
        assert!(self.container.is_none(), "pid needs the local lane: not for tests of the container lane");
        self.child.id()
    }

    /// Waits for its end and returns the exit code (128 + signal if it was killed); panics with all logs when
    /// the time is up.
    #[track_caller]
    pub fn wait_exit(&mut self, timeout: Duration) -> i32 {
        let started = Instant::now();
        loop {
            if let Some(code) = self.poll() {
                return code;
            }
            assert!(started.elapsed() < timeout, "replicate runs on after {timeout:?}\n{}", tails());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub fn kill9(&mut self) {
        self.signal("KILL");
        self.wait_exit(Duration::from_secs(30));
    }

    /// Sends SIGTERM.
    pub fn terminate(&mut self) {
        self.signal("TERM");
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn interrupt(&mut self) {
        self.signal("INT");
    }

    /// SIGSTOP: the process freezes, its sockets stay open.
    pub fn pause(&mut self) {
        match &self.container {
            Some(name) => drop(docker(&["pause", name])),
            None => self.signal("STOP"),
        }
    }

    /// Undoes [`pause`](Process::pause).
    pub fn resume(&mut self) {
        match &self.container {
            Some(name) => drop(docker(&["unpause", name])),
            None => self.signal("CONT"),
        }
    }

    /// The complete lines of its standard output so far: a line without its end is not there yet.
    pub fn stdout_lines(&self) -> Vec<String> {
        let text = self.stdout();
        let complete = text.rfind('\n').and_then(|end| text.get(..end));
        complete.map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default()
    }

    /// Its standard output so far.
    pub fn stdout(&self) -> String {
        read_lossy(&self.stdout)
    }

    /// Its standard error so far.
    pub fn stderr(&self) -> String {
        read_lossy(&self.stderr)
    }

    /// What it said and how it ended; panics if it runs.
    #[track_caller]
    pub fn finished(&mut self) -> Finished {
        let code = self.poll().expect("replicate has ended");
        Finished { code, stdout: self.stdout(), stderr: self.stderr() }
    }

    fn poll(&mut self) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt;
        if self.code.is_none() {
            let status = self.child.try_wait().expect("wait")?;
            self.code = Some(status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1));
            match &self.container {
                Some(name) => engine::remove(name),
                None => reaper::removed(Kind::Pid, self.child.id()),
            }
        }
        self.code
    }

    fn signal(&mut self, signal: &str) {
        if self.poll().is_some() {
            return;
        }
        match &self.container {
            None => {
                let pid = self.child.id().to_string();
                drop(Command::new("kill").args([&format!("-{signal}"), &pid]).status());
            }
            Some(name) => {
                // Just spawned: the container may not be there yet.
                let started = Instant::now();
                while !docker_output(&["kill", "-s", signal, name]).status.success() {
                    if self.child.try_wait().expect("wait").is_some() || started.elapsed() > Duration::from_secs(10) {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.poll().is_none() {
            match &self.container {
                Some(name) => {
                    engine::remove(name);
                    drop(self.child.kill());
                    drop(self.child.wait());
                }
                None => {
                    drop(self.child.kill());
                    drop(self.child.wait());
                    reaper::removed(Kind::Pid, self.child.id());
                }
            }
        }
    }
}
