use super::*;
use crate::binlog::HEADER_LEN;
use crate::binlog::header::{ChecksumAlgorithm, EventFlags, EventHeader};

fn words_of(event_type: EventType, flags: u16, mariadb: bool, body: &[u8]) -> Result<String, EventError> {
    let header = EventHeader {
        timestamp: 1,
        event_type,
        server_id: 7,
        event_size: u32::try_from(HEADER_LEN + body.len()).unwrap(),
        log_pos: 0,
        flags: EventFlags(flags),
    };
    let bytes = [&header.to_bytes()[..], body].concat();
    let mut fde = FormatDescription::preliminary(ChecksumAlgorithm::Off);
    if mariadb {
        fde.server_version = "10.11.2-MariaDB".to_owned();
    }
    let mut out = Vec::new();
    info(&RawEvent { header, bytes: &bytes }, &fde, &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[track_caller]
fn words(event_type: EventType, body: &[u8]) -> String {
    words_of(event_type, 0, false, body).unwrap()
}

#[test]
fn events_that_tests_on_servers_do_not_make_have_words_too() {
    assert_eq!(words(EventType::INCIDENT, b"\x01\x00\x03why"), "#1 (LOST_EVENTS): why");
    assert_eq!(words(EventType::INCIDENT, b"\x01\x00\x00"), "#1 (LOST_EVENTS)");
    assert_eq!(words(EventType::APPEND_BLOCK, b"\x05\x00\x00\x00abc"), ";file_id=5;block_len=3");
    assert_eq!(words(EventType::DELETE_FILE, b"\x05\x00\x00\x00"), ";file_id=5");
    let mut view = b"view:1".to_vec();
    view.resize(52, 0);
    assert_eq!(words(EventType::VIEW_CHANGE, &view), "view_id=view:1");
    assert_eq!(
        words(EventType::TRANSACTION_PAYLOAD, b"\x01\x01\x09\x02\x01\x00\x03\x01\x2a\x00x"),
        "compression='ZSTD', decompressed_size=42 bytes"
    );
    assert_eq!(words(EventType::STOP, b""), "");
    assert_eq!(words(EventType(99), b"anything"), "");
}

#[test]
fn a_database_is_named_unless_it_does_not_matter() {
    let query = |flags| {
        let body = [&[0; 8][..], &[3], &[0; 4], b"we`\0DROP TABLE t"].concat();
        words_of(EventType::QUERY, flags, false, &body).unwrap()
    };
    assert_eq!(query(0), "use `we```; DROP TABLE t");
    assert_eq!(query(SUPPRESS_USE), "DROP TABLE t");
}

#[test]
fn each_server_names_the_flags_of_rows_in_its_own_way() {
    let body = [7, 0, 0, 0, 0, 0, 0x13, 0];
    let rows = |mariadb| words_of(EventType::WRITE_ROWS, 0, mariadb, &body).unwrap();
    assert_eq!(rows(false), "table_id: 7 flags: STMT_END_F NO_FOREIGN_KEY_CHECKS_F USE_SQL_FOREIGN_KEY_F");
    assert_eq!(rows(true), "table_id: 7 flags: STMT_END_F");
}

#[test]
fn a_mariadb_gtid_says_how_its_group_is_logged() {
    let gtid = |flags: u8, more: &[u8]| {
        let body = [&9_u64.to_le_bytes()[..], &2_u32.to_le_bytes(), &[flags], more].concat();
        words_of(EventType::MARIA_GTID, 0, true, &body).unwrap()
    };
    assert_eq!(gtid(0, &[0; 6]), "BEGIN GTID 2-7-9");
    assert_eq!(gtid(1, &[0; 6]), "GTID 2-7-9");
    assert_eq!(gtid(2, &5_u64.to_le_bytes()), "BEGIN GTID 2-7-9 cid=5");
    let xid = [&1_u32.to_le_bytes()[..], &[1, 1], b"gb"].concat();
    assert_eq!(gtid(64, &xid), "XA START X'67',X'62',1 GTID 2-7-9");
    assert_eq!(gtid(129, &xid), "GTID 2-7-9");
    assert_eq!(gtid(1, &[2, 0]), "GTID 2-7-9 START ALTER");
    assert_eq!(gtid(1, &[&[9, 3][..], &8_u64.to_le_bytes()].concat()), "GTID 2-7-9 ROLLBACK ALTER id=8");
}

#[test]
fn no_cut_of_any_event_is_taken_for_a_whole_one_or_panics() {
    let body: Vec<u8> = (0..120).map(|n: u8| n.wrapping_mul(37)).collect();
    for code in 0..=u8::MAX {
        for len in 0..body.len() {
            for mariadb in [false, true] {
                let _ = words_of(EventType(code), 0, mariadb, &body[..len]);
                let _ = words_of(EventType(code), 0, mariadb, &vec![0xff; len]);
            }
        }
    }
    assert!(words_of(EventType::USER_VAR, 0, false, b"\x01\x00\x00\x00").is_err());
    assert!(words_of(EventType::XA_PREPARE, 0, false, b"\x00\x01").is_err());
}
