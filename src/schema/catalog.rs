//! `information_schema` as the catalog: what to ask, and a [`TableDef`] from the answers.
//!
//! The two statements work on MySQL 5.7 to 9.x and MariaDB 10.2 and later; ask them on a session whose
//! `character_set_results` is utf8mb4. Invisible and generated columns are listed like any other. Columns that the
//! log has and the catalog hides:
//! - MariaDB's `row_start` and `row_end` of a table made `WITH SYSTEM VERSIONING` without naming them, and the
//!   `DB_ROW_HASH_n` columns behind unique keys of the type HASH: they are added here.
//! - MySQL's generated invisible primary key, where `show_gipk_in_create_table_and_information_schema=OFF` (it is ON by
//!   default): set it ON in the session that asks, or the column count will not match.
//!
//! Manual: "The INFORMATION_SCHEMA COLUMNS Table", "The INFORMATION_SCHEMA STATISTICS Table".

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ColumnDef, KeyDef, KeyPart, TableDef, TextDefault};

/// An answer did not have the form that the statement asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the catalog's answer about {table} is not understood: {what}")]
pub struct CatalogError {
    /// `database.table`.
    pub table: String,
    /// What is wrong.
    pub what: &'static str,
}

/// A string literal that means the same in every `sql_mode`.
fn literal(text: &str) -> String {
    use std::fmt::Write as _;
    if text.is_empty() {
        return "''".to_owned();
    }
    let mut out = String::from("_utf8mb4 0x");
    for byte in text.bytes() {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn condition(database: &str, table: &str) -> String {
    format!("TABLE_SCHEMA = {} AND TABLE_NAME = {}", literal(database), literal(table))
}

/// The statement that asks for a table's columns; see [`TableDef::from_rows`].
#[must_use]
pub fn columns_query(database: &str, table: &str) -> String {
    let condition = condition(database, table);
    format!(
        "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, IS_NULLABLE, EXTRA, \
         GENERATION_EXPRESSION, \
         (SELECT CONCAT_WS(' ', TABLE_TYPE, ENGINE) FROM information_schema.TABLES WHERE {condition}), \
         (SELECT TABLE_COLLATION FROM information_schema.TABLES WHERE {condition}) \
         FROM information_schema.COLUMNS WHERE {condition} ORDER BY ORDINAL_POSITION"
    )
}

/// The statement that asks for a table's keys; see [`TableDef::from_rows`].
#[must_use]
pub fn keys_query(database: &str, table: &str) -> String {
    format!(
        "SELECT INDEX_NAME, NON_UNIQUE, COLUMN_NAME, NULLABLE, INDEX_TYPE, SUB_PART \
         FROM information_schema.STATISTICS WHERE {} ORDER BY INDEX_NAME, SEQ_IN_INDEX",
        condition(database, table)
    )
}

/// The statement that asks for a database's default collation: one row of one column, or none.
#[must_use]
pub fn collation_query(database: &str) -> String {
    format!("SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}", literal(database))
}

/// One row of an answer, its columns as text.
struct Row<'a, B>(&'a [Option<B>]);

impl<B: AsRef<[u8]>> Row<'_, B> {
    fn text(&self, index: usize) -> Option<String> {
        let bytes = self.0.get(index)?.as_ref()?;
        Some(String::from_utf8_lossy(bytes.as_ref()).into_owned())
    }

    fn required(&self, index: usize) -> Result<String, &'static str> {
        self.text(index).ok_or("a value is missing")
    }
}

impl TableDef {
    /// Reads the answers to [`columns_query`] and [`keys_query`]; `None` if there is no such table.
    ///
    /// # Errors
    /// When an answer has other columns than the statements ask for.
    pub fn from_rows<R, B>(database: &str, table: &str, columns: &[R], keys: &[R]) -> Result<Option<Self>, CatalogError>
    where
        R: AsRef<[Option<B>]>,
        B: AsRef<[u8]>,
    {
        if columns.is_empty() {
            return Ok(None);
        }
        let mut def = Self { database: database.to_owned(), table: table.to_owned(), ..Self::default() };
        let columns = columns.iter().map(|row| Row(row.as_ref()));
        let keys = keys.iter().map(|row| Row(row.as_ref()));
        def.read(columns, keys).map_err(|what| CatalogError { table: format!("{database}.{table}"), what })?;
        Ok(Some(def))
    }

    fn read<'a, B: AsRef<[u8]> + 'a>(
        &mut self,
        columns: impl Iterator<Item = Row<'a, B>>,
        keys: impl Iterator<Item = Row<'a, B>>,
    ) -> Result<(), &'static str> {
        let mut kind = String::new();
        let mut named_period = false;
        for row in columns {
            self.columns.push(column(&row)?);
            named_period |= row.text(7).is_some_and(|expression| expression.eq_ignore_ascii_case("ROW START"));
            kind = row.text(8).unwrap_or_default();
            self.text = row.text(9).map(|collation| TextDefault::of_collation(&collation));
        }
        self.keys(keys, kind.ends_with("MEMORY"))?;
        self.versioned = kind.starts_with("SYSTEM VERSIONED");
        self.engine = kind.rsplit(' ').next().filter(|engine| !engine.is_empty()).map(str::to_owned);
        self.add_hidden_columns(named_period);
        Ok(())
    }

    /// Adds what is in the log's rows and in no list of columns.
    pub(super) fn add_hidden_columns(&mut self, named_period: bool) {
        if self.versioned && !named_period {
            self.columns.push(hidden("row_start".to_owned(), "timestamp", "timestamp(6)"));
            self.columns.push(hidden("row_end".to_owned(), "timestamp", "timestamp(6)"));
        }
        let hashes = self.keys.iter().filter(|key| key.hashed).count();
        for number in 1..=hashes {
            self.columns.push(hidden(format!("DB_ROW_HASH_{number}"), "bigint", "bigint(20) unsigned"));
        }
    }

    fn keys<'a, B: AsRef<[u8]> + 'a>(
        &mut self,
        rows: impl Iterator<Item = Row<'a, B>>,
        memory: bool,
    ) -> Result<(), &'static str> {
        let mut keys: BTreeMap<String, KeyDef> = BTreeMap::new();
        for row in rows {
            let name = row.required(0)?;
            let unique = row.required(1)? == "0";
            let hashed = unique && row.text(4).as_deref() == Some("HASH") && !memory;
            let column = row.text(2);
            let column = column.and_then(|name| self.columns.iter().position(|c| c.name.eq_ignore_ascii_case(&name)));
            let prefix = row.text(5).and_then(|prefix| prefix.parse().ok());
            let key = keys.entry(name.clone()).or_insert_with(|| KeyDef { name, unique, hashed, ..KeyDef::default() });
            key.parts.push(KeyPart { column, prefix });
        }
        self.keys = keys.into_values().collect();
        self.index_keys();
        Ok(())
    }

    /// Sets what follows from the keys: `primary_key` and `unique_not_null`.
    pub(super) fn index_keys(&mut self) {
        let not_null = |part: &KeyPart| part.column.filter(|c| self.columns.get(*c).is_some_and(|c| !c.nullable));
        let (mut primary, mut unique) = (Vec::new(), Vec::new());
        for key in &self.keys {
            match key.parts.iter().map(not_null).collect::<Option<Vec<_>>>() {
                Some(columns) if key.name == "PRIMARY" => primary = columns,
                Some(columns) if key.unique => unique.push(columns),
                _ => {}
            }
        }
        self.primary_key = primary;
        self.unique_not_null = unique;
    }
}

fn hidden(name: String, data_type: &str, column_type: &str) -> ColumnDef {
    ColumnDef {
        name,
        data_type: data_type.to_owned(),
        column_type: column_type.to_owned(),
        unsigned: column_type.ends_with("unsigned"),
        generated: true,
        hidden: true,
        ..ColumnDef::default()
    }
}

fn column<B: AsRef<[u8]>>(row: &Row<'_, B>) -> Result<ColumnDef, &'static str> {
    let data_type = row.required(1)?.to_ascii_lowercase();
    let column_type = row.required(2)?;
    let lower = column_type.to_ascii_lowercase();
    let extra = row.text(6).unwrap_or_default().to_ascii_uppercase();
    let labels = matches!(data_type.as_str(), "enum" | "set").then(|| labels(&column_type)).flatten();
    Ok(ColumnDef {
        name: row.required(0)?,
        unsigned: !matches!(data_type.as_str(), "enum" | "set" | "year")
            && (lower.contains(" unsigned") || lower.contains(" zerofill")),
        charset: row.text(3).map(|name| if name == "utf8" { "utf8mb3".to_owned() } else { name }),
        collation: row.text(4),
        labels: labels.map(Arc::from),
        nullable: row.required(5)? == "YES",
        generated: extra.split([' ', ',']).any(|word| word == "GENERATED"),
        hidden: false,
        data_type,
        column_type,
    })
}

/// The labels of an ENUM's or SET's `COLUMN_TYPE`: quotes are doubled; backslash, newline, carriage return and NUL are
/// escaped with a backslash. The catalog is utf8mb3: characters outside the BMP come as `?` (FULL metadata has them).
fn labels(column_type: &str) -> Option<Vec<String>> {
    let inside = column_type.split_once('(')?.1;
    let mut labels = Vec::new();
    let mut chars = inside.chars().peekable();
    loop {
        if chars.next()? != '\'' {
            return None;
        }
        let mut label = String::new();
        loop {
            match chars.next()? {
                '\'' if chars.peek() == Some(&'\'') => {
                    chars.next();
                    label.push('\'');
                }
                '\'' => break,
                '\\' => label.push(match chars.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    '0' => '\0',
                    other => other,
                }),
                other => label.push(other),
            }
        }
        labels.push(label);
        match chars.next()? {
            ',' => {}
            ')' => return Some(labels),
            _ => return None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn row(values: &[&str]) -> Vec<Option<Vec<u8>>> {
        values.iter().map(|v| (*v != "NULL").then(|| v.as_bytes().to_vec())).collect()
    }

    #[test]
    fn labels_are_read_as_both_servers_write_them() {
        let text = r#"enum('a''b','c,d','e)','f\\\\g','h"i','new\nline','x\rz','nul\0y','ä€','')"#;
        let expected = ["a'b", "c,d", "e)", "f\\\\g", "h\"i", "new\nline", "x\rz", "nul\0y", "ä€", ""];
        assert_eq!(labels(text).unwrap(), expected);
        assert_eq!(labels("set('q''')").unwrap(), ["q'"]);
        assert_eq!(labels("enum('a"), None);
        assert_eq!(labels("enum"), None);
    }

    #[test]
    fn a_definition_is_read_from_the_two_answers() {
        let columns = [
            row(&["id", "int", "int(10) unsigned", "NULL", "NULL", "NO", "auto_increment", "", "BASE TABLE InnoDB"]),
            row(&[
                "t",
                "varchar",
                "varchar(9)",
                "utf8",
                "utf8_bin",
                "YES",
                "DEFAULT_GENERATED",
                "",
                "BASE TABLE InnoDB",
            ]),
            row(&["g", "int", "int", "NULL", "NULL", "NO", "VIRTUAL GENERATED", "(1)", "BASE TABLE InnoDB"]),
            row(&["e", "enum", "enum('unsigned',' unsigned')", "latin1", "l", "NO", "", "", "BASE TABLE InnoDB"]),
        ];
        let keys = [
            row(&["PRIMARY", "0", "g", "", "BTREE"]),
            row(&["PRIMARY", "0", "id", "", "BTREE"]),
            row(&["u", "0", "id", "", "BTREE"]),
            row(&["nullable", "0", "t", "YES", "BTREE"]),
            row(&["functional", "0", "NULL", "", "BTREE"]),
            row(&["plain", "1", "id", "", "BTREE"]),
        ];
        let def = TableDef::from_rows("d", "t", &columns, &keys).unwrap().unwrap();
        assert_eq!(def.primary_key, [2, 0]);
        assert_eq!(def.unique_not_null, [[0]]);
        assert_eq!(def.columns.iter().map(|c| c.unsigned).collect::<Vec<_>>(), [true, false, false, false]);
        assert_eq!(def.columns.iter().map(|c| c.generated).collect::<Vec<_>>(), [false, false, true, false]);
        assert_eq!(def.columns[1].charset.as_deref(), Some("utf8mb3"));
        assert_eq!(def.columns[3].labels.as_deref().unwrap(), ["unsigned", " unsigned"]);
        assert_eq!(TableDef::from_rows::<Vec<Option<Vec<u8>>>, _>("d", "t", &[], &[]), Ok(None));
    }

    #[test]
    fn columns_that_mariadb_hides_are_added_in_the_order_of_the_log() {
        let columns = [row(&["a", "int", "int(11)", "NULL", "NULL", "YES", "", "NULL", "SYSTEM VERSIONED InnoDB"])];
        let keys = [row(&["a", "0", "a", "YES", "HASH"])];
        let def = TableDef::from_rows("d", "t", &columns, &keys).unwrap().unwrap();
        let names: Vec<_> = def.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["a", "row_start", "row_end", "DB_ROW_HASH_1"]);
    }

    #[test]
    fn names_are_quoted_so_that_no_sql_mode_matters() {
        let query = columns_query("d'\\", "");
        assert!(query.contains("TABLE_SCHEMA = _utf8mb4 0x64275c AND TABLE_NAME = ''"), "{query}");
    }
}
