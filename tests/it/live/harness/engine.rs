//! The container engine, through its command line: runs, faults, and the network that the containers of one
//! test share.

use std::process::{Command, Output};
use std::sync::OnceLock;

use super::lane::unique_name;
use super::reaper::{self, Kind};

/// Runs `docker ARGS` and returns what it printed; panics with what it said if it fails.
#[track_caller]
pub fn docker(args: &[&str]) -> String {
    let output = docker_output(args);
    assert!(output.status.success(), "docker {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs `docker ARGS`, whatever comes of it.
pub fn docker_output(args: &[&str]) -> Output {
    Command::new("docker").args(args).output().expect("a `docker` command, as REPLICATE_TEST_SERVERS=docker asks")
}

/// Fails, with the cure, unless the image is there.
pub fn require_image(image: &str) {
    assert!(
        docker_output(&["image", "inspect", image]).status.success(),
        "no image {image}: run `docker/images.sh {image}` (servers) or `docker/images.sh replicate` (replicate)"
    );
}

/// The network of this test process, made on first use.
pub fn network() -> &'static str {
    static NETWORK: OnceLock<String> = OnceLock::new();
    NETWORK.get_or_init(|| {
        let name = unique_name("net");
        reaper::will_leave(Kind::Network, &name);
        docker(&["network", "create", "--label", label(), &name]);
        name
    })
}

/// What marks containers, volumes and networks of this run of the tests, so that a script can remove strays.
pub fn label() -> &'static str {
    static LABEL: OnceLock<String> = OnceLock::new();
    LABEL.get_or_init(|| format!("replicate-test={}", std::env::var("REPLICATE_TEST_RUN").unwrap_or_default()))
}

/// The address of a container on the test's network, none while it is cut off.
pub fn address(container: &str) -> Option<String> {
    let format = format!("{{{{with index .NetworkSettings.Networks \"{}\"}}}}{{{{.IPAddress}}}}{{{{end}}}}", network());
    let output = docker_output(&["inspect", "--format", &format, container]);
    let address = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !address.is_empty()).then_some(address)
}

/// All that a container said.
pub fn logs(container: &str) -> String {
    let output = docker_output(&["logs", container]);
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

/// Removes a container and its anonymous volumes.
pub fn remove(container: &str) {
    docker_output(&["rm", "-f", "-v", container]);
    reaper::removed(Kind::Container, container);
}
