//! From bytes to rows, and from rows to bytes.
//!
//! - `framing`, `decoding`: how bytes are cut into rows, and how cells are read, as a dataflow file says it.
//! - `payload`, `file_kind`, `records`, `csv_records`, `json_records`, `json_place`: the rows of an MQTT payload and of a file.
//!   `file_dates`: the order of day and month in it. `value`: a payload that is one cell. `json_text`, `json_members`,
//!   `inner_rows`: where objects end, what is in them, and the rows in them.
//! - `payload_file`: a file of payloads; `payload_flaw`: why a payload is not understood;
//!   `compression`: all of them unpacked. `formats`: payloads that are neither JSON nor CSV. `json_writer`: JSON text.
//! - `topic_pattern`, `topic_levels`, `topic_payload`: levels of a topic as columns, and the rows of a payload beside them.
//! - `json`, `json_layout`, `json_cursor`: JSON objects; where their values go; the text itself. `path`, `column_keys`:
//!   paths into them, and the keys that columns are read from.
//! - `csv_options`, `header_search`, `foreign_header`, `column_names`, `comment_lines`, `units_line`, `repeated_header`,
//!   `repeated_preamble`, `decimal_search`, `transcode`: how CSV is written, said or found. `unread_lines`: what is told of lines that are no rows.
//! - `csv`, `weatherlink`, `cells`, `weewx`: cells, headers, WeeWX's unit labels.
//! - `cell_rules`, `column_units`, `units`: words, decimal marks, units and their conversion.
//! - `written_time`, `time_rules`, `written_dates`: the time of a row; how times are written. `named_dates`, `zone_words`:
//!   months that are words, dates without separators, letters that stand for an offset.
//! - `unmatched_names`: names that no column has.
//! - `decoder`, `column_builder`: buckets to messages. `encoder`: messages to bytes. `infer`, `text_columns`: a schema from rows.
//!
//! Never here: opening a file or a connection.

mod cell_hints;
mod cell_rules;
pub(crate) mod cells;
mod column_builder;
mod column_keys;
mod column_names;
mod column_units;
mod comment_lines;
mod compression;
pub mod csv;
mod csv_options;
mod csv_records;
mod decimal_search;
mod decoder;
mod decoding;
mod encoder;
mod file_dates;
mod file_kind;
mod foreign_header;
mod formats;
mod framing;
mod header_search;
mod infer;
mod inner_rows;
mod json;
mod json_cursor;
mod json_layout;
mod json_members;
mod json_place;
mod json_records;
mod json_text;
pub(crate) mod json_writer;
mod named_dates;
pub(crate) mod path;
pub(crate) mod payload;
mod payload_file;
mod payload_flaw;
pub(crate) mod records;
mod repeated_header;
mod repeated_preamble;
mod row_cells;
mod rows_path;
mod seen_cells;
mod seen_marks;
pub(crate) mod time_rules;
mod topic_levels;
mod topic_pattern;
pub(crate) mod topic_payload;
mod transcode;
mod units;
pub(crate) mod units_line;
mod unmatched_names;
mod unread_lines;
pub(crate) mod value;
pub mod weatherlink;
pub mod weewx;
mod written_dates;
mod written_time;
mod zone_words;

pub(crate) use cell_rules::written_number;
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
pub use file_kind::FileKind;
pub use formats::{FORMATS, PayloadFormat};
pub(crate) use formats::{PayloadKind, sparkplug};
pub use framing::{Framing, MAX_PAYLOAD};
pub(crate) use header_search::{HeaderLine, find as find_header};
pub use infer::{Inference, Inferred};
pub use inner_rows::InnerRows;
pub use payload_file::each_payload_row;
pub use records::{FileRecord, FileRecords};
pub(crate) use row_cells::{NumberCells, cells_of};
pub use time_rules::{TimeColumn, TimeRules, TimeUnit};
pub use topic_pattern::TopicPattern;
pub(crate) use units::{conversion, is_unit};
pub use value::ValuePath;
