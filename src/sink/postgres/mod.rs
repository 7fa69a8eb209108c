//! Rows to a table of PostgreSQL or TimescaleDB, each once: what is complete goes there in one transaction, together
//! with the run's progress.
//!
//! - `settings`: the section of a dataflow file; `address`: the address, and what TLS must prove; `open`: both together.
//! - `connection`: connecting and waiting for an absent database; `failure`: what an error means; `tls`: rustls.
//! - `name`: names as SQL writes them; `table`: the table, its columns, how values get there; `rows`: rows as COPY takes them.
//! - `progress`: the table of the runs' progress; `beginning`: how the source's file begins.
//! - `writer`: the sink; `queue`: what it and its thread share; `maker`: that thread, which makes the transactions.
//!
//! Never here: which epochs are complete, and what a checkpoint holds.

mod address;
mod beginning;
mod connection;
mod failure;
mod maker;
mod name;
mod open;
mod progress;
mod queue;
mod rows;
mod settings;
mod table;
mod tls;
mod writer;

pub use settings::Postgres;
