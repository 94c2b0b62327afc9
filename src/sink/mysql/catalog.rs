//! The target's catalog: table definitions by a connection of its own.
//!
//! The connection is made when first asked and made anew after an error. It reads, and never writes.
//! Manual: "INFORMATION_SCHEMA Tables".

use std::sync::Arc;

use mysql_async::Row;
use mysql_async::prelude::FromValue;
use tokio::runtime::Handle;

use super::config::MysqlSinkConfig;
use super::connection::{Connection, Patience};
use super::error::Fault;
use super::literal;
use crate::schema::{TableDef, columns_query, keys_query};
use crate::sink::{Catalog, SinkError};

/// Asks the target for table definitions.
#[derive(Debug)]
pub(super) struct TargetCatalog {
    config: Arc<MysqlSinkConfig>,
    handle: Handle,
    patience: Patience,
    connection: Option<Connection>,
}

impl TargetCatalog {
    pub(super) fn new(config: Arc<MysqlSinkConfig>, handle: Handle, patience: Patience) -> Self {
        Self { config, handle, patience, connection: None }
    }

    fn ask(&mut self, database: &str, table: &str) -> Result<Option<TableDef>, Fault> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => {
                let mut new = Connection::open(&self.config, &self.handle, self.patience.clone())?;
                new.execute(b"SET NAMES utf8mb4")?;
                self.connection.insert(new)
            }
        };
        let columns = texts(connection.query(columns_query(database, table).as_bytes())?);
        let keys = texts(connection.query(keys_query(database, table).as_bytes())?);
        let def = TableDef::from_rows(database, table, &columns, &keys)
            .map_err(|error| Fault::Unusable(error.to_string()))?;
        let Some(mut def) = def else { return Ok(None) };
        def.fires_triggers = count(connection, &triggers_query(database, table))? > 0;
        def.cascades = count(connection, &both_ends_query(database, table))? > 0;
        Ok(Some(def))
    }
}

impl Catalog for TargetCatalog {
    fn table(&mut self, database: &str, table: &str) -> Result<Option<TableDef>, SinkError> {
        // An idle connection may have been closed by the server in the meantime: one fresh attempt.
        let had_connection = self.connection.is_some();
        let mut result = self.ask(database, table);
        if result.is_err() {
            self.connection = None;
        }
        if had_connection && matches!(result, Err(Fault::Lost(_))) {
            result = self.ask(database, table);
            if result.is_err() {
                self.connection = None;
            }
        }
        result.map_err(|fault| {
            fault.plain(&format!("asking the target {} for {database}.{table}", self.config.describe()))
        })
    }
}

fn texts(rows: Vec<Row>) -> Vec<Vec<Option<Vec<u8>>>> {
    let text = |value| <Option<Vec<u8>>>::from_value_opt(value).unwrap_or_default();
    rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect()
}

fn count(connection: &mut Connection, sql: &[u8]) -> Result<u64, Fault> {
    Ok(connection.query::<u64>(sql)?.first().copied().unwrap_or_default())
}

fn triggers_query(database: &str, table: &str) -> Vec<u8> {
    let mut sql = b"SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = ".to_vec();
    literal::utf8(&mut sql, database.as_bytes());
    sql.extend_from_slice(b" AND EVENT_OBJECT_TABLE = ");
    literal::utf8(&mut sql, table.as_bytes());
    sql
}

/// Not 0 if the table both has a foreign key and is what one points to.
fn both_ends_query(database: &str, table: &str) -> Vec<u8> {
    let mut sql =
        b"SELECT (SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ".to_vec();
    literal::utf8(&mut sql, database.as_bytes());
    sql.extend_from_slice(b" AND TABLE_NAME = ");
    literal::utf8(&mut sql, table.as_bytes());
    sql.extend_from_slice(
        b") * (SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE UNIQUE_CONSTRAINT_SCHEMA = ",
    );
    literal::utf8(&mut sql, database.as_bytes());
    sql.extend_from_slice(b" AND REFERENCED_TABLE_NAME = ");
    literal::utf8(&mut sql, table.as_bytes());
    sql.push(b')');
    sql
}
