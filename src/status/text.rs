//! The flat status as text and as JSON.

use super::{ChannelStatus, REGISTER, Value, time};

/// In which words fields are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    /// `SHOW REPLICA STATUS`.
    #[default]
    New,
    /// `SHOW SLAVE STATUS`.
    Old,
}

/// The status as the `mysql` client prints `SHOW REPLICA STATUS\G`: names aligned to the right.
#[must_use]
pub fn text(channels: &[ChannelStatus], names: Names) -> String {
    let width = REGISTER.iter().map(|row| row.name_in(names).len()).max().unwrap_or(0);
    let stars = "*".repeat(27);
    let mut out = String::new();
    for (number, status) in (1..).zip(channels) {
        out.push_str(&format!("{stars} {number}. row {stars}\n"));
        for row in REGISTER {
            out.push_str(&format!("{:>width$}: {}\n", row.name_in(names), value_text(&(row.get)(status))));
        }
    }
    out
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        // Part of it was said by a server: it does not get to steer the terminal.
        Value::Text(text) => text.replace(char::is_control, " "),
        Value::Number(number) => number.to_string(),
        Value::Flag(true) => "Yes".to_owned(),
        Value::Flag(false) => "No".to_owned(),
        Value::Bit(bit) => u8::from(*bit).to_string(),
        Value::Time(at) => at.map_or_else(String::new, time::short),
    }
}

/// One channel's status as a JSON object: the register's keys in the register's order.
#[must_use]
pub fn json(status: &ChannelStatus) -> serde_json::Value {
    let fields = REGISTER.iter().map(|row| (row.key.to_owned(), value_json(&(row.get)(status))));
    serde_json::Value::Object(fields.collect())
}

fn value_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Text(text) => text.as_str().into(),
        Value::Number(number) => (*number).into(),
        Value::Flag(flag) | Value::Bit(flag) => (*flag).into(),
        Value::Time(at) => at.map(time::rfc3339).into(),
    }
}

/// The fields as a Markdown table, one row a field, for the documentation.
#[must_use]
pub fn markdown_table() -> String {
    let mut out = String::from("| field | in old words | JSON key | meaning |\n|---|---|---|---|\n");
    for row in REGISTER {
        let old = row.old_name.map_or_else(String::new, |name| format!("`{name}`"));
        out.push_str(&format!("| `{}` | {old} | `{}` | {} |\n", row.name, row.key, row.meaning));
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::status::{
        ConnectionStatus, CoordinatorStatus, LastError, ProcessStatus, ReceiverRunning, SinkStatus, WorkerStatus, state,
    };

    fn running() -> ChannelStatus {
        ChannelStatus {
            channel: "eu".to_owned(),
            process: Some(ProcessStatus { pid: 4711, since: 1_735_689_600 }),
            connection: ConnectionStatus {
                state: state::WAITING_FOR_SOURCE.to_owned(),
                running: ReceiverRunning::Yes,
                host: "db1".to_owned(),
                port: 3306,
                user: "repl".to_owned(),
                connect_retry: 60,
                log_file: "mysql-bin.000003".to_owned(),
                log_pos: 5_000_000_000,
                ssl_allowed: true,
                ssl_ca_file: "/etc/ca.pem".to_owned(),
                source_server_id: Some(1),
                source_uuid: Some("72a4286c-e69c-11f1-9049-02fc00000001".to_owned()),
                server_id: Some(4_000_000_001),
                encrypted: Some(true),
                received_bytes: 1234,
                seconds_since_last_packet: Some(2),
                ..ConnectionStatus::default()
            },
            coordinator: CoordinatorStatus {
                state: state::APPLIED_ALL.to_owned(),
                running: true,
                relay_log_file: "relay-bin.000002".to_owned(),
                relay_log_pos: 375,
                source_log_file: "mysql-bin.000003".to_owned(),
                source_log_pos: 4_999_999_000,
                relay_log_space: 583,
                seconds_behind_source: Some(0),
                last_error: None,
            },
            workers: vec![
                WorkerStatus { id: 1, running: true, last_error: None },
                WorkerStatus {
                    id: 2,
                    running: true,
                    last_error: Some(LastError { number: 1032, message: "row is gone".to_owned(), at: 1_709_164_805 }),
                },
            ],
            sink: SinkStatus {
                target: "mysql://app@target:3306/".to_owned(),
                transactions: 3,
                rows: 30,
                events: 12,
                ignored_events: 2,
                checkpoint_file: "mysql-bin.000003".to_owned(),
                checkpoint_pos: 4_999_999_000,
            },
        }
    }

    #[test]
    fn no_two_fields_share_a_name_or_a_key() {
        let mut names = BTreeSet::new();
        let mut keys = BTreeSet::new();
        for row in REGISTER {
            assert!(names.insert(row.name), "{}", row.name);
            assert!(row.old_name.is_none_or(|name| names.insert(name)), "{}", row.name);
            assert!(keys.insert(row.key), "{}", row.key);
            assert_eq!(row.key, row.name.to_ascii_lowercase());
            assert!(!row.meaning.is_empty());
        }
    }

    #[test]
    fn fields_of_mysql_come_in_the_order_of_mysql() {
        let order = "Replica_IO_State Source_Host Source_User Source_Port Connect_Retry Source_Log_File \
            Read_Source_Log_Pos Relay_Log_File Relay_Log_Pos Relay_Source_Log_File Replica_IO_Running \
            Replica_SQL_Running Replicate_Do_DB Replicate_Ignore_DB Replicate_Do_Table Replicate_Ignore_Table \
            Replicate_Wild_Do_Table Replicate_Wild_Ignore_Table Last_Errno Last_Error Skip_Counter \
            Exec_Source_Log_Pos Relay_Log_Space Until_Condition Until_Log_File Until_Log_Pos Source_SSL_Allowed \
            Source_SSL_CA_File Source_SSL_CA_Path Source_SSL_Cert Source_SSL_Cipher Source_SSL_Key \
            Seconds_Behind_Source Source_SSL_Verify_Server_Cert Last_IO_Errno Last_IO_Error Last_SQL_Errno \
            Last_SQL_Error Replicate_Ignore_Server_Ids Source_Server_Id Source_UUID Source_Info_File SQL_Delay \
            SQL_Remaining_Delay Replica_SQL_Running_State Source_Retry_Count Source_Bind Last_IO_Error_Timestamp \
            Last_SQL_Error_Timestamp Source_SSL_Crl Source_SSL_Crlpath Retrieved_Gtid_Set Executed_Gtid_Set \
            Auto_Position Replicate_Rewrite_DB Channel_Name Source_TLS_Version Source_public_key_path \
            Get_Source_public_key Network_Namespace";
        let order: Vec<_> = order.split_whitespace().collect();
        let places: Vec<_> =
            REGISTER.iter().filter_map(|row| order.iter().position(|name| *name == row.name)).collect();
        assert!(places.is_sorted());
        let ours = REGISTER.iter().position(|row| row.name == "Process_Id").unwrap();
        assert_eq!(places.len(), ours, "a field before ours that MySQL does not have");
    }

    #[test]
    fn text_of_a_running_channel_is_as_recorded() {
        golden("text.txt", &text(&[running()], Names::New));
        golden("text-old-names.txt", &text(&[running()], Names::Old));
    }

    #[test]
    fn text_of_a_channel_that_never_ran_is_as_recorded() {
        golden("text-empty.txt", &text(&[ChannelStatus::default()], Names::New));
    }

    #[test]
    fn json_of_a_running_channel_is_as_recorded() {
        golden("status.json", &format!("{}\n", serde_json::to_string_pretty(&json(&running())).unwrap()));
        golden(
            "status-empty.json",
            &format!("{}\n", serde_json::to_string_pretty(&json(&ChannelStatus::default())).unwrap()),
        );
    }

    #[test]
    fn text_holds_one_line_a_field_whatever_a_server_says() {
        let mut status = running();
        status.connection.last_error = Some(LastError { number: 1, message: "bad\n\x1b[2J Sink: x".to_owned(), at: 0 });
        assert_eq!(text(&[status], Names::New).lines().count(), REGISTER.len() + 1);
    }

    #[test]
    fn a_snapshot_survives_its_way_over_a_socket() {
        let sent = serde_json::to_string(&running()).unwrap();
        assert_eq!(serde_json::from_str::<ChannelStatus>(&sent).unwrap(), running());
        assert_eq!(serde_json::from_str::<ChannelStatus>("{}").unwrap(), ChannelStatus::default());
    }

    fn golden(name: &str, actual: &str) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/status").join(name);
        if std::env::var_os("REPLICATE_UPDATE_GOLDENS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, actual).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(actual, expected, "{} differs; REPLICATE_UPDATE_GOLDENS=1 rewrites it", path.display());
    }
}
