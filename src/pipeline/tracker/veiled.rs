//! Definitions for table maps that name their columns and still hide some types: MariaDB logs INET4, INET6 and UUID as
//! BINARY, VECTOR as VARBINARY, and no metadata tells.
//!
//! All that a definition adds is the form in which a value is shown. So what cannot be had stops nothing, a source that is
//! away included: it is said once, and the bytes come out as they were logged.

use std::sync::Arc;

use ahash::AHashSet;

use super::history::Until;
use super::{SchemaTracker, Spot, name, not_stored};
use crate::binlog::event::TableMapEvent;
use crate::pipeline::plans::{ResolveError, named_alike};
use crate::row::TablePlan;
use crate::schema::TableDef;
use crate::sink::SinkError;
use crate::store::{Origin, SchemaVersion, State, Subject};

/// Tables remembered at most.
const MAX_TOLD: usize = 4096;

/// Tables of which it was said that their types cannot be known.
#[derive(Debug, Default)]
pub(super) struct Told(AHashSet<(String, String)>);

impl SchemaTracker {
    /// The plan for a table map with full metadata by the table's definition; `None` if there is none that holds here.
    ///
    /// # Errors
    /// When what is known cannot be read, or the channel stops.
    pub(in crate::pipeline) fn unveil(
        &mut self,
        map: &TableMapEvent<'_>,
        at: Spot<'_>,
    ) -> Result<Option<TablePlan>, ResolveError> {
        let Some(lower) = self.if_it_can_be_had(map, at, Self::lower_case_names)? else { return Ok(None) };
        let (database, table) = (name(map.database, lower)?, name(map.table, lower)?);
        let subject = Subject::Table(database.clone(), table.clone());
        let known = self.history.in_force(&subject, Until::At(at.position)).map_err(not_stored)?;
        if let Some(State::Table(def)) = known
            && let Some(plan) = named_alike(map, def)
        {
            return Ok(Some(plan));
        }
        let asked = |tracker: &mut Self| tracker.look_up(&database, &table, at);
        let Some(answer) = self.if_it_can_be_had(map, at, asked)? else { return Ok(None) };
        let fits = |def: Arc<TableDef>| match named_alike(map, Arc::clone(&def)) {
            Some(plan) => Ok((plan, def)),
            None => Err("the source's catalog describes other columns".to_owned()),
        };
        let (plan, def) = match answer.and_then(fits) {
            Ok(found) => found,
            Err(why) => {
                self.tell(map, at, &why);
                return Ok(None);
            }
        };
        let (position, state) = (at.position.clone(), State::Table(def));
        let version = SchemaVersion { subject, position, state, origin: Origin::Catalog };
        self.history.record(version).map_err(not_stored)?;
        Ok(Some(plan))
    }

    fn if_it_can_be_had<T>(
        &mut self,
        map: &TableMapEvent<'_>,
        at: Spot<'_>,
        ask: impl FnOnce(&mut Self) -> Result<T, ResolveError>,
    ) -> Result<Option<T>, ResolveError> {
        match ask(self) {
            Ok(answer) => Ok(Some(answer)),
            Err(ResolveError::Catalog(error @ SinkError::Cancelled)) => Err(error.into()),
            Err(error) => {
                self.tell(map, at, &error);
                Ok(None)
            }
        }
    }

    fn tell(&mut self, map: &TableMapEvent<'_>, at: Spot<'_>, why: &dyn std::fmt::Display) {
        let [database, table] = [map.database, map.table].map(|name| String::from_utf8_lossy(name).into_owned());
        let Told(told) = &mut self.veiled;
        if told.len() >= MAX_TOLD {
            told.clear();
        }
        let table_name = format!("{database}.{table}");
        if told.insert((database, table)) {
            tracing::warn!(
                table = %table_name, position = %at.position, error = %why,
                "what type the table's binary columns have cannot be known: INET4, INET6, UUID and VECTOR come out as base64"
            );
        }
    }
}
