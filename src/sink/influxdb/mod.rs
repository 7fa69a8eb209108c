//! Rows as points of InfluxDB's line protocol over HTTP: to InfluxDB 1 and 2, VictoriaMetrics, QuestDB and others.
//!
//! - `settings`: the section of a dataflow file; `address`: where points go; `open`: both together.
//! - `point_layout`: which columns are tags, fields and time; `point_lines`: rows as lines.
//! - `client`: requests over HTTP; `answer`: what an answer means to the rows that are on their way.
//! - `writer`: the sink; `queue`: results on their way to `sending`, which has a thread of its own and says what becomes
//!   of each row; `sender`: one request after the other.
//!
//! A point replaces the one of its measurement, tags and time: what is sent twice is there once.
//!
//! Never here: which epochs are complete, and what a checkpoint holds.

mod address;
mod answer;
mod client;
mod open;
#[cfg(test)]
mod played_server;
mod point_layout;
mod point_lines;
mod queue;
mod sender;
mod sending;
mod settings;
mod writer;

pub use settings::InfluxDb;
