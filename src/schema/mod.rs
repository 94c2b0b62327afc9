//! What a table looks like, as a server's catalog describes it.
//!
//! Pure: the SQL text to ask with and the reading of the answer live here; who sends it is the caller's business
//! (the source's session, or the target's connection).

pub mod catalog;
pub mod ddl;
mod labels;
pub mod tables;

use std::sync::Arc;

pub use catalog::{CatalogError, collation_query, columns_query, keys_query};
pub use tables::Tables;

/// A table as `information_schema` describes it at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct TableDef {
    /// Schema name.
    pub database: String,
    /// Table name.
    pub table: String,
    /// Columns in table order: the order of the row images.
    pub columns: Vec<ColumnDef>,
    /// Indexes into `columns` of the primary key, in key order; empty without one.
    pub primary_key: Vec<usize>,
    /// Unique keys other than the primary whose columns are all NOT NULL, each in key order.
    pub unique_not_null: Vec<Vec<usize>>,
    /// Has triggers. Asked for on targets only, where replayed rows would fire them.
    pub fires_triggers: bool,
    /// Stands on both ends of foreign keys, so that deleting one of its rows may delete another. Asked for on targets
    /// only.
    pub cascades: bool,
    /// Keeps its history (`WITH SYSTEM VERSIONING`).
    pub versioned: bool,
    /// Default character set and collation, which new columns take.
    pub text: Option<TextDefault>,
    /// Storage engine as the catalog writes it; `None` where it was not said.
    pub engine: Option<String>,
    /// All keys by name: what later changes of the definition refer to.
    pub keys: Vec<KeyDef>,
}

/// What text columns are without saying so: of a table or of a database.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct TextDefault {
    /// `utf8mb4`, `latin1`, `binary`, ...; `utf8mb3` where the server says `utf8`.
    pub charset: String,
    /// `utf8mb4_0900_ai_ci`; `None` where only the character set is known.
    pub collation: Option<String>,
}

impl TextDefault {
    /// The character set follows from the collation's name.
    #[must_use]
    pub fn of_collation(collation: &str) -> Self {
        let collation = match collation.strip_prefix("utf8_") {
            Some(rest) => format!("utf8mb3_{rest}"),
            None => collation.to_owned(),
        };
        let charset = collation.split_once('_').map_or(collation.as_str(), |(charset, _)| charset).to_owned();
        Self { charset, collation: Some(collation) }
    }
}

/// One key of a [`TableDef`].
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct KeyDef {
    /// `INDEX_NAME`; `PRIMARY` for the primary key.
    pub name: String,
    /// No two rows have the same values.
    pub unique: bool,
    /// MariaDB keeps a hidden column `DB_ROW_HASH_n` for it.
    pub hashed: bool,
    /// In key order.
    pub parts: Vec<KeyPart>,
}

/// One part of a [`KeyDef`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct KeyPart {
    /// Index into the table's columns; `None` for an expression.
    pub column: Option<usize>,
    /// Length of the prefix in characters (bytes of binary columns), where not all of the column is in the key.
    pub prefix: Option<u32>,
}

/// One column of a [`TableDef`].
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ColumnDef {
    /// Name.
    pub name: String,
    /// `DATA_TYPE`, lower case: `int`, `varchar`, `json`, ...
    pub data_type: String,
    /// `COLUMN_TYPE`: `int(10) unsigned`, `enum('a','b')`, ...
    pub column_type: String,
    /// UNSIGNED (and ZEROFILL, which implies it).
    pub unsigned: bool,
    /// `CHARACTER_SET_NAME`; `None` for types without one, `binary` never appears here.
    pub charset: Option<String>,
    /// `COLLATION_NAME`.
    pub collation: Option<String>,
    /// Labels of ENUM and SET in order, UTF-8.
    #[serde(with = "labels")]
    pub labels: Option<Arc<[String]>>,
    /// May hold NULL.
    pub nullable: bool,
    /// Generated: its values cannot be written.
    pub generated: bool,
    /// Kept from the catalog's list and from SQL: MariaDB's hidden columns.
    pub hidden: bool,
}
