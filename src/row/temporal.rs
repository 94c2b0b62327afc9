//! DATE, TIME, DATETIME and TIMESTAMP, before and since MySQL 5.6, and their text.
//!
//! Since 5.6 values are big-endian, biased so that they sort as bytes, with 0 to 3 bytes of fraction:
//!
//! ```text
//! TIME      | 1 sign | 1 unused | 10 hour | 6 minute | 6 second | fraction |       24 bits + fraction
//! DATETIME  | 1 sign | 17 year*13+month | 5 day | 5 hour | 6 minute | 6 second | fraction |  40 bits + fraction
//! TIMESTAMP | 32 seconds since 1970, UTC | fraction |
//! ```
//!
//! A negative TIME is the two's complement of the whole, fraction included. The text is what the server prints, except
//! that TIMESTAMP is always in UTC. Manual: "Date and Time Data Type Representation"; WL#946.

use super::numeric::{big_endian, little_endian};
use super::value::{Date, DateTime, Time, Timestamp};

/// The low bits of a number, as a small integer.
macro_rules! bits {
    ($value:expr, $mask:literal as $ty:ty) => {
        // The mask keeps the value inside the type.
        ($value & $mask) as $ty
    };
}

/// Microseconds from the stored fraction of `digits` declared digits.
#[inline]
fn micros(fraction: u64, digits: u8) -> u32 {
    let fraction = bits!(fraction, 0x00ff_ffff as u32);
    match digits {
        0 => 0,
        1 | 2 => fraction * 10_000,
        3 | 4 => (fraction & 0xffff) * 100,
        _ => fraction,
    }
}

/// Bits of the stored fraction.
#[inline]
fn fraction_bits(digits: u8) -> u32 {
    u32::from(digits.min(6).div_ceil(2)) * 8
}

/// DATE: 3 bytes, little endian.
#[inline]
pub(super) fn date(bytes: &[u8]) -> Date {
    let packed = little_endian(bytes);
    Date {
        day: bits!(packed, 0x1f as u8),
        month: bits!(packed >> 5, 0x0f as u8),
        year: bits!(packed >> 9, 0x7fff as u16),
    }
}

/// TIME since 5.6.
#[inline]
pub(super) fn time(bytes: &[u8], digits: u8) -> Time {
    let fraction_bits = fraction_bits(digits);
    let bias = 1i64 << (23 + fraction_bits);
    time_from_packed(big_endian(bytes).cast_signed() - bias, fraction_bits, digits)
}

/// TIME from its packed number with the sign taken out of the bias.
fn time_from_packed(packed: i64, fraction_bits: u32, digits: u8) -> Time {
    let size = packed.unsigned_abs();
    let whole = size >> fraction_bits;
    Time {
        negative: packed < 0,
        hours: bits!(whole >> 12, 0x3ff as u16),
        minutes: bits!(whole >> 6, 0x3f as u8),
        seconds: bits!(whole, 0x3f as u8),
        micros: micros(size & ((1 << fraction_bits) - 1), digits),
        digits,
    }
}

/// DATETIME since 5.6.
#[inline]
pub(super) fn datetime(bytes: &[u8], digits: u8) -> DateTime {
    let fraction_bits = fraction_bits(digits);
    let packed = big_endian(bytes) & ((1 << (39 + fraction_bits)) - 1);
    datetime_from_packed(packed, fraction_bits, digits)
}

/// DATETIME from its packed number without the sign bit.
fn datetime_from_packed(packed: u64, fraction_bits: u32, digits: u8) -> DateTime {
    let whole = packed >> fraction_bits;
    let months = whole >> 22;
    DateTime {
        date: Date {
            year: bits!(months / 13, 0xffff as u16),
            month: bits!(months % 13, 0x0f as u8),
            day: bits!(whole >> 17, 0x1f as u8),
        },
        hour: bits!(whole >> 12, 0x1f as u8),
        minute: bits!(whole >> 6, 0x3f as u8),
        second: bits!(whole, 0x3f as u8),
        micros: micros(packed & ((1 << fraction_bits) - 1), digits),
        digits,
    }
}

/// TIMESTAMP since 5.6.
#[inline]
pub(super) fn timestamp(bytes: &[u8], digits: u8) -> Timestamp {
    let packed = big_endian(bytes);
    let fraction_bits = fraction_bits(digits);
    Timestamp {
        seconds: bits!(packed >> fraction_bits, 0xffff_ffff as u32),
        micros: micros(packed & ((1 << fraction_bits) - 1), digits),
        digits,
    }
}

/// DATETIME before 5.6: the decimal number YYYYMMDDhhmmss, 8 bytes.
pub(super) fn old_datetime(bytes: &[u8]) -> DateTime {
    let number = little_endian(bytes);
    let two = |divisor: u64| bits!(number / divisor % 100, 0x7f as u8);
    DateTime {
        date: Date {
            year: u16::try_from(number / 10_000_000_000).unwrap_or(u16::MAX),
            month: two(100_000_000),
            day: two(1_000_000),
        },
        hour: two(10_000),
        minute: two(100),
        second: two(1),
        micros: 0,
        digits: 0,
    }
}

/// TIMESTAMP before 5.6.
pub(super) fn old_timestamp(bytes: &[u8]) -> Timestamp {
    Timestamp { seconds: bits!(little_endian(bytes), 0xffff_ffff as u32), micros: 0, digits: 0 }
}

/// TIME before 5.6: the signed decimal number hhmmss, 3 bytes.
pub(super) fn old_time(bytes: &[u8]) -> Time {
    let raw = little_endian(bytes) & 0x00ff_ffff;
    let negative = raw & 0x0080_0000 != 0;
    let size = if negative { 0x0100_0000 - raw } else { raw };
    Time {
        negative,
        hours: bits!(size / 10_000, 0x3ff as u16),
        minutes: bits!(size / 100 % 100, 0x7f as u8),
        seconds: bits!(size % 100, 0x7f as u8),
        micros: 0,
        digits: 0,
    }
}

/// A temporal value inside JSON: 8 bytes, little endian, 24 bits of fraction, printed with six digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JsonTemporal(pub i64);

impl JsonTemporal {
    pub(crate) fn date(self) -> Date {
        self.datetime().date
    }

    pub(crate) fn time(self) -> Time {
        time_from_packed(self.0, 24, 6)
    }

    pub(crate) fn datetime(self) -> DateTime {
        datetime_from_packed(self.0.unsigned_abs(), 24, 6)
    }
}

const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// Two digits; values over 99 (only from damaged bytes) show their last two.
#[inline]
fn pair(value: u8) -> [u8; 2] {
    let at = usize::from(value % 100) * 2;
    match PAIRS.get(at..at + 2) {
        Some(&[a, b]) => [a, b],
        _ => *b"00",
    }
}

/// The fraction with its point, cut to the declared digits.
fn write_fraction(micros: u32, digits: u8, out: &mut Vec<u8>) {
    if digits == 0 {
        return;
    }
    let micros = micros % 1_000_000;
    let [a, b] = pair(bits!(micros / 10_000, 0x7f as u8));
    let [c, d] = pair(bits!(micros / 100 % 100, 0x7f as u8));
    let [e, f] = pair(bits!(micros % 100, 0x7f as u8));
    let all = [b'.', a, b, c, d, e, f];
    out.extend_from_slice(all.get(..=usize::from(digits.min(6))).unwrap_or_default());
}

fn date_text(date: Date) -> [u8; 10] {
    let [y1, y2] = pair(bits!(date.year / 100, 0xff as u8));
    let [y3, y4] = pair(bits!(date.year % 100, 0x7f as u8));
    let [m1, m2] = pair(date.month);
    let [d1, d2] = pair(date.day);
    [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]
}

fn clock_text(hour: u8, minute: u8, second: u8) -> [u8; 8] {
    let [h1, h2] = pair(hour);
    let [m1, m2] = pair(minute);
    let [s1, s2] = pair(second);
    [h1, h2, b':', m1, m2, b':', s1, s2]
}

impl Date {
    /// Appends `YYYY-MM-DD`.
    #[inline]
    pub fn write_text(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&date_text(*self));
    }
}

impl Time {
    /// Appends `[-]hh:mm:ss[.ffffff]`; hours have two or three digits.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
        if self.hours >= 100 {
            out.push(b'0' + bits!(self.hours / 100 % 10, 0x0f as u8));
        }
        out.extend_from_slice(&clock_text(bits!(self.hours % 100, 0x7f as u8), self.minutes, self.seconds));
        write_fraction(self.micros, self.digits, out);
    }
}

impl DateTime {
    /// Appends `YYYY-MM-DD hh:mm:ss[.ffffff]`.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        let [y1, y2, y3, y4, _, m1, m2, _, d1, d2] = date_text(self.date);
        let [h1, h2, _, i1, i2, _, s1, s2] = clock_text(self.hour, self.minute, self.second);
        out.extend_from_slice(&[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b' ', h1, h2, b':', i1, i2, b':', s1, s2]);
        write_fraction(self.micros, self.digits, out);
    }
}

impl Timestamp {
    /// The moment as date and time of day in UTC; the zero timestamp is the zero date.
    #[must_use]
    pub fn to_utc(&self) -> DateTime {
        if self.seconds == 0 && self.micros == 0 {
            return DateTime { digits: self.digits, ..DateTime::default() };
        }
        let (days, rest) = (self.seconds / 86_400, self.seconds % 86_400);
        DateTime {
            date: civil(days),
            hour: bits!(rest / 3600, 0x1f as u8),
            minute: bits!(rest / 60 % 60, 0x3f as u8),
            second: bits!(rest % 60, 0x3f as u8),
            micros: self.micros,
            digits: self.digits,
        }
    }

    /// Appends `YYYY-MM-DD hh:mm:ss[.ffffff]` in UTC.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        self.to_utc().write_text(out);
    }
}

/// The calendar date `days` after 1970-01-01: counted in years that start in March, so that leap days come last.
fn civil(days: u32) -> Date {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u32::from(month <= 2);
    Date {
        year: bits!(year, 0xffff as u16),
        month: bits!(month, 0x0f as u8),
        day: bits!(day_of_year - (153 * month_from_march + 2) / 5 + 1, 0x1f as u8),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// The server's packing of a TIME, from its parts.
    fn pack_time(negative: bool, [hours, minutes, seconds]: [u32; 3], micros: u32, digits: u8) -> Vec<u8> {
        let whole = i64::from(hours << 12 | minutes << 6 | seconds);
        let unit = [1, 100_000, 10_000, 1000, 100, 10, 1][usize::from(digits)];
        let (bytes, fraction) = match digits {
            0 => (0, 0),
            1 | 2 => (1, micros / unit * unit / 10_000),
            3 | 4 => (2, micros / unit * unit / 100),
            _ => (3, micros / unit * unit),
        };
        let size = (whole << (8 * bytes)) + i64::from(fraction);
        let packed = (if negative { -size } else { size }) + (1 << (23 + 8 * bytes));
        packed.to_be_bytes()[8 - 3 - bytes..].to_vec()
    }

    #[test]
    fn bytes_from_a_server_print_as_it_prints_them() {
        assert_eq!(text(|out| time(&[0x80, 0, 0], 0).write_text(out)), "00:00:00");
        assert_eq!(text(|out| time(&[0x7f, 0xff, 0xff, 0xff], 2).write_text(out)), "-00:00:00.01");
        assert_eq!(text(|out| time(&[0xb4, 0x6e, 0xfb], 0).write_text(out)), "838:59:59");
        assert_eq!(text(|out| time(&[0x4b, 0x91, 0x05], 0).write_text(out)), "-838:59:59");
        assert_eq!(
            text(|out| timestamp(&[0x7f, 0xff, 0xff, 0xff, 0x0f, 0x42, 0x3f], 6).write_text(out)),
            "2038-01-19 03:14:07.999999"
        );
        assert_eq!(text(|out| timestamp(&[0; 4], 0).write_text(out)), "0000-00-00 00:00:00");
        assert_eq!(text(|out| datetime(&[0x80, 0, 0, 0, 0], 0).write_text(out)), "0000-00-00 00:00:00");
        assert_eq!(text(|out| date(&[0x5d, 0xd0, 0x0f]).write_text(out)), "2024-02-29");
    }

    #[test]
    fn temporal_types_of_old_servers_are_decimal_numbers() {
        let stored = 20_240_229_123_456u64.to_le_bytes();
        assert_eq!(text(|out| old_datetime(&stored).write_text(out)), "2024-02-29 12:34:56");
        let stored = (-8_385_959i32).to_le_bytes();
        assert_eq!(text(|out| old_time(&stored[..3]).write_text(out)), "-838:59:59");
        assert_eq!(text(|out| old_time(&[0x01, 0, 0]).write_text(out)), "00:00:01");
        assert_eq!(text(|out| old_timestamp(&1u32.to_le_bytes()).write_text(out)), "1970-01-01 00:00:01");
    }

    #[test]
    fn every_time_reads_as_it_was_packed() {
        proptest::proptest!(|(negative: bool, hours in 0..=838u32, minutes in 0..60u32, seconds in 0..60u32,
                              micros in 0..1_000_000u32, digits in 0..=6u8)| {
            let unit = 10u32.pow(6 - u32::from(digits));
            let cut = micros / unit;
            let negative = negative && (hours, minutes, seconds, cut) != (0, 0, 0, 0);
            let bytes = pack_time(negative, [hours, minutes, seconds], micros, digits);
            let mut expected = format!("{}{hours:02}:{minutes:02}:{seconds:02}", if negative { "-" } else { "" });
            if digits > 0 {
                expected.push_str(&format!(".{cut:0width$}", width = usize::from(digits)));
            }
            proptest::prop_assert_eq!(text(|out| time(&bytes, digits).write_text(out)), expected);
        });
    }

    #[test]
    fn the_calendar_agrees_with_counting_days() {
        let mut expected = Date { year: 1970, month: 1, day: 1 };
        for days in 0..49_710u32 {
            assert_eq!(civil(days), expected);
            let year = expected.year;
            let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
            let length = match expected.month {
                2 => 28 + u8::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected.day += 1;
            if expected.day > length {
                expected.day = 1;
                expected.month += 1;
            }
            if expected.month > 12 {
                expected.month = 1;
                expected.year += 1;
            }
        }
    }

    #[test]
    fn no_bytes_at_all_can_stop_a_temporal_value_from_printing() {
        proptest::proptest!(|(bytes: [u8; 8], digits in 0..=6u8, packed: i64)| {
            text(|out| time(&bytes[..6], digits).write_text(out));
            text(|out| datetime(&bytes, digits).write_text(out));
            text(|out| timestamp(&bytes[..7], digits).write_text(out));
            text(|out| old_datetime(&bytes).write_text(out));
            text(|out| old_time(&bytes[..3]).write_text(out));
            text(|out| date(&bytes[..3]).write_text(out));
            text(|out| JsonTemporal(packed).time().write_text(out));
            text(|out| JsonTemporal(packed).datetime().write_text(out));
        });
    }
}
