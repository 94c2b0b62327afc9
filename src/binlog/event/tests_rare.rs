//! The parsers of rare events, and that every event type has a sample.

use super::samples::{self, bytes, description};
use super::samples_rare::{self, RARE};
use super::*;
use crate::binlog::checksum;

/// Parses a sample and hands the outcome to `check`.
fn try_with<R>(name: &str, check: impl FnOnce(Result<Event<'_>, EventError>) -> R) -> R {
    let hex = samples::ALL.iter().chain(RARE).find(|(have, _)| *have == name).unwrap().1;
    let bytes = bytes(hex);
    let (raw, rest) = RawEvent::cut(&bytes).unwrap();
    assert!(rest.is_empty());
    let fde = description(name);
    raw.verify_checksum(fde.checksum).unwrap();
    check(parse(&raw, &fde))
}

fn with<R>(name: &str, check: impl FnOnce(Event<'_>) -> R) -> R {
    try_with(name, |event| check(event.unwrap()))
}

/// An event of a type with a body, without checksum.
fn event(event_type: EventType, body: &[u8]) -> Vec<u8> {
    let mut event = vec![0, 0, 0, 0, event_type.0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    event.extend_from_slice(body);
    let size = u32::try_from(event.len()).unwrap();
    event[9..13].copy_from_slice(&size.to_le_bytes());
    event
}

#[test]
fn every_event_type_has_a_sample() {
    let mut missing: Vec<EventType> =
        (0..=u8::MAX).map(EventType).filter(|event_type| event_type.name().is_some()).collect();
    for (_, hex) in samples::ALL.iter().chain(RARE) {
        let event_type = RawEvent::cut(&bytes(hex)).unwrap().0.header.event_type;
        missing.retain(|have| *have != event_type);
    }
    assert_eq!(missing, []);
}

fn is_packed(name: &str) -> bool {
    name.contains("COMPRESSED") || name == "TRANSACTION_PAYLOAD"
}

#[test]
fn every_sample_is_read_or_stops_for_a_reason() {
    for (name, _) in samples::ALL.iter().chain(RARE) {
        try_with(name, |parsed| match (*name, parsed) {
            ("START_V3", Err(error)) => assert_eq!(error, EventError::BinlogVersion(3)),
            ("MARIA_START_ENCRYPTION", Err(error)) => {
                assert_eq!(error, EventError::Encrypted { scheme: 1, key_version: 1 });
            }
            // What is unpacked before it is parsed has parsers of its own.
            (name, Ok(event)) if name == "UNKNOWN" || is_packed(name) => assert_eq!(event, Event::Other),
            ("MARIA_USER_VAR_POINT", Err(_)) => {}
            (_, parsed) => assert!(parsed.is_ok_and(|event| event != Event::Other), "{name}"),
        });
    }
}

#[test]
fn nothing_may_follow_where_a_layout_ends() {
    for (name, hex) in RARE {
        let ends = ["XA_PREPARE", "INCIDENT", "TRANSACTION_CONTEXT", "VIEW_CHANGE", "DELETE_FILE", "EXEC_LOAD"];
        if !ends.iter().any(|prefix| name.trim_start_matches("MARIA_").starts_with(prefix)) {
            continue;
        }
        let mut longer = bytes(hex);
        longer.truncate(longer.len() - 4);
        longer.push(0);
        let size = u32::try_from(longer.len() + 4).unwrap();
        longer[9..13].copy_from_slice(&size.to_le_bytes());
        let crc = checksum::compute(&longer);
        longer.extend_from_slice(&crc.to_le_bytes());
        let (raw, _) = RawEvent::cut(&longer).unwrap();
        let error = parse(&raw, &description(name)).unwrap_err();
        assert!(matches!(error, EventError::Malformed { problem: wire::Problem::Trailing, .. }), "{name}: {error}");
    }
}

#[test]
fn prepared_transactions_have_their_names() {
    let named = Xid { format_id: 7, gtrid: b"g1", bqual: b"b1" };
    for name in ["XA_PREPARE_NAMED", "MARIA_XA_PREPARE"] {
        with(name, |event| assert_eq!(event, Event::XaPrepare(XaPrepareEvent { one_phase: false, xid: named })));
    }
    with("XA_PREPARE_ONE_PHASE", |event| {
        let xid = Xid { format_id: 1, gtrid: b"g2", bqual: b"" };
        assert_eq!(event, Event::XaPrepare(XaPrepareEvent { one_phase: true, xid }));
    });
    let too_long = [0, 1, 0, 0, 0, 65, 0, 0, 0, 0, 0, 0, 0];
    let bytes = event(EventType::XA_PREPARE, &too_long);
    assert!(parse(&RawEvent::cut(&bytes).unwrap().0, &FormatDescription::preliminary(ChecksumAlgorithm::Off)).is_err());
}

#[test]
fn mariadbs_gtid_says_how_the_group_was_committed() {
    let maria = |name: &str| {
        with(name, |event| {
            let Event::Gtid(gtid) = event else { panic!() };
            gtid.maria.unwrap()
        })
    };
    let names = |gtid: &MariaGtid| gtid.flag_names().collect::<Vec<_>>().join(" ");
    let gtid = maria("MARIA_GTID_STANDALONE");
    assert_eq!((names(&gtid).as_str(), gtid.thread_id), ("STANDALONE ALLOW_PARALLEL DDL", None));
    let gtid = maria("MARIA_GTID_PREPARED_XA");
    let xid = OwnedXid { format_id: 7, gtrid: b"g1".to_vec(), bqual: b"b1".to_vec() };
    assert_eq!((gtid.xid.as_deref(), gtid.extra_engines), (Some(&xid), Some(255)));
    assert_eq!(names(&gtid), "TRANSACTIONAL ALLOW_PARALLEL PREPARED_XA MULTI_ENGINE");
    let gtid = maria("MARIA_GTID_COMPLETED_XA");
    assert_eq!(gtid.xid.as_deref(), Some(&xid));
    assert_eq!(names(&gtid), "STANDALONE TRANSACTIONAL ALLOW_PARALLEL COMPLETED_XA");
    let gtid = maria("MARIA_GTID_COMMIT_ALTER");
    assert_eq!((names(&gtid).as_str(), gtid.start_alter), ("STANDALONE ALLOW_PARALLEL DDL COMMIT_ALTER", Some(10)));
    let gtid = maria("MARIA_11_GTID_PREPARED_XA");
    assert_eq!((gtid.xid.as_deref(), gtid.extra_engines, gtid.thread_id), (Some(&xid), Some(255), Some(5)));
    let gtid = maria("MARIA_11_GTID_COMMIT_ALTER");
    assert_eq!((gtid.start_alter, gtid.thread_id), (Some(9), Some(5)));
    let gtid = maria("MARIA_11_GTID_GROUP_COMMIT");
    assert_eq!((gtid.commit_id, gtid.thread_id), (Some(58), Some(9)));
    assert_eq!(names(&gtid), "GROUP_COMMIT_ID TRANSACTIONAL ALLOW_PARALLEL THREAD_ID");
}

#[test]
fn only_zero_bytes_pad_mariadbs_gtid() {
    let fde = FormatDescription::preliminary(ChecksumAlgorithm::Off);
    let parsed = |tail: &[u8]| {
        let mut body = vec![9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        body.extend_from_slice(tail);
        let bytes = event(EventType::MARIA_GTID, &body);
        parse(&RawEvent::cut(&bytes).unwrap().0, &fde).map(drop)
    };
    parsed(&[0, 0, 0, 0, 0, 0]).unwrap();
    assert!(parsed(&[0, 0, 7, 0, 0, 0]).is_err());
    // A flag of a newer server may have a value there.
    parsed(&[0x40, 7, 7, 0, 0, 0]).unwrap();
    assert!(parsed(&[0x10, 1, 0]).is_err(), "a thread id cut short");
}

#[test]
fn lists_of_mariadbs_gtids_come_with_their_flags() {
    with("MARIA_GTID_LIST_UNTIL", |event| {
        let Event::GtidList(list) = event else { panic!() };
        assert_eq!((list.flags, list.position().to_string().as_str()), (GtidListEvent::UNTIL_REACHED, "0-1-5"));
    });
    let claims_much = event(EventType::MARIA_GTID_LIST, &[0xff, 0xff, 0xff, 0x0f]);
    let fde = FormatDescription::preliminary(ChecksumAlgorithm::Off);
    assert!(parse(&RawEvent::cut(&claims_much).unwrap().0, &fde).is_err());
}

#[test]
fn load_data_comes_as_blocks_and_a_statement() {
    let text = &b"11,aa\n12,bb\n11,cc\n"[..];
    for (name, file_id) in [("BEGIN_LOAD_QUERY", 1), ("MARIA_BEGIN_LOAD_QUERY", 1)] {
        with(name, |event| assert_eq!(event, Event::BeginLoadQuery(FileBlockEvent { file_id, block: text })));
    }
    with("APPEND_BLOCK", |event| {
        assert_eq!(event, Event::AppendBlock(FileBlockEvent { file_id: 3, block: b"13,dd\n" }));
    });
    with("DELETE_FILE", |event| assert_eq!(event, Event::DeleteFile(3)));
    with("EXEC_LOAD", |event| assert_eq!(event, Event::ExecLoad(3)));
    for (name, duplicates, words) in [
        ("EXECUTE_LOAD_QUERY", LoadDuplicates::Replace, " LOCAL INFILE '/tmp/events-load.txt' REPLACE INTO"),
        ("EXECUTE_LOAD_QUERY_IGNORE", LoadDuplicates::Ignore, " LOCAL INFILE '/tmp/events-load.txt' IGNORE INTO"),
        ("MARIA_EXECUTE_LOAD_QUERY", LoadDuplicates::Replace, " LOCAL INFILE '/tmp/events-load.txt' REPLACE INTO"),
    ] {
        with(name, |event| {
            let Event::ExecuteLoadQuery(load) = event else { panic!() };
            assert_eq!((load.duplicates, load.query.database), (duplicates, &b"ev"[..]), "{name}");
            assert!(load.query.session.charset.is_some());
            let (start, end) = (load.fn_pos_start as usize, load.fn_pos_end as usize);
            assert_eq!(&load.query.statement[..start], b"LOAD DATA", "{name}");
            assert_eq!(std::str::from_utf8(&load.query.statement[start..end]).unwrap(), words, "{name}");
        });
    }
}

#[test]
fn load_data_of_old_servers_splits_into_its_parts() {
    for name in ["LOAD", "NEW_LOAD", "CREATE_FILE"] {
        with(name, |event| {
            let Event::Load(load) = event else { panic!() };
            assert_eq!((load.database, load.table, load.fields), (&b"ev"[..], &b"tt"[..], &b"a\0bb\0"[..]), "{name}");
            assert_eq!((load.thread_id, load.skip_lines, load.file_name), (8, 2, &b"/tmp/f"[..]), "{name}");
            let separators = load.separators;
            assert_eq!((separators.field_term, separators.line_term), (&b","[..], &b"\n"[..]), "{name}");
            assert_eq!((separators.enclosed, separators.line_start), (&b""[..], &b""[..]), "{name}");
            let file = (name == "CREATE_FILE").then_some((3, &b"13,dd\n"[..]));
            assert_eq!((load.file, separators.escaped), (file, &b"\\"[..]), "{name}");
        });
    }
}

#[test]
fn an_incident_says_what_happened() {
    with("INCIDENT", |event| {
        let Event::Incident(incident) = event else { panic!() };
        assert_eq!((incident.incident.to_string().as_str(), incident.message), ("LOST_EVENTS", &b"lost data"[..]));
    });
    assert_eq!(Incident(9).to_string(), "unknown(9)");
}

#[test]
fn events_of_a_group_split_into_their_parts() {
    with("TRANSACTION_CONTEXT", |event| {
        let Event::TransactionContext(context) = event else { panic!() };
        assert_eq!(context.server_uuid.len(), 36);
        assert!(context.gtid_specified && GtidSet::decode(context.snapshot_version).unwrap().is_empty());
        assert_eq!((context.thread_id, context.write_set_items, context.read_set_items), (11, 2, 1));
        assert_eq!(context.sets, b"\x04\0aaaa\x02\0bb\x03\0ccc");
    });
    with("VIEW_CHANGE", |event| {
        let Event::ViewChange(view) = event else { panic!() };
        assert_eq!((view.view_id, view.sequence_number), (&b"17953816874:1"[..], 7));
        assert_eq!((view.certification_items, view.certification_info), (1, &b"\x03\0key\x05\0\0\0value"[..]));
    });
}

#[test]
fn encryption_that_the_server_has_undone_is_passed_on() {
    with("MARIA_START_ENCRYPTION_IGNORABLE", |event| {
        let Event::StartEncryption(start) = event else { panic!() };
        assert_eq!((start.scheme, start.key_version, start.nonce[11]), (1, 1, 11));
    });
    let error = EventError::Encrypted { scheme: 1, key_version: 1 };
    assert!(error.hint().unwrap().contains("read-from-remote-server"));
}

#[test]
fn a_file_of_version_1_or_3_is_refused_by_its_first_event() {
    let hex = samples_rare::START_V3;
    let mut old = bytes(hex);
    old.truncate(13 + 56);
    old[9..13].copy_from_slice(&69_u32.to_le_bytes());
    let fde = FormatDescription::preliminary(ChecksumAlgorithm::Off);
    let (raw, _) = RawEvent::cut(&old).unwrap();
    assert_eq!(parse(&raw, &fde), Err(EventError::BinlogVersion(1)));
}

#[test]
fn rows_of_version_0_are_cut_out_and_not_taken_for_others() {
    for (name, kind) in
        [("WRITE_ROWS_V0", RowsKind::Write), ("UPDATE_ROWS_V0", RowsKind::Update), ("DELETE_ROWS_V0", RowsKind::Delete)]
    {
        with(name, |event| {
            let Event::RowsV0(rows) = event else { panic!() };
            assert_eq!((rows.kind, rows.table_id, rows.width), (kind, 17, 1), "{name}");
            assert_eq!((rows.columns, rows.rows.first()), (&[0xff][..], Some(&0xfd)), "{name}");
        });
    }
}

#[test]
fn table_maps_without_metadata_are_those_of_servers_that_had_none() {
    // MySQL 5.1.15: the description lists 22 types; the map of `test.t1 (a int)` ends with its type.
    let body = b"\x11\0\0\0\0\0\0\0\x04test\0\x02t1\0\x01\x03";
    let bytes = event(EventType::TABLE_MAP, body);
    let (raw, _) = RawEvent::cut(&bytes).unwrap();
    let mut fde = FormatDescription::preliminary(ChecksumAlgorithm::Off);
    fde.post_header_lengths.extend_from_slice(&[8, 8, 8, 8]);
    let Event::TableMap(map) = parse(&raw, &fde).unwrap() else { panic!() };
    assert_eq!((map.table, map.column_types), (&b"t1"[..], &[3][..]));
    assert!(!map.describes_columns());
    fde.post_header_lengths.extend_from_slice(&[8, 8, 8]);
    assert!(parse(&raw, &fde).is_err(), "a later server's map that is cut short");
    with("TABLE_MAP", |event| assert!(matches!(event, Event::TableMap(map) if map.describes_columns())));
}

#[test]
fn a_development_tree_numbers_its_events_its_own_way() {
    let mut body = vec![4, 0];
    let mut version = b"5.2.2-a_drop6p13-debug-log".to_vec();
    version.resize(50, 0);
    body.extend_from_slice(&version);
    body.extend_from_slice(&[0, 0, 0, 0, 19]);
    let lengths = [56, 13, 0, 8, 0, 18, 0, 4, 4, 4, 4, 18, 0, 0, 79, 8, 6, 7, 9, 0, 4, 26];
    body.extend_from_slice(&lengths);
    let bytes = event(EventType::FORMAT_DESCRIPTION, &body);
    let fde = FormatDescription::parse(&RawEvent::cut(&bytes).unwrap().0).unwrap();
    for (code, event_type, length) in [
        (2, EventType::QUERY, 13),
        (15, EventType::FORMAT_DESCRIPTION, 79),
        (16, EventType::TABLE_MAP, 8),
        (17, EventType::WRITE_ROWS_V0, 6),
        (19, EventType::DELETE_ROWS_V0, 9),
        (20, EventType::XID, 0),
        (21, EventType::BEGIN_LOAD_QUERY, 4),
        (22, EventType::EXECUTE_LOAD_QUERY, 26),
    ] {
        assert_eq!(fde.event_type(EventType(code)), event_type);
        assert_eq!(fde.post_header_length(event_type), Some(length), "{event_type}");
    }
    let release = FormatDescription::preliminary(ChecksumAlgorithm::Off);
    assert_eq!(release.event_type(EventType(20)), EventType::WRITE_ROWS_V0);
    // One type too few for the tree that it says it is.
    let short = event(EventType::FORMAT_DESCRIPTION, &body[..body.len() - 1]);
    assert_eq!(FormatDescription::parse(&RawEvent::cut(&short).unwrap().0), Err(EventError::PreRelease));
}

#[test]
fn status_variables_are_told_by_name_in_their_order() {
    let told = |name: &str| {
        with(name, |event| {
            let query = match event {
                Event::Query(query) => query,
                Event::ExecuteLoadQuery(load) => load.query,
                _ => panic!(),
            };
            let tell = |variable: Result<StatusVariable<'_>, _>| {
                let variable = variable.unwrap();
                format!("{}={variable}", variable.code_and_name().1)
            };
            query.status_variables().map(tell).collect::<Vec<_>>().join(" ")
        })
    };
    let common = "Q_FLAGS2_CODE=0x0 Q_SQL_MODE_CODE=0x45a00020 Q_CATALOG_NZ_CODE=std Q_CHARSET_CODE=255,255,255";
    assert_eq!(
        told("MULTI_TABLE_UPDATE"),
        format!(
            "{common} Q_TABLE_MAP_FOR_UPDATE_CODE=0x3 Q_UPDATED_DB_NAMES=ev2,ev Q_DEFAULT_COLLATION_FOR_UTF8MB4=255 \
             Q_ENABLE_CASCADE_TRIGGERS=0"
        )
    );
    let load = format!("{common} Q_UPDATED_DB_NAMES=ev Q_DEFAULT_COLLATION_FOR_UTF8MB4=255");
    assert_eq!(told("EXECUTE_LOAD_QUERY"), load);
    assert!(told("CREATE_TIMESTAMP_TABLE").contains("Q_EXPLICIT_DEFAULTS_FOR_TIMESTAMP=0 Q_DDL_LOGGED_WITH_XID=28 "));
    assert!(
        told("CREATE_TRIGGER").contains(" Q_CHARSET_DATABASE") || told("CREATE_TRIGGER").contains("root@localhost")
    );
    assert!(told("INSERT_WITH_SESSION").contains("Q_TIME_ZONE_CODE=+03:00 Q_LC_TIME_NAMES_CODE=4"));
    assert!(told("MARIA_COMMIT_ALTER").ends_with("Q_XID=60 Q_GTID_FLAGS3=0x4,33"));
}

#[test]
fn every_status_variable_has_a_name_a_length_and_a_text() {
    // By the code: a value, and how it is told.
    let values: &[(u8, &[u8], &str)] = &[
        (0, &[0, 0x40, 0, 0], "0x4000"),
        (1, &[1, 0, 0, 0, 0, 0, 0, 0], "0x1"),
        (2, b"\x03std\0", "std"),
        (3, &[2, 0, 1, 0], "2,1"),
        (4, &[8, 0, 33, 0, 45, 0], "8,33,45"),
        (5, b"\x06+03:00", "+03:00"),
        (6, b"\x03std", "std"),
        (7, &[4, 0], "4"),
        (8, &[47, 0], "47"),
        (9, &[3, 0, 0, 0, 0, 0, 0, 0], "0x3"),
        (10, &[99, 0, 0, 0], "99"),
        (11, b"\x01u\x01h", "u@h"),
        (12, b"\x02a\0bc\0", "a,bc"),
        (13, &[7, 0, 0], "000007"),
        (14, &[5, 0, 0, 0, 0, 0, 0, 0], "5"),
        (16, &[1], "1"),
        (17, &[5, 0, 0, 0, 0, 0, 0, 0], "5"),
        (18, &[255, 0], "255"),
        (19, &[0], "0"),
        (20, &[1], "1"),
        (21, &[1], "1"),
        (128, &[7, 0, 0], "000007"),
        (129, &[5, 0, 0, 0, 0, 0, 0, 0], "5"),
        (130, &[2], "0x2"),
        (131, &[2, 33, 0, 192, 0, 45, 0, 46, 0], "33=192,45=46"),
        (255, &[], ""),
    ];
    for (code, name) in status_variables::CODES {
        let (_, value, text) = values.iter().find(|(have, ..)| have == code).unwrap_or_else(|| panic!("{name}"));
        let raw = [&[*code][..], value].concat();
        let mut variables = StatusVariables::new(&raw);
        let variable = variables.next().unwrap().unwrap();
        assert_eq!((variable.code_and_name(), variable.to_string().as_str()), ((*code, *name), *text));
        assert!(variables.next().is_none(), "{name}");
        for cut in 1..raw.len() {
            assert!(StatusVariables::new(&raw[..cut]).next().unwrap().is_err(), "{name} {cut}");
        }
    }
    assert_eq!(StatusVariables::new(&[12, 254]).next().unwrap().unwrap().to_string(), "(too many)");
    assert_eq!(values.len(), status_variables::CODES.len());
    for unknown in (0..=u8::MAX).filter(|code| values.iter().all(|(known, ..)| known != code)) {
        let raw = [unknown; 20];
        let mut variables = StatusVariables::new(&raw);
        assert!(variables.next().unwrap().is_err() && variables.next().is_none(), "{unknown}");
    }
}
