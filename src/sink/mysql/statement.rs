//! The session that a source's statement needs, as SQL text.
//!
//! Everything that a QUERY_EVENT names is set before the statement, and afterwards the session for rows is restored.
//! Variables that only privileged accounts may set are touched only when the wanted value differs from the one the
//! session has anyway. It sends nothing, and it does not look into statements.
//! Manual: "Replication and Variables"; MySQL source: `Query_event`.

use super::facts::Facts;
use super::literal;
use crate::binlog::event::{IntvarEvent, UserVarEvent, UserVarValue};
use crate::row::value::Decimal;
use crate::sink::{RenderError, StatementContext};

/// `sql_mode` for rows: nothing that changes a value; with STRICT_ALL_TABLES beside it, everything that refuses a
/// value that would be changed.
const ROW_MODES: &str = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION";

/// OPTION_AUTO_IS_NULL in `flags2`.
const AUTO_IS_NULL: u32 = 1 << 14;
/// OPTION_NO_FOREIGN_KEY_CHECKS.
const NO_FOREIGN_KEY_CHECKS: u32 = 1 << 26;
/// OPTION_RELAXED_UNIQUE_CHECKS.
const RELAXED_UNIQUE_CHECKS: u32 = 1 << 27;

/// The session for row changes and for the sink's own statements.
pub(in crate::sink) fn row_session() -> Vec<u8> {
    format!(
        "SET NAMES binary, sql_mode = '{ROW_MODES},STRICT_ALL_TABLES', time_zone = '+00:00', foreign_key_checks = 1, \
         unique_checks = 1, sql_auto_is_null = 0, timestamp = DEFAULT"
    )
    .into_bytes()
}

/// `sql_mode` for rows that hold values which strict mode refuses although they can be stored as they are.
pub(in crate::sink) fn lenient_mode() -> Vec<u8> {
    format!("SET sql_mode = '{ROW_MODES}'").into_bytes()
}

/// The way back from [`lenient_mode`].
pub(in crate::sink) fn strict_mode() -> Vec<u8> {
    format!("SET sql_mode = '{ROW_MODES},STRICT_ALL_TABLES'").into_bytes()
}

/// A list of assignments for one SET statement.
struct Assignments(Vec<u8>);

impl Assignments {
    fn new() -> Self {
        Self(b"SET ".to_vec())
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 4 {
            self.0.extend_from_slice(b", ");
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b" = ");
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        literal::unsigned(&mut self.0, value);
    }

    fn quoted(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        literal::utf8(&mut self.0, value);
    }
}

/// What to set before a statement, and what to set after it.
pub(super) fn session(context: &StatementContext<'_>, facts: &Facts) -> Result<(Vec<u8>, Vec<u8>), RenderError> {
    let session = &context.query.session;
    let mut set = Assignments::new();
    moment(&mut set, context);
    if let Some(mode) = session.sql_mode {
        set.number("sql_mode", facts.sql_mode(mode, context.transaction.gtid.as_ref()));
    }
    if let Some(flags) = session.flags2 {
        set.number("foreign_key_checks", u64::from(flags & NO_FOREIGN_KEY_CHECKS == 0));
        set.number("unique_checks", u64::from(flags & RELAXED_UNIQUE_CHECKS == 0));
        set.number("sql_auto_is_null", u64::from(flags & AUTO_IS_NULL != 0));
    }
    charsets(&mut set, context, facts)?;
    if let Some(zone) = session.time_zone.filter(|zone| !zone.is_empty()) {
        set.quoted("time_zone", zone);
    }
    set.number("lc_time_names", session.lc_time_names.unwrap_or_default().into());
    set.number("pseudo_thread_id", context.query.thread_id.into());
    inputs(&mut set, context, facts)?;
    let mut restore = row_session();
    for (name, wanted) in wanted_variables(context, facts) {
        if facts.by_number {
            set.quoted_or_number(name, &wanted);
            restore.extend_from_slice(format!(", {name} = DEFAULT").as_bytes());
            continue;
        }
        let Some(usual) = facts.variables.get(name) else { continue };
        if *usual != wanted {
            set.quoted_or_number(name, &wanted);
            let mut back = Assignments(Vec::new());
            back.quoted_or_number(name, usual);
            restore.extend_from_slice(b", ");
            restore.extend_from_slice(&back.0);
        }
    }
    if session.auto_increment.is_some_and(|pair| pair != (1, 1)) {
        restore.extend_from_slice(b", auto_increment_increment = DEFAULT, auto_increment_offset = DEFAULT");
    }
    Ok((set.0, restore))
}

impl Assignments {
    fn quoted_or_number(&mut self, name: &str, value: &str) {
        match value.parse() {
            Ok(number) => self.number(name, number),
            Err(_) => self.quoted(name, value.as_bytes()),
        }
    }
}

/// The statement's clock.
fn moment(set: &mut Assignments, context: &StatementContext<'_>) {
    set.number("timestamp", context.timestamp.into());
    if let Some(micros) = context.query.session.microseconds.filter(|micros| *micros < 1_000_000) {
        set.0.extend_from_slice(format!(".{micros:06}").as_bytes());
    }
}

fn charsets(set: &mut Assignments, context: &StatementContext<'_>, facts: &Facts) -> Result<(), RenderError> {
    let session = &context.query.session;
    if facts.by_number {
        for (name, id) in [
            ("character_set_client", session.charset.map(|charset| charset.0)),
            ("collation_connection", session.charset.map(|charset| charset.1)),
            ("collation_server", session.charset.map(|charset| charset.2)),
            ("collation_database", session.charset_database),
        ] {
            if let Some(id) = id {
                set.number(name, id.into());
            }
        }
        return Ok(());
    }
    let collation = |id: u16| {
        facts.collation(id).ok_or_else(|| RenderError {
            what: format!("the statement's session has collation {id}, which the target does not know"),
            hint: None,
        })
    };
    if let Some((client, connection, server)) = session.charset {
        set.quoted("character_set_client", collation(client)?.charset.as_bytes());
        set.quoted("collation_connection", collation(connection)?.name.as_bytes());
        set.quoted("collation_server", collation(server)?.name.as_bytes());
    }
    if let Some(database) = session.charset_database {
        set.quoted("collation_database", collation(database)?.name.as_bytes());
    }
    Ok(())
}

/// Automatic values, random seeds and user variables.
fn inputs(set: &mut Assignments, context: &StatementContext<'_>, facts: &Facts) -> Result<(), RenderError> {
    if let Some((increment, offset)) = context.query.session.auto_increment.filter(|pair| *pair != (1, 1)) {
        set.number("auto_increment_increment", increment.into());
        set.number("auto_increment_offset", offset.into());
    }
    for intvar in &context.inputs.intvars {
        match intvar {
            IntvarEvent::LastInsertId(id) => set.number("last_insert_id", *id),
            IntvarEvent::InsertId(id) => set.number("insert_id", *id),
        }
    }
    if let Some(rand) = context.inputs.rand {
        set.number("rand_seed1", rand.seed1);
        set.number("rand_seed2", rand.seed2);
    }
    for variable in &context.inputs.user_vars {
        user_variable(&mut set.0, variable, facts)?;
    }
    Ok(())
}

fn user_variable(out: &mut Vec<u8>, variable: &UserVarEvent<'_>, facts: &Facts) -> Result<(), RenderError> {
    out.extend_from_slice(b", @");
    literal::identifier(out, variable.name);
    out.extend_from_slice(b" = ");
    match variable.value {
        None => out.extend_from_slice(b"NULL"),
        Some(UserVarValue::Int(n)) => out.extend_from_slice(n.to_string().as_bytes()),
        Some(UserVarValue::Unsigned(n)) => literal::unsigned(out, n),
        Some(UserVarValue::Real(x)) => literal::double(out, x),
        Some(UserVarValue::Decimal(precision, scale, packed)) => {
            Decimal { packed, precision, scale }.write_text(out);
        }
        Some(UserVarValue::String(bytes, id)) => {
            let collation = u16::try_from(id).ok().and_then(|id| facts.collation(id)).ok_or_else(|| RenderError {
                what: format!("a user variable has collation {id}, which the target does not know"),
                hint: None,
            })?;
            if collation.charset == "binary" {
                literal::hex(out, bytes);
            } else {
                out.push(b'_');
                out.extend_from_slice(collation.charset.as_bytes());
                out.push(b' ');
                literal::hex(out, bytes);
                out.extend_from_slice(b" COLLATE ");
                out.extend_from_slice(collation.name.as_bytes());
            }
        }
    }
    Ok(())
}

/// Variables that not every server has, with the value the statement had them at.
fn wanted_variables(context: &StatementContext<'_>, facts: &Facts) -> Vec<(&'static str, String)> {
    let session = &context.query.session;
    let mut wanted = Vec::new();
    let mut switch = |name, value: Option<bool>| {
        if let Some(value) = value {
            wanted.push((name, u8::from(value).to_string()));
        }
    };
    switch("explicit_defaults_for_timestamp", session.explicit_defaults_for_timestamp);
    switch("sql_require_primary_key", session.sql_require_primary_key);
    switch("default_table_encryption", session.default_table_encryption);
    if facts.by_number {
        wanted
            .extend(session.default_collation_for_utf8mb4.map(|id| ("default_collation_for_utf8mb4", id.to_string())));
    } else if let Some(collation) = session.default_collation_for_utf8mb4.and_then(|id| facts.collations.get(&id)) {
        wanted.push(("default_collation_for_utf8mb4", collation.name.clone()));
    }
    wanted
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::super::facts::{Flavor, tests::facts};
    use super::*;
    use crate::binlog::event::{QueryEvent, RandEvent, SessionContext};
    use crate::change::{GroupEnd, TransactionMeta};
    use crate::position::LogPosition;
    use crate::sink::StatementInputs;

    fn rendered(session_: SessionContext<'_>, inputs: &StatementInputs<'_>) -> (String, String) {
        let transaction = TransactionMeta {
            start: LogPosition::new("b.000001", 4),
            end: LogPosition::new("b.000001", 90),
            gtid: None,
            group_end: GroupEnd::Standalone,
            server_id: 1,
            timestamp: 100,
            original_commit_timestamp: 0,
        };
        let query = QueryEvent {
            thread_id: 7,
            exec_time: 0,
            error_code: 0,
            database: b"d",
            status_vars: &[],
            session: session_,
            statement: b"CREATE TABLE t (a INT)",
        };
        let context =
            StatementContext { transaction: &transaction, query: &query, inputs, timestamp: 100, server_id: 1 };
        let (before, after) = session(&context, &facts(Flavor::MySql)).unwrap();
        (String::from_utf8(before).unwrap(), String::from_utf8(after).unwrap())
    }

    #[test]
    fn the_whole_session_of_a_statement_is_set() {
        let (before, _) = rendered(
            SessionContext {
                flags2: Some(NO_FOREIGN_KEY_CHECKS),
                sql_mode: Some(0x4020_0000),
                auto_increment: Some((2, 1)),
                charset: Some((45, 45, 8)),
                time_zone: Some(b"Europe/Berlin"),
                microseconds: Some(42),
                ..SessionContext::default()
            },
            &StatementInputs::default(),
        );
        assert_eq!(
            before,
            "SET timestamp = 100.000042, sql_mode = 1075838976, foreign_key_checks = 0, unique_checks = 1, \
             sql_auto_is_null = 0, character_set_client = _utf8mb4'utf8mb4', collation_connection = \
             _utf8mb4'utf8mb4_general_ci', collation_server = _utf8mb4'latin1_swedish_ci', time_zone = \
             _utf8mb4'Europe/Berlin', lc_time_names = 0, pseudo_thread_id = 7, auto_increment_increment = 2, \
             auto_increment_offset = 1"
        );
    }

    #[test]
    fn restricted_variables_are_touched_only_when_they_differ_and_are_put_back() {
        let session = |on| SessionContext { sql_require_primary_key: Some(on), ..SessionContext::default() };
        let (before, after) = rendered(session(false), &StatementInputs::default());
        assert!(!before.contains("sql_require_primary_key") && !after.contains("sql_require_primary_key"));
        let (before, after) = rendered(session(true), &StatementInputs::default());
        assert!(before.contains("sql_require_primary_key = 1") && after.contains("sql_require_primary_key = 0"));
    }

    #[test]
    fn user_variables_keep_type_character_set_and_collation() {
        let var = |name, value| UserVarEvent { name, value };
        let inputs = StatementInputs {
            intvars: vec![IntvarEvent::InsertId(5), IntvarEvent::LastInsertId(4)],
            rand: Some(RandEvent { seed1: 1, seed2: 2 }),
            user_vars: vec![
                var(b"s`", Some(UserVarValue::String(b"a'", 33))),
                var(b"b", Some(UserVarValue::String(b"\xff", 63))),
                var(b"r", Some(UserVarValue::Real(1.5))),
                var(b"i", Some(UserVarValue::Int(-1))),
                var(b"n", None),
                var(b"d", Some(UserVarValue::Decimal(3, 1, &[0x8f, 0x05]))),
            ],
        };
        let (before, _) = rendered(SessionContext::default(), &inputs);
        assert!(
            before.ends_with(
                "insert_id = 5, last_insert_id = 4, rand_seed1 = 1, rand_seed2 = 2, @`s``` = _utf8mb3 x'6127' COLLATE \
                 utf8mb3_general_ci, @`b` = x'ff', @`r` = 1.5e0, @`i` = -1, @`n` = NULL, @`d` = 15.5"
            ),
            "{before}"
        );
    }
}
