//! SQL from plain test functions: `mysql_async` behind a small runtime that the harness owns.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Value};
use tokio::runtime::Runtime;

/// One row of a result, as the server prints its columns; `None` is NULL.
pub type Row = Vec<Option<String>>;

/// The runtime of the harness: connections, proxies.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("harness")
            .enable_all()
            .build()
            .expect("a tokio runtime")
    })
}

/// Runs a future to its end, for tests that drive a [`Conn`] themselves. Not from inside async code.
pub fn block_on<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}

/// One connection with blocking calls: session variables and transactions last from call to call.
#[derive(Debug)]
pub struct Session {
    conn: Conn,
}

impl Session {
    /// Connects; `Err` if the server does not answer within ten seconds.
    pub fn connect(opts: OptsBuilder) -> Result<Session, String> {
        let opts = Opts::from(opts.max_allowed_packet(Some(64 << 20)).wait_timeout(Some(28800)));
        let connected = block_on(async { tokio::time::timeout(Duration::from_secs(10), Conn::new(opts)).await });
        match connected {
            Err(_) => Err("no answer within 10 s".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(conn)) => Ok(Session { conn }),
        }
    }

    /// Executes one or more statements (`;` between them); panics if one fails.
    #[track_caller]
    pub fn exec(&mut self, sql: &str) {
        if let Err(error) = self.try_exec(sql) {
            panic!("{error}\n  in: {}", shortened(sql));
        }
    }

    /// Executes one or more statements.
    pub fn try_exec(&mut self, sql: &str) -> Result<(), mysql_async::Error> {
        block_on(self.conn.query_drop(sql))
    }

    /// The rows of one statement; panics if it fails.
    #[track_caller]
    pub fn query(&mut self, sql: &str) -> Vec<Row> {
        match self.try_query(sql) {
            Ok(rows) => rows,
            Err(error) => panic!("{error}\n  in: {}", shortened(sql)),
        }
    }

    /// The rows of one statement.
    pub fn try_query(&mut self, sql: &str) -> Result<Vec<Row>, mysql_async::Error> {
        let rows: Vec<mysql_async::Row> = block_on(self.conn.query(sql))?;
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect())
    }

    /// The connection itself.
    pub fn conn(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    }
}

fn shortened(sql: &str) -> String {
    sql.chars().take(400).collect()
}
