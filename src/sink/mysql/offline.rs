//! What rendering needs where no server is connected: facts that the log's own server implies.

use std::collections::HashMap;
use std::sync::Arc;

use mysql_common::collations::{Collation, CollationId};

use super::facts::{CollationName, Facts, Flavor};
use crate::change::TransactionMeta;
use crate::gtid::Gtid;

/// What no server refuses: the largest `max_allowed_packet` there is.
const MAX_PACKET: usize = 1 << 30;

/// How text is rendered.
#[derive(Debug, Clone)]
pub(in crate::sink) struct Offline {
    /// Each change becomes the one that undoes it.
    pub(in crate::sink) reverse: bool,
    /// Rows are found by all that the log says of them, not by their key alone.
    pub(in crate::sink) whole_image: bool,
    mysql: Arc<Facts>,
    mariadb: Arc<Facts>,
}

impl Offline {
    /// Changes as they were, or reversed.
    pub(in crate::sink) fn new(reverse: bool, whole_image: bool) -> Self {
        Self { reverse, whole_image, mysql: Arc::new(facts(Flavor::MySql)), mariadb: Arc::new(facts(Flavor::MariaDb)) }
    }

    /// The facts of the server that logged a transaction: MariaDB numbers each.
    pub(super) fn facts(&self, meta: &TransactionMeta) -> Arc<Facts> {
        match meta.gtid {
            Some(Gtid::MariaDb { .. }) => Arc::clone(&self.mariadb),
            _ => Arc::clone(&self.mysql),
        }
    }
}

fn facts(flavor: Flavor) -> Facts {
    let mut collations = HashMap::new();
    for id in 1..=1023_u16 {
        let known = Collation::resolve(CollationId::from(id));
        if known.id() != CollationId::UNKNOWN_COLLATION_ID {
            let charset = known.charset().to_owned();
            if flavor == Flavor::MariaDb {
                let nopad = CollationName { name: nopad(known.collation()), charset: charset.clone() };
                collations.insert(id.saturating_add(1024), nopad);
            }
            collations.insert(id, CollationName { name: known.collation().to_owned(), charset });
        }
    }
    Facts {
        flavor,
        max_packet: MAX_PACKET,
        collations,
        variables: HashMap::new(),
        checkpoint_database: String::new(),
        by_number: true,
    }
}

/// MariaDB's name of a collation's twin that does not pad.
fn nopad(name: &str) -> String {
    match name.rsplit_once('_') {
        Some((head, tail)) => format!("{head}_nopad_{tail}"),
        None => name.to_owned(),
    }
}
