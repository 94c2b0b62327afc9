//! Random columns of every type, and random and edge values for them as SQL expressions.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::super::harness::Flavor;

/// What a column holds.
#[derive(Debug, Clone)]
pub enum Family {
    Integer,
    Real,
    Decimal { precision: u32, scale: u32 },
    Bit { width: u32 },
    Date,
    Time,
    Moment,
    Year,
    Text { charset: String, most: u32 },
    Binary { most: u32 },
    Members { count: u64, set: bool },
    Json,
    Spatial { srid: u32, kind: &'static str },
    Vector { most: u32 },
    Inet4,
    Inet6,
    Uuid,
    Generated,
}

/// A column of a random table.
#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    /// `DATA_TYPE`, by which values are compared.
    pub kind: String,
    /// The type with its attributes.
    pub sql: String,
    pub family: Family,
}

impl Column {
    fn new(sql: &str, family: Family) -> Column {
        let kind = sql.split(['(', ' ']).next().unwrap().to_lowercase();
        Column { name: String::new(), kind, sql: sql.to_owned(), family }
    }

    /// Whether the feed's text is compared by its bytes.
    pub fn is_text(&self) -> bool {
        matches!(self.family, Family::Text { .. })
    }
}

/// One column of each family and type, in random order.
pub fn deck(random: &mut StdRng, flavor: Flavor, vectors: bool, charsets: &[String]) -> Vec<Column> {
    let mut columns = Vec::new();
    let mut add = |sql: String, family: Family| columns.push(Column::new(&sql, family));
    for kind in ["TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT"] {
        add(kind.to_owned(), Family::Integer);
        add(format!("{kind} UNSIGNED"), Family::Integer);
    }
    add("INT(8) ZEROFILL".into(), Family::Integer);
    for sql in ["FLOAT", "FLOAT UNSIGNED", "DOUBLE", "DOUBLE UNSIGNED", "FLOAT(9,4)", "DOUBLE(14,5)"] {
        add(sql.into(), Family::Real);
    }
    for unsigned in ["", " UNSIGNED", ""] {
        let precision = random.random_range(1..=65);
        let scale = random.random_range(0..=precision.min(30));
        add(format!("DECIMAL({precision},{scale}){unsigned}"), Family::Decimal { precision, scale });
    }
    for width in [1, random.random_range(2..64), 64] {
        add(format!("BIT({width})"), Family::Bit { width });
    }
    add("DATE".into(), Family::Date);
    add("YEAR".into(), Family::Year);
    for _ in 0..2 {
        add(format!("TIME({})", random.random_range(0..7)), Family::Time);
        add(format!("DATETIME({})", random.random_range(0..7)), Family::Moment);
        add(format!("TIMESTAMP({}) NULL", random.random_range(0..7)), Family::Moment);
    }
    for charset in charsets {
        let most = random.random_range(1..120);
        let sql = match random.random_range(0..6) {
            0 => format!("CHAR({most})"),
            1 => "TINYTEXT".to_owned(),
            2 => "TEXT".to_owned(),
            3 => "LONGTEXT".to_owned(),
            _ => format!("VARCHAR({most})"),
        };
        let compressed = if flavor == Flavor::MariaDb && !sql.starts_with("CHAR") && random.random_range(0..5) == 0 {
            " COMPRESSED"
        } else {
            ""
        };
        add(
            format!("{sql}{compressed} CHARACTER SET {charset}"),
            Family::Text { charset: charset.clone(), most: most.min(60) },
        );
    }
    add("CHAR(255) CHARACTER SET utf8mb4".into(), Family::Text { charset: "utf8mb4".into(), most: 255 });
    for sql in
        ["BINARY(7)", "BINARY(255)", "VARBINARY(20)", "VARBINARY(300)", "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB"]
    {
        add(sql.into(), Family::Binary { most: 300 });
    }
    for (count, set) in [(3, false), (300, false), (5, true), (64, true)] {
        let charset = &charsets[random.random_range(0..charsets.len())];
        let labels: Vec<String> = (0..count).map(|n| format!("'l{n}'")).collect();
        let kind = if set { "SET" } else { "ENUM" };
        add(format!("{kind}({}) CHARACTER SET {charset}", labels.join(",")), Family::Members { count, set });
    }
    add("INT AS (n * 2) VIRTUAL".into(), Family::Generated);
    add("INT AS (n + id) STORED".into(), Family::Generated);
    add("INT INVISIBLE".into(), Family::Integer);
    for kind in [
        "GEOMETRY",
        "POINT",
        "LINESTRING",
        "POLYGON",
        "MULTIPOINT",
        "MULTILINESTRING",
        "MULTIPOLYGON",
        "GEOMETRYCOLLECTION",
    ] {
        let srid = [0, 0, 4326, 3857][random.random_range(0..4)];
        add(kind.into(), Family::Spatial { srid, kind });
    }
    match flavor {
        Flavor::MySql => {
            add("JSON".into(), Family::Json);
            add("JSON".into(), Family::Json);
            add("VECTOR(50)".into(), Family::Vector { most: 50 });
        }
        Flavor::MariaDb => {
            add("INET4".into(), Family::Inet4);
            add("INET6".into(), Family::Inet6);
            add("UUID".into(), Family::Uuid);
            if vectors {
                add("VECTOR(3)".into(), Family::Vector { most: 3 });
            }
            add("BLOB COMPRESSED".into(), Family::Binary { most: 300 });
        }
    }
    columns.shuffle(random);
    columns
}

impl Column {
    /// A value to store; SQL brings it into range where it is not.
    pub fn value(&self, random: &mut StdRng, flavor: Flavor) -> String {
        if random.random_range(0..10) == 0 && !matches!(self.family, Family::Generated) {
            return "NULL".to_owned();
        }
        match &self.family {
            Family::Integer => integer(random),
            Family::Year => [0, 1901, 2155, random.random_range(1901..2156)][random.random_range(0..4)].to_string(),
            Family::Real => real(random),
            Family::Decimal { precision, scale } => decimal(random, *precision, *scale),
            Family::Bit { width } => (random.random::<u64>() >> (64 - width)).to_string(),
            Family::Date => format!("'{}'", date(random)),
            Family::Time => time(random),
            Family::Moment => moment(random),
            Family::Text { charset, most } => text(random, charset, *most),
            Family::Binary { most } => bytes(random, *most),
            Family::Members { count, set: true } => (random.random::<u64>() >> (64 - count)).to_string(),
            Family::Members { count, .. } => random.random_range(0..=*count).to_string(),
            Family::Json => json(random, 0),
            Family::Spatial { srid, kind } => spatial(random, kind, *srid, flavor),
            Family::Vector { most } => {
                let float = |random: &mut StdRng| Some(finite(random) as f32).filter(|float| float.is_normal());
                let count = if flavor == Flavor::MySql { random.random_range(1..=*most) } else { *most };
                let list: Vec<String> = (0..count).map(|_| format!("{:e}", float(random).unwrap_or(0.0))).collect();
                let function = if flavor == Flavor::MySql { "TO_VECTOR" } else { "VEC_FromText" };
                format!("{function}('[{}]')", list.join(","))
            }
            Family::Inet4 => format!("'{}'", std::net::Ipv4Addr::from(random.random::<u32>())),
            Family::Inet6 => {
                let address = random.random::<u128>() >> random.random_range(0..127);
                format!("'{}'", std::net::Ipv6Addr::from(address))
            }
            Family::Uuid => "UUID()".to_owned(),
            Family::Generated => "DEFAULT".to_owned(),
        }
    }
}

fn integer(random: &mut StdRng) -> String {
    const EDGES: &[&str] = &[
        "0",
        "-1",
        "127",
        "-128",
        "255",
        "32767",
        "-32768",
        "65535",
        "8388607",
        "-8388608",
        "16777215",
        "2147483647",
        "-2147483648",
        "4294967295",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
    ];
    match random.random_range(0..3) {
        0 => EDGES[random.random_range(0..EDGES.len())].to_owned(),
        1 => (random.random::<u64>() >> random.random_range(0..64)).to_string(),
        _ => (random.random::<i64>() >> random.random_range(0..64)).to_string(),
    }
}

fn finite(random: &mut StdRng) -> f64 {
    match random.random_range(0..3) {
        0 => f64::from(random.random_range(-1000..1000)) / 8.0,
        1 => random.random_range(-1e20..1e20),
        _ => f64::from(f32::from_bits(random.random::<u32>() & 0xbf7f_ffff)),
    }
}

fn real(random: &mut StdRng) -> String {
    const EDGES: &[&str] =
        &["0e0", "-0e0", "1e15", "1e-15", "1e-16", "1.7976931348623157e308", "5e-324", "-3.4028235e38", "1.4e-45"];
    if random.random_range(0..3) == 0 {
        return EDGES[random.random_range(0..EDGES.len())].to_owned();
    }
    let double = f64::from_bits(random.random());
    if double.is_finite() && random.random() { format!("{double:e}") } else { format!("{:e}", finite(random)) }
}

fn decimal(random: &mut StdRng, precision: u32, scale: u32) -> String {
    let mut digit = |nines: bool| if nines { '9' } else { char::from(b'0' + random.random_range(0..10u8)) };
    let nines = digit(false) == '0';
    let whole: String = (0..precision - scale).map(|_| digit(nines)).collect();
    let fraction: String = (0..scale).map(|_| digit(nines)).collect();
    let sign = if digit(false) < '5' { "-" } else { "" };
    format!("{sign}0{whole}.{fraction}0")
}

fn date(random: &mut StdRng) -> String {
    match random.random_range(0..6) {
        0 => "0000-00-00".to_owned(),
        1 => format!("{:04}-00-00", random.random_range(0..10_000)),
        2 => "9999-12-31".to_owned(),
        _ => format!(
            "{:04}-{:02}-{:02}",
            random.random_range(0..10_000),
            random.random_range(1..13),
            random.random_range(1..29)
        ),
    }
}

fn time(random: &mut StdRng) -> String {
    let sign = if random.random() { "-" } else { "" };
    let hours = if random.random() { random.random_range(0..24) } else { random.random_range(0..839) };
    let rest = format!(
        "{:02}:{:02}.{:06}",
        random.random_range(0..60),
        random.random_range(0..60),
        random.random_range(0..1_000_000)
    );
    if random.random_range(0..8) == 0 { format!("'{sign}838:59:59'") } else { format!("'{sign}{hours}:{rest}'") }
}

/// A date with a time; often one that a TIMESTAMP can hold.
fn moment(random: &mut StdRng) -> String {
    if random.random() {
        return format!("FROM_UNIXTIME({}.{:06})", random.random_range(1..i32::MAX), random.random_range(0..1_000_000));
    }
    let clock = format!(
        "{:02}:{:02}:{:02}.{:06}",
        random.random_range(0..24),
        random.random_range(0..60),
        random.random_range(0..60),
        random.random_range(0..1_000_000)
    );
    format!("'{} {clock}'", date(random))
}

/// Characters from everywhere, or bytes of which the server takes what is text in the character set.
fn text(random: &mut StdRng, charset: &str, most: u32) -> String {
    const RANGES: &[(u32, u32)] = &[
        (0x20, 0x7e),
        (0, 0x1f),
        (0xa0, 0x24f),
        (0x370, 0x3ff),
        (0x400, 0x45f),
        (0x530, 0x58f),
        (0x5d0, 0x5ea),
        (0x620, 0x64a),
        (0xe01, 0xe3a),
        (0x10d0, 0x10f0),
        (0x2010, 0x2030),
        (0x3041, 0x30f6),
        (0x4e00, 0x9fa5),
        (0xac00, 0xd7a3),
        (0xe000, 0xe100),
        (0xff01, 0xffe5),
        (0x1f600, 0x1f64f),
        (0x20000, 0x2a6d6),
    ];
    let length = random.random_range(0..=most);
    if random.random_range(0..3) == 0 {
        let wide = matches!(charset, "ucs2" | "utf16" | "utf16le" | "utf32");
        return bytes(random, if wide { length / 4 * 4 } else { length });
    }
    let (from, to) = RANGES[random.random_range(0..RANGES.len())];
    let text: String = (0..length)
        .filter_map(|_| {
            char::from_u32(if random.random_range(0..4) == 0 {
                random.random_range(0x20..0x7f)
            } else {
                random.random_range(from..=to)
            })
        })
        .collect();
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("CONVERT(x'{hex}' USING utf8mb4)")
}

fn bytes(random: &mut StdRng, most: u32) -> String {
    let count = random.random_range(0..=most);
    let hex: String = (0..count).map(|_| format!("{:02x}", random.random::<u8>())).collect();
    match random.random_range(0..8) {
        0 => format!("CONCAT(x'{hex}', x'000000')"),
        1 => "x'00'".to_owned(),
        _ => format!("x'{hex}'"),
    }
}

/// A typed expression of a document.
fn json(random: &mut StdRng, depth: u32) -> String {
    let list = |random: &mut StdRng, most: u32| -> Vec<String> {
        (0..random.random_range(0..most)).map(|_| json(random, depth + 1)).collect()
    };
    match random.random_range(if depth == 0 { 12 } else { 0 }..if depth > 3 { 12 } else { 15 }) {
        0 => "NULL".to_owned(),
        1 => ["TRUE", "FALSE"][random.random_range(0..2)].to_owned(),
        2 | 3 => integer(random),
        4 => real(random),
        5 => {
            let (precision, scale) = (random.random_range(1..=65), random.random_range(0..=30));
            let precision = precision.max(scale);
            format!("CAST({} AS DECIMAL({precision},{scale}))", decimal(random, precision, scale))
        }
        6 => format!(
            "CAST('{:04}-{:02}-{:02}' AS DATE)",
            random.random_range(1..10_000),
            random.random_range(1..13),
            random.random_range(1..29)
        ),
        7 => format!("CAST({} AS TIME(6))", time(random)),
        8 => format!("FROM_UNIXTIME({}.{:06})", random.random_range(1..i32::MAX), random.random_range(0..1_000_000)),
        9 => bytes(random, 200),
        10 => format!("b'{:b}'", random.random::<u64>() >> random.random_range(0..64)),
        11 => text(random, "utf8mb4", 60),
        12 => format!("JSON_ARRAY({})", list(random, if depth == 0 { 40 } else { 6 }).join(",")),
        13 if random.random_range(0..6) == 0 => {
            "JSON_ARRAY(REPEAT('large', 15000), 70000, CAST(1 AS UNSIGNED), -5, TRUE, 1e0)".to_owned()
        }
        _ => {
            let members: Vec<String> = list(random, if depth == 0 { 12 } else { 5 })
                .into_iter()
                .map(|value| {
                    format!(
                        "{},{value}",
                        ["'a'", "'b c'", "'key'", "'ä'", "'q\"'", "REPEAT('k', 300)", "''"][random.random_range(0..7)]
                    )
                })
                .collect();
            format!("JSON_OBJECT({})", members.join(","))
        }
    }
}

/// Paths that some documents have.
pub fn json_path(random: &mut StdRng) -> &'static str {
    ["$.a", "$.key", "$[0]", "$[1]", "$[last]", "$.a[0]", "$.\"b c\".key", "$.key.a", "$[0].a", "$[2][0]"]
        [random.random_range(0..10)]
}

/// A value to put into a document.
pub fn json_scalar(random: &mut StdRng) -> String {
    json(random, 4)
}

fn spatial(random: &mut StdRng, kind: &str, srid: u32, flavor: Flavor) -> String {
    let wkt = wkt(random, kind, srid, 0);
    match flavor {
        Flavor::MySql if srid == 0 => format!("ST_GeomFromText('{wkt}')"),
        Flavor::MySql => format!("ST_GeomFromText('{wkt}', {srid}, 'axis-order=long-lat')"),
        Flavor::MariaDb => format!("ST_GeomFromText('{wkt}', {srid})"),
    }
}

fn wkt(random: &mut StdRng, kind: &str, srid: u32, depth: u32) -> String {
    let mut point = |random: &mut StdRng| {
        let (x, y) = match srid {
            4326 => (random.random_range(-179.0..180.0), random.random_range(-90.0..90.0)),
            3857 => (random.random_range(-1e7..1e7), random.random_range(-1e7..1e7)),
            _ => (finite(random), finite(random)),
        };
        format!("{x} {y}")
    };
    let ring = |random: &mut StdRng| {
        let (x, y) = (f64::from(random.random_range(-60..60)), f64::from(random.random_range(-60..60)));
        let d = random.random_range(0.5..9.0);
        format!("({x} {y},{} {y},{} {},{x} {y})", x + d, x + d, y + d)
    };
    let many = |random: &mut StdRng, least: u32, item: &mut dyn FnMut(&mut StdRng) -> String| {
        let items: Vec<String> = (0..random.random_range(least..5)).map(|_| item(random)).collect();
        items.join(",")
    };
    match kind {
        "POINT" => format!("POINT({})", point(random)),
        "LINESTRING" => format!("LINESTRING({})", many(random, 2, &mut point)),
        "POLYGON" => format!("POLYGON({})", ring(random)),
        "MULTIPOINT" => format!("MULTIPOINT({})", many(random, 1, &mut point)),
        "MULTILINESTRING" => {
            let first = many(random, 2, &mut point);
            format!("MULTILINESTRING(({first}),({}))", many(random, 2, &mut point))
        }
        "MULTIPOLYGON" => format!("MULTIPOLYGON(({}))", ring(random)),
        "GEOMETRYCOLLECTION" if depth > 1 || random.random_range(0..6) == 0 => "GEOMETRYCOLLECTION EMPTY".to_owned(),
        "GEOMETRYCOLLECTION" => {
            let parts: Vec<String> = (0..random.random_range(1..4)).map(|_| any(random, srid, depth + 1)).collect();
            format!("GEOMETRYCOLLECTION({})", parts.join(","))
        }
        _ => any(random, srid, depth + 1),
    }
}

fn any(random: &mut StdRng, srid: u32, depth: u32) -> String {
    let kinds =
        ["POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION"];
    let kind = kinds[random.random_range(0..kinds.len())];
    wkt(random, kind, srid, depth)
}
