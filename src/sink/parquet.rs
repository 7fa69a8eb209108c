//! Columns to a Parquet file: `message` and `row` as 64-bit integers, numbers as doubles, texts as strings.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{PrimitiveTypeBuilder, Type};

use super::claimed_file::{ClaimedFile, check_name, claim};
use super::row_log::{self, RowLog};
use super::{Error, Existing, Sink, Takes, unfinished};
use crate::data::{Kind, Message, Schema};
use crate::disk::{Disk, DiskFile, SharedDisk};

/// Rows per row group, which is held in memory.
const ROW_GROUP: usize = 65_536;

/// A Parquet file; messages are collected into row groups.
pub struct Parquet {
    path: String,
    /// The log of the same rows, where they must survive a killed run.
    log: Option<RowLog>,
    writer: SerializedFileWriter<Box<dyn DiskFile>>,
    /// Whether it is a regular file, no device or pipe.
    regular: bool,
    schema: Schema,
    held: Vec<Message>,
    held_rows: usize,
}

impl Parquet {
    /// Starts the file. One that a run has left unfinished can't be read: it is not replaced, but moved aside. With
    /// `logged`, the rows are in a log until the file is closed; those that an interrupted run has left there come
    /// first.
    pub fn create(
        disk: &SharedDisk,
        path: &Path,
        schema: &Schema,
        existing: Existing,
        logged: bool,
    ) -> Result<Parquet, Error> {
        let shown = path.display().to_string();
        let failed = |error| Error::File { path: shown.clone(), error };
        let logged = logged && disk.special(path).map_err(failed)?.is_none();
        let fresh = existing == Existing::Replace;
        let existing = match existing {
            Existing::Rerun { fresh: false, repeats: false } => Existing::Refuse,
            existing => existing,
        };
        let existing = match existing {
            Existing::Refuse if logged && is_in_log(&**disk, path).map_err(failed)? => Existing::Replace,
            existing => existing,
        };
        if existing == Existing::Refuse {
            move_aside(&**disk, path).map_err(failed)?;
        }
        let ClaimedFile { file, regular, .. } = claim(&**disk, path, b"", existing)?;
        if logged {
            if fresh {
                row_log::remove(&**disk, path).map_err(failed)?;
            }
            unfinished::set(path, &*file).map_err(failed)?;
        }
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = parquet_schema(schema)
            .and_then(|root| SerializedFileWriter::new(file, Arc::new(root), Arc::new(properties)))
            .map_err(|error| parquet_error(&shown, error))?;
        let (schema, held) = (schema.clone(), Vec::new());
        let mut parquet =
            Parquet { path: shown.clone(), log: None, writer, regular, schema: schema.clone(), held, held_rows: 0 };
        if logged {
            let hold = |message| parquet.hold(message).map_err(std::io::Error::other);
            let log = RowLog::open(disk, path, &schema, hold).map_err(failed)?;
            parquet.log = Some(log);
        }
        Ok(parquet)
    }

    fn hold(&mut self, message: Message) -> Result<(), Error> {
        self.held_rows += message.rows();
        self.held.push(message);
        if self.held_rows >= ROW_GROUP { self.write_row_group() } else { Ok(()) }
    }

    fn with_log(&mut self, act: impl FnOnce(&mut RowLog) -> std::io::Result<()>) -> Result<(), Error> {
        let acted = self.log.as_mut().map_or(Ok(()), act);
        acted
            .map_err(|error| Error::File { path: row_log::path_of(Path::new(&self.path)).display().to_string(), error })
    }

    fn write_row_group(&mut self) -> Result<(), Error> {
        if self.held_rows == 0 {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        self.held_rows = 0;
        row_group(&mut self.writer, &self.schema, &held).map_err(|error| parquet_error(&self.path, error))
    }
}

impl Takes<Message> for Parquet {
    fn write(&mut self, message: Message) -> Result<(), Error> {
        self.with_log(|log| log.write(&message))?;
        self.hold(message)
    }
}

impl Sink for Parquet {
    /// A Parquet file can only be read when it is closed; its log can be read before.
    fn flush(&mut self) -> Result<(), Error> {
        self.with_log(RowLog::flush)
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.with_log(RowLog::sync)?;
        let checked = if self.regular { check_name(&**self.writer.inner()) } else { Ok(()) };
        checked.map_err(|error| Error::File { path: self.path.clone(), error })
    }

    fn close(mut self: Box<Self>) -> Result<(), Error> {
        self.write_row_group()?;
        let Parquet { path, log, writer, regular, .. } = *self;
        let file = writer.into_inner().map_err(|error| parquet_error(&path, error))?;
        let failed = |error| Error::File { path: path.clone(), error };
        if regular {
            check_name(&*file).map_err(failed)?;
        }
        let Some(log) = log else { return Ok(()) };
        file.sync().and_then(|()| log.end()).map_err(failed)
    }
}

/// Whether the log holds everything that the file at a path holds.
fn is_in_log(disk: &dyn Disk, path: &Path) -> std::io::Result<bool> {
    let holds = disk.length(path)?.is_some_and(|length| length > 0);
    Ok(row_log::is_there(disk, path)? && (!holds || unfinished::is_unfinished(path, &*disk.open(path)?)))
}

/// Moves an unfinished Parquet file to a free name.
fn move_aside(disk: &dyn Disk, path: &Path) -> std::io::Result<()> {
    const MAGIC: [u8; 4] = *b"PAR1";
    let Some(length) = disk.length(path)?.filter(|length| *length > 0) else { return Ok(()) };
    let (file, mut end) = (disk.open(path)?, [0; MAGIC.len()]);
    let whole = file.read_exact_at(&mut end, length.saturating_sub(MAGIC.len() as u64));
    if whole.is_ok() && end == MAGIC {
        return Ok(());
    }
    file.lock()?;
    let names = (1..).map(|number| path.with_added_extension(format!("broken-{number}")));
    let mut free = names.filter(|name| disk.length(name).is_ok_and(|length| length.is_none()));
    let aside = free.next().expect("numbers do not end");
    disk.rename(path, &aside)?;
    tracing::warn!("{}: an interrupted run has not ended it: it now stands in {}", path.display(), aside.display());
    Ok(())
}

fn parquet_error(path: &str, error: ParquetError) -> Error {
    Error::File { path: path.to_owned(), error: std::io::Error::other(error) }
}

fn parquet_schema(schema: &Schema) -> Result<Type, ParquetError> {
    let mut fields = Vec::new();
    for name in ["message", "row"] {
        fields.push(Arc::new(field(name, Physical::INT64, Repetition::REQUIRED).build()?));
    }
    for column in schema.columns() {
        let built = match column.kind {
            Kind::Number => field(&column.name, Physical::DOUBLE, Repetition::OPTIONAL),
            Kind::Text => field(&column.name, Physical::BYTE_ARRAY, Repetition::OPTIONAL)
                .with_logical_type(Some(LogicalType::String))
                .with_converted_type(ConvertedType::UTF8),
        };
        fields.push(Arc::new(built.build()?));
    }
    Type::group_type_builder("rowmill").with_fields(fields).build()
}

fn field(name: &str, physical: Physical, repetition: Repetition) -> PrimitiveTypeBuilder<'_> {
    Type::primitive_type_builder(name, physical).with_repetition(repetition)
}

fn row_group(
    writer: &mut SerializedFileWriter<Box<dyn DiskFile>>,
    schema: &Schema,
    held: &[Message],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    let epochs: Vec<i64> = held.iter().flat_map(|message| vec![message.epoch as i64; message.rows()]).collect();
    column::<Int64Type>(&mut group, &epochs, None)?;
    let ids: Vec<i64> = held.iter().flat_map(|message| message.ids.iter().map(|id| *id as i64)).collect();
    column::<Int64Type>(&mut group, &ids, None)?;
    for field in schema.columns() {
        match field.kind {
            Kind::Number => {
                let all = held.iter().flat_map(|message| message.column(field.slot)).copied();
                let (values, levels) = optional(all.map(|x| (!x.is_nan()).then_some(x)));
                column::<DoubleType>(&mut group, &values, Some(&levels))?;
            }
            Kind::Text => {
                let texts = held.iter().map(|message| &message.texts[field.slot]);
                let all = texts.flat_map(|text| (0..text.len()).map(|row| text.get(row)));
                let (values, levels) =
                    optional(all.map(|text| text.map(|text| ByteArray::from(text.as_bytes().to_vec()))));
                column::<ByteArrayType>(&mut group, &values, Some(&levels))?;
            }
        }
    }
    group.close().map(drop)
}

/// The values that are present, and a definition level for every row.
fn optional<T>(values: impl Iterator<Item = Option<T>>) -> (Vec<T>, Vec<i16>) {
    let mut present = Vec::new();
    let levels = values.map(|value| {
        let level = i16::from(value.is_some());
        present.extend(value);
        level
    });
    let levels = levels.collect();
    (present, levels)
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Box<dyn DiskFile>>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let mut writer = group.next_column()?.ok_or_else(|| ParquetError::General("a column too many".into()))?;
    writer.typed::<T>().write_batch(values, levels, None)?;
    writer.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TextColumn;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    #[test]
    fn what_an_interrupted_run_has_left_is_moved_aside_and_whole_files_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (path, schema) = (directory.path().join("out.parquet"), Schema::new([("x", Kind::Number)]));
        std::fs::write(&path, "PAR1 and some row groups").unwrap();
        let create = || Parquet::create(&crate::disk::os_disk(), &path, &schema, Existing::Refuse, false);
        Box::new(create().unwrap()).close().unwrap();
        let aside = std::fs::read_to_string(directory.path().join("out.parquet.broken-1")).unwrap();
        assert_eq!(aside, "PAR1 and some row groups");
        let refused = create().err().unwrap().to_string();
        assert!(refused.contains("out.parquet") && refused.contains("--fresh"), "{refused}");
    }

    fn rows(path: &Path) -> Vec<String> {
        let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
        reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect()
    }

    /// Regression: after a kill only what was in the file when it was closed was there.
    #[test]
    fn what_was_synced_stands_in_the_file_of_the_next_run() {
        let directory = tempfile::tempdir().unwrap();
        let (path, schema) = (directory.path().join("out.parquet"), Schema::new([("x", Kind::Number)]));
        let log = directory.path().join("out.parquet.log");
        let create = |existing| Parquet::create(&crate::disk::os_disk(), &path, &schema, existing, true);
        let message = |number: u64| {
            let rows = ndarray::Array2::from_shape_vec((1, 2), vec![number as f64 + 1.0, 0.5]).unwrap();
            Message::new(number, vec![2 * number, 2 * number + 1], rows, Vec::new())
        };
        for number in 0..3 {
            // The process is killed: nothing is closed.
            let mut sink = create(Existing::Refuse).unwrap();
            sink.write(message(number)).unwrap();
            sink.sync().unwrap();
        }
        // Half a message was written, and the file is gone.
        let whole = std::fs::read(&log).unwrap();
        std::fs::write(&log, [&whole[..], &whole[whole.len() - 30..]].concat()).unwrap();
        std::fs::remove_file(&path).unwrap();
        let settings = crate::sink::SinkSettings::at(crate::sink::SinkUrl::Parquet(path.clone()));
        let settings = crate::sink::SinkSettings { logged: true, ..settings };
        assert_eq!(settings.logged_end(2).unwrap(), (3, 6));
        let others = Schema::new([("y", Kind::Number)]);
        let refused = Parquet::create(&crate::disk::os_disk(), &path, &others, Existing::Refuse, true);
        assert!(refused.err().unwrap().to_string().contains("other columns"));
        let mut sink = Box::new(create(Existing::Refuse).unwrap());
        sink.write(message(3)).unwrap();
        sink.close().unwrap();
        assert!(!log.exists());
        let expected = |number: u64| {
            let row = |row: u64, x: f64| format!("{{message: {number}, row: {row}, x: {x:?}}}");
            [row(2 * number, number as f64 + 1.0), row(2 * number + 1, 0.5)]
        };
        assert_eq!(rows(&path), (0..4).flat_map(expected).collect::<Vec<String>>());
        // A finished file is not replaced, and neither is a foreign file put at its path.
        assert!(create(Existing::Refuse).err().unwrap().to_string().contains("--fresh"));
        std::fs::write(&log, &whole).unwrap();
        std::fs::copy(&path, directory.path().join("copy")).unwrap();
        std::fs::rename(directory.path().join("copy"), &path).unwrap();
        assert!(create(Existing::Refuse).err().unwrap().to_string().contains("--fresh"));
        Box::new(create(Existing::Replace).unwrap()).close().unwrap();
        assert!(rows(&path).is_empty() && !log.exists());
    }

    #[test]
    fn what_was_written_reads_back() {
        let schema = Schema::new([("x", Kind::Number), ("t", Kind::Text)]);
        let mut text = TextColumn::default();
        [Some("a"), None].into_iter().for_each(|value| text.push(value));
        let message = Message::new(3, vec![5, 6], ndarray::array![[f64::NAN, 2.5]], vec![text]);
        let file = tempfile::Builder::new().suffix(".parquet").tempfile().unwrap();
        let sink = Parquet::create(&crate::disk::os_disk(), file.path(), &schema, Existing::Replace, false);
        let mut sink = Box::new(sink.unwrap());
        sink.write(message).unwrap();
        sink.close().unwrap();
        assert_eq!(
            rows(file.path()),
            ["{message: 3, row: 5, x: null, t: \"a\"}", "{message: 3, row: 6, x: 2.5, t: null}"]
        );
    }
}
