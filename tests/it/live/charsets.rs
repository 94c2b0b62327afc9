//! Every character set and collation that the servers list, over all sequences of one and two bytes and those of more:
//! what they mean to the server is what they mean here, and what they do not mean is not text.
//!
//! `src/row/charset/differences.rs` is made here as well, with `REPLICATE_UPDATE_GOLDENS=1` (`docker/charset-tables.sh`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, SHIFT_JIS};
use replicate::row::charset::Charset;

use super::harness::{Flavor, Server, Session};
use super::oracle::rounds;

/// Makes tables of byte sequences: `s1` to `s4`. All there are, but of those of four bytes a part unless
/// `REPLICATE_ORACLE_ROUNDS` asks for more than one.
fn sequences(session: &mut Session) {
    let part = if rounds() > 1 { "" } else { "AND a.v IN (x'81', x'84', x'90', x'e3', x'fe')" };
    session.exec(&format!(
        "SET SESSION group_concat_max_len = 100000000; CREATE DATABASE x; USE x; \
         CREATE TABLE b (v VARBINARY(1) PRIMARY KEY); \
         INSERT INTO b WITH RECURSIVE r AS (SELECT 0 v UNION ALL SELECT v + 1 FROM r WHERE v < 255) \
         SELECT UNHEX(LPAD(HEX(v), 2, '0')) FROM r; \
         CREATE TABLE s1 (s VARBINARY(1)); INSERT INTO s1 SELECT v FROM b; \
         CREATE TABLE s2 (s VARBINARY(2)); INSERT INTO s2 SELECT CONCAT(a.v, b.v) FROM b a, b; \
         CREATE TABLE s3 (s VARBINARY(3)); INSERT INTO s3 SELECT CONCAT(x'8f', s) FROM s2 WHERE s >= x'a0'; \
         CREATE TABLE s4 (s VARBINARY(4)); INSERT INTO s4 SELECT CONCAT(a.v, b.v, c.v, d.v) FROM b a, b, b c, b d \
         WHERE a.v BETWEEN x'80' AND x'ff' AND b.v BETWEEN x'30' AND x'39' AND c.v BETWEEN x'80' AND x'ff' \
         AND d.v BETWEEN x'30' AND x'39' {part}"
    ));
}

/// What the server makes of each sequence of a table, in their order; `None` for what is not text.
fn read(session: &mut Session, charset: &str, table: &str) -> BTreeMap<Vec<u8>, Option<String>> {
    let rows = session.query(&format!(
        "SELECT GROUP_CONCAT(HEX(s) ORDER BY s), \
         GROUP_CONCAT(IFNULL(HEX(CONVERT(CONVERT(s USING {charset}) USING utf8mb4)), '') ORDER BY s) \
         FROM x.{table} GROUP BY LEFT(s, 2 - (LENGTH(s) < 4))"
    ));
    let mut map = BTreeMap::new();
    for row in rows {
        let [Some(sequences), Some(texts)] = row.as_slice() else { panic!("{row:?}") };
        for (sequence, text) in sequences.split(',').zip(texts.split(',')) {
            let sequence = unhex(sequence);
            let text = as_text(&sequence, &unhex(text), charset);
            map.insert(sequence, text);
        }
    }
    map
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The server puts `?` for what it does not know, and where its tables are not of Unicode also U+FFFD; MySQL stops in
/// silence at half a character of eucjpms.
fn as_text(sequence: &[u8], converted: &[u8], charset: &str) -> Option<String> {
    let text = std::str::from_utf8(converted).ok().filter(|text| !text.is_empty())?;
    if charset == "eucjpms" && text.is_ascii() && !sequence.is_ascii() {
        return None;
    }
    let unicode = charset.starts_with("utf") || matches!(charset, "ucs2" | "gb18030");
    let known = (unicode || !text.contains('\u{fffd}')) && (!text.contains('?') || sequence.contains(&b'?'));
    known.then(|| text.to_owned())
}

/// Every character set, with the tables its sequences stand in.
fn all(session: &mut Session) -> Vec<(String, &'static [&'static str])> {
    let rows = session.query("SELECT CHARACTER_SET_NAME, MAXLEN FROM information_schema.CHARACTER_SETS ORDER BY 1");
    let tables = |name: &str| -> &'static [&'static str] {
        match name {
            "ujis" | "eucjpms" => &["s1", "s2", "s3"],
            "gb18030" => &["s1", "s2", "s4"],
            "big5" | "cp932" | "sjis" | "euckr" | "gb2312" | "gbk" | "utf8mb3" | "utf8mb4" => &["s1", "s2"],
            "ucs2" | "utf16" | "utf16le" => &["s2", "w4"],
            "utf32" => &["w4"],
            _ => &["s1"],
        }
    };
    let names = rows.into_iter().filter_map(|mut row| row[0].take()).filter(|name| name != "binary");
    names.map(|name| (tables(&name), name)).map(|(tables, name)| (name, tables)).collect()
}

/// Sequences of four bytes around the edges of wide and variable character sets.
fn edges(session: &mut Session) {
    session.exec(
        "CREATE TABLE x.w4 (s VARBINARY(4)); INSERT INTO x.w4 SELECT CONCAT(a.s, b.s) FROM x.s2 a, x.s2 b \
         WHERE a.s IN (x'0000', x'0001', x'0010', x'0011', x'00ff', x'd800', x'd83d', x'dbff', x'dc00', x'dfff', x'00d8', \
         x'3dd8', x'ffdb', x'e000', x'4e2d', x'ffff') AND RIGHT(b.s, 1) IN (x'00', x'41', x'd8', x'dc', x'df', x'e0', x'ff')",
    );
}

on_each_flavor! {
    fn every_sequence_means_what_it_means_to_the_server(flavor) {
        let server = Server::start(flavor, &[]);
        let mut session = server.session();
        sequences(&mut session);
        edges(&mut session);
        let (mut compared, mut wrong) = (0, BTreeMap::<String, Vec<String>>::new());
        for (name, tables) in all(&mut session) {
            let charset = Charset::by_name(&name).unwrap_or_else(|| panic!("{name} is not known"));
            for table in tables {
                for (sequence, theirs) in read(&mut session, &name, table) {
                    // A question mark could be the server's own here.
                    if sequence.len() > 1 && sequence.contains(&b'?') {
                        continue;
                    }
                    let ours = charset.to_utf8(&sequence).ok().map(|text| text.into_owned());
                    compared += 1;
                    if ours != theirs {
                        wrong.entry(name.clone()).or_default().push(format!("{sequence:02x?} {ours:?} {theirs:?}"));
                    }
                }
            }
        }
        let shown: Vec<_> = wrong.iter().map(|(name, list)| (name, list.len(), &list[..list.len().min(6)])).collect();
        assert!(wrong.is_empty(), "of {compared}: {shown:#?}");
        assert!(compared > 500_000, "{compared}");
    }

    fn every_collation_belongs_to_its_character_set(flavor) {
        let server = Server::start(flavor, &[]);
        let sql = match flavor {
            Flavor::MySql => "SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATIONS",
            Flavor::MariaDb => {
                "SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY"
            }
        };
        let collations = server.query(sql);
        assert!(collations.len() > 250, "{}", collations.len());
        for row in collations {
            let [Some(id), Some(name)] = row.as_slice() else { panic!("{row:?}") };
            let charset = Charset::of_collation(id.parse().unwrap());
            assert_eq!(charset.map(Charset::name), Some(name.as_str()), "collation {id}");
        }
    }
}

/// The multi-byte character sets, the tables they are read with, and the length of the sequences.
const MULTI_BYTE: &[(&str, &Encoding, &str, &str)] = &[
    ("BIG5", BIG5, "big5", "s2"),
    ("CP932", SHIFT_JIS, "cp932", "s2"),
    ("EUCJPMS", EUC_JP, "eucjpms", "s2"),
    ("EUCJPMS_8F", EUC_JP, "eucjpms", "s3"),
    ("EUCKR", EUC_KR, "euckr", "s2"),
    ("GB18030", GB18030, "gb18030", "s2"),
    ("GB2312", GBK, "gb2312", "s2"),
    ("GBK", GBK, "gbk", "s2"),
    ("SJIS", SHIFT_JIS, "sjis", "s2"),
    ("UJIS", EUC_JP, "ujis", "s2"),
    ("UJIS_8F", EUC_JP, "ujis", "s3"),
];

/// `(first sequence, first code point, count)`: characters in a row, or sequences that mean nothing (U+FFFD).
type Run = (u32, u32, u32);

/// The runs in which the server differs from the tables.
fn differences(session: &mut Session, encoding: &'static Encoding, charset: &str, table: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    // Whether every sequence since the last run means nothing here and there, so that a hole may go on.
    let mut hole_is_open = false;
    for (sequence, theirs) in read(session, charset, table) {
        let number = sequence.iter().rev().take(2).rev().fold(0, |n, byte| n << 8 | u32::from(*byte));
        // Two characters of one byte each are not looked up.
        let decode = |bytes| encoding.decode_without_bom_handling_and_without_replacement(bytes);
        if sequence[0] < 0x80 || decode(&sequence[..1]).is_some() {
            hole_is_open = false;
            continue;
        }
        let ours = decode(&sequence);
        let theirs = theirs.and_then(|text| text.chars().next());
        if ours.as_deref() == theirs.map(String::from).as_deref() {
            hole_is_open &= theirs.is_none();
            continue;
        }
        match (runs.last_mut(), theirs) {
            (Some((start, 0xfffd, count)), None) if hole_is_open => *count = number - *start + 1,
            (Some((start, code, count)), Some(char))
                if *start + *count == number && *code + *count == u32::from(char) && *code != 0xfffd =>
            {
                *count += 1;
            }
            (_, char) => runs.push((number, char.map_or(0xfffd, u32::from), 1)),
        }
        hole_is_open = theirs.is_none();
    }
    runs
}

#[test]
fn the_tables_of_differences_are_those_of_the_server() {
    let server = Server::start(Flavor::MySql, &[]);
    let mut session = server.session();
    sequences(&mut session);
    let mut text = "//! Where the servers read a sequence of two bytes otherwise than the WHATWG's tables do; of three bytes, the two after\n\
                    //! 0x8f. Generated by `docker/charset-tables.sh` from MySQL 9.7, with which MariaDB agrees.\n\n\
                    use super::multi_byte::Runs;\n"
        .to_owned();
    for (name, encoding, charset, table) in MULTI_BYTE {
        let runs = differences(&mut session, encoding, charset, table);
        write!(text, "\n/// Differences of `{charset}`.\n#[rustfmt::skip]\npub(super) const {name}: Runs = &[\n")
            .unwrap();
        for line in runs.chunks(5) {
            let cells: Vec<String> =
                line.iter().map(|(start, code, count)| format!("({start:#06x}, {code:#06x}, {count}),")).collect();
            writeln!(text, "    {}", cells.join(" ")).unwrap();
        }
        text.push_str("];\n");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/row/charset/differences.rs");
    if std::env::var_os("REPLICATE_UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "run docker/charset-tables.sh");
}
