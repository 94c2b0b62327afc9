//! Opening the target: log in, take the channel's lock, learn what the server is, find or make the checkpoint.

use std::collections::HashMap;

use mysql_async::Row;
use mysql_async::prelude::FromValue;
use tokio::runtime::Handle;

use super::apply::Session;
use super::checkpoint::{Checkpoint, CheckpointRow, CheckpointSql};
use super::config::MysqlSinkConfig;
use super::connection::{Connection, Patience};
use super::error::Fault;
use super::facts::{CollationName, Facts, Flavor, OPTIONAL_VARIABLES};
use super::fingerprint::Fnv128;
use super::{literal, statement};
use crate::sink::SinkError;

/// How long to wait for the connection before us to let go of the channel, in seconds.
const LOCK_SECONDS: u32 = 10;

/// ER_BAD_DB_ERROR and ER_NO_SUCH_TABLE: there is no checkpoint yet.
const NOT_THERE: [u16; 2] = [1049, 1146];

/// Opens a session that is ready to apply.
pub(super) fn open(
    config: &MysqlSinkConfig,
    handle: &Handle,
    patience: Patience,
) -> Result<(Session, Facts), SinkError> {
    let target = config.describe();
    let mut connection = Connection::open(config, handle, patience)
        .map_err(|fault| fault.plain(&format!("connecting to the target {target}")))?;
    let prepared = prepare(&mut connection, config);
    let (facts, sql, stored) = match prepared {
        Ok(parts) => parts,
        Err(Trouble::Fault(fault)) => return Err(fault.plain(&format!("preparing the target {target}"))),
        Err(Trouble::Held(by)) => {
            let by = by.map_or(String::new(), |id| format!(" by its connection {id}"));
            return Err(SinkError::Unavailable {
                what: format!(
                    "the channel is still held on the target {target}{by}: another process, or the end of an earlier statement"
                ),
            });
        }
        Err(Trouble::Unreadable) => {
            return Err(SinkError::Rejected {
                code: None,
                what: format!("the checkpoint row on the target {target} is not text"),
                table: Some(format!("{}.checkpoint", config.checkpoint_database)),
                hint: Some("another program has written to it".to_owned()),
                at: None,
            });
        }
    };
    Ok((Session::new(connection, facts.flavor, sql, stored), facts))
}

/// Removes the channel's checkpoint row, if there is one.
pub(super) fn forget(config: &MysqlSinkConfig, handle: &Handle, patience: Patience) -> Result<(), SinkError> {
    let target = config.describe();
    let mut connection = Connection::open(config, handle, patience)
        .map_err(|fault| fault.plain(&format!("connecting to the target {target}")))?;
    let sql = CheckpointSql::new(&config.checkpoint_database, &config.channel);
    let removed = take_lock(&mut connection, config).and_then(|()| Ok(connection.execute(&sql.delete())?));
    match removed {
        Ok(_) => Ok(()),
        Err(Trouble::Fault(fault)) if fault.code().is_some_and(|code| NOT_THERE.contains(&code)) => Ok(()),
        Err(Trouble::Fault(fault)) => Err(fault.plain(&format!("removing the checkpoint on the target {target}"))),
        Err(Trouble::Held(_) | Trouble::Unreadable) => {
            Err(SinkError::Unavailable { what: format!("the channel is still in use on the target {target}") })
        }
    }
}

enum Trouble {
    Fault(Fault),
    Held(Option<u64>),
    Unreadable,
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

fn prepare(
    connection: &mut Connection,
    config: &MysqlSinkConfig,
) -> Result<(Facts, CheckpointSql, Option<Checkpoint>), Trouble> {
    take_lock(connection, config)?;
    connection.execute(&statement::row_session())?;
    let facts = learn(connection, config)?;
    let mut once = format!("SET autocommit = 1, innodb_lock_wait_timeout = {}", config.lock_wait_timeout);
    if facts.variables.get("sql_generate_invisible_primary_key").is_some_and(|value| value != "0") {
        // The source has written such a key into its statement if it made one.
        once.push_str(", sql_generate_invisible_primary_key = 0");
    }
    connection.execute(once.as_bytes())?;
    let sql = CheckpointSql::new(&config.checkpoint_database, &config.channel);
    let stored = checkpoint(connection, &sql)?;
    Ok((facts, sql, stored))
}

/// One connection a channel: whoever was cut off in the middle of a statement holds the lock until the server has ended
/// that statement, and only then is the checkpoint row worth reading.
fn take_lock(connection: &mut Connection, config: &MysqlSinkConfig) -> Result<(), Trouble> {
    let mut hash = Fnv128::new();
    hash.field(config.checkpoint_database.as_bytes());
    hash.field(config.channel.as_bytes());
    let name = format!("'replicate/{}'", hash.text());
    let got: Vec<Option<i64>> = connection.query(format!("SELECT GET_LOCK({name}, {LOCK_SECONDS})").as_bytes())?;
    if got.first() == Some(&Some(1)) {
        return Ok(());
    }
    let by: Vec<Option<u64>> = connection.query(format!("SELECT IS_USED_LOCK({name})").as_bytes())?;
    Err(Trouble::Held(by.first().copied().flatten()))
}

fn learn(connection: &mut Connection, config: &MysqlSinkConfig) -> Result<Facts, Fault> {
    let basics: Vec<(Vec<u8>, u64)> = connection.query(b"SELECT VERSION(), @@max_allowed_packet")?;
    let (version, packet) = basics.into_iter().next().unwrap_or_default();
    let maria = version.windows(7).any(|window| window.eq_ignore_ascii_case(b"mariadb"));
    let mut collations = HashMap::new();
    for row in collation_rows(connection)? {
        let mut values = row.unwrap().into_iter().map(|value| <Option<Vec<u8>>>::from_value_opt(value).ok().flatten());
        let mut text = || values.next().flatten().and_then(|bytes| String::from_utf8(bytes).ok());
        if let (Some(id), Some(name), Some(charset)) = (text(), text(), text())
            && let Ok(id) = id.parse()
        {
            collations.insert(id, CollationName { name, charset });
        }
    }
    Ok(Facts {
        flavor: if maria { Flavor::MariaDb } else { Flavor::MySql },
        max_packet: usize::try_from(packet).unwrap_or(usize::MAX),
        collations,
        variables: variables(connection)?,
        checkpoint_database: config.checkpoint_database.clone(),
        by_number: false,
    })
}

/// Number, name and character set of every collation. MariaDB since 10.10 lists those that serve several character sets
/// (uca1400) once, without a number; their full names and numbers are in a table of their own.
fn collation_rows(connection: &mut Connection) -> Result<Vec<Row>, Fault> {
    let full_names: Vec<u64> = connection.query(
        b"SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'information_schema' \
          AND TABLE_NAME = 'COLLATION_CHARACTER_SET_APPLICABILITY' AND COLUMN_NAME = 'FULL_COLLATION_NAME'",
    )?;
    connection.query(if full_names.first().is_some_and(|count| *count > 0) {
        b"SELECT ID, FULL_COLLATION_NAME, CHARACTER_SET_NAME \
          FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY"
            .as_slice()
    } else {
        b"SELECT ID, COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATIONS".as_slice()
    })
}

/// Session variables that not every server has; switches as 0 and 1.
fn variables(connection: &mut Connection) -> Result<HashMap<String, String>, Fault> {
    let mut sql = b"SHOW SESSION VARIABLES WHERE Variable_name IN (".to_vec();
    for (i, name) in OPTIONAL_VARIABLES.iter().enumerate() {
        if i > 0 {
            sql.push(b',');
        }
        literal::utf8(&mut sql, name.as_bytes());
    }
    sql.push(b')');
    let rows: Vec<(Vec<u8>, Vec<u8>)> = connection.query(&sql)?;
    let text = |bytes| String::from_utf8(bytes).unwrap_or_default();
    let read = |(name, value): (Vec<u8>, Vec<u8>)| {
        let value = match value.as_slice() {
            b"ON" => "1".to_owned(),
            b"OFF" => "0".to_owned(),
            _ => text(value),
        };
        (text(name), value)
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Reads the checkpoint row; makes its table where there is none.
fn checkpoint(connection: &mut Connection, sql: &CheckpointSql) -> Result<Option<Checkpoint>, Trouble> {
    let rows: Vec<CheckpointRow> = match connection.query(&sql.select()) {
        Ok(rows) => rows,
        Err(fault) if fault.code().is_some_and(|code| NOT_THERE.contains(&code)) => {
            if fault.code() == Some(1049) {
                connection.execute(&sql.create_database())?;
            }
            match connection.execute(&sql.create_table()) {
                Err(Fault::Server { code: 1049, .. }) => {
                    connection.execute(&sql.create_database())?;
                    connection.execute(&sql.create_table())?;
                }
                other => {
                    other?;
                }
            }
            Vec::new()
        }
        Err(fault) => return Err(fault.into()),
    };
    match rows.into_iter().next() {
        None => Ok(None),
        Some(row) => Checkpoint::from_row(row).map(Some).ok_or(Trouble::Unreadable),
    }
}
