//! Where servers come from in this run, and where their programs or images are.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Flavor;

/// The two ways to have a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Binaries provided by `docker/servers.sh`, children of the test process.
    Local,
    /// Containers of the engine behind the `docker` command.
    Docker,
}

/// The lane of this run, from `REPLICATE_TEST_SERVERS`.
pub fn lane() -> Lane {
    match std::env::var("REPLICATE_TEST_SERVERS").as_deref() {
        Err(_) | Ok("" | "local") => Lane::Local,
        Ok("docker") => Lane::Docker,
        Ok(other) => panic!("REPLICATE_TEST_SERVERS={other}: want local or docker"),
    }
}

/// The repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The settings every test server starts with.
pub fn server_settings() -> PathBuf {
    repository().join("docker/server.cnf")
}

/// The directory of a local server: `bin/` and `pristine/` are in it.
pub fn local_home(flavor: Flavor) -> PathBuf {
    let name = match flavor {
        Flavor::MySql => setting("REPLICATE_TEST_MYSQL", "mysql-9.7"),
        Flavor::MariaDb => setting("REPLICATE_TEST_MARIADB", "mariadb-10.11"),
    };
    let servers =
        std::env::var_os("REPLICATE_SERVERS_DIR").map_or_else(|| repository().join("target/servers"), PathBuf::from);
    let home = repository().join(servers).join(&name);
    assert!(
        home.join("version").is_file(),
        "no server {name} in {}: run `docker/servers.sh {name}`, \
         or take containers: `docker/images.sh` and REPLICATE_TEST_SERVERS=docker",
        home.display(),
    );
    home
}

/// The image of a server in the container lane.
pub fn image(flavor: Flavor) -> String {
    match flavor {
        Flavor::MySql => setting("REPLICATE_TEST_MYSQL_IMAGE", "mysql:9.7"),
        Flavor::MariaDb => setting("REPLICATE_TEST_MARIADB_IMAGE", "mariadb:10.11"),
    }
}

/// The image of `replicate` in the container lane.
pub fn replicate_image() -> String {
    setting("REPLICATE_TEST_IMAGE", "replicate:test")
}

/// A name nobody else on this machine uses, short enough for socket paths and container names.
pub fn unique_name(what: &str) -> String {
    static COUNTER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("replicate-test-{}-{count}-{what}", std::process::id())
}

/// The directory under which this process keeps the data of its servers; short, because of socket paths.
pub fn scratch() -> tempfile::TempDir {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    let base = BASE.get_or_init(std::env::temp_dir);
    tempfile::Builder::new().prefix("rpl-").tempdir_in(base).expect("a temporary directory")
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())
}
