//! Which tables a statement may change, without knowing them: for looking ahead in a log.

use super::DdlContext;
use super::cursor::{Cursor, TableName, first_tokens, tokens};

/// What a statement may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touches {
    /// No definition of any table.
    Nothing,
    /// The definitions of these tables: database and table.
    Tables(Vec<(String, String)>),
    /// A database: its default character set, or all of its tables with it.
    Database(String),
    /// Not understood: perhaps anything.
    Anything,
}

/// What a statement may change.
#[must_use]
pub fn touches(statement: &[u8], context: &DdlContext<'_>) -> Touches {
    let text = context.text(statement);
    let first = first_tokens(&text, context.dialect());
    let cursor = Cursor::new(&first);
    // Most statements change rows, and may be long.
    if begins_harmless(&cursor) && !cursor.clone().words(&["SET", "STATEMENT"]) {
        return Touches::Nothing;
    }
    let tokens = tokens(&text, context.dialect());
    let mut cursor = Cursor::new(&tokens);
    set_statement(&mut cursor);
    let broken = cursor.is_broken();
    match statement_touches(&mut cursor, context) {
        Some(Touches::Nothing) => Touches::Nothing,
        Some(touches) if !broken => touches,
        _ => Touches::Anything,
    }
}

/// What a statement has to do with temporary tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temporary {
    /// Nothing, as far as it says.
    No,
    /// It makes one, which hides the table of its name.
    Makes,
    /// It makes a table like one that may be temporary.
    Copies,
    /// It changes something, and may mean one by a name in it.
    Uses,
}

impl Temporary {
    /// Whether the names in the statement may be those of temporary tables from then on.
    #[must_use]
    pub fn hides(self) -> bool {
        matches!(self, Self::Makes | Self::Uses)
    }
}

/// What a statement has to do with temporary tables. MariaDB marks each DROP as if it used one: what is not of temporary
/// tables in it is logged apart, so that it can be believed.
#[must_use]
pub fn temporary(statement: &[u8], context: &DdlContext<'_>) -> Temporary {
    let text = context.text(statement);
    let tokens = tokens(&text, context.dialect());
    let mut cursor = Cursor::new(&tokens);
    set_statement(&mut cursor);
    let mut uses = cursor.sees_any(&["ALTER", "RENAME"]);
    if cursor.word("CREATE") {
        cursor.words(&["OR", "REPLACE"]);
        if cursor.word("TEMPORARY") {
            return Temporary::Makes;
        }
        let index = ["UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR", "INDEX", "ONLINE", "OFFLINE"];
        if context.uses_temporary && cursor.sees("TABLE") && is_like(&cursor) {
            return Temporary::Copies;
        }
        uses = cursor.sees_any(&index);
    } else if cursor.word("DROP") {
        uses = cursor.sees_any(&["ONLINE", "OFFLINE", "INDEX"]);
    }
    if uses && context.uses_temporary { Temporary::Uses } else { Temporary::No }
}

/// `TABLE name LIKE`, also in parentheses.
fn is_like(cursor: &Cursor<'_, '_>) -> bool {
    let mut ahead = cursor.clone();
    ahead.word("TABLE");
    ahead.if_not_exists();
    let named = ahead.table_name().is_some();
    ahead.sign('(');
    !named || ahead.sees("LIKE")
}

/// Whether a statement defines or drops views.
#[must_use]
pub fn is_about_views(statement: &[u8], context: &DdlContext<'_>) -> bool {
    let text = context.text(statement);
    let tokens = tokens(&text, context.dialect());
    let mut cursor = Cursor::new(&tokens);
    set_statement(&mut cursor);
    let is_table = ["TABLE", "TABLES", "SEQUENCE", "INDEX"].iter().any(|word| cursor.sees_at(1, word));
    !is_table && view(&cursor, context).is_some()
}

/// Steps over MariaDB's `SET STATEMENT name = value, ... FOR`.
pub(super) fn set_statement(cursor: &mut Cursor<'_, '_>) {
    let mut ahead = cursor.clone();
    if ahead.words(&["SET", "STATEMENT"]) {
        while !ahead.at_end() {
            if ahead.word("FOR") {
                *cursor = ahead;
                return;
            }
            ahead.next();
        }
    }
}

/// First words of statements that define no table.
const HARMLESS: &[&str] = &[
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "XA",
    "START",
    "INSERT",
    "UPDATE",
    "DELETE",
    "REPLACE",
    "LOAD",
    "DO",
    "SELECT",
    "WITH",
    "HANDLER",
    "VALUES",
    "TABLE",
    "GRANT",
    "REVOKE",
    "ANALYZE",
    "OPTIMIZE",
    "REPAIR",
    "CHECK",
    "CHECKSUM",
    "FLUSH",
    "INSTALL",
    "UNINSTALL",
    "TRUNCATE",
    "SET",
    "USE",
    "LOCK",
    "UNLOCK",
    "KILL",
    "RESET",
    "PURGE",
    "CHANGE",
    "STOP",
    "SHOW",
    "EXPLAIN",
    "DESCRIBE",
    "DESC",
    "HELP",
    "CACHE",
    "SIGNAL",
    "RESIGNAL",
    "GET",
];

/// Second words of `CREATE`, `ALTER` and `DROP` where no table is meant.
const OTHER_OBJECTS: &[&str] = &[
    "VIEW",
    "PROCEDURE",
    "FUNCTION",
    "TRIGGER",
    "EVENT",
    "USER",
    "ROLE",
    "SERVER",
    "TABLESPACE",
    "UNDO",
    "LOGFILE",
    "RESOURCE",
    "SPATIAL_REFERENCE",
    "INSTANCE",
    "PACKAGE",
    "AGGREGATE",
    "LIBRARY",
    "DEFINER",
    "ALGORITHM",
    "SQL",
    "PREPARE",
    "CATALOG",
    "JSON",
    "MATERIALIZED",
    "MASKING",
    "PUBLIC",
];

fn begins_harmless(cursor: &Cursor<'_, '_>) -> bool {
    cursor.at_end() || cursor.sees_sign('(') || cursor.sees_any(HARMLESS)
}

fn statement_touches(cursor: &mut Cursor<'_, '_>, context: &DdlContext<'_>) -> Option<Touches> {
    if begins_harmless(cursor) {
        return Some(Touches::Nothing);
    }
    if cursor.word("RENAME") {
        return rename(cursor, context);
    }
    let create = cursor.word("CREATE");
    if !create && !cursor.any(&["ALTER", "DROP"]) {
        return None;
    }
    while cursor.any(&["OR", "REPLACE", "ONLINE", "OFFLINE", "IGNORE"]) {}
    if cursor.word("TEMPORARY") {
        // A new one hides the table of its name.
        return if create && cursor.any(&["TABLE", "SEQUENCE"]) {
            tables(cursor, context)
        } else {
            Some(Touches::Nothing)
        };
    }
    if cursor.any(&["DATABASE", "SCHEMA"]) {
        return database(cursor, context);
    }
    if cursor.any(&["TABLE", "TABLES", "SEQUENCE"]) {
        return tables(cursor, context);
    }
    if cursor.any(&["UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR", "INDEX"]) {
        return index(cursor, context);
    }
    if let Some(view) = view(cursor, context) {
        return view;
    }
    // `CREATE SPATIAL REFERENCE SYSTEM` is caught above by its second word.
    cursor.sees_any(OTHER_OBJECTS).then_some(Touches::Nothing)
}

/// `CREATE` and `DROP VIEW`: a view has a name that a table could have, and `CREATE TABLE IF NOT EXISTS` may find it.
fn view(cursor: &Cursor<'_, '_>, context: &DdlContext<'_>) -> Option<Option<Touches>> {
    let mut ahead = cursor.clone();
    while !ahead.at_end() && !ahead.sees_any(&["AS", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE"]) {
        if ahead.word("VIEW") {
            ahead.if_exists();
            ahead.if_not_exists();
            return Some(ahead.table_names().and_then(|names| of_names(names, context)));
        }
        ahead.next();
    }
    None
}

fn of_names(names: Vec<TableName>, context: &DdlContext<'_>) -> Option<Touches> {
    names.into_iter().map(|name| context.resolve(name)).collect::<Option<Vec<_>>>().map(Touches::Tables)
}

fn database(cursor: &mut Cursor<'_, '_>, context: &DdlContext<'_>) -> Option<Touches> {
    cursor.if_exists();
    cursor.if_not_exists();
    let unnamed = cursor.at_end()
        || cursor.sees_any(&["DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "ENCRYPTION", "READ", "COMMENT"]);
    let name = if unnamed { context.database.to_owned() } else { context.fold(cursor.name()?) };
    if name.is_empty() { None } else { Some(Touches::Database(name)) }
}

fn rename(cursor: &mut Cursor<'_, '_>, context: &DdlContext<'_>) -> Option<Touches> {
    if cursor.word("USER") {
        return Some(Touches::Nothing);
    }
    if !cursor.any(&["TABLE", "TABLES"]) {
        return None;
    }
    let mut names = Vec::new();
    cursor.if_exists();
    loop {
        names.push(cursor.table_name()?);
        if cursor.any(&["WAIT", "NOWAIT"]) {
            cursor.next();
        }
        if !cursor.word("TO") {
            return None;
        }
        names.push(cursor.table_name()?);
        if !cursor.sign(',') {
            return of_names(names, context);
        }
    }
}

/// `CREATE|ALTER|DROP TABLE`: names first, then what else may be renamed or exchanged.
fn tables(cursor: &mut Cursor<'_, '_>, context: &DdlContext<'_>) -> Option<Touches> {
    cursor.if_exists();
    cursor.if_not_exists();
    let mut names = cursor.table_names()?;
    while !cursor.at_end() {
        if cursor.word("RENAME") && !cursor.sees_any(&["COLUMN", "INDEX", "KEY"]) {
            cursor.any(&["TO", "AS"]);
            cursor.sign('=');
            names.push(cursor.table_name()?);
        } else if cursor.words(&["CONVERT", "TABLE"]) || cursor.words(&["TO", "TABLE"]) {
            // MariaDB: a table becomes a partition, or a partition a table.
            names.push(cursor.table_name()?);
        } else {
            cursor.next();
        }
    }
    of_names(names, context)
}

fn index(cursor: &mut Cursor<'_, '_>, context: &DdlContext<'_>) -> Option<Touches> {
    if cursor.word("REFERENCE") {
        return Some(Touches::Nothing);
    }
    while !cursor.at_end() {
        if cursor.word("ON") {
            return of_names(vec![cursor.table_name()?], context);
        }
        cursor.next();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touched(statement: &str) -> Touches {
        let context = DdlContext { database: "d", server_version: "9.7.4", ..DdlContext::default() };
        touches(statement.as_bytes(), &context)
    }

    #[test]
    fn statements_name_the_tables_they_may_change() {
        for (statement, expected) in [
            ("CREATE TABLE t (a INT)", "d.t"),
            ("create or replace table if not exists `x y`.`a``b` like t", "x y.a`b"),
            ("ALTER IGNORE TABLE t ADD COLUMN a INT, RENAME TO e.u, RENAME COLUMN a TO b", "d.t e.u"),
            ("ALTER TABLE t RENAME=u", "d.t d.u"),
            ("ALTER TABLE t CONVERT PARTITION p TO TABLE u", "d.t d.u"),
            ("ALTER TABLE t CONVERT TABLE u TO PARTITION p VALUES LESS THAN (1)", "d.t d.u"),
            ("RENAME TABLE t TO _t_del, _t_gho TO t", "d.t d._t_del d._t_gho d.t"),
            ("DROP TABLE IF EXISTS a, x.b CASCADE /* generated by server */", "d.a x.b"),
            ("CREATE UNIQUE INDEX i USING BTREE ON x.t (a)", "x.t"),
            ("DROP INDEX i ON t", "d.t"),
            ("SET STATEMENT max_statement_time=1 FOR ALTER TABLE t FORCE", "d.t"),
            ("/*!40000 ALTER TABLE t DISABLE KEYS */", "d.t"),
            ("CREATE SEQUENCE s", "d.s"),
            ("CREATE VIEW v AS SELECT 1", "d.v"),
            ("CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW IF NOT EXISTS x.v AS SELECT 1", "x.v"),
            ("DROP VIEW IF EXISTS v, x.w", "d.v x.w"),
        ] {
            let expected = expected.split(' ').collect::<Vec<_>>().join(" ").replace("x y", "x\u{a0}y");
            let Touches::Tables(tables) = touched(&statement.replace("x y", "x\u{a0}y")) else {
                panic!("{statement}: {:?}", touched(statement))
            };
            let tables: Vec<_> = tables.iter().map(|(database, table)| format!("{database}.{table}")).collect();
            assert_eq!(tables.join(" "), expected, "{statement}");
        }
    }

    #[test]
    fn what_defines_no_table_touches_nothing() {
        for statement in [
            "",
            "BEGIN",
            "INSERT INTO t VALUES (1)",
            "SET @a = 'ALTER TABLE t'",
            "CREATE DEFINER=`a`@`b` TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
            "TRUNCATE t",
            "GRANT ALL ON *.* TO x",
            "DROP TEMPORARY TABLE IF EXISTS t",
            "DROP USER x",
            "ANALYZE TABLE t",
            "CREATE SPATIAL REFERENCE SYSTEM 1 NAME 'x'",
            "CREATE DEFINER=`view`@`%` PROCEDURE p() SELECT 1",
            "CREATE PROCEDURE p() BEGIN CREATE TABLE t (a INT); END",
            "/* CREATE TABLE t */",
            "RENAME USER a TO b",
            "INSERT INTO t VALUES ('unfinished",
        ] {
            assert_eq!(touched(statement), Touches::Nothing, "{statement}");
        }
    }

    #[test]
    fn what_is_not_understood_may_touch_anything() {
        for statement in
            ["ALTER", "CREATE TABLE", "FROBNICATE t", "CREATE TABLE t (a INT COMMENT 'unfinished)", "RENAME t TO u"]
        {
            assert_eq!(touched(statement), Touches::Anything, "{statement}");
        }
        assert_eq!(touched("DROP DATABASE IF EXISTS x"), Touches::Database("x".to_owned()));
        assert_eq!(touched("ALTER DATABASE CHARACTER SET latin1"), Touches::Database("d".to_owned()));
    }
}
