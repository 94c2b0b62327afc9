//! The MySQL sink against real targets, fed with the binary logs of real sources.

mod ddl;
mod groups;
mod rig;
mod rows;
mod statements;
