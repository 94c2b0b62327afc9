//! From table maps to plans: compiled once for equal bytes, with a catalog's help where the map does not say all.

use std::sync::Arc;

use ahash::AHashMap;

use super::tracker::{SchemaTracker, Spot};
use crate::binlog::EventFlags;
use crate::binlog::event::{QueryEvent, TableMapEvent};
use crate::position::LogPosition;
use crate::row::TablePlan;
use crate::schema::ddl::{DdlContext, TableState};
use crate::schema::{TableDef, Tables};
use crate::sink::{Catalog, SinkError};

/// Plans kept at most; past it the cache starts anew (a plan is a few kilobytes).
const MAX_CACHED: usize = 4096;

/// Where names and types come from that a table map leaves out.
pub enum Names {
    /// From nowhere: columns are called `@1`, `@2`, ...
    None,
    /// From what is known of the source's tables at each position, for table maps without full metadata.
    Source(Box<SchemaTracker>),
    /// From the target's catalog, for all: it is what changes are applied to.
    Target(Box<dyn Catalog>),
    /// From definitions that the log's own statements move along. A table that is not known has no names.
    Log {
        /// The definitions at the position that is read.
        tables: Box<Tables>,
        /// They were given for this log, and so must fit it.
        given: bool,
    },
    /// Nothing but what [`PlanCache::keep`] was given.
    Kept,
}

/// Why a table map has no plan.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The table map does not fit the catalog, or cannot be read.
    #[error("{what}")]
    Unfit {
        /// What is wrong.
        what: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The names of the columns cannot be known.
    #[error("{what}")]
    Names {
        /// Why.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The catalog cannot be asked.
    #[error(transparent)]
    Catalog(#[from] SinkError),
}

struct Known {
    body: Vec<u8>,
    plan: Arc<TablePlan>,
}

/// The plans of the table maps seen last.
pub struct PlanCache {
    names: Names,
    known: AHashMap<u64, Known>,
    unnamed: bool,
}

impl PlanCache {
    /// An empty cache.
    #[must_use]
    pub fn new(names: Names) -> Self {
        Self { names, known: AHashMap::new(), unnamed: false }
    }

    /// Whether a DDL statement must be applied before any later table map may be resolved.
    #[must_use]
    pub fn follows_target(&self) -> bool {
        matches!(self.names, Names::Target(_))
    }

    /// Whether statements are to be followed.
    #[must_use]
    pub fn follows_log(&self) -> bool {
        matches!(self.names, Names::Source(_) | Names::Log { .. })
    }

    /// Whether some table was read without knowing its column names.
    #[must_use]
    pub fn saw_unnamed(&self) -> bool {
        self.unnamed
    }

    /// Forgets all plans: table ids begin anew, or table definitions may have changed.
    pub fn clear(&mut self) {
        self.known.clear();
    }

    /// The plan for a table map whose event body is `body`.
    ///
    /// # Errors
    /// When the map does not fit what the catalog says, or the catalog cannot be asked.
    pub fn resolve(
        &mut self,
        map: &TableMapEvent<'_>,
        body: &[u8],
        at: Spot<'_>,
    ) -> Result<Arc<TablePlan>, ResolveError> {
        if let Some(known) = self.known.get(&map.table_id)
            && known.body == body
        {
            return Ok(Arc::clone(&known.plan));
        }
        let plan = Arc::new(self.compile(map, at)?);
        self.unnamed |= !plan.named;
        if self.known.len() >= MAX_CACHED {
            self.known.clear();
        }
        self.known.insert(map.table_id, Known { body: body.to_vec(), plan: Arc::clone(&plan) });
        Ok(plan)
    }

    /// Adds a plan for the table map with this body, for as long as the cache lives.
    pub fn keep(&mut self, body: &[u8], plan: &Arc<TablePlan>) {
        match self.known.get(&plan.table_id) {
            Some(known) if known.body == body => {}
            _ => drop(self.known.insert(plan.table_id, Known { body: body.to_vec(), plan: Arc::clone(plan) })),
        }
    }

    /// Follows a statement that may change tables.
    ///
    /// # Errors
    /// When what is needed to understand it cannot be had.
    pub fn statement(
        &mut self,
        query: &QueryEvent<'_>,
        flags: EventFlags,
        server_version: &str,
        at: Spot<'_>,
    ) -> Result<(), ResolveError> {
        let changed = match &mut self.names {
            Names::Source(tracker) => tracker.statement(query, flags, server_version, at)?,
            Names::Log { tables, .. } => follow(tables, query, flags, server_version),
            Names::None | Names::Target(_) | Names::Kept => false,
        };
        if changed {
            self.known.clear();
        }
        Ok(())
    }

    /// A transaction that may have changed tables never came to its commit.
    ///
    /// # Errors
    /// When what is known cannot be kept.
    pub fn abandoned(&mut self, position: &LogPosition) -> Result<(), SinkError> {
        self.known.clear();
        match &mut self.names {
            Names::Source(tracker) => tracker.abandoned(position),
            Names::Log { tables, .. } => {
                tables.forget();
                Ok(())
            }
            Names::None | Names::Target(_) | Names::Kept => Ok(()),
        }
    }

    /// Makes durable what was learned, before what comes behind it in the log is handed on.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn flush(&mut self) -> Result<(), SinkError> {
        match &mut self.names {
            Names::Source(tracker) => tracker.flush(),
            Names::None | Names::Target(_) | Names::Log { .. } | Names::Kept => Ok(()),
        }
    }

    fn compile(&mut self, map: &TableMapEvent<'_>, at: Spot<'_>) -> Result<TablePlan, ResolveError> {
        let def = match &mut self.names {
            Names::None => None,
            Names::Kept => {
                let what = "a table number means two tables within a prepared transaction".to_owned();
                return Err(ResolveError::Unfit { what, hint: None });
            }
            Names::Source(tracker) if crate::row::has_full_names(map) => return unveiled(tracker, map, at),
            Names::Source(tracker) => return tracker.plan(map, at),
            Names::Target(catalog) => Some(look_up(catalog.as_mut(), map)?),
            Names::Log { tables, .. } if crate::row::has_full_names(map) => return described(tables, map),
            Names::Log { tables, given } => return followed(tables, *given, map),
        };
        TablePlan::compile(map, def)
            .map_err(|error| ResolveError::Unfit { what: error.to_string(), hint: error.hint() })
    }
}

/// Moves definitions along with a statement of the log. True if they may be others now.
fn follow(tables: &mut Tables, query: &QueryEvent<'_>, flags: EventFlags, server_version: &str) -> bool {
    if !query.session.takes_effect() {
        return false;
    }
    match DdlContext::of_query(query, flags, server_version, false) {
        Some(context) => tables.apply(query.statement, &context),
        None => tables.forget(),
    }
    true
}

/// The plan of a table map that names its columns. A followed definition adds what the map does not say (generated
/// columns, types of MariaDB that travel as others) if it is of the same columns.
fn described(tables: &mut Tables, map: &TableMapEvent<'_>) -> Result<TablePlan, ResolveError> {
    if let (Ok(database), Ok(table)) = (std::str::from_utf8(map.database), std::str::from_utf8(map.table))
        && let TableState::Is(def) = tables.get(database, table)
        && let Some(plan) = named_alike(map, def)
    {
        return Ok(plan);
    }
    by_itself(map)
}

/// The plan of a table map that names its columns. Only for types of MariaDB that travel as others is a definition asked
/// for; without one their bytes are shown as they travel.
fn unveiled(tracker: &mut SchemaTracker, map: &TableMapEvent<'_>, at: Spot<'_>) -> Result<TablePlan, ResolveError> {
    let plan = by_itself(map)?;
    let found = if plan.veiled { tracker.unveil(map, at)? } else { None };
    Ok(found.unwrap_or(plan))
}

fn by_itself(map: &TableMapEvent<'_>) -> Result<TablePlan, ResolveError> {
    TablePlan::compile(map, None).map_err(|error| ResolveError::Unfit { what: error.to_string(), hint: error.hint() })
}

/// The plan by a table map that names its columns and a definition, if that is of the same columns.
pub(super) fn named_alike(map: &TableMapEvent<'_>, def: Arc<TableDef>) -> Option<TablePlan> {
    let plan = TablePlan::compile(map, Some(Arc::clone(&def))).ok()?;
    let alike = plan.columns.iter().zip(&def.columns).all(|(plan, def)| plan.name.eq_ignore_ascii_case(&def.name));
    alike.then_some(plan)
}

/// The plan by a followed definition. One that does not fit is an error where it was given, else it is forgotten.
fn followed(tables: &mut Tables, given: bool, map: &TableMapEvent<'_>) -> Result<TablePlan, ResolveError> {
    let unfit =
        |error: crate::row::PlanError, hint: Option<String>| ResolveError::Unfit { what: error.to_string(), hint };
    if let (Ok(database), Ok(table)) = (std::str::from_utf8(map.database), std::str::from_utf8(map.table))
        && let TableState::Is(def) = tables.get(database, table)
    {
        match TablePlan::compile(map, Some(def)) {
            Ok(plan) => return Ok(plan),
            Err(error) if given => {
                let hint = "--schema must hold the tables as they were where the first file begins; what the log \
                            itself changes is followed from there"
                    .to_owned();
                return Err(unfit(error, Some(hint)));
            }
            Err(_) => tables.set(database, table, TableState::Unknown),
        }
    }
    TablePlan::compile(map, None).map_err(|error| {
        let hint = error.hint();
        unfit(error, hint)
    })
}

fn look_up(catalog: &mut dyn Catalog, map: &TableMapEvent<'_>) -> Result<Arc<TableDef>, ResolveError> {
    let name = |bytes| {
        std::str::from_utf8(bytes)
            .map_err(|_| ResolveError::Unfit { what: "the table's name is not UTF-8".to_owned(), hint: None })
    };
    match catalog.table(name(map.database)?, name(map.table)?)? {
        Some(def) => Ok(Arc::new(def)),
        None => Err(ResolveError::Unfit {
            what: "the target has no such table".to_owned(),
            hint: Some("create it on the target as it was on the source at this position".to_owned()),
        }),
    }
}
