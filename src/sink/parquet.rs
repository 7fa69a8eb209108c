//! Columns to a Parquet file: `message` and `row` as 64-bit integers, numbers as doubles, texts as strings.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{PrimitiveTypeBuilder, Type};

use super::claim::{Claimed, claim};
use super::{Error, Existing, Sink};
use crate::data::{Kind, Message, Schema};
use crate::disk::{Disk, File};
use crate::format::Output;

/// Rows a row group: what is held in memory.
const ROW_GROUP: usize = 65_536;

/// A Parquet file; messages are gathered into row groups.
pub struct Parquet {
    path: String,
    writer: SerializedFileWriter<Box<dyn File>>,
    schema: Schema,
    held: Vec<Message>,
    held_rows: usize,
}

impl Parquet {
    /// Begins the file. One that a run has left without its end can't be read: it is not replaced, but moved aside.
    pub fn create(disk: &dyn Disk, path: &Path, schema: &Schema, existing: Existing) -> Result<Parquet, Error> {
        let shown = path.display().to_string();
        let existing = match existing {
            Existing::Rerun { fresh: false, repeats: false } => Existing::Refuse,
            existing => existing,
        };
        if existing == Existing::Refuse {
            move_aside(disk, path).map_err(|error| Error::File { path: shown.clone(), error })?;
        }
        let Claimed { file, .. } = claim(disk, path, b"", existing)?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = parquet_schema(schema)
            .and_then(|root| SerializedFileWriter::new(file, Arc::new(root), Arc::new(properties)))
            .map_err(|error| parquet_error(&shown, error))?;
        Ok(Parquet { path: shown, writer, schema: schema.clone(), held: Vec::new(), held_rows: 0 })
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

impl Sink for Parquet {
    fn write(&mut self, output: Output) -> Result<(), Error> {
        let Output::Columns(message) = output else { unreachable!("the encoder gives columns to a sink of columns") };
        self.held_rows += message.rows();
        self.held.push(message);
        if self.held_rows >= ROW_GROUP { self.write_row_group() } else { Ok(()) }
    }

    /// A Parquet file can only be read when it is closed.
    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn close(mut self: Box<Self>) -> Result<(), Error> {
        self.write_row_group()?;
        let path = self.path;
        self.writer.close().map(drop).map_err(|error| parquet_error(&path, error))
    }
}

/// Moves a file that is no whole Parquet file to a name that is free.
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
    writer: &mut SerializedFileWriter<Box<dyn File>>,
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

/// Values present, and for every row whether there is one.
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
    group: &mut SerializedRowGroupWriter<'_, Box<dyn File>>,
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
        Box::new(Parquet::create(&crate::disk::Machine, &path, &schema, Existing::Refuse).unwrap()).close().unwrap();
        let aside = std::fs::read_to_string(directory.path().join("out.parquet.broken-1")).unwrap();
        assert_eq!(aside, "PAR1 and some row groups");
        let refused =
            Parquet::create(&crate::disk::Machine, &path, &schema, Existing::Refuse).err().unwrap().to_string();
        assert!(refused.contains("out.parquet") && refused.contains("--fresh"), "{refused}");
    }

    #[test]
    fn what_was_written_reads_back() {
        let schema = Schema::new([("x", Kind::Number), ("t", Kind::Text)]);
        let mut text = TextColumn::default();
        [Some("a"), None].into_iter().for_each(|value| text.push(value));
        let message = Message::new(3, vec![5, 6], ndarray::array![[f64::NAN, 2.5]], vec![text]);
        let file = tempfile::Builder::new().suffix(".parquet").tempfile().unwrap();
        let mut sink =
            Box::new(Parquet::create(&crate::disk::Machine, file.path(), &schema, Existing::Replace).unwrap());
        sink.write(Output::Columns(message)).unwrap();
        sink.close().unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(file.path()).unwrap()).unwrap();
        let rows: Vec<String> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(rows, ["{message: 3, row: 5, x: null, t: \"a\"}", "{message: 3, row: 6, x: 2.5, t: null}"]);
    }
}
