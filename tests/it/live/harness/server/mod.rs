//! One MySQL or MariaDB server of a test: a local process behind a proxy, or a container.
//!
//! It starts empty, with a binary log, root without password and the two [accounts](Account) `replicate`
//! uses. The harness itself talks to it over the Unix socket, so that a cut network does not cut the test off.

mod container;
mod local;

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use mysql_async::{Conn, OptsBuilder};

use self::container::Container;
use self::local::Local;
use super::lane::{Lane, lane};
use super::logbook::{Log, register};
use super::proxy::{Mode, Proxy};
use super::sql::{Row, Session};
use super::{Flavor, Replicate};

/// A name and a password that every test server knows.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    pub user: &'static str,
    pub password: &'static str,
    grants: &'static str,
}

/// What a source gives to `replicate`: replication and reading, nothing else.
pub const REPLICATION: Account =
    Account { user: "repl", password: "repl-secret", grants: "REPLICATION SLAVE, REPLICATION CLIENT, SELECT" };

/// What a target gives to `replicate`: everything.
pub const SINK: Account = Account { user: "sink", password: "sink-secret", grants: "ALL PRIVILEGES" };

/// A running (or stopped) server; it ends and its data goes when this is dropped.
#[derive(Debug)]
pub struct Server {
    flavor: Flavor,
    backend: Backend,
    session: Mutex<Option<Session>>,
}

#[derive(Debug)]
enum Backend {
    Local(Local),
    Container(Container),
}

impl Server {
    /// Starts an empty server with these options besides those of `docker/server.cnf`, and waits until it
    /// answers.
    #[track_caller]
    pub fn start(flavor: Flavor, options: &[&str]) -> Server {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let backend = match lane() {
            Lane::Local => Backend::Local(Local::start(flavor, options)),
            Lane::Docker => Backend::Container(Container::start(flavor, options)),
        };
        let server = Server { flavor, backend, session: Mutex::new(None) };
        register(format!("{} server", server.name()), server.log());
        server.wait_until_it_answers();
        for account in [REPLICATION, SINK] {
            server.create_account(account);
        }
        server
    }

    /// MySQL or MariaDB.
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// What tells this server from the others in messages.
    pub fn name(&self) -> String {
        match &self.backend {
            Backend::Local(local) => local.name(),
            Backend::Container(container) => container.name().to_owned(),
        }
    }

    // --- life ---------------------------------------------------------------------------------------------

    /// Shuts the server down in order.
    pub fn stop(&self) {
        self.disconnect();
        match &self.backend {
            Backend::Local(local) => local.stop(),
            Backend::Container(container) => container.stop(),
        }
    }

    /// Kills it (SIGKILL).
    pub fn kill(&self) {
        self.disconnect();
        match &self.backend {
            Backend::Local(local) => local.kill(),
            Backend::Container(container) => container.kill(),
        }
    }

    /// Starts it again on the same data and at the same address.
    #[track_caller]
    pub fn start_again(&self) {
        match &self.backend {
            Backend::Local(local) => local.start_again(None),
            Backend::Container(container) => container.start_again(),
        }
        self.wait_until_it_answers();
    }

    /// Starts it again with other options than before; local lane only.
    #[track_caller]
    pub fn start_again_with(&self, options: &[&str]) {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        self.local("start_again_with").start_again(Some(options));
        self.wait_until_it_answers();
    }

    /// Freezes the process: connections stay open, nothing answers.
    pub fn pause(&self) {
        self.disconnect();
        match &self.backend {
            Backend::Local(local) => local.pause(),
            Backend::Container(container) => container.pause(),
        }
    }

    /// Lets a paused process go on.
    pub fn resume(&self) {
        match &self.backend {
            Backend::Local(local) => local.resume(),
            Backend::Container(container) => container.resume(),
        }
    }

    // --- network ------------------------------------------------------------------------------------------

    /// Cuts the server off from `replicate`: open connections end, new ones fail. SQL of the test still works.
    pub fn cut_network(&self) {
        match &self.backend {
            Backend::Local(local) => local.network().set_mode(Mode::Cut),
            Backend::Container(container) => container.cut_network(),
        }
    }

    /// Undoes [`cut_network`](Server::cut_network), or any other mode of the proxy.
    pub fn restore_network(&self) {
        match &self.backend {
            Backend::Local(local) => local.network().set_mode(Mode::Pass),
            Backend::Container(container) => container.restore_network(),
        }
    }

    /// The proxy in front of the server, for the finer faults; local lane only.
    pub fn network(&self) -> &Proxy {
        self.local("network").network()
    }

    /// Host and port for `replicate`.
    pub fn addr(&self) -> (String, u16) {
        match &self.backend {
            Backend::Local(local) => {
                let address = local.network().address();
                (address.ip().to_string(), address.port())
            }
            Backend::Container(container) => (container.name().to_owned(), 3306),
        }
    }

    /// The server's Unix socket, on this machine.
    pub fn socket(&self) -> PathBuf {
        match &self.backend {
            Backend::Local(local) => local.socket(),
            Backend::Container(container) => container.socket(),
        }
    }

    /// The data directory; local lane only.
    pub fn data_dir(&self) -> PathBuf {
        self.local("data_dir").data_dir()
    }

    /// What the server wrote to its error log.
    pub fn logs(&self) -> String {
        self.log().text()
    }

    // --- for replicate --------------------------------------------------------------------------------------

    /// The connection options of `replicate start` and `change-master` for this source. The password is in the
    /// environment of every [`Replicate`].
    pub fn master_args(&self) -> Vec<String> {
        let (host, port) = self.addr();
        ["--master-host", &host, "--master-port", &port.to_string(), "--master-user", REPLICATION.user]
            .map(str::to_owned)
            .into()
    }

    /// The `--sink` URL of this server as a target. The password is in the environment of every [`Replicate`].
    pub fn sink_url(&self) -> String {
        let (host, port) = self.addr();
        format!("mysql://{}@{host}:{port}/", SINK.user)
    }

    // --- SQL ------------------------------------------------------------------------------------------------

    /// Executes statements as root, on a connection that lasts from call to call (`USE`, `SET` and transactions
    /// included); panics if one fails.
    #[track_caller]
    pub fn exec(&self, sql: &str) {
        self.with_session(|session| session.exec(sql));
    }

    /// The rows of a statement, executed as [`exec`](Server::exec) does.
    #[track_caller]
    pub fn query(&self, sql: &str) -> Vec<Row> {
        self.with_session(|session| session.query(sql))
    }

    /// The first column of the first row; panics if there is none or it is NULL.
    #[track_caller]
    pub fn query_one(&self, sql: &str) -> String {
        let rows = self.query(sql);
        let value = rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten();
        value.unwrap_or_else(|| panic!("no value from: {sql}"))
    }

    /// A connection of its own, with blocking calls, as root.
    #[track_caller]
    pub fn session(&self) -> Session {
        self.connect(self.opts())
            .unwrap_or_else(|error| panic!("{} does not answer: {error}\n{}", self.name(), super::logbook::tails()))
    }

    /// A connection of its own as `mysql_async` has it; drive it with [`block_on`](super::block_on).
    #[track_caller]
    pub fn conn(&self) -> Conn {
        super::block_on(Conn::new(self.opts())).unwrap_or_else(|error| panic!("{}: {error}", self.name()))
    }

    /// How the harness connects: root, over the socket.
    pub fn opts(&self) -> OptsBuilder {
        OptsBuilder::default().socket(Some(self.socket().display().to_string())).user(Some("root"))
    }

    /// Version as (major, minor).
    pub fn version(&self) -> (u32, u32) {
        let text = self.query_one("SELECT VERSION()");
        let mut numbers = text.split(['.', '-']).map_while(|part| part.parse().ok());
        (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
    }

    /// The end of the binary log: file and position.
    pub fn log_position(&self) -> (String, u64) {
        let statement = match (self.flavor, self.version()) {
            (Flavor::MySql, version) if version >= (8, 2) => "SHOW BINARY LOG STATUS",
            _ => "SHOW MASTER STATUS",
        };
        match self.query(statement).first().map(Vec::as_slice) {
            Some([Some(file), Some(position), ..]) => (file.clone(), position.parse().expect("a position")),
            other => panic!("{statement}: {other:?}"),
        }
    }

    /// Creates a user for any host; nothing of it enters the binary log.
    pub fn create_account(&self, account: Account) {
        let Account { user, password, grants } = account;
        self.exec(&format!(
            "SET SESSION sql_log_bin = 0; \
             CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'; \
             GRANT {grants} ON *.* TO '{user}'@'%'; \
             SET SESSION sql_log_bin = 1"
        ));
    }

    fn with_session<T>(&self, use_it: impl FnOnce(&mut Session) -> T) -> T {
        let mut kept = self.session.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        use_it(kept.get_or_insert_with(|| self.session()))
    }

    fn disconnect(&self) {
        *self.session.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }

    fn connect(&self, opts: OptsBuilder) -> Result<Session, String> {
        Session::connect(opts)
    }

    /// Waits for the final server: where one initialises itself first, only that one listens on TCP.
    #[track_caller]
    fn wait_until_it_answers(&self) {
        let started = Instant::now();
        loop {
            let answer = match &self.backend {
                Backend::Local(local) => local.check_alive().and_then(|()| self.connect(self.opts())),
                Backend::Container(container) => container.check_alive().and_then(|address| {
                    let opts = OptsBuilder::default().ip_or_hostname(address).user(Some("root"));
                    self.connect(opts.prefer_socket(false)).and_then(|_| self.connect(self.opts()))
                }),
            };
            match answer {
                Ok(session) => {
                    *self.session.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(session);
                    return;
                }
                Err(error) if started.elapsed() > Duration::from_secs(90) => {
                    panic!("{} does not answer: {error}\n{}", self.name(), self.logs())
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn log(&self) -> Log {
        match &self.backend {
            Backend::Local(local) => local.log(),
            Backend::Container(container) => Log::Container(container.name().to_owned()),
        }
    }

    #[track_caller]
    fn local(&self, what: &str) -> &Local {
        match &self.backend {
            Backend::Local(local) => local,
            Backend::Container(_) => {
                panic!("{what} needs a local server: not for tests of the container lane")
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.disconnect();
    }
}

impl Replicate {
    /// `start` from the beginning of this source's first log file into a target, with the target's URL.
    pub fn start_args(source: &Server, target: &Server) -> Vec<String> {
        let mut args = vec!["start".to_owned()];
        args.extend(source.master_args());
        args.extend(["--log-file", "mysql-bin.000001", "--pos", "4", "--sink"].map(str::to_owned));
        args.push(target.sink_url());
        args
    }
}
