//! A column's value, borrowed from the event's bytes.

/// One value that is there and not NULL. Rendering (text of decimals, JSON, WKT) is the reader's choice, so the
/// packed forms stay packed here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// TINYINT to BIGINT, signed.
    Int(i64),
    /// TINYINT to BIGINT, unsigned.
    UInt(u64),
    /// FLOAT.
    Float(f32),
    /// DOUBLE.
    Double(f64),
    /// DECIMAL.
    Decimal(Decimal<'a>),
    /// DATE; parts may be zero.
    Date(Date),
    /// TIME: -838:59:59 to 838:59:59.
    Time(Time),
    /// DATETIME; parts may be zero.
    DateTime(DateTime),
    /// TIMESTAMP: a moment in UTC; 0 seconds and 0 microseconds is the zero timestamp.
    Timestamp(Timestamp),
    /// YEAR: 0, or 1901 to 2155.
    Year(u16),
    /// BIT(1) to BIT(64).
    Bit {
        /// The bits, right-aligned.
        bits: u64,
        /// Declared width.
        width: u8,
    },
    /// ENUM: index from 1; 0 is the empty string of an invalid value.
    Enum(u16),
    /// SET: bit 0 is the first member.
    Set(u64),
    /// CHAR, VARCHAR, TEXT: bytes in the column's character set.
    Text(&'a [u8]),
    /// BINARY, VARBINARY, BLOB. BINARY may have lost trailing zero bytes: see `ColumnPlan::binary_width`.
    Bytes(&'a [u8]),
    /// JSON in MySQL's binary form (JSONB); empty means a JSON null written by old servers.
    Json(&'a [u8]),
    /// Spatial types: SRID (4 bytes, little endian), then WKB.
    Geometry(&'a [u8]),
    /// VECTOR: little-endian 32-bit floats.
    Vector(&'a [u8]),
}

/// DECIMAL in MySQL's packed form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal<'a> {
    /// The packed digits, exactly as long as precision and scale say.
    pub packed: &'a [u8],
    /// Digits in all, 1 to 65.
    pub precision: u8,
    /// Digits after the point, 0 to 30.
    pub scale: u8,
}

/// A calendar date; parts may be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Date {
    /// 0 to 9999.
    pub year: u16,
    /// 0 to 12.
    pub month: u8,
    /// 0 to 31.
    pub day: u8,
}

/// A signed time of day or span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time {
    /// Below zero.
    pub negative: bool,
    /// 0 to 838.
    pub hours: u16,
    /// 0 to 59.
    pub minutes: u8,
    /// 0 to 59.
    pub seconds: u8,
    /// Fraction in microseconds.
    pub micros: u32,
    /// Declared digits of the fraction, 0 to 6.
    pub digits: u8,
}

/// A date with a time of day, in no time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DateTime {
    /// The date.
    pub date: Date,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// Fraction in microseconds.
    pub micros: u32,
    /// Declared digits of the fraction, 0 to 6.
    pub digits: u8,
}

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timestamp {
    /// Seconds since 1970, UTC.
    pub seconds: u32,
    /// Fraction in microseconds.
    pub micros: u32,
    /// Declared digits of the fraction, 0 to 6.
    pub digits: u8,
}
