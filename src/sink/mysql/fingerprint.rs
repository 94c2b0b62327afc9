//! A fingerprint of the part of the target's catalog that a DDL statement can change.
//!
//! Two equal fingerprints mean that nothing a DDL statement of those schemas leaves behind has changed in between.
//! Statistics and other numbers that move by themselves are left out. The hash is FNV-1a of 128 bits: it has to tell
//! states apart, not to withstand an attacker who already owns the target.
//! Manual: "INFORMATION_SCHEMA Tables".

use mysql_async::{Row, Value};

use super::connection::Connection;
use super::error::Fault;
use super::facts::Flavor;
use super::literal;

/// Table, columns, and the column that names the schema. Every one is there on both families.
const SOURCES: &[(&str, &str, &str)] = &[
    ("SCHEMATA", "SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME", "SCHEMA_NAME"),
    (
        "TABLES",
        "TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, ROW_FORMAT, TABLE_COLLATION, CREATE_OPTIONS, TABLE_COMMENT, \
         CREATE_TIME",
        "TABLE_SCHEMA",
    ),
    (
        "COLUMNS",
        "TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, COLUMN_DEFAULT, IS_NULLABLE, COLUMN_TYPE, \
         COLLATION_NAME, COLUMN_KEY, EXTRA, COLUMN_COMMENT, GENERATION_EXPRESSION",
        "TABLE_SCHEMA",
    ),
    (
        "STATISTICS",
        "TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, COLLATION, SUB_PART, NON_UNIQUE, INDEX_TYPE, \
         INDEX_COMMENT",
        "TABLE_SCHEMA",
    ),
    (
        "KEY_COLUMN_USAGE",
        "CONSTRAINT_SCHEMA, CONSTRAINT_NAME, TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, REFERENCED_TABLE_SCHEMA, \
         REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME",
        "CONSTRAINT_SCHEMA",
    ),
    (
        "REFERENTIAL_CONSTRAINTS",
        "CONSTRAINT_SCHEMA, CONSTRAINT_NAME, UPDATE_RULE, DELETE_RULE, TABLE_NAME, REFERENCED_TABLE_NAME",
        "CONSTRAINT_SCHEMA",
    ),
    ("CHECK_CONSTRAINTS", "CONSTRAINT_SCHEMA, CONSTRAINT_NAME, CHECK_CLAUSE", "CONSTRAINT_SCHEMA"),
    ("VIEWS", "TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION, DEFINER, SECURITY_TYPE, CHECK_OPTION", "TABLE_SCHEMA"),
    (
        "ROUTINES",
        "ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE, CREATED, LAST_ALTERED, ROUTINE_DEFINITION, ROUTINE_COMMENT",
        "ROUTINE_SCHEMA",
    ),
    (
        "TRIGGERS",
        "TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_ORDER, ACTION_STATEMENT, CREATED",
        "TRIGGER_SCHEMA",
    ),
    (
        "EVENTS",
        "EVENT_SCHEMA, EVENT_NAME, EVENT_DEFINITION, INTERVAL_VALUE, INTERVAL_FIELD, CREATED, LAST_ALTERED",
        "EVENT_SCHEMA",
    ),
    (
        "PARTITIONS",
        "TABLE_SCHEMA, TABLE_NAME, PARTITION_NAME, SUBPARTITION_NAME, PARTITION_ORDINAL_POSITION, PARTITION_METHOD, \
         PARTITION_EXPRESSION, PARTITION_DESCRIPTION",
        "TABLE_SCHEMA",
    ),
];

/// Numbers that InnoDB gives to tables: they change when a table is rebuilt, emptied or exchanged, where nothing else
/// in the catalog does. Asked for with the account's privileges; without PROCESS they are left out.
fn innodb_sql(flavor: Flavor) -> &'static [u8] {
    match flavor {
        Flavor::MySql => b"SELECT NAME, TABLE_ID, SPACE FROM information_schema.INNODB_TABLES",
        Flavor::MariaDb => b"SELECT NAME, TABLE_ID, SPACE FROM information_schema.INNODB_SYS_TABLES",
    }
}

/// Schemas that belong to the server.
const SYSTEM: [&[u8]; 4] = [b"information_schema", b"performance_schema", b"mysql", b"sys"];

/// The fingerprint of these schemas as the target stands now. No schemas means that it is not known which: of all but
/// the server's own.
pub(super) fn fingerprint(conn: &mut Connection, flavor: Flavor, schemas: &[Vec<u8>]) -> Result<String, Fault> {
    let mut hash = Fnv128::new();
    for (table, columns, schema) in SOURCES {
        let mut sql = format!("SELECT {columns} FROM information_schema.{table} WHERE {schema}").into_bytes();
        one_of(&mut sql, schemas);
        hash.field(table.as_bytes());
        hash.rows(conn.query::<Row>(&sql)?, |_| true);
    }
    hash.field(b"innodb");
    match conn.query::<Row>(innodb_sql(flavor)) {
        Ok(rows) => hash.rows(rows, |name| belongs(name, schemas)),
        Err(Fault::Server { .. }) => hash.field(b"unknown"),
        Err(fault) => return Err(fault),
    }
    Ok(hash.text())
}

/// The condition that the column before it names one of the schemas.
fn one_of(sql: &mut Vec<u8>, schemas: &[Vec<u8>]) {
    let system = SYSTEM.map(<[u8]>::to_vec);
    let (word, names): (&[u8], _) =
        if schemas.is_empty() { (b" NOT IN (", system.as_slice()) } else { (b" IN (", schemas) };
    sql.extend_from_slice(word);
    for (i, name) in names.iter().enumerate() {
        if i > 0 {
            sql.push(b',');
        }
        literal::utf8(sql, name);
    }
    sql.push(b')');
}

/// Whether InnoDB's `schema/table` is of one of the schemas, or of any but the server's own if there are none. InnoDB writes ASCII letters and digits as they are, other
/// ASCII characters as `@` and four hexadecimal digits; schemas with further characters are not looked for.
fn belongs(name: &[u8], schemas: &[Vec<u8>]) -> bool {
    let schema = name.split(|byte| *byte == b'/').next().unwrap_or_default();
    if schemas.is_empty() {
        return name.contains(&b'/') && !SYSTEM.contains(&schema);
    }
    schemas.iter().any(|ours| {
        let mut encoded = Vec::with_capacity(ours.len());
        for byte in ours {
            if byte.is_ascii_alphanumeric() || *byte == b'_' {
                encoded.push(*byte);
            } else {
                encoded.extend_from_slice(format!("@{byte:04x}").as_bytes());
            }
        }
        ours.is_ascii() && encoded == schema
    })
}

/// FNV-1a, 128 bits.
pub(super) struct Fnv128(u128);

impl Fnv128 {
    pub(super) const fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }

    /// A field with its length, so that neighbours cannot run into one another.
    pub(super) fn field(&mut self, bytes: &[u8]) {
        self.bytes(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.bytes(bytes);
    }

    /// Rows in an order of their own, those whose first column `wanted` takes.
    fn rows(&mut self, rows: Vec<Row>, wanted: impl Fn(&[u8]) -> bool) {
        let mut texts: Vec<Vec<u8>> = rows.into_iter().filter_map(|row| row_bytes(row, &wanted)).collect();
        texts.sort_unstable();
        for text in texts {
            self.field(&text);
        }
    }

    pub(super) fn text(&self) -> String {
        format!("{:032x}", self.0)
    }
}

fn row_bytes(row: Row, wanted: &impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let values = row.unwrap();
    if let Some(Value::Bytes(first)) = values.first()
        && !wanted(first)
    {
        return None;
    }
    let mut text = Vec::new();
    for value in values {
        match value {
            Value::NULL => text.push(0),
            Value::Bytes(bytes) => {
                text.push(1);
                text.extend_from_slice(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
                text.extend_from_slice(&bytes);
            }
            other => {
                text.push(2);
                text.extend_from_slice(other.as_sql(true).as_bytes());
            }
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_cannot_run_into_one_another() {
        let hash = |fields: &[&[u8]]| {
            let mut hash = Fnv128::new();
            fields.iter().for_each(|field| hash.field(field));
            hash.text()
        };
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
        assert_eq!(hash(&[b"ab", b"c"]), hash(&[b"ab", b"c"]));
        assert_eq!(hash(&[]).len(), 32);
    }

    #[test]
    fn fnv_has_its_published_value() {
        let mut hash = Fnv128::new();
        hash.bytes(b"a");
        assert_eq!(hash.text(), "d228cb696f1a8caf78912b704e4a8964");
    }

    #[test]
    fn innodb_names_are_matched_by_schema() {
        let schemas = [b"shop".to_vec(), b"my-db".to_vec()];
        assert!(belongs(b"shop/t", &schemas));
        assert!(belongs(b"my@002ddb/t", &schemas));
        assert!(!belongs(b"other/t", &schemas));
        assert!(belongs(b"other/t", &[]) && !belongs(b"mysql/user", &[]) && !belongs(b"innodb_system", &[]));
    }

    #[test]
    fn without_schemas_all_but_the_servers_own_are_asked_for() {
        let condition = |schemas: &[Vec<u8>]| {
            let mut sql = Vec::new();
            one_of(&mut sql, schemas);
            String::from_utf8_lossy(&sql).into_owned()
        };
        assert_eq!(condition(&[b"a".to_vec(), b"b".to_vec()]), " IN (_utf8mb4'a',_utf8mb4'b')");
        assert!(condition(&[]).starts_with(" NOT IN (_utf8mb4'information_schema',"));
    }
}
