//! `schema`: the columns of rows, and how their cells are read.

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::config::error::{SpannedError, Wrong};
use crate::config::parse::sections::{BaseSchema, SchemaChoice, SchemaSection};
use crate::config::parse::time::TimeSection;
use crate::data::{Kind, Schema};
use crate::format::Decoding;

/// What `schema` says: the columns, and how their cells are read.
#[derive(Clone)]
pub(super) struct ReadSchema {
    pub schema: SchemaChoice,
    pub decoding: Decoding,
    /// Whether its columns are those of a Davis station, or come on top of them.
    pub is_davis: bool,
    /// Whether columns are listed.
    pub names_columns: bool,
}

impl ReadSchema {
    pub fn davis() -> ReadSchema {
        let schema = SchemaChoice::Known { schema: Schema::davis(), id: None };
        ReadSchema { schema, decoding: Decoding::default(), is_davis: true, names_columns: false }
    }
}

pub(super) fn read_schema(value: Spanned<DeValue<'_>>) -> Result<ReadSchema, SpannedError> {
    let span = value.span();
    match value.get_ref() {
        DeValue::String(name) if name == "davis" => Ok(ReadSchema::davis()),
        DeValue::String(name) if name == "infer" => {
            let schema = SchemaChoice::Infer { listed: Vec::new(), id: None };
            Ok(ReadSchema { schema, decoding: Decoding::default(), is_davis: false, names_columns: false })
        }
        DeValue::String(name) => Err(Wrong::UnknownSchema(name.to_string()).at(span)),
        DeValue::Table(_) => {
            let section = SchemaSection::deserialize(ValueDeserializer::from(value))?;
            if section.base.is_none() && section.number.is_empty() && section.text.is_empty() {
                return Err(Wrong::EmptySchema.at(span));
            }
            if let Some(column) = section.reserved() {
                return Err(Wrong::ReservedColumn(column.get_ref().name().to_owned()).at(column.span()));
            }
            if let Some(mark) = section.ambiguous_mark() {
                return Err(Wrong::AmbiguousMark(mark).at(span));
            }
            let keys = section.keys().map_err(|(reason, column)| Wrong::ColumnKey(reason).at(column.span()))?;
            let names_columns = !section.number.is_empty() || !section.text.is_empty();
            let is_davis = section.base == Some(BaseSchema::Davis);
            let (decoding, time) = (section.decoding(keys), section.time.clone());
            let schema = section.choice();
            check_time(&schema, time)?;
            check_units(&schema, &decoding).map_err(|wrong| wrong.at(span))?;
            let is_davis =
                is_davis || matches!(&schema, SchemaChoice::Known { schema, .. } if *schema == Schema::davis());
            Ok(ReadSchema { schema, decoding, is_davis, names_columns })
        }
        _ => Err(Wrong::NoSchema.at(span)),
    }
}

/// Refuses the unit of a column that is not there.
fn check_units(choice: &SchemaChoice, decoding: &Decoding) -> Result<(), Wrong> {
    let SchemaChoice::Known { schema, .. } = choice else { return Ok(()) };
    match decoding.unit.keys().find(|name| schema.get(name).is_none()) {
        Some(name) => Err(Wrong::no_column(name, schema)),
        None => Ok(()),
    }
}

/// Refuses a time whose column is not there.
fn check_time(choice: &SchemaChoice, time: Option<Spanned<TimeSection>>) -> Result<(), SpannedError> {
    let (SchemaChoice::Known { schema, .. }, Some(time)) = (choice, time) else { return Ok(()) };
    let (span, section) = (time.span(), time.into_inner());
    let name = section.name();
    let span = section.column.as_ref().map_or(span, Spanned::span);
    match schema.get(name) {
        None => Err(Wrong::no_column(name, schema).at(span)),
        // A format reads texts, and cells are joined to one.
        Some(column)
            if column.kind == Kind::Number
                && (section.format.is_some() || section.from.iter().any(|from| from != name)) =>
        {
            Err(Wrong::NoTextColumn { name: name.to_owned(), nearest: None }.at(span))
        }
        Some(_) => Ok(()),
    }
}
