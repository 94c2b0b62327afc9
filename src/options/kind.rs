//! What values an option takes, and how their text is read.

use std::time::Duration;

use super::{OptionError, SinkTarget};

/// What values an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text of at most `max` bytes, without control characters.
    Text {
        /// Longest in bytes.
        max: usize,
    },
    /// A whole number, both ends included.
    Integer {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// Bytes, with an optional K, M or G.
    Size {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// Seconds with up to three decimals.
    Seconds {
        /// Largest.
        max: u32,
    },
    /// 0 or 1.
    Bool,
    /// A path in the file system. Stored absolute.
    Path,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Text that is never shown.
    Secret,
    /// A [`SinkTarget`].
    Sink,
}

impl Kind {
    /// Whether `value` fits.
    ///
    /// # Errors
    /// Names the flag and what would fit.
    pub fn check(self, key: &str, value: &str) -> Result<(), OptionError> {
        match self {
            Self::Text { max } => check_text(key, value, max),
            Self::Integer { min, max } => integer(key, value, min, max).map(drop),
            Self::Size { min, max } => size(key, value, min, max).map(drop),
            Self::Seconds { max } => seconds(key, value, max).map(drop),
            Self::Bool => boolean(key, value).map(drop),
            Self::Path => check_text(key, value, 4096),
            Self::Choice(words) if words.contains(&value) => Ok(()),
            Self::Choice(words) => Err(OptionError::value(key, value, format!("must be one of {}", words.join(", ")))),
            Self::Secret if value.contains('\0') => Err(OptionError::value(key, value, "must not hold a zero byte")),
            Self::Secret => Ok(()),
            Self::Sink => SinkTarget::parse(value).map(drop).map_err(|why| OptionError::value(key, value, why)),
        }
    }
}

fn check_text(key: &str, value: &str, max: usize) -> Result<(), OptionError> {
    if value.is_empty() {
        return Err(OptionError::value(key, value, "must not be empty"));
    }
    if value.len() > max {
        return Err(OptionError::value(key, value, format!("must not be longer than {max} bytes")));
    }
    if value.chars().any(char::is_control) {
        return Err(OptionError::value(key, value, "must not hold control characters"));
    }
    Ok(())
}

/// Digits only: no sign, no spaces.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

pub(super) fn integer(key: &str, value: &str, min: u64, max: u64) -> Result<u64, OptionError> {
    match digits(value) {
        Some(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(OptionError::value(key, value, format!("must be a whole number from {min} to {max}"))),
    }
}

pub(super) fn size(key: &str, value: &str, min: u64, max: u64) -> Result<u64, OptionError> {
    let (number, unit) = match value.chars().last().map(|c| c.to_ascii_uppercase()) {
        Some('K') => (value.get(..value.len() - 1), 1 << 10),
        Some('M') => (value.get(..value.len() - 1), 1 << 20),
        Some('G') => (value.get(..value.len() - 1), 1 << 30),
        _ => (Some(value), 1_u64),
    };
    match number.and_then(digits).and_then(|number| number.checked_mul(unit)) {
        Some(bytes) if (min..=max).contains(&bytes) => Ok(bytes),
        _ => Err(OptionError::value(key, value, format!("must be a number of bytes from {min} to {max}"))),
    }
}

pub(super) fn seconds(key: &str, value: &str, max: u32) -> Result<Duration, OptionError> {
    let wrong =
        || OptionError::value(key, value, format!("must be seconds from 0 to {max}, with up to three decimals"));
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    if fraction.is_empty() || fraction.len() > 3 {
        return Err(wrong());
    }
    let (Some(whole), Some(millis)) = (digits(whole), digits(&format!("{fraction:0<3}"))) else {
        return Err(wrong());
    };
    let period = Duration::from_secs(whole).saturating_add(Duration::from_millis(millis));
    if period > Duration::from_secs(u64::from(max)) { Err(wrong()) } else { Ok(period) }
}

pub(super) fn boolean(key: &str, value: &str) -> Result<bool, OptionError> {
    match value {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err(OptionError::value(key, value, "must be 0 or 1")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::options::key;

    #[test]
    fn numbers_outside_their_range_are_refused_with_the_range() {
        let kind = Kind::Integer { min: 1, max: 65_535 };
        assert!(kind.check(key::PORT, "3306").is_ok());
        for bad in ["0", "65536", "-1", "+1", " 1", "", "99999999999999999999999"] {
            let text = kind.check(key::PORT, bad).unwrap_err().to_string();
            assert_eq!(text, format!("--master-port: {bad:?}: must be a whole number from 1 to 65535"));
        }
    }

    #[test]
    fn seconds_take_three_decimals() {
        let period = |text| seconds(key::HEARTBEAT_PERIOD, text, 4_294_967);
        assert_eq!(period("30").unwrap(), Duration::from_secs(30));
        assert_eq!(period("0.5").unwrap(), Duration::from_millis(500));
        assert_eq!(period("1.025").unwrap(), Duration::from_millis(1025));
        assert_eq!(period("0").unwrap(), Duration::ZERO);
        for bad in ["", ".", "1.", ".5x", "-1", "0.0001", "4294968", "1e3", "inf"] {
            assert!(period(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_take_a_unit() {
        let bytes = |text| size(key::MAX_RELAY_LOG_SIZE, text, 4096, 1 << 30);
        assert_eq!(bytes("4096").unwrap(), 4096);
        assert_eq!(bytes("256M").unwrap(), 256 << 20);
        assert_eq!(bytes("1g").unwrap(), 1 << 30);
        for bad in ["", "K", "4095", "2G", "1T", "99999999999999999G", "é"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn text_with_control_characters_is_refused() {
        let kind = Kind::Text { max: 8 };
        assert!(kind.check(key::HOST, "db1").is_ok());
        for bad in ["", "a\nb", "123456789", "\0"] {
            assert!(kind.check(key::HOST, bad).is_err(), "{bad:?}");
        }
    }
}
