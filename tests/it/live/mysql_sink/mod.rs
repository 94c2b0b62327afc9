//! The MySQL sink against real targets, fed with the binary logs of real sources.

mod ddl;
mod rig;
mod rows;
mod statements;
