//! The program from outside: arguments, messages, exit codes, help.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use replicate::control::{ControlHandler, ControlServer, serve};
use replicate::options;
use replicate::position::LogPosition;
use replicate::status::{self, ChannelStatus, ReceiverRunning};
use replicate::store::{ChannelDir, ChannelLock, ChannelRecord, DataDir, Mark, Store};

/// A data directory of its own, and the program run on it.
struct Home {
    dir: tempfile::TempDir,
}

/// What a run of the program came to.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    #[track_caller]
    fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in:\n{}", self.stderr);
        }
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replicate"));
    command.stdin(Stdio::null()).env("COLUMNS", "100");
    for name in ["REPLICATE_DATA_DIR", "REPLICATE_MASTER_PASSWORD", "REPLICATE_SINK_PASSWORD", "REPLICATE_LOG"] {
        command.env_remove(name);
    }
    command
}

impl Home {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = program();
        command.args(args).arg("--data-dir").arg(self.path());
        command
    }

    fn run(&self, args: &[&str]) -> Run {
        self.command(args).output().unwrap().into()
    }

    /// A channel that knows its source and has come to mysql-bin.000003:1000, with a relay log.
    fn with_progress() -> Self {
        let home = Self::new();
        let position = ["--log-file", "mysql-bin.000001", "--pos", "107"];
        home.run(&[&["change-master", "--master-host", "db1", "--master-user", "repl"], &position[..]].concat()).ok();
        home.progress("mysql-bin.000003", 1000);
        fs::create_dir_all(home.channel().relay()).unwrap();
        fs::write(home.channel().relay().join("relay-bin.000001"), b"\xfebin").unwrap();
        home
    }

    fn progress(&self, file: &str, pos: u64) {
        self.store().record_applied("", &Mark::at(LogPosition::new(file, pos))).unwrap();
    }

    fn store(&self) -> Store {
        Store::open(&self.path()).unwrap()
    }

    fn channel(&self) -> ChannelDir {
        DataDir::open(&self.path()).unwrap().channel("").unwrap()
    }

    fn record(&self) -> ChannelRecord {
        self.store().load_channel("").unwrap().unwrap()
    }

    fn option(&self, key: &str) -> Option<String> {
        self.record().options.get(key).cloned()
    }

    fn applied(&self) -> Option<String> {
        self.record().progress.applied.map(|mark| mark.position.to_string())
    }

    fn has_relay_log(&self) -> bool {
        self.channel().relay().exists()
    }
}

#[test]
fn what_is_not_named_keeps_its_value() {
    let home = Home::with_progress();
    home.run(&["change-source", "--source-user", "other", "--heartbeat-period", "0.5"]).ok();
    assert_eq!(home.option("source_host").as_deref(), Some("db1"));
    assert_eq!(home.option("source_user").as_deref(), Some("other"));
    assert_eq!(home.option("source_heartbeat_period").as_deref(), Some("0.5"));
    assert_eq!(home.applied().as_deref(), Some("mysql-bin.000003:1000"));
    assert!(home.has_relay_log());
}

#[test]
fn another_host_forgets_position_and_relay_log() {
    let home = Home::with_progress();
    let run = home.run(&["change-master", "--master-host", "db2"]).ok();
    assert!(run.stderr.contains("position and relay log are forgotten"), "{run:?}");
    assert_eq!((home.applied(), home.option("source_log_file"), home.option("source_log_pos")), (None, None, None));
    assert!(!home.has_relay_log());
}

#[test]
fn the_same_host_again_forgets_nothing() {
    let home = Home::with_progress();
    home.run(&["change-master", "--master-host", "db1", "--master-port", "3306"]).ok();
    assert_eq!(home.applied().as_deref(), Some("mysql-bin.000003:1000"));
    assert!(home.has_relay_log());
}

#[test]
fn change_master_moves_a_stopped_channel_to_another_position() {
    let home = Home::with_progress();
    home.run(&["change-master", "--master-log-file", "mysql-bin.000002", "--master-log-pos", "4"]).ok();
    assert_eq!(home.applied(), None);
    assert_eq!(home.option("source_log_file").as_deref(), Some("mysql-bin.000002"));
    assert_eq!(home.record().progress.start, None, "the source has not been asked about it yet");
    assert!(!home.has_relay_log());
    home.progress("mysql-bin.000003", 1000);
    home.run(&["change-master", "--log-file", "mysql-bin.000003", "--pos", "1000"]).ok();
    assert_eq!(home.applied().as_deref(), Some("mysql-bin.000003:1000"), "it is there already");
}

#[test]
fn start_refuses_another_position_on_a_channel_with_progress() {
    let home = Home::with_progress();
    let run = home.run(&["start", "--log-file", "mysql-bin.000002", "--pos", "4"]);
    run.fails(2, &["mysql-bin.000003:1000", "mysql-bin.000002:4", "hint: ", "replicate reset"]);
    assert_eq!(home.applied().as_deref(), Some("mysql-bin.000003:1000"));
    assert_eq!(home.option("source_log_file").as_deref(), Some("mysql-bin.000001"));
}

#[test]
fn another_sink_is_refused_on_a_channel_with_progress() {
    let home = Home::with_progress();
    for command in ["start", "change-master"] {
        home.run(&[command, "--sink", "null"]).fails(1, &["another sink", "replicate reset", "--channel"]);
    }
    home.run(&["reset"]).ok();
    home.run(&["change-master", "--sink", "null"]).ok();
    assert_eq!(home.option("sink").as_deref(), Some("null"));
}

#[test]
fn start_without_a_source_or_a_user_says_which_option_is_missing() {
    let home = Home::new();
    home.run(&["start"]).fails(2, &["no source", "--master-host"]);
    home.run(&["start", "--master-host", "db1"]).fails(2, &["no user", "--master-user"]);
}

#[test]
fn a_channel_that_runs_is_neither_changed_nor_started_nor_reset() {
    let home = Home::with_progress();
    let _lock = ChannelLock::acquire(&home.channel()).unwrap();
    let pid = format!("pid {}", std::process::id());
    for args in [&["change-master", "--master-user", "x"][..], &["start"], &["reset"], &["reset", "--all"]] {
        home.run(args).fails(1, &[&pid, "the default channel", "hint: stop it first: replicate stop"]);
    }
    assert_eq!(home.option("source_user").as_deref(), Some("repl"));
    home.run(&["change-master", "--channel", "eu", "--master-host", "db9"]).ok();
}

#[test]
fn reset_forgets_progress_and_keeps_the_connection() {
    let home = Home::with_progress();
    home.run(&["reset-slave"]).ok();
    assert_eq!((home.applied(), home.has_relay_log()), (None, false));
    assert_eq!(home.option("source_host").as_deref(), Some("db1"));
    assert_eq!(home.option("source_log_file"), None);
}

#[test]
fn progress_stays_where_the_target_that_shares_it_cannot_be_reached() {
    let home = Home::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sink = format!("mysql://u@127.0.0.1:{port}/");
    home.run(&["change-master", "--master-host", "db1", "--master-user", "u", "--sink", &sink]).ok();
    home.progress("mysql-bin.000003", 1000);
    for args in [&["reset"][..], &["reset", "--all"], &["change-master", "--master-host", "db2"]] {
        home.run(args).fails(1, &["nothing was changed", &port.to_string(), "hint: make the target reachable"]);
    }
    assert_eq!(home.applied().as_deref(), Some("mysql-bin.000003:1000"));
    assert_eq!(home.option("source_host").as_deref(), Some("db1"));
}

#[test]
fn reset_all_forgets_the_channel() {
    let home = Home::with_progress();
    home.run(&["reset", "--all"]).ok();
    assert!(home.store().load_channel("").unwrap().is_none());
    home.run(&["status"]).fails(1, &["the default channel has not been set up", "hint: "]);
}

#[test]
fn a_channel_that_was_never_set_up_leaves_no_trace() {
    let home = Home::new();
    for command in ["status", "stop", "reset"] {
        home.run(&[command]).fails(1, &["has not been set up"]);
    }
    assert!(!home.path().exists());
}

#[test]
fn stop_of_a_stopped_channel_is_no_error() {
    let home = Home::with_progress();
    let run = home.run(&["stop"]).ok();
    assert!(run.stderr.contains("does not run"), "{run:?}");
}

#[test]
fn status_of_a_stopped_channel_comes_from_the_store() {
    let home = Home::with_progress();
    let text = home.run(&["status"]).ok().stdout;
    assert!(text.starts_with("*************************** 1. row ***************************\n"), "{text}");
    for line in ["Source_Host: db1\n", "Replica_IO_Running: No\n", "Exec_Source_Log_Pos: 1000\n", "Process_Id: NULL\n"]
    {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    let old = home.run(&["status", "--old-names"]).ok().stdout;
    assert!(old.contains("Master_Host: db1\n") && old.contains("Slave_IO_Running: No\n"), "{old}");
    let json: serde_json::Value = serde_json::from_str(&home.run(&["status", "--json"]).ok().stdout).unwrap();
    assert_eq!(json["relay_source_log_file"], "mysql-bin.000003");
    assert_eq!(json["exec_source_log_pos"], 1000);
    assert_eq!(json["seconds_behind_source"], serde_json::Value::Null);
}

/// A channel that runs in this process until it is told to stop.
struct Running {
    lock: std::sync::Mutex<Option<ChannelLock>>,
}

impl ControlHandler for Running {
    fn status(&self) -> ChannelStatus {
        let mut status = ChannelStatus::default();
        status.connection.running = ReceiverRunning::Yes;
        status.connection.state = status::state::WAITING_FOR_SOURCE.to_owned();
        status
    }

    fn stop(&self) {
        self.lock.lock().unwrap().take();
    }
}

#[test]
fn a_running_channel_is_asked_and_stopped_through_its_socket() {
    let home = Home::with_progress();
    let lock = ChannelLock::acquire(&home.channel()).unwrap();
    let handler = Arc::new(Running { lock: std::sync::Mutex::new(Some(lock)) });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = {
        let _guard = runtime.enter();
        ControlServer::bind(home.channel().socket().unwrap()).unwrap()
    };
    runtime.spawn(serve(server, handler, std::future::pending()));

    let text = home.run(&["status"]).ok().stdout;
    assert!(text.contains("Replica_IO_State: Waiting for source to send event\n"), "{text}");
    home.run(&["stop-replica"]).ok();
    home.run(&["reset"]).ok();
    runtime.shutdown_timeout(Duration::from_secs(1));
}

#[test]
fn a_channel_that_does_not_end_is_reported() {
    let home = Home::with_progress();
    let _lock = ChannelLock::acquire(&home.channel()).unwrap();
    struct Deaf;
    impl ControlHandler for Deaf {
        fn status(&self) -> ChannelStatus {
            ChannelStatus::default()
        }
        fn stop(&self) {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = {
        let _guard = runtime.enter();
        ControlServer::bind(home.channel().socket().unwrap()).unwrap()
    };
    runtime.spawn(serve(server, Arc::new(Deaf), std::future::pending()));
    let pid = format!("pid {}", std::process::id());
    home.run(&["stop", "--timeout", "0"]).fails(1, &[&pid, "has not ended within 0 s", "--timeout"]);
    runtime.shutdown_timeout(Duration::from_secs(1));
}

#[test]
fn passwords_are_stored_apart_and_never_shown() {
    let home = Home::new();
    let mut command = home.command(&["change-master", "--master-host", "db1", "--master-user", "repl", "-vv"]);
    let run = Run::from(command.env("REPLICATE_MASTER_PASSWORD", "hunter2").output().unwrap()).ok();
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
    let record = home.record();
    assert_eq!(record.secrets["source_password"].expose(), "hunter2");
    assert!(!record.options.contains_key("source_password"));
    for args in [&["status"][..], &["status", "--json"], &["status", "-vv"]] {
        let run = home.run(args).ok();
        assert!(!run.stdout.contains("hunter2") && !run.stderr.contains("hunter2"), "{run:?}");
    }
}

#[test]
fn a_password_on_the_command_line_draws_a_warning() {
    let home = Home::new();
    let run = home.run(&["change-master", "--master-host", "h", "--master-password", "hunter2"]).ok();
    assert!(run.stderr.contains("WARN") && run.stderr.contains("--master-password-file"), "{run:?}");
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
    let quiet = home.run(&["change-master", "--master-password", "hunter3", "-q"]).ok();
    assert_eq!(quiet.stderr, "");
}

#[test]
fn a_password_file_is_named_in_its_errors_and_must_not_be_open_to_others() {
    let home = Home::new();
    let file = home.dir.path().join("pw");
    let start = ["start", "--master-host", "h", "--master-user", "u", "--master-password-file", file.to_str().unwrap()];
    home.run(&start).fails(1, &["cannot read the password file", file.to_str().unwrap()]);
    fs::write(&file, "\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    home.run(&start).fails(1, &["is empty", "other users can read the password file"]);
}

#[test]
fn usage_errors_have_exit_code_two() {
    let home = Home::new();
    for (args, word) in [
        (&["change-master"][..], "nothing to change"),
        (&["change-master", "--master-port", "0"], "from 1 to 65535"),
        (&["change-master", "--pos", "4"], "--log-file"),
        (&["change-master", "--master-host", "h", "--master-socket", "/s"], "cannot be given together"),
        (&["change-master", "--ssl-mode", "verify-ca"], "--ssl-ca"),
        (&["change-master", "--sink", "kafka://h"], "stdout, file:PATH"),
        (&["decode"], "<FILE>"),
        (&["decode", "-", "-"], "once only"),
        (&["status", "--channel", "a\nb"], "control characters"),
        (&["status", "-v", "-q"], "cannot be used with"),
        (&["frobnicate"], "unrecognized subcommand"),
        (&[], "Usage"),
    ] {
        home.run(args).fails(2, &[word]);
    }
    assert!(!home.path().join("replicate.db").exists() || home.store().channels().unwrap().is_empty());
}

#[test]
fn a_data_directory_that_cannot_be_made_is_an_error_with_a_hint() {
    let home = Home::new();
    fs::write(home.path(), "a file").unwrap();
    home.run(&["change-master", "--master-host", "h"]).fails(1, &["state", "hint: ", "--data-dir"]);
}

#[test]
fn the_data_directory_is_found_as_documented() {
    let home = Home::new();
    let state = home.dir.path();
    let run = |command: &mut Command| -> Run {
        command.args(["change-master", "--master-host", "h"]).output().unwrap().into()
    };
    run(program().env("XDG_STATE_HOME", state.join("xdg"))).ok();
    assert!(state.join("xdg/replicate/replicate.db").exists());
    run(program().env_remove("XDG_STATE_HOME").env("HOME", state)).ok();
    assert!(state.join(".local/state/replicate/replicate.db").exists());
    run(program().env("REPLICATE_DATA_DIR", state.join("named"))).ok();
    assert!(state.join("named/replicate.db").exists());
    let mode = fs::metadata(state.join("named")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    run(program().env_remove("XDG_STATE_HOME").env_remove("HOME")).fails(2, &["--data-dir"]);
}

#[test]
fn log_lines_can_be_json() {
    let home = Home::with_progress();
    let run = home.run(&["stop", "--log-format", "json"]).ok();
    let line: serde_json::Value = serde_json::from_str(run.stderr.lines().next().unwrap()).unwrap();
    assert_eq!(line["message"], "the channel does not run");
    assert_eq!(line["level"], "INFO");
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let home = Home::with_progress();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let run = Run::from(home.command(&["status"]).stdout(writer).output().unwrap()).ok();
    assert_eq!(run.stderr, "");
}

#[test]
fn help_is_as_recorded() {
    golden("help.txt", &Run::from(program().arg("--help").output().unwrap()).ok().stdout);
    for command in ["change-master", "start", "stop", "status", "reset", "decode", "schema"] {
        let run = Run::from(program().args([command, "--help"]).output().unwrap()).ok();
        golden(&format!("help-{command}.txt"), &run.stdout);
    }
}

#[test]
fn the_tables_of_the_documentation_are_those_of_the_registers() {
    let options = "# Options of a channel\n\n\
        Flags of `replicate change-master` and `replicate start`, from the same register as their help. In SQL, old \
        words\nand new ones are the same option.\n\n";
    golden_at("docs/options.md", &format!("{options}{}", options::markdown_table()));
    let status = "# Fields of `replicate status`\n\n\
        The text has the form of `SHOW REPLICA STATUS\\G`, with `--old-names` that of `SHOW SLAVE STATUS\\G`. \
        `--json` prints one\nobject with every key of this table, in its order; keys are never renamed. Numbers are \
        numbers, Yes/No is a boolean\n(`replica_io_running` and `replica_sql_running` keep MySQL's words), times are \
        RFC 3339 in UTC, what is not known\nis `null`.\n\n";
    golden_at("docs/status.md", &format!("{status}{}", status::markdown_table()));
}

fn golden(name: &str, actual: &str) {
    golden_at(&format!("tests/it/golden/{name}"), actual);
}

#[track_caller]
fn golden_at(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("REPLICATE_UPDATE_GOLDENS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{name} differs; REPLICATE_UPDATE_GOLDENS=1 rewrites it");
}
