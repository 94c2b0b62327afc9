//! A position in MariaDB's log: the last GTID of each replication domain.
//!
//! Text is what `@@gtid_binlog_pos` shows and `@slave_connect_state` takes; the binary form is the body of
//! GTID_LIST_EVENT. MariaDB: "Global Transaction ID", "GTID_LIST_EVENT".

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::Gtid;
use super::text::{self, GtidTextError};
use crate::wire;

/// The low 28 bits of the list's first number are the count; the high four are flags.
const COUNT_MASK: u32 = 0x0fff_ffff;

/// The last GTID of each domain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GtidPos {
    domains: BTreeMap<u32, (u32, u64)>,
}

impl GtidPos {
    /// No domain.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it names no domain.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// Moves the GTID's domain to it. MySQL's identifiers have no domain: false, and nothing moves.
    pub fn advance(&mut self, gtid: &Gtid) -> bool {
        match gtid {
            Gtid::MariaDb { domain, server_id, sequence } => {
                self.domains.insert(*domain, (*server_id, *sequence));
                true
            }
            Gtid::MySql { .. } => false,
        }
    }

    /// The last GTID of a domain.
    #[must_use]
    pub fn get(&self, domain: u32) -> Option<Gtid> {
        self.domains.get(&domain).map(|&(server_id, sequence)| Gtid::MariaDb { domain, server_id, sequence })
    }

    /// The GTIDs, by domain.
    pub fn iter(&self) -> impl Iterator<Item = Gtid> {
        self.domains.iter().map(|(&domain, &(server_id, sequence))| Gtid::MariaDb { domain, server_id, sequence })
    }

    /// Reads the body of GTID_LIST_EVENT, which lists each domain's servers with the last committer at the end.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn decode(body: &[u8]) -> Result<Self, wire::ParseError> {
        decode(body).map_err(wire::unwrap_error)
    }
}

fn decode(i: &[u8]) -> Result<GtidPos, nom::Err<wire::ParseError>> {
    let (mut i, head) = wire::le_u32("gtid count")(i)?;
    let mut position = GtidPos::new();
    let count = head & COUNT_MASK;
    for _ in 0..count {
        let (rest, domain) = wire::le_u32("domain_id")(i)?;
        let (rest, server_id) = wire::le_u32("server_id")(rest)?;
        let (rest, sequence) = wire::le_u64("seq_no")(rest)?;
        position.domains.insert(domain, (server_id, sequence));
        i = rest;
    }
    // An empty list is padded to the size of an event that old replicas can be given instead.
    if count > 0 {
        wire::end("gtid list")(i)?;
    }
    Ok(position)
}

impl fmt::Display for GtidPos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, gtid) in self.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            write!(f, "{gtid}")?;
        }
        Ok(())
    }
}

impl FromStr for GtidPos {
    type Err = GtidTextError;

    /// One GTID a domain; a domain named twice is refused, as servers do.
    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let mut position = Self::new();
        for part in input.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match text::maria(part) {
                Some(Gtid::MariaDb { domain, server_id, sequence }) if !position.domains.contains_key(&domain) => {
                    position.domains.insert(domain, (server_id, sequence));
                }
                _ => return Err(GtidTextError::position(input)),
            }
        }
        Ok(position)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_in_domain_order() {
        let position: GtidPos = " 5-1-7, 0-2-100 ".parse().unwrap();
        assert_eq!(position.to_string(), "0-2-100,5-1-7");
        assert_eq!(position.get(5), Some(Gtid::MariaDb { domain: 5, server_id: 1, sequence: 7 }));
        assert!("0-1-1,0-2-2".parse::<GtidPos>().is_err());
        assert!("0-1".parse::<GtidPos>().is_err());
    }

    #[test]
    fn the_last_entry_of_a_domain_is_its_position() {
        let mut body = 2_u32.to_le_bytes().to_vec();
        for (server_id, sequence) in [(1_u32, 9_u64), (2, 8)] {
            body.extend_from_slice(&0_u32.to_le_bytes());
            body.extend_from_slice(&server_id.to_le_bytes());
            body.extend_from_slice(&sequence.to_le_bytes());
        }
        assert_eq!(GtidPos::decode(&body).unwrap().to_string(), "0-2-8");
        for cut in 0..body.len() {
            assert!(GtidPos::decode(&body[..cut]).is_err());
        }
    }
}
