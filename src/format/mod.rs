//! From bytes to rows, and from rows to bytes.
//!
//! - `framing`, `decoding`: how bytes are cut into rows, and how cells are read, as a dataflow file says it.
//! - `payload`, `records`, `json_records`, `json_place`: the rows of an MQTT payload and of a file. `value`: a payload
//!   that is one cell. `json_text`, `inner_rows`: where objects end, and the rows in them.
//! - `payload_file`: a file of payloads;
//!   `compression`: all of them unpacked. `formats`: payloads that are neither JSON nor CSV. `json_writer`: JSON text.
//! - `topic_pattern`, `topic_levels`, `topic_payload`: levels of a topic as columns, and the rows of a payload beside them.
//! - `json`, `json_layout`, `json_cursor`: JSON objects; where their values go; the text itself. `path`, `column_keys`:
//!   paths into them, and the keys that columns are read from.
//! - `csv_options`, `header_search`, `units_line`, `decimal_search`, `transcode`: how CSV is written, said or found.
//! - `csv`, `weatherlink`, `cells`, `weewx`: cells, headers, WeeWX's unit labels.
//! - `cell_rules`, `time_rules`, `column_units`, `units`: words, decimal marks, times, units and their conversion.
//! - `unmatched_names`: names that no column has.
//! - `decoder`, `column_builder`: buckets to messages. `encoder`: messages to bytes. `infer`: a schema from rows.
//!
//! Never here: opening a file or a connection.

mod cell_hints;
mod cell_rules;
pub(crate) mod cells;
mod column_builder;
mod column_keys;
mod column_units;
mod compression;
pub mod csv;
mod csv_options;
mod decimal_search;
mod decoder;
mod decoding;
mod encoder;
mod formats;
mod framing;
mod header_search;
mod infer;
mod inner_rows;
mod json;
mod json_cursor;
mod json_layout;
mod json_place;
mod json_records;
mod json_text;
pub(crate) mod json_writer;
pub(crate) mod path;
pub(crate) mod payload;
mod payload_file;
pub(crate) mod records;
mod row_cells;
mod rows_path;
mod seen_marks;
pub(crate) mod time_rules;
mod topic_levels;
mod topic_pattern;
pub(crate) mod topic_payload;
mod transcode;
mod units;
pub(crate) mod units_line;
mod unmatched_names;
pub(crate) mod value;
pub mod weatherlink;
pub mod weewx;

pub use cell_rules::{BadCell, CellRules};
pub use column_builder::BadCells;
pub use column_keys::ColumnKeys;
pub use column_units::UnitNotice;
pub use compression::Compression;
pub use csv_options::CsvOptions;
pub(crate) use csv_options::decimal;
pub(crate) use decimal_search::{DecimalSearch, MOST_ROWS};
pub use decoder::{BadRow, Decoder};
pub use decoding::{Decoding, UnknownKeys};
pub use encoder::{Encoder, Encoding, Infinity, Output, PLACE};
pub use formats::{FORMATS, PayloadFormat};
pub(crate) use formats::{PayloadKind, sparkplug};
pub use framing::{Framing, MAX_PAYLOAD};
pub(crate) use header_search::{HeaderLine, find as find_header};
pub use infer::{Inference, Inferred};
pub use inner_rows::InnerRows;
pub use payload_file::each_payload_row;
pub use records::{FileKind, FileRecord, FileRecords};
pub(crate) use row_cells::cells_of;
pub use time_rules::{TimeColumn, TimeRules, TimeUnit};
pub use topic_pattern::TopicPattern;
pub(crate) use units::{conversion, is_unit};
pub use value::ValuePath;
