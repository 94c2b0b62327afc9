//! What the applier makes of events that carry no rows: passed over, counted, or a stop that says why and where. And
//! where it is in logs whose headers do not say.

use std::io::Write;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::applier::{self, ApplierOptions};
use super::dispatch::Counts;
use super::error::ApplyError;
use super::input::FileInput;
use super::plans::Names;
use super::sequencer::Observer;
use crate::binlog::event::{samples, samples_rare};
use crate::binlog::{EventType, HEADER_LEN, MAGIC, checksum};
use crate::position::LogPosition;
use crate::sink::null::NullSink;
use crate::sink::{Progress, Sink};

/// What the sink was told.
#[derive(Default)]
struct Seen {
    counts: Mutex<Counts>,
    upto: Mutex<Vec<String>>,
}

impl Observer for Seen {
    fn accepted(&self, upto: Option<&LogPosition>, counts: &Counts) {
        self.counts.lock().unwrap().add(counts);
        self.upto.lock().unwrap().extend(upto.map(ToString::to_string));
    }

    fn durable(&self, _progress: &Progress) -> Result<(), ApplyError> {
        Ok(())
    }
}

/// A log as it is put together.
struct Log(Vec<u8>);

impl Log {
    /// Begins with the description of MySQL 9.7.
    fn new() -> Self {
        Self([&MAGIC[..], &samples::bytes(samples::MYSQL_DESCRIPTION)].concat())
    }

    fn sample(mut self, hex: &str) -> Self {
        self.0.extend_from_slice(&samples::bytes(hex));
        self
    }

    /// An event with its checksum; `end` is its end_log_pos.
    fn event(mut self, event_type: EventType, flags: u16, end: u32, body: &[u8]) -> Self {
        let mut event = vec![1, 0, 0, 0, event_type.0, 1, 0, 0, 0];
        let size = u32::try_from(HEADER_LEN + body.len() + 4).unwrap();
        event.extend_from_slice(&size.to_le_bytes());
        event.extend_from_slice(&end.to_le_bytes());
        event.extend_from_slice(&flags.to_le_bytes());
        event.extend_from_slice(body);
        let crc = checksum::compute(&event);
        event.extend_from_slice(&crc.to_le_bytes());
        self.0.extend_from_slice(&event);
        self
    }

    fn query(self, end: u32, statement: &str) -> Self {
        let body = [&[0; 14][..], statement.as_bytes()].concat();
        self.event(EventType::QUERY, 0, end, &body)
    }

    fn xid(self, end: u32) -> Self {
        self.event(EventType::XID, 0, end, &[7, 0, 0, 0, 0, 0, 0, 0])
    }

    fn run(self) -> (Result<(), ApplyError>, Counts, Vec<String>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&self.0).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let mut input = FileInput::new("b.000001", file);
        let seen = Seen::default();
        let options = ApplierOptions {
            workers: 1,
            names: Names::None,
            resume: None,
            stop: Arc::new(AtomicBool::new(false)),
            source_uuid: None,
        };
        let mut sink = NullSink;
        sink.open().unwrap();
        let result = applier::run(&mut input, &mut sink, options, &seen).map(drop);
        (result, seen.counts.into_inner().unwrap(), seen.upto.into_inner().unwrap())
    }

    #[track_caller]
    fn stops(self, words: &[&str]) {
        let error = self.run().0.unwrap_err();
        let told = format!("{error}\n{}", error.hint().unwrap_or_default());
        for word in words {
            assert!(told.contains(word), "no {word:?} in: {told}");
        }
    }
}

/// Where the description ends.
const START: u32 = 127;

#[test]
fn ignorable_events_are_counted_and_passed_over_inside_and_outside_of_transactions() {
    let (result, counts, upto) = Log::new()
        .sample(samples_rare::UNKNOWN_IGNORABLE)
        .query(0, "BEGIN")
        .sample(samples_rare::UNKNOWN_IGNORABLE)
        .sample(samples_rare::IGNORABLE)
        .xid(0)
        .sample(samples_rare::UNKNOWN_IGNORABLE)
        .run();
    result.unwrap();
    assert_eq!((counts.transactions, counts.ignored), (1, 4));
    let len = u32::try_from(samples::bytes(samples_rare::UNKNOWN_IGNORABLE).len()).unwrap();
    let ignorable = u32::try_from(samples::bytes(samples_rare::IGNORABLE).len()).unwrap();
    let end = START + 3 * len + ignorable + (23 + 14 + 5) + 31;
    assert_eq!(upto.last().unwrap(), &format!("b.000001:{end}"));
}

#[test]
fn ignorable_events_behind_the_last_transaction_are_counted_without_one() {
    let (result, counts, _) = Log::new().sample(samples_rare::UNKNOWN_IGNORABLE).run();
    result.unwrap();
    assert_eq!((counts.transactions, counts.ignored), (0, 1));
}

#[test]
fn known_events_without_data_are_passed_over_and_not_counted() {
    let (result, counts, _) = Log::new()
        .sample(samples_rare::VIEW_CHANGE)
        .sample(samples::GTID)
        .sample(samples_rare::TRANSACTION_CONTEXT)
        .query(0, "BEGIN")
        .xid(0)
        .sample(samples_rare::MARIA_START_ENCRYPTION_IGNORABLE)
        .run();
    result.unwrap();
    assert_eq!((counts.transactions, counts.ignored), (1, 0));
}

#[test]
fn events_that_may_carry_data_stop_the_channel_and_say_what_to_do() {
    let place = "at b.000001:127";
    Log::new().sample(samples_rare::UNKNOWN).stops(&["unknown(99)", "a newer one may", place]);
    Log::new().query(0, "BEGIN").sample(samples_rare::UNKNOWN).xid(0).stops(&["unknown(99)", "at b.000001:169"]);
    Log::new().sample(samples_rare::INCIDENT).stops(&["LOST_EVENTS: lost data", "copy the data again", place]);
    Log::new().sample(samples_rare::XA_PREPARE_NAMED).stops(&["XA_prepare", "one phase", place]);
    Log::new().sample(samples_rare::LOAD).stops(&["Load", "binlog_format=ROW", place]);
    let load = Log::new().sample(samples_rare::BEGIN_LOAD_QUERY).sample(samples_rare::EXECUTE_LOAD_QUERY);
    load.stops(&["Begin_load_query", "binlog_format=ROW", place]);
    Log::new().sample(samples_rare::START_V3).stops(&["binary log version 3", "before MySQL 5.0", place]);
}

#[test]
fn an_encrypted_log_stops_before_what_follows_is_taken_for_events() {
    let log = Log::new().query(0, "BEGIN").xid(0).sample(samples_rare::MARIA_START_ENCRYPTION);
    let (result, counts, _) = Log([log.0, vec![0xa5; 400]].concat()).run();
    let error = result.unwrap_err();
    assert!(error.to_string().contains("encrypted from here on"), "{error}");
    assert!(error.to_string().contains("at b.000001:200"), "{error}");
    assert!(error.hint().unwrap().contains("--read-from-remote-server"));
    assert_eq!(counts.transactions, 1);
}

#[test]
fn rows_that_the_log_does_not_describe_stop_with_the_reason() {
    Log::new().query(0, "BEGIN").sample(samples_rare::WRITE_ROWS_V0).xid(0).stops(&["Write_rows_v0", "can be NULL"]);
}

#[test]
fn ends_that_are_not_said_or_are_wrong_move_no_position() {
    // MariaDB since 11.4 says 0 inside a transaction; early 5.1 counts from the transaction's beginning.
    let after = START + 42 + 31;
    for (begin, xid) in [(0, after), (42, 73), (0, 0), (START + 42, after)] {
        let (result, _, upto) = Log::new().query(begin, "BEGIN").xid(xid).run();
        result.unwrap();
        assert_eq!(upto.last().unwrap(), &format!("b.000001:{after}"), "{begin} {xid}");
    }
}

#[test]
fn positions_go_on_past_four_gibibytes_in_file_one_million() {
    let at = 0xffff_ffe0_u64;
    let rotate = [&at.to_le_bytes()[..], b"mysql-bin.1000000"].concat();
    let (result, _, upto) = Log::new()
        .event(EventType::ROTATE, 0x20, 0, &rotate)
        .query(0x0a, "BEGIN")
        .xid(0x29)
        .query(0, "BEGIN")
        .xid(0)
        .run();
    result.unwrap();
    assert_eq!(upto.last().unwrap(), &format!("mysql-bin.1000000:{}", 0x1_0000_0029_u64 + 42 + 31));
}
