//! Writer and readers together, against a plain model of the source's log.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::sample::{self, Receiver, Source};
use super::{RelayError, RelayFileId, RelayPlace, index, reset};
use crate::binlog::encode::encode_format_description;
use crate::binlog::event::FormatDescription;
use crate::binlog::{ChecksumAlgorithm, EventFlags};
use crate::position::LogPosition;

const CRC: ChecksumAlgorithm = ChecksumAlgorithm::Crc32;

#[test]
fn events_come_out_byte_for_byte_and_files_rotate_between_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let (mut receiver, recovered) = Receiver::open(dir.path(), 3000).unwrap();
    assert_eq!((recovered.end, recovered.cut), (None, 0));
    let mut source = Source::new(CRC);
    let mut events = source.hello();
    for size in [10, 3000, 600_000, 1, 1, 1] {
        events.extend(source.transaction(size));
    }
    receiver.take(&events, CRC);
    let end = receiver.writer.commit(true).unwrap().unwrap();
    assert_eq!(end.source, source.position);
    let log = receiver.writer.log();
    assert_eq!(log.end(), Some(end.clone()));
    assert_eq!(sample::received(&log), events[1..]);
    assert!(log.files().len() >= 3);
    for id in log.files() {
        let start = log.open(id).unwrap().header().unwrap().start;
        let starts_at = log.locate(&start).unwrap().unwrap();
        assert_eq!(starts_at.file, id);
    }
    let on_disk: u64 = log.files().iter().map(|id| log.open(*id).unwrap().size().unwrap()).sum();
    assert_eq!(log.total_size(), on_disk);
    drop(receiver);
    let (receiver, recovered) = Receiver::open(dir.path(), 3000).unwrap();
    assert_eq!((recovered.end, recovered.cut), (Some(end), 0));
    assert_eq!(sample::received(&receiver.writer.log()), events[1..]);
}

#[test]
fn an_unfinished_transaction_is_not_shown_and_goes_with_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let (mut receiver, _) = Receiver::open(dir.path(), u64::MAX).unwrap();
    let mut source = Source::new(CRC);
    let hello = source.hello();
    receiver.take(&hello, CRC);
    let before = receiver.writer.commit(false).unwrap();
    let start = source.position.clone();
    let transaction = source.transaction(600_000);
    for commit in [false, true] {
        receiver.take(&transaction[..3], CRC);
        if commit {
            assert_eq!(receiver.writer.commit(true).unwrap(), before);
        }
        assert!(!receiver.writer.rotate_if_needed().unwrap());
        receiver.disconnect();
        assert_eq!(receiver.writer.commit(true).unwrap(), before);
        assert_eq!(sample::received(&receiver.writer.log()), hello[1..]);
    }
    source.position = start;
    receiver.take(&source.hello(), CRC);
    receiver.take(&transaction, CRC);
    receiver.writer.commit(false).unwrap();
    let received = sample::received(&receiver.writer.log());
    assert_eq!(received[2..], transaction);
}

#[test]
fn another_checksum_algorithm_begins_another_file() {
    let dir = tempfile::tempdir().unwrap();
    let (mut receiver, _) = Receiver::open(dir.path(), u64::MAX).unwrap();
    let mut source = Source::new(CRC);
    let mut events = source.hello();
    events.extend(source.transaction(5));
    receiver.take(&events, CRC);
    receiver.disconnect();
    // The greeting is protected as the connection is, not as the file.
    let greeting = source.hello();
    source.alg = ChecksumAlgorithm::Off;
    let hello = source.hello();
    receiver.take(&greeting[..1], CRC);
    receiver.disconnect();
    receiver.take(&hello, ChecksumAlgorithm::Off);
    receiver.take(&source.transaction(5), ChecksumAlgorithm::Off);
    receiver.writer.commit(false).unwrap();
    let log = receiver.writer.log();
    let algorithms: Vec<_> = log.files().iter().map(|id| log.open(*id).unwrap().header().unwrap().checksum).collect();
    assert_eq!(algorithms, [CRC, ChecksumAlgorithm::Off]);
    drop(receiver);
    let (_, recovered) = Receiver::open(dir.path(), u64::MAX).unwrap();
    assert_eq!(recovered.end.unwrap().source, source.position);
}

#[test]
fn a_transaction_that_the_source_lost_in_a_crash_does_not_hinder_an_upgrade() {
    let dir = tempfile::tempdir().unwrap();
    let (mut receiver, _) = Receiver::open(dir.path(), u64::MAX).unwrap();
    let mut source = Source::new(CRC);
    receiver.take(&source.hello(), CRC);
    receiver.take(&source.transaction(5)[..2], CRC);
    let mut upgraded = FormatDescription::preliminary(CRC);
    upgraded.server_version = "9.8.0".to_owned();
    let mut next = Source { position: LogPosition::new("mysql-bin.000002", 4), ..source };
    let hello = next.hello();
    let describe = |created| {
        let description = FormatDescription { created, ..upgraded.clone() };
        encode_format_description(&description, 1, 1, 126, EventFlags(0))
    };
    receiver.writer.append(&hello[0]).unwrap();
    assert!(matches!(receiver.writer.append(&describe(0)), Err(RelayError::Stream { .. })));
    receiver.writer.append(&describe(77)).unwrap();
    let log = receiver.writer.log();
    assert_eq!(log.files().len(), 2);
    let start = log.open(log.files()[1]).unwrap().header().unwrap().start;
    assert_eq!(start, LogPosition::new("mysql-bin.000002", 4));
}

#[test]
fn what_is_no_event_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut receiver, _) = Receiver::open(dir.path(), u64::MAX).unwrap();
    let mut source = Source::new(CRC);
    let hello = source.hello();
    let event = source.query("BEGIN");
    assert!(receiver.writer.append(&event).is_err(), "no file yet");
    assert!(receiver.writer.append(&hello[1]).is_err(), "no file name yet");
    receiver.take(&hello, CRC);
    assert!(receiver.writer.append(&event[..event.len() - 1]).is_err());
    assert!(receiver.writer.append(&[event.clone(), event].concat()).is_err());
    assert!(receiver.writer.append(&[]).is_err());
}

#[test]
fn purged_files_are_gone_after_reopening_and_the_last_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (mut receiver, _) = Receiver::open(dir.path(), 1000).unwrap();
    let mut source = Source::new(CRC);
    receiver.take(&source.hello(), CRC);
    for _ in 0..5 {
        receiver.take(&source.transaction(1000), CRC);
    }
    receiver.writer.commit(false).unwrap();
    let log = receiver.writer.log();
    let files = log.files();
    assert!(files.len() >= 5);
    let before = log.total_size();
    assert_eq!(log.purge_before(files[2]).unwrap(), 2);
    assert_eq!(log.files(), files[2..]);
    assert!(log.total_size() < before);
    assert_eq!(log.locate(&LogPosition::new("mysql-bin.000001", 4)).unwrap(), None);
    assert_eq!(index::read(dir.path()).unwrap().unwrap(), files[2..]);
    assert_eq!(log.purge_before(RelayFileId(u64::MAX)).unwrap(), files.len() - 3);
    assert_eq!(log.purge_before(RelayFileId(u64::MAX)).unwrap(), 0);
    drop(receiver);
    let (receiver, recovered) = Receiver::open(dir.path(), 1000).unwrap();
    assert_eq!(receiver.writer.log().files(), files[files.len() - 1..]);
    assert_eq!(recovered.end.unwrap().source, source.position);
}

#[test]
fn after_a_discard_the_log_begins_anew_with_higher_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let (mut receiver, _) = Receiver::open(dir.path(), u64::MAX).unwrap();
    let mut source = Source::new(CRC);
    receiver.take(&source.hello(), CRC);
    receiver.take(&source.transaction(5), CRC);
    receiver.writer.commit(false).unwrap();
    receiver.writer.discard().unwrap();
    receiver.disconnect();
    let log = receiver.writer.log();
    assert_eq!((log.files().len(), log.end(), log.total_size()), (0, None, 0));
    source.position = LogPosition::new("mysql-bin.000009", 500);
    receiver.take(&source.hello(), CRC);
    receiver.writer.commit(false).unwrap();
    assert_eq!(log.files(), [RelayFileId(2)]);
    assert_eq!(log.end().unwrap().source, source.position);
    drop(receiver);
    reset(dir.path()).unwrap();
    reset(&dir.path().join("missing")).unwrap();
    assert_eq!(Receiver::open(dir.path(), 1000).unwrap().1.end, None);
}

#[test]
fn a_reader_waits_for_a_transaction_and_is_woken_by_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut receiver, _) = Receiver::open(dir.path(), u64::MAX).unwrap();
    let mut source = Source::new(CRC);
    receiver.take(&source.hello(), CRC);
    let first = receiver.writer.commit(false).unwrap().unwrap();
    let log = receiver.writer.log();
    let reader = {
        let (log, first) = (Arc::clone(&log), first.clone());
        thread::spawn(move || log.wait_beyond(Some(first.place), Duration::from_secs(60)))
    };
    let transaction = source.transaction(5);
    receiver.take(&transaction[..2], CRC);
    receiver.writer.commit(false).unwrap();
    thread::sleep(Duration::from_millis(50));
    assert!(!reader.is_finished(), "half a transaction is nothing to read");
    receiver.take(&transaction[2..], CRC);
    receiver.writer.commit(false).unwrap();
    let end = reader.join().unwrap().unwrap();
    assert_eq!(end.source, source.position);

    let begun = Instant::now();
    assert_eq!(log.wait_beyond(Some(end.place), Duration::from_millis(30)), Some(end.clone()));
    assert!(begun.elapsed() >= Duration::from_millis(30));
    let waiting = thread::spawn({
        let log = Arc::clone(&log);
        move || log.wait_beyond(Some(end.place), Duration::from_secs(60))
    });
    while !waiting.is_finished() {
        log.wake();
        thread::sleep(Duration::from_millis(5));
    }
}

#[derive(Debug, Clone)]
enum Act {
    Transaction(usize),
    Ddl,
    NextFile,
    /// The connection is lost after so many events of a transaction.
    Lost(usize),
    Commit,
    /// The program is started again.
    Reopen,
    /// The source leaves something out.
    Gap(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0usize..900).prop_map(Act::Transaction),
        2 => Just(Act::Ddl),
        1 => Just(Act::NextFile),
        1 => (0usize..4).prop_map(Act::Lost),
        1 => Just(Act::Commit),
        1 => Just(Act::Reopen),
        1 => (1u64..200).prop_map(Act::Gap),
    ]
}

/// A boundary in the source's log and the event that comes next there.
type Boundary = (LogPosition, Option<Vec<u8>>);

struct Model {
    source: Source,
    boundaries: Vec<Boundary>,
    /// A position that is inside an event.
    inside: Vec<LogPosition>,
}

impl Model {
    fn expect(&mut self, start: &LogPosition, event: &[u8]) {
        self.boundaries.push((start.clone(), Some(event.to_owned())));
        self.inside.push(start.at(start.pos + 1));
    }
}

fn run(dir: &std::path::Path, acts: Vec<Act>, alg: ChecksumAlgorithm, says_end: bool) -> (Receiver, Model) {
    let mut receiver = Receiver::open(dir, 2500).unwrap().0;
    let mut source = Source::new(alg);
    source.says_end = says_end;
    receiver.take(&source.hello(), alg);
    let mut model = Model { source, boundaries: Vec::new(), inside: Vec::new() };
    for act in acts {
        let start = model.source.position.clone();
        match act {
            Act::Transaction(rows) => {
                let events = model.source.transaction(rows);
                model.expect(&start, &events[0]);
                receiver.take(&events, alg);
            }
            Act::Ddl => {
                let event = model.source.query("CREATE TABLE t (a INT)");
                model.expect(&start, &event);
                receiver.take(&[event], alg);
            }
            Act::NextFile => {
                let events = model.source.next_file();
                model.expect(&start, &events[0]);
                receiver.take(&events, alg);
            }
            Act::Lost(count) => {
                receiver.take(&model.source.clone().transaction(300)[..count], alg);
                receiver.disconnect();
                receiver.take(&model.source.hello(), alg);
            }
            Act::Commit => drop(receiver.writer.commit(false).unwrap()),
            Act::Reopen => {
                receiver.writer.commit(false).unwrap();
                drop(receiver);
                let opened = Receiver::open(dir, 2500).unwrap();
                receiver = opened.0;
                // What the source left out is not known before the next event.
                let resume = opened.1.end.unwrap().source;
                assert!(resume == start || says_end && resume < start);
                receiver.take(&Source { position: resume, ..model.source.clone() }.hello(), alg);
            }
            Act::Gap(bytes) if says_end => model.source.position.pos += bytes,
            Act::Gap(_) => {}
        }
    }
    receiver.writer.commit(false).unwrap();
    (receiver, model)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn every_boundary_of_the_source_is_located(
        acts in prop::collection::vec(act(), 1..25),
        crc in any::<bool>(),
        says_end in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let alg = if crc { CRC } else { ChecksumAlgorithm::Off };
        let (receiver, model) = run(dir.path(), acts, alg, says_end);
        let log = receiver.writer.log();
        for (position, event) in &model.boundaries {
            let place = log.locate(position).unwrap();
            prop_assert!(place.is_some(), "{}", position);
            prop_assert_eq!(next_event(&log, place.unwrap()), event.clone(), "{}", position);
        }
        for inside in &model.inside {
            let is_inside = matches!(log.locate(inside), Err(RelayError::InsideEvent { .. }));
            prop_assert!(is_inside, "{}", inside);
        }
        let end = log.end().unwrap();
        prop_assert_eq!(log.locate(&end.source).unwrap(), Some(end.place));
        let beyond = model.source.position.at(model.source.position.pos + 1000);
        prop_assert_eq!(log.locate(&beyond).unwrap(), None);
        prop_assert_eq!(log.locate(&LogPosition::new("mysql-bin.000000", 4)).unwrap(), None);
    }
}

/// The first event from a place on that the source has in its log as it stands there; files follow one another.
fn next_event(log: &super::RelayLog, mut place: RelayPlace) -> Option<Vec<u8>> {
    loop {
        if place.offset >= log.readable(place.file)? {
            let next = log.next_file(place.file)?;
            place = RelayPlace { file: next, offset: log.open(next).unwrap().header().unwrap().body };
            continue;
        }
        let event = sample::event_at(&log.open(place.file).unwrap(), place.offset);
        if !sample::raw(&event).header.is_artificial() {
            return Some(event);
        }
        place.offset += event.len() as u64;
    }
}

#[test]
fn a_walk_passes_every_statement_with_the_sources_position_across_files() {
    let dir = tempfile::tempdir().unwrap();
    let (mut receiver, _) = Receiver::open(dir.path(), 3000).unwrap();
    let mut source = Source::new(CRC);
    let mut events = source.hello();
    let start = source.position.clone();
    let mut expected = Vec::new();
    for size in [10, 3000, 1, 1] {
        let begin = source.position.pos;
        let transaction = source.transaction(size);
        expected.push(begin + (transaction[0].len() + transaction[1].len()) as u64);
        events.extend(transaction);
    }
    receiver.take(&events, CRC);
    receiver.writer.commit(true).unwrap();
    let log = receiver.writer.log();
    assert!(log.files().len() >= 2);
    let mut reached = log.reach(&start).unwrap().unwrap();
    let mut seen = Vec::new();
    for _ in log.files() {
        let mut visit = |passed: super::Passed<'_>| {
            assert_eq!(passed.format.server_version, "9.7.4");
            assert!(passed.raw.body(CRC).is_ok());
            seen.push(passed.end.pos);
        };
        reached = log.walk(reached, |kind| kind == crate::binlog::EventType::QUERY, &mut visit).unwrap();
    }
    assert_eq!((seen, &reached.position), (expected, &source.position));
    // What comes later is walked from there.
    receiver.take(&source.transaction(5), CRC);
    receiver.writer.commit(true).unwrap();
    let mut later = 0;
    let reached = log.walk(reached, |kind| kind == crate::binlog::EventType::QUERY, &mut |_| later += 1).unwrap();
    assert_eq!((later, &reached.position), (1, &source.position));
}
