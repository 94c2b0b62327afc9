use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::server::may_ask;
use super::*;
use crate::store::{ChannelDir, DataDir};

const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Fake {
    stopped: AtomicBool,
}

impl ControlHandler for Fake {
    fn status(&self) -> ChannelStatus {
        ChannelStatus { channel: "eu".to_owned(), ..ChannelStatus::default() }
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }
}

/// Serves the channel's socket while `client` runs, and returns what the handler saw.
fn while_served(dir: &ChannelDir, client: impl FnOnce()) -> Arc<Fake> {
    let handler = Arc::new(Fake::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = {
        let _guard = runtime.enter();
        ControlServer::bind(dir.socket().unwrap()).unwrap()
    };
    let task = runtime.spawn(serve(server, Arc::clone(&handler) as Arc<dyn ControlHandler>, async {
        let _ = stopped.await;
    }));
    client();
    stop.send(()).unwrap();
    runtime.block_on(task).unwrap().unwrap();
    handler
}

fn channel_dir(name: &str) -> (tempfile::TempDir, ChannelDir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::open(temp.path()).unwrap().channel(name).unwrap();
    (temp, dir)
}

fn call(dir: &ChannelDir, request: Request, patience: Duration) -> Result<Response, ControlError> {
    client::call(&dir.socket().unwrap(), request, patience)
}

fn raw(path: &Path, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn status_and_stop_reach_the_handler() {
    let (_temp, dir) = channel_dir("");
    let path = dir.path().join("control.sock");
    let handler = while_served(&dir, || {
        let response = call(&dir, Request::Status, PATIENCE).unwrap();
        assert_eq!(response.status.unwrap().channel, "eu");
        assert_eq!(response.pid, Some(std::process::id()));
        let response = call(&dir, Request::Stop, PATIENCE).unwrap();
        assert!(response.ok && response.status.is_none());
        std::thread::sleep(Duration::from_millis(50));
    });
    assert!(handler.stopped.load(Ordering::SeqCst));
    assert!(!path.exists(), "the socket's file is gone");
}

#[test]
fn the_socket_is_its_owners_alone() {
    let (_temp, dir) = channel_dir("");
    let path = dir.path().join("control.sock");
    while_served(&dir, || {
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    });
    assert!(may_ask(1000, 1000) && may_ask(0, 1000));
    assert!(!may_ask(1001, 1000) && !may_ask(1001, 0));
}

#[test]
fn a_path_longer_than_sun_path_works() {
    let (_temp, dir) = channel_dir(&"d".repeat(150));
    let path = dir.path().join("control.sock");
    while_served(&dir, || {
        assert!(call(&dir, Request::Status, PATIENCE).unwrap().ok);
    });
    assert!(!path.exists());
}

#[test]
fn a_socket_left_by_a_dead_process_means_not_running_and_is_replaced() {
    let (_temp, dir) = channel_dir("");
    let path = dir.path().join("control.sock");
    assert!(matches!(call(&dir, Request::Status, PATIENCE), Err(ControlError::NotRunning(_))));
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(matches!(call(&dir, Request::Status, PATIENCE), Err(ControlError::NotRunning(_))));
    while_served(&dir, || assert!(call(&dir, Request::Status, PATIENCE).unwrap().ok));
}

#[test]
fn nonsense_and_requests_without_end_are_refused() {
    let (_temp, dir) = channel_dir("");
    let path = dir.path().join("control.sock");
    let handler = while_served(&dir, || {
        for request in [b"hello\n".as_slice(), b"{\"command\":\"format\"}\n", b"{\"command\":1}\n"] {
            let answer = raw(&path, request);
            assert!(answer.starts_with(r#"{"ok":false,"error":"request not understood"#), "{answer}");
        }
        let answer = raw(&path, &[b' '; 4096]);
        assert!(answer.starts_with(r#"{"ok":false"#), "{answer}");
        assert!(call(&dir, Request::Status, PATIENCE).unwrap().ok, "others are still served");
    });
    assert!(!handler.stopped.load(Ordering::SeqCst));
}

#[test]
fn a_client_that_says_nothing_keeps_nobody_waiting() {
    let (_temp, dir) = channel_dir("");
    let path = dir.path().join("control.sock");
    while_served(&dir, || {
        let _silent: Vec<_> = (0..4).map(|_| UnixStream::connect(&path).unwrap()).collect();
        assert!(call(&dir, Request::Status, Duration::from_secs(2)).unwrap().ok);
    });
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let (_temp, dir) = channel_dir("");
    let path = dir.path().join("control.sock");
    let _mute = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let error = call(&dir, Request::Status, Duration::from_millis(100)).unwrap_err();
    assert!(matches!(error, ControlError::Timeout { .. }), "{error}");
}

#[test]
fn a_process_that_ends_before_it_answers_is_not_running() {
    let (_temp, dir) = channel_dir("");
    let listener = std::os::unix::net::UnixListener::bind(dir.socket().unwrap()).unwrap();
    let dying = std::thread::spawn(move || drop(listener.accept()));
    let error = call(&dir, Request::Status, PATIENCE).unwrap_err();
    dying.join().unwrap();
    assert!(matches!(error, ControlError::NotRunning(_)), "{error}");
}
