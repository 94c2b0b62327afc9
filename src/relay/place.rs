//! Places in the relay log.

use std::fmt;

use crate::position::LogPosition;

/// What relay files are called before the dot.
pub(super) const BASE_NAME: &str = "relay-bin";

/// A relay file, by its number. Numbers only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayFileId(pub(super) u64);

impl RelayFileId {
    /// The first file of a relay log.
    pub(super) const FIRST: Self = Self(1);

    /// The number after this one.
    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The file of that name, if it is a relay file's.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let digits = name.strip_prefix(BASE_NAME)?.strip_prefix('.')?;
        let id = Self(digits.parse().ok()?);
        (id.to_string() == name).then_some(id)
    }
}

impl fmt::Display for RelayFileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BASE_NAME}.{:06}", self.0)
    }
}

/// An offset in a relay file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayPlace {
    /// The file.
    pub file: RelayFileId,
    /// Bytes from its start.
    pub offset: u64,
}

impl fmt::Display for RelayPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

/// How far the relay log may be read: all before it is complete transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayEnd {
    /// In the relay log.
    pub place: RelayPlace,
    /// In the source's log: where the next transaction starts.
    pub source: LogPosition,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_relay_files() {
        assert_eq!(RelayFileId::from_name("relay-bin.000012"), Some(RelayFileId(12)));
        assert_eq!(RelayFileId::from_name("relay-bin.1000000"), Some(RelayFileId(1_000_000)));
        for other in
            ["relay-bin.12", "relay-bin.index", "relay-bin.", "relay-bin.+00001", "x.000001", "relay-bin.0000001"]
        {
            assert_eq!(RelayFileId::from_name(other), None, "{other}");
        }
        assert!(RelayFileId(999_999) < RelayFileId(1_000_000));
    }
}
