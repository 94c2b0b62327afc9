//! Compressed transactions without a server: logs made around real events, whole and hostile, through the program.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use replicate::binlog::{EventHeader, EventType, HEADER_LEN, MAGIC, checksum};

const DESCRIPTION: &str = "\
    1359036b0f010000007b0000007f00000001000400392e372e342d3200000000000000000000000000000000000000000000\
    0000000000000000000000000000000000000000001359036b13000d0008000000000400040000006300041a080000000000\
    00020000000a0a0a2a2a001234000a28000001e904495f";
const GTID: &str = "\
    3159036b21010000004f0000002a0300000000006e20b2a9e6b811f19dbc02fc000000010400000000000000020300000000\
    00000004000000000000009ed7c0d7e36006fc0601506201002b4714c2";
const PAYLOAD: &str = "\
    3159036b2801000000b7000000e103000000000201000303fcbb010101940028b52ffd60bb00550400c2c61826804bd201c0\
    8cc8883649b98826a09102a83b4025e36e8b2c7ae4281b2b9ed6583442644b9902ffff60856132e7d6fb810f6343c264174e\
    9402d6ad739decd2b470bde218ceca3712d449902402891cdf10b73555960b44991fbe5830fbf1b3d4495010008010824756\
    60ed381a392d0304811981b008100e523082a99c7116d3a061a0c900bcc998d7ae";

/// As the events name their types of compression.
const ZSTD: u64 = 0;
const NONE: u64 = 255;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).unwrap()
}

/// An event without checksum, as payloads hold them.
fn event(event_type: EventType, body: &[u8]) -> Vec<u8> {
    let mut header = EventHeader::read(&bytes(GTID)).unwrap();
    header.event_type = event_type;
    header.event_size = u32::try_from(HEADER_LEN + body.len()).unwrap();
    header.log_pos = 0;
    [&header.to_bytes()[..], body].concat()
}

/// The same event as it stands in a log.
fn with_checksum(event: &[u8]) -> Vec<u8> {
    let mut event = event.to_vec();
    let size = u32::try_from(event.len() + 4).unwrap();
    event[9..13].copy_from_slice(&size.to_le_bytes());
    let crc = checksum::compute(&event);
    event.extend_from_slice(&crc.to_le_bytes());
    event
}

/// BEGIN, a table map, a row event and an XID as MySQL 9.7.4 packed them.
fn inner() -> [Vec<u8>; 4] {
    let payload = bytes(PAYLOAD);
    let mut rest = zstd::bulk::decompress(&payload[HEADER_LEN + 12..payload.len() - 4], 1 << 10).unwrap();
    [(); 4].map(|()| {
        let size = usize::try_from(EventHeader::read(&rest).unwrap().event_size).unwrap();
        let after = rest.split_off(size);
        std::mem::replace(&mut rest, after)
    })
}

/// A row event of the same table with about `len` bytes of rows; `fill` gives the text of each.
fn rows(len: usize, first: &mut u32, fill: &mut impl FnMut() -> u8) -> Vec<u8> {
    let [_, _, rows, _] = inner();
    // All up to the first row.
    let mut body = rows[HEADER_LEN..HEADER_LEN + 12].to_vec();
    while body.len() < len {
        body.push(0);
        body.extend_from_slice(&first.to_le_bytes());
        body.extend_from_slice(&1000_u16.to_le_bytes());
        body.extend((0..1000).map(|_| fill()));
        *first += 1;
    }
    event(EventType::WRITE_ROWS, &body)
}

/// The events of a transaction with about `len` bytes.
pub fn transaction(len: usize, mut fill: impl FnMut() -> u8) -> Vec<Vec<u8>> {
    let [begin, map, _, xid] = inner();
    let mut events = vec![begin];
    let mut first = 0;
    let mut size = 0;
    while size < len {
        let rows = rows(8 << 10, &mut first, &mut fill);
        size += map.len() + rows.len();
        events.extend([map.clone(), rows]);
    }
    events.push(xid);
    events
}

/// Bytes that zstd cannot pack well, printable.
fn noise() -> impl FnMut() -> u8 {
    let mut state = 88_172_645_463_325_252_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'0' + u8::try_from(state % 64).unwrap()
    }
}

fn lenenc(n: u64) -> Vec<u8> {
    [&[0xfe][..], &n.to_le_bytes()].concat()
}

/// A payload event that claims this.
fn payload(compression: u64, packed: &[u8], claimed: u64) -> Vec<u8> {
    let mut body = Vec::new();
    for (field, value) in [(2, compression), (3, claimed), (1, u64::try_from(packed.len()).unwrap())] {
        body.extend_from_slice(&[field, 9]);
        body.extend(lenenc(value));
    }
    body.push(0);
    body.extend_from_slice(packed);
    event(EventType::TRANSACTION_PAYLOAD, &body)
}

/// A payload event that tells the truth.
fn packed(compression: u64, events: &[Vec<u8>]) -> Vec<u8> {
    let plain = events.concat();
    let claimed = u64::try_from(plain.len()).unwrap();
    payload(compression, &if compression == ZSTD { zstd(&plain) } else { plain }, claimed)
}

/// The GTID event, saying nothing of where it stands.
fn gtid() -> Vec<u8> {
    let mut event = bytes(GTID);
    event.truncate(event.len() - 4);
    event[13..17].fill(0);
    with_checksum(&event)
}

/// A log with these transactions, each behind a GTID.
pub fn log(transactions: &[&[Vec<u8>]]) -> Vec<u8> {
    let mut log = [&MAGIC[..], &bytes(DESCRIPTION)].concat();
    for events in transactions {
        log.extend(gtid());
        events.iter().for_each(|event| log.extend(with_checksum(event)));
    }
    log
}

fn decode(log: &[u8], pipe: bool) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("-");
    let mut command = Command::new(env!("CARGO_BIN_EXE_replicate"));
    command.arg("decode").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if !pipe {
        fs::write(&file, log).unwrap();
        return command.arg(&file).output().unwrap();
    }
    let mut child = command.arg("-").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // The program may end before it has read all.
        scope.spawn(move || drop(stdin.write_all(log)));
        child.wait_with_output().unwrap()
    })
}

#[track_caller]
fn decoded(log: &[u8], pipe: bool) -> String {
    let output = decode(log, pipe);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The transactions one after the other, with the position of the only one cut away.
fn without_position(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let (before, rest) = line.split_once("\"position\":\"").unwrap();
        let (_, after) = rest.split_once('"').unwrap();
        lines.push(format!("{before}{after}"));
    }
    lines.join("\n")
}

#[test]
fn a_packed_transaction_says_what_the_plain_one_says_whatever_its_size() {
    // Beside its batch; kept; streamed, of few packed bytes and of many.
    for (len, text) in [(20_000, true), (3 << 20, true), (3 << 20, false), (10 << 20, true), (10 << 20, false)] {
        let events = if text { transaction(len, || b'a') } else { transaction(len, noise()) };
        let small = transaction(1, || b'b');
        let plain = decoded(&log(&[&small, &events, &small]), false);
        assert!(plain.lines().count() > len / 1100, "{len}");
        for compression in [ZSTD, NONE] {
            let (events, small) = ([packed(compression, &events)], [packed(compression, &small)]);
            let log = log(&[&small, &events, &small]);
            for pipe in [false, true] {
                let got = decoded(&log, pipe);
                let same = without_position(&got) == without_position(&plain);
                assert!(same, "{len} {text} {compression} {pipe}: {} lines", got.lines().count());
            }
        }
    }
}

#[test]
fn one_event_larger_than_a_batch_comes_out_of_a_payload_whole() {
    let [begin, map, _, xid] = inner();
    let mut first = 0;
    let large = rows(12 << 20, &mut first, &mut || b'a');
    let small = rows(100, &mut first, &mut || b'b');
    let events = [begin, map.clone(), large, map, small, xid];
    let plain = decoded(&log(&[&events]), false);
    let got = decoded(&log(&[&[packed(ZSTD, &events)]]), false);
    assert!(plain == got, "{} and {} lines", plain.lines().count(), got.lines().count());
}

/// The log is refused behind its first transaction, of one row, and the message says where and these things.
#[track_caller]
fn refused(event: &[u8], words: &[&str]) {
    let good = [inner().to_vec()];
    let before = log(&[&good[0]]).len() + gtid().len();
    let log = log(&[&good[0], &[event.to_vec()], &good[0]]);
    for pipe in [false, true] {
        let output = decode(&log, pipe);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1, "{error}");
        let place = [format!("at -:{before}"), "GTID 6e20b2a9-e6b8-11f1-9dbc-02fc00000001:4".to_owned()];
        for word in words.iter().copied().chain(place.iter().map(String::as_str)) {
            assert!(error.contains(word), "no {word:?} in {error}");
        }
    }
}

#[test]
fn claims_that_are_not_true_are_refused() {
    for len in [10, 3 << 20, 10 << 20] {
        let plain = transaction(len, || b'a').concat();
        let (packed, claimed) = (zstd(&plain), u64::try_from(plain.len()).unwrap());
        // Where it is unpacked as a stream, its last event is seen first.
        let shorter = if len > 8 << 20 { "26 are left in the payload" } else { "more than" };
        refused(&payload(ZSTD, &packed, claimed - 1), &[shorter]);
        refused(&payload(ZSTD, &packed, claimed + 1), &["fewer than"]);
        refused(&payload(ZSTD, &packed[..packed.len() - 5], claimed), &["the compressed payload"]);
        refused(&payload(ZSTD, &[&packed[..], &packed].concat(), claimed), &["more than"]);
        refused(&payload(ZSTD, &[&packed[..], b"garbage"].concat(), claimed), &["the compressed payload is damaged"]);
        refused(&payload(ZSTD, &packed.repeat(2), claimed * 2), &["behind the end of the transaction"]);
        refused(&payload(7, &packed, claimed), &["compression_type: unknown code 7"]);
    }
}

#[test]
fn a_claim_of_terabytes_is_refused_without_unpacking() {
    let packed = zstd(&transaction(10, || b'a').concat());
    refused(&payload(ZSTD, &packed, 5 << 40), &["claims to unpack to 5497558138880 bytes"]);
    refused(&payload(ZSTD, &packed, 1 << 33), &["which is not possible"]);
}

#[test]
fn a_damaged_payload_event_is_told_by_its_checksum() {
    for len in [10, 3 << 20, 10 << 20] {
        let mut log = log(&[&[packed(ZSTD, &transaction(len, noise()))]]);
        let middle = log.len() - 40;
        log[middle] ^= 0x10;
        let output = decode(&log, false);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("Transaction_payload event: checksum is"), "{error}");
        assert!(error.contains("the file is damaged"), "{error}");
    }
}

#[test]
fn a_payload_holds_one_transaction_and_the_place_in_it_is_named() {
    for len in [10, 10 << 20] {
        let events = transaction(len, || b'a');
        let size: usize = events.iter().map(Vec::len).sum();
        let refused = |events: &[Vec<u8>], what: &str, at: Option<usize>| {
            let at = at.map(|at| format!("byte {at} of the unpacked payload"));
            refused(&packed(ZSTD, events), &[what, at.as_deref().unwrap_or_default()]);
        };
        let nested = [vec![packed(ZSTD, &events)], events.clone()].concat();
        refused(&nested, "Transaction_payload event inside a transaction payload", Some(0));
        let behind = [&events[..], &[packed(ZSTD, &events)]].concat();
        refused(&behind, "behind the end of the transaction", Some(size));
        let rotate = [&events[..1], &[event(EventType::ROTATE, b"\x04\0\0\0\0\0\0\0x")], &events[1..]].concat();
        refused(&rotate, "Rotate event inside a transaction payload", Some(events[0].len()));
        refused(&events[..events.len() - 1], "the payload ends inside the transaction", None);
        let mut cut = events.clone();
        cut.last_mut().unwrap().pop();
        refused(&cut, "", Some(size - events.last().unwrap().len()));
        let mut malformed = events.clone();
        malformed[2][HEADER_LEN + 9] = 0xff;
        refused(&malformed, "Write_rows event", Some(events[0].len() + events[1].len()));
    }
}

#[test]
fn a_payload_without_a_gtid_is_refused() {
    let mut log = log(&[]);
    log.extend(with_checksum(&packed(ZSTD, &inner())));
    let output = decode(&log, false);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("without the GTID event"), "{error}");
}

/// Decodes to the end and returns the most memory that took, in KiB.
pub fn peak(format: &str, file: &Path) -> u64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replicate"));
    let mut child = command.args(["decode", "--format", format]).arg(file).stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        if let Ok(text) = fs::read_to_string(&status)
            && let Some(line) = text.lines().find(|line| line.starts_with("VmHWM:"))
        {
            peak = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        }
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return peak;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_payload_of_200_megabytes_goes_through_in_little_memory() {
    let log = log(&[&[packed(ZSTD, &transaction(200_000_000, || b'0'))]]);
    assert!(log.len() < 2_000_000);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, &log).unwrap();
    let peak = peak("json", file.path());
    assert!(peak > 1 << 10 && peak < 128 << 10, "{peak} KiB");
}
