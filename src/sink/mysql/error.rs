//! What the target's error numbers mean to us: one table, and the way from a driver's error to a [`SinkError`].
//!
//! It decides nothing about retrying by itself: that is [`SinkError::disposition`]. Messages of refused row changes
//! are not handed on as they are, because servers put row values into them.
//! Manual: "Server Error Message Reference".

use mysql_async::{DriverError, Error};

use crate::sink::SinkError;

/// What an error number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Passes by itself: the transaction is rolled back and applied again.
    Transient,
    /// The statement's effect is there already. Counts as success only when a DDL statement is resumed.
    AlreadySo,
    /// A row that is to be inserted, or its unique key, is there already.
    Duplicate,
    /// The account may not do it.
    Denied,
}

/// One row of the table: number, the manual's symbol, meaning.
type CodeRow = (u16, &'static str, Class);

/// Every number with a meaning of its own; all others reject the transaction.
const CODES: &[CodeRow] = &[
    (1007, "ER_DB_CREATE_EXISTS", Class::AlreadySo),
    (1008, "ER_DB_DROP_EXISTS", Class::AlreadySo),
    (1021, "ER_DISK_FULL", Class::Transient),
    (1037, "ER_OUTOFMEMORY", Class::Transient),
    (1040, "ER_CON_COUNT_ERROR", Class::Transient),
    (1041, "ER_OUT_OF_RESOURCES", Class::Transient),
    (1042, "ER_BAD_HOST_ERROR", Class::Transient),
    (1043, "ER_HANDSHAKE_ERROR", Class::Transient),
    (1044, "ER_DBACCESS_DENIED_ERROR", Class::Denied),
    (1045, "ER_ACCESS_DENIED_ERROR", Class::Denied),
    (1047, "ER_UNKNOWN_COM_ERROR", Class::Transient),
    (1050, "ER_TABLE_EXISTS_ERROR", Class::AlreadySo),
    (1051, "ER_BAD_TABLE_ERROR", Class::AlreadySo),
    (1053, "ER_SERVER_SHUTDOWN", Class::Transient),
    (1060, "ER_DUP_FIELDNAME", Class::AlreadySo),
    (1061, "ER_DUP_KEYNAME", Class::AlreadySo),
    (1062, "ER_DUP_ENTRY", Class::Duplicate),
    (1068, "ER_MULTIPLE_PRI_KEY", Class::AlreadySo),
    (1080, "ER_FORCING_CLOSE", Class::Transient),
    (1091, "ER_CANT_DROP_FIELD_OR_KEY", Class::AlreadySo),
    (1135, "ER_CANT_CREATE_THREAD", Class::Transient),
    (1141, "ER_NONEXISTING_GRANT", Class::AlreadySo),
    (1142, "ER_TABLEACCESS_DENIED_ERROR", Class::Denied),
    (1143, "ER_COLUMNACCESS_DENIED_ERROR", Class::Denied),
    (1147, "ER_NONEXISTING_TABLE_GRANT", Class::AlreadySo),
    (1152, "ER_ABORTING_CONNECTION", Class::Transient),
    (1158, "ER_NET_READ_ERROR", Class::Transient),
    (1159, "ER_NET_READ_INTERRUPTED", Class::Transient),
    (1160, "ER_NET_ERROR_ON_WRITE", Class::Transient),
    (1161, "ER_NET_WRITE_INTERRUPTED", Class::Transient),
    (1184, "ER_NEW_ABORTING_CONNECTION", Class::Transient),
    (1203, "ER_TOO_MANY_USER_CONNECTIONS", Class::Transient),
    (1205, "ER_LOCK_WAIT_TIMEOUT", Class::Transient),
    (1206, "ER_LOCK_TABLE_FULL", Class::Transient),
    (1213, "ER_LOCK_DEADLOCK", Class::Transient),
    (1223, "ER_CANT_UPDATE_WITH_READLOCK", Class::Transient),
    (1226, "ER_USER_LIMIT_REACHED", Class::Transient),
    (1227, "ER_SPECIFIC_ACCESS_DENIED_ERROR", Class::Denied),
    (1290, "ER_OPTION_PREVENTS_STATEMENT", Class::Transient),
    (1304, "ER_SP_ALREADY_EXISTS", Class::AlreadySo),
    (1305, "ER_SP_DOES_NOT_EXIST", Class::AlreadySo),
    (1317, "ER_QUERY_INTERRUPTED", Class::Transient),
    (1359, "ER_TRG_ALREADY_EXISTS", Class::AlreadySo),
    (1360, "ER_TRG_DOES_NOT_EXIST", Class::AlreadySo),
    (1370, "ER_PROCACCESS_DENIED_ERROR", Class::Denied),
    (1396, "ER_CANNOT_USER", Class::AlreadySo),
    (1412, "ER_TABLE_DEF_CHANGED", Class::Transient),
    (1507, "ER_DROP_PARTITION_NON_EXISTENT", Class::AlreadySo),
    (1517, "ER_SAME_NAME_PARTITION", Class::AlreadySo),
    (1537, "ER_EVENT_ALREADY_EXISTS", Class::AlreadySo),
    (1539, "ER_EVENT_DOES_NOT_EXIST", Class::AlreadySo),
    (1586, "ER_DUP_ENTRY_WITH_KEY_NAME", Class::Duplicate),
    (1637, "ER_TOO_MANY_CONCURRENT_TRXS", Class::Transient),
    (1792, "ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION", Class::Transient),
    (1826, "ER_FK_DUP_NAME", Class::AlreadySo),
    (1836, "ER_READ_ONLY_MODE", Class::Transient),
    (1927, "ER_CONNECTION_KILLED", Class::Transient),
    (1969, "ER_STATEMENT_TIMEOUT", Class::Transient),
    (2006, "CR_SERVER_GONE_ERROR", Class::Transient),
    (2013, "CR_SERVER_LOST", Class::Transient),
    (3024, "ER_QUERY_TIMEOUT", Class::Transient),
    (3032, "ER_SERVER_OFFLINE_MODE", Class::Transient),
    (3101, "ER_TRANSACTION_ROLLBACK_DURING_COMMIT", Class::Transient),
    (3168, "ER_SERVER_ISNT_AVAILABLE", Class::Transient),
    (3169, "ER_SESSION_WAS_KILLED", Class::Transient),
    (3572, "ER_LOCK_NOWAIT", Class::Transient),
    (3822, "ER_CHECK_CONSTRAINT_DUP_NAME", Class::AlreadySo),
    (3821, "ER_CHECK_CONSTRAINT_NOT_FOUND", Class::AlreadySo),
    (4031, "ER_CLIENT_INTERACTION_TIMEOUT", Class::Transient),
    (4091, "ER_UNKNOWN_SEQUENCES", Class::AlreadySo),
];

/// Numbers whose message names columns, keys and limits but never a row's values.
const SPEAKING: &[u16] = &[
    1044, 1045, 1048, 1054, 1099, 1100, 1105, 1114, 1136, 1142, 1143, 1146, 1153, 1205, 1213, 1227, 1264, 1265, 1290,
    1364, 1406, 1451, 1452, 1785, 1792, 1836, 3105, 3819, 4025,
];

/// The meaning of an error number, if it has one of its own.
pub(super) fn classify(code: u16) -> Option<Class> {
    CODES.iter().find(|row| row.0 == code).map(|row| row.2)
}

/// How a statement failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server said no.
    Server {
        /// Its error number.
        code: u16,
        /// Its message, as it came: may hold row values.
        message: String,
    },
    /// The connection is gone, or never came to be.
    Lost(String),
    /// What is asked for cannot be (a bad certificate file, an unknown authentication plugin).
    Unusable(String),
    /// Shutdown was asked for and the grace period is over.
    Cancelled,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Server(server) => Self::Server { code: server.code, message: server.message },
            Error::Io(mysql_async::IoError::Tls(tls)) => Self::Unusable(format!("TLS with the target failed: {tls}")),
            Error::Io(mysql_async::IoError::Io(io)) => Self::Lost(io.to_string()),
            Error::Driver(DriverError::ConnectionClosed) => Self::Lost("the connection was closed".to_owned()),
            Error::Driver(DriverError::PacketTooLarge) => {
                Self::Server { code: 1153, message: "Got a packet bigger than 'max_allowed_packet' bytes".to_owned() }
            }
            Error::Driver(DriverError::UnexpectedPacket { .. } | DriverError::PacketOutOfOrder) => {
                Self::Lost("the target sent a packet out of order".to_owned())
            }
            Error::Driver(DriverError::FromRow { .. } | DriverError::FromValue { .. }) => {
                Self::Unusable("the target answered with a value of an unexpected type".to_owned())
            }
            other => Self::Unusable(other.to_string()),
        }
    }
}

impl Fault {
    /// The server's error number, if it was the server.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Self::Server { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the effect of a DDL statement is there already.
    pub(super) fn is_already_so(&self) -> bool {
        self.code().and_then(classify) == Some(Class::AlreadySo)
    }

    /// The server's message without row values.
    pub(super) fn speakable(&self) -> String {
        match self {
            Self::Server { code, message } => speakable(*code, message),
            Self::Lost(what) | Self::Unusable(what) => what.clone(),
            Self::Cancelled => "stopped".to_owned(),
        }
    }

    /// The sink's error for something that is not a replayed change: connecting, session set-up, the checkpoint.
    pub(super) fn plain(self, doing: &str) -> SinkError {
        match self {
            Self::Cancelled => SinkError::Cancelled,
            Self::Lost(what) => SinkError::Unavailable { what: format!("{doing}: {what}") },
            Self::Unusable(what) => rejected(None, format!("{doing}: {what}"), None),
            Self::Server { code, message } => {
                let what = format!("{doing}: error {code}: {}", speakable(code, &message));
                match classify(code) {
                    Some(Class::Transient) => SinkError::Unavailable { what },
                    class => rejected(Some(code), what, hint(code, class)),
                }
            }
        }
    }

    /// The sink's error for a replayed change or statement. `table` is `database.table` where one is meant.
    pub(super) fn applying(self, what: &str, table: Option<&str>) -> SinkError {
        match self.plain(what) {
            SinkError::Rejected { code, what, hint, at, .. } => {
                SinkError::Rejected { code, what, table: table.map(str::to_owned), hint, at }
            }
            other => other,
        }
    }
}

fn rejected(code: Option<u16>, what: String, hint: Option<String>) -> SinkError {
    SinkError::Rejected { code, what, table: None, hint, at: None }
}

/// A message without row values: whole where the number's messages never hold any, else its last, naming part.
fn speakable(code: u16, message: &str) -> String {
    if SPEAKING.contains(&code) || classify(code) == Some(Class::AlreadySo) {
        return message.to_owned();
    }
    let symbol = CODES.iter().find(|row| row.0 == code).map_or("", |row| row.1);
    for mark in [" for key ", " for column "] {
        if let Some(at) = message.rfind(mark)
            && let Some(tail) = message.get(at..)
        {
            return format!("{symbol}{tail}").trim_start().to_owned();
        }
    }
    if symbol.is_empty() { "see the server's manual for this number".to_owned() } else { symbol.to_owned() }
}

fn hint(code: u16, class: Option<Class>) -> Option<String> {
    let text = match (code, class) {
        (1045, _) => {
            "check the user in the sink's URL and the password given by --sink-password-file or REPLICATE_SINK_PASSWORD"
        }
        (_, Some(Class::Denied)) => "grant the sink's account the privileges that the README names for a target",
        (_, Some(Class::Duplicate)) => {
            "the target has a row that the source did not have at this point: compare the two, remove or repair the \
             target's row, and start again"
        }
        (1153, _) => "raise max_allowed_packet on the target",
        (1146 | 1049 | 1054, _) => {
            "the target's schema differs from the source's at this point: repair it and start again"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::disposition::Disposition;

    fn of(code: u16, message: &str) -> SinkError {
        Fault::Server { code, message: message.to_owned() }.applying("inserting", Some("d.t"))
    }

    #[test]
    fn each_number_stands_in_the_table_once() {
        for (i, row) in CODES.iter().enumerate() {
            assert!(!CODES[..i].iter().any(|other| other.0 == row.0), "{row:?}");
        }
    }

    #[test]
    fn transient_errors_are_retried_and_the_others_stop() {
        for code in [1205, 1213, 2006, 2013, 1040, 1290, 1053, 3024, 1836, 1317, 4031] {
            assert_eq!(of(code, "x").disposition(), Disposition::Retry, "{code}");
        }
        for code in [1062, 1032, 1146, 1054, 1264, 1406, 1451, 1064, 1045, 1153, 1050] {
            assert_eq!(of(code, "x").disposition(), Disposition::Stop, "{code}");
        }
        assert_eq!(Fault::Lost("reset".into()).plain("connecting").disposition(), Disposition::Retry);
        assert!(matches!(Fault::Cancelled.plain("x"), SinkError::Cancelled));
    }

    #[test]
    fn effects_that_are_there_already_count_only_for_their_own_numbers() {
        for code in [1007, 1008, 1050, 1051, 1060, 1061, 1091, 1304, 1305, 1359, 1360, 1396, 1537, 1539] {
            assert!(Fault::Server { code, message: String::new() }.is_already_so(), "{code}");
        }
        for code in [1062, 1064, 1146, 1213] {
            assert!(!Fault::Server { code, message: String::new() }.is_already_so(), "{code}");
        }
    }

    #[test]
    fn row_values_in_server_messages_are_not_handed_on() {
        let text = of(1062, "Duplicate entry 'secret' for key 't.PRIMARY'").to_string();
        assert!(!text.contains("secret") && text.contains("t.PRIMARY"), "{text}");
        let text = of(1366, "Incorrect string value: '\\xFF' for column 'b' at row 1").to_string();
        assert!(!text.contains("xFF") && text.contains("'b'"), "{text}");
        let text = of(1064, "You have an error near 'secret'").to_string();
        assert!(!text.contains("secret"), "{text}");
        assert!(of(1406, "Data too long for column 'b' at row 1").to_string().contains("Data too long"));
    }
}
