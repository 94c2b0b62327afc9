//! A server in a container, from the official images or their stand-ins. Its Unix socket is in a directory
//! shared with this machine, which is how the harness talks to it while its network is cut.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::live::harness::Flavor;
use crate::live::harness::engine::{self, docker, docker_output, label, network};
use crate::live::harness::lane::{image, scratch, server_settings, unique_name};
use crate::live::harness::reaper::{self, Kind};

#[derive(Debug)]
pub struct Container {
    name: String,
    sockets: TempDir,
}

const SOCKET_DIR: &str = "/run/replicate-test";

impl Container {
    pub fn start(flavor: Flavor, options: Vec<String>) -> Container {
        let image = image(flavor);
        engine::require_image(&image);
        let (name, prefix) = match flavor {
            Flavor::MySql => (unique_name("mysql"), "MYSQL"),
            Flavor::MariaDb => (unique_name("mariadb"), "MARIADB"),
        };
        let sockets = scratch();
        reaper::will_leave(Kind::Dir, sockets.path().display());
        // The server's user in the container is nobody on this machine.
        std::fs::set_permissions(sockets.path(), std::fs::Permissions::from_mode(0o777)).expect("chmod");
        let settings = format!("{}:/etc/mysql/conf.d/replicate.cnf:ro", server_settings().display());
        let shared = format!("{}:{SOCKET_DIR}", sockets.path().display());
        let no_password = match prefix {
            "MYSQL" => "MYSQL_ALLOW_EMPTY_PASSWORD=yes",
            _ => "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=yes",
        };
        let socket = format!("--socket={SOCKET_DIR}/sock");
        let mut args = vec!["run", "-d", "--name", &name, "--label", label(), "--network", network()];
        args.extend(["-v", &settings, "-v", &shared, "-e", no_password, &image, &socket]);
        args.extend(options.iter().map(String::as_str));
        reaper::will_leave(Kind::Container, &name);
        docker(&args);
        Container { name, sockets }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn socket(&self) -> PathBuf {
        self.sockets.path().join("sock")
    }

    pub fn stop(&self) {
        docker(&["stop", "-t", "30", &self.name]);
    }

    pub fn kill(&self) {
        docker(&["kill", "-s", "KILL", &self.name]);
    }

    pub fn start_again(&self) {
        docker(&["start", &self.name]);
    }

    pub fn pause(&self) {
        docker(&["pause", &self.name]);
    }

    pub fn resume(&self) {
        docker(&["unpause", &self.name]);
    }

    pub fn cut_network(&self) {
        docker(&["network", "disconnect", network(), &self.name]);
    }

    pub fn restore_network(&self) {
        docker(&["network", "connect", "--alias", &self.name, network(), &self.name]);
    }

    /// The container's address while it runs; panics once it has ended.
    pub fn check_alive(&self) -> Result<String, String> {
        let state = docker_output(&["inspect", "--format", "{{.State.Running}}", &self.name]);
        let running = String::from_utf8_lossy(&state.stdout).trim() == "true";
        assert!(running, "{} ended\n{}", self.name, engine::logs(&self.name));
        engine::address(&self.name).ok_or_else(|| "no address".to_owned())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        engine::remove(&self.name);
    }
}
