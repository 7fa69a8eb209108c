//! The table that rows go to: it is created, extended and checked, and says how each column's values get there.

use postgres::{Client, Row, Transaction};

use super::failure::words;
use super::name::{TableName, quoted};
use super::rows::{CopyColumn, CopyForm};
use super::settings::Postgres;
use crate::data::{Column, Kind, Schema, did_you_mean};

/// How rows get into the table.
pub struct TableTarget {
    pub columns: Vec<CopyColumn>,
    /// The COPY that takes them.
    pub copy: String,
    /// What follows the COPY, where that goes to a temporary table first.
    pub staged: Option<StagedCopy>,
}

/// The way through a temporary table: for keys, and for columns of other types.
pub struct StagedCopy {
    /// Creates the temporary table, once a connection.
    pub create: String,
    /// Moves its rows.
    pub insert: String,
    /// Empties it.
    pub clear: String,
}

/// Why a table can't be used.
pub enum TableProblem {
    /// The database refuses something.
    Database(postgres::Error),
    /// In words: it does not fit.
    Unfit(String),
}

impl From<postgres::Error> for TableProblem {
    fn from(error: postgres::Error) -> TableProblem {
        TableProblem::Database(error)
    }
}

/// A column as the database has it.
struct TableColumn {
    name: String,
    /// As SQL writes it.
    r#type: String,
    oid: u32,
    /// Whether the database makes its values.
    is_made: bool,
    /// Whether it holds no fractions, and would drop them without a word; also where it is a domain.
    is_whole: bool,
}

// Types by their numbers in pg_type.
const BOOL: u32 = 16;
const TEXT: u32 = 25;
const DOUBLE_PRECISION: u32 = 701;
const BPCHAR: u32 = 1042;
const VARCHAR: u32 = 1043;
const DATE: u32 = 1082;
const TIMESTAMP: u32 = 1114;
const TIMESTAMPTZ: u32 = 1184;

/// The name of the temporary table.
const STAGED: &str = "pg_temp.rowmill_staged";

impl TableTarget {
    /// Creates the table if it is not there, adds the columns that it lacks if the settings say so, and finds how the
    /// columns of `schema` get there; `time` names the one that becomes a timestamp.
    ///
    /// # Errors
    /// A table that does not fit.
    pub fn open(
        client: &mut Client,
        settings: &Postgres,
        schema: &Schema,
        time: Option<&str>,
    ) -> Result<TableTarget, TableProblem> {
        // Times without a zone are in UTC.
        client.batch_execute("SET TimeZone TO 'UTC'")?;
        let mut transaction = client.transaction()?;
        let found = columns_of(&mut transaction, &settings.table)?;
        let made = |name: &&str| found.iter().any(|existing| existing.is_made && existing.name == **name);
        if let Some(name) = schema.names().find(made) {
            return Err(TableProblem::Unfit(format!(
                "the table {} makes the values of its column {name} itself (GENERATED ALWAYS): leave it out with columns = \
                 [...] in the sink, or drop it from the rows with a step `drop`",
                settings.table
            )));
        }
        if found.is_empty() {
            create(&mut transaction, settings, schema, time)?;
        } else {
            extend(&mut transaction, settings, schema, time, &found)?;
        }
        let found = columns_of(&mut transaction, &settings.table)?;
        if !settings.key.is_empty() {
            check_key(&mut transaction, settings)?;
        }
        let target = TableTarget::of(settings, schema, &found);
        // What cannot be converted is told before the first row.
        if let Some(staged) = &target.staged {
            transaction.batch_execute(&staged.create)?;
            transaction.prepare(&staged.insert).map_err(|error| unfit(settings, &error))?;
        }
        transaction.prepare(&target.copy).map_err(|error| unfit(settings, &error))?;
        transaction.commit()?;
        Ok(target)
    }

    fn of(settings: &Postgres, schema: &Schema, found: &[TableColumn]) -> TableTarget {
        let ways: Vec<ColumnWay> = schema.columns().iter().filter_map(|column| ColumnWay::of(column, found)).collect();
        let names = ways.iter().map(|way| quoted(&way.copied.column.name)).collect::<Vec<_>>().join(", ");
        let columns = ways.iter().map(|way| way.copied.clone()).collect();
        if settings.key.is_empty() && ways.iter().all(|way| way.expression.is_none()) {
            let copy = format!("COPY {} ({names}) FROM STDIN (FORMAT binary)", settings.table);
            return TableTarget { columns, copy, staged: None };
        }
        let own = ways.iter().enumerate().map(|(place, way)| format!(", c{place} {}", way.staged_type()));
        let create = format!(
            "CREATE TEMPORARY TABLE IF NOT EXISTS rowmill_staged (rowmill_row bigint{}) ON COMMIT DELETE ROWS",
            own.collect::<String>()
        );
        let expressions = ways.iter().enumerate().map(|(place, way)| way.expression(&format!("c{place}")));
        let expressions = expressions.collect::<Vec<_>>().join(", ");
        let (table, key) = (&settings.table, &settings.key);
        let insert = if key.is_empty() {
            format!("INSERT INTO {table} ({names}) SELECT {expressions} FROM {STAGED} ORDER BY rowmill_row")
        } else {
            let place = |name: &String| ways.iter().position(|way| way.copied.column.name == *name).unwrap_or(0);
            let keys = key.iter().map(|name| format!("c{}", place(name))).collect::<Vec<_>>().join(", ");
            let others = ways.iter().map(|way| &way.copied.column.name).filter(|name| !key.contains(name));
            let set: Vec<String> = others.map(|name| format!("{0} = EXCLUDED.{0}", quoted(name))).collect();
            let set = if set.is_empty() { "NOTHING".into() } else { format!("UPDATE SET {}", set.join(", ")) };
            let conflict = key.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
            // Of several rows with one key the last one counts.
            format!(
                "INSERT INTO {table} ({names}) SELECT {expressions} FROM (SELECT DISTINCT ON ({keys}) * FROM {STAGED} \
                 ORDER BY {keys}, rowmill_row DESC) AS last ORDER BY rowmill_row ON CONFLICT ({conflict}) DO {set}"
            )
        };
        let staged_names: String = (0..ways.len()).map(|place| format!(", c{place}")).collect();
        let copy = format!("COPY {STAGED} (rowmill_row{staged_names}) FROM STDIN (FORMAT binary)");
        TableTarget { columns, copy, staged: Some(StagedCopy { create, insert, clear: format!("TRUNCATE {STAGED}") }) }
    }
}

/// How a column gets into the table.
struct ColumnWay {
    copied: CopyColumn,
    /// What makes its value of the copied one, which stands for `$`; `None` if that is the value itself.
    expression: Option<String>,
}

impl ColumnWay {
    fn of(column: &Column, found: &[TableColumn]) -> Option<ColumnWay> {
        let TableColumn { r#type, oid, is_whole, .. } = found.iter().find(|existing| existing.name == column.name)?;
        let (form, expression) = match (*oid, column.kind) {
            (TIMESTAMP | TIMESTAMPTZ, _) => (CopyForm::Time, None),
            (DATE, _) => (CopyForm::Time, Some("($ AT TIME ZONE 'UTC')::date".to_owned())),
            (DOUBLE_PRECISION, Kind::Number) | (TEXT | VARCHAR | BPCHAR, Kind::Text) => (CopyForm::Plain, None),
            (BOOL, Kind::Number) => (CopyForm::Plain, Some("$ <> 0".to_owned())),
            // As an assignment: what does not fit is refused, and not cut.
            (_, Kind::Number) => (CopyForm::Plain, Some("$".to_owned())),
            (_, Kind::Text) => (CopyForm::Plain, Some(format!("$::{type}"))),
        };
        let whole = is_whole.then(|| r#type.clone());
        Some(ColumnWay { copied: CopyColumn { column: column.clone(), form, whole }, expression })
    }

    fn staged_type(&self) -> &'static str {
        match (self.copied.form, self.copied.column.kind) {
            (CopyForm::Time, _) => "timestamptz",
            (CopyForm::Plain, Kind::Number) => "double precision",
            (CopyForm::Plain, Kind::Text) => "text",
        }
    }

    fn expression(&self, name: &str) -> String {
        self.expression.as_ref().map_or_else(|| name.to_owned(), |expression| expression.replace('$', name))
    }
}

fn unfit(settings: &Postgres, error: &postgres::Error) -> TableProblem {
    TableProblem::Unfit(format!("the table {} does not fit the rows: {}", settings.table, words(error)))
}

/// Refuses names that PostgreSQL would cut, and keys that the rows do not have.
pub fn check_names(schema: &Schema, key: &[String]) -> Result<(), String> {
    /// Bytes of the longest name.
    const LONGEST: usize = 63;
    if let Some(long) = schema.names().find(|name| name.len() > LONGEST || name.is_empty()) {
        return Err(format!("{long:?} is no name of a column: it has {} bytes, not 1 to {LONGEST}", long.len()));
    }
    if let Some((_, twice)) = key.iter().enumerate().find(|(place, name)| key[..*place].contains(name)) {
        return Err(format!("key: {twice} stands there twice"));
    }
    match key.iter().find(|name| schema.get(name).is_none()) {
        Some(name) => {
            let nearest = did_you_mean(name, schema.names()).map(|text| format!("; {text}")).unwrap_or_default();
            Err(format!("key: the rows have no column {name}{nearest}"))
        }
        None => Ok(()),
    }
}

fn columns_of(transaction: &mut Transaction<'_>, table: &TableName) -> Result<Vec<TableColumn>, postgres::Error> {
    // The numbers are bool, int8, int2, int4, oid and numeric; of numeric the modifier holds the digits behind the point.
    let rows = transaction.query(
        "SELECT attname::text, format_type(atttypid, atttypmod), atttypid, attgenerated <> '', (WITH RECURSIVE base(type, \
         modifier) AS (SELECT atttypid, atttypmod UNION ALL SELECT typbasetype, typtypmod FROM base JOIN pg_type ON \
         pg_type.oid = base.type WHERE typbasetype <> 0) SELECT bool_or(type IN (16, 20, 21, 23, 26) OR type = 1700 AND \
         modifier >= 4 AND ((modifier - 4) & 2047 = 0 OR (modifier - 4) & 1024 <> 0)) FROM base) FROM pg_attribute WHERE \
         attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
        &[&table.to_string()],
    )?;
    let column = |row: &Row| TableColumn {
        name: row.get(0),
        r#type: row.get(1),
        oid: row.get(2),
        is_made: row.get(3),
        is_whole: row.get(4),
    };
    Ok(rows.iter().map(column).collect())
}

/// The definition of a column that is created.
fn definition(column: &Column, time: Option<&str>) -> String {
    let r#type = match column.kind {
        _ if time == Some(column.name.as_str()) => "timestamptz",
        Kind::Number => "double precision",
        Kind::Text => "text",
    };
    format!("{} {type}", quoted(&column.name))
}

fn create(
    transaction: &mut Transaction<'_>,
    settings: &Postgres,
    schema: &Schema,
    time: Option<&str>,
) -> Result<(), postgres::Error> {
    let (table, key) = (&settings.table, &settings.key);
    let mut parts: Vec<String> = schema.columns().iter().map(|column| definition(column, time)).collect();
    if !key.is_empty() {
        parts.push(format!("PRIMARY KEY ({})", key.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")));
    }
    transaction.batch_execute(&format!("CREATE TABLE {table} ({})", parts.join(", ")))?;
    tracing::info!("the table {table} is created");
    let Some(time) = time.filter(|time| schema.get(time).is_some()) else { return Ok(()) };
    let extension = transaction.query_opt("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'", &[])?;
    // A unique index of a hypertable holds its time.
    if extension.is_some() && (key.is_empty() || key.iter().any(|name| name == time)) {
        let sql = format!("SELECT create_hypertable('{}', '{}')", literal(&table.to_string()), literal(time));
        transaction.batch_execute(&sql)?;
    }
    Ok(())
}

fn literal(text: &str) -> String {
    text.replace('\'', "''")
}

fn extend(
    transaction: &mut Transaction<'_>,
    settings: &Postgres,
    schema: &Schema,
    time: Option<&str>,
    found: &[TableColumn],
) -> Result<(), TableProblem> {
    let lacks = |column: &&Column| found.iter().all(|existing| existing.name != column.name);
    let missing: Vec<&Column> = schema.columns().iter().filter(lacks).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let add: Vec<String> =
        missing.iter().map(|column| format!("ADD COLUMN IF NOT EXISTS {}", definition(column, time))).collect();
    let sql = format!("ALTER TABLE {} {}", settings.table, add.join(", "));
    if !settings.add_columns {
        let names: Vec<&str> = missing.iter().map(|column| column.name.as_str()).collect();
        return Err(TableProblem::Unfit(format!(
            "the table {} lacks columns of the rows: {}; set add_columns = true, drop them from the rows, or add them: \
             {sql}",
            settings.table,
            names.join(", ")
        )));
    }
    transaction.batch_execute(&sql)?;
    Ok(())
}

/// Refuses a key without a unique index of just its columns.
fn check_key(transaction: &mut Transaction<'_>, settings: &Postgres) -> Result<(), TableProblem> {
    let rows = transaction.query(
        "SELECT array_to_string(ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND \
         a.attnum = ANY(i.indkey[0:i.indnkeyatts - 1])), E'\\x01') FROM pg_index i WHERE i.indrelid = to_regclass($1) AND \
         i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL",
        &[&settings.table.to_string()],
    )?;
    let mut wanted: Vec<&str> = settings.key.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    let has = rows.iter().any(|row| {
        let names: String = row.get(0);
        let mut names: Vec<&str> = names.split('\u{1}').collect();
        names.sort_unstable();
        names == wanted
    });
    if has {
        return Ok(());
    }
    let key = settings.key.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    Err(TableProblem::Unfit(format!(
        "key: the table {0} has no unique index of just these columns: CREATE UNIQUE INDEX ON {0} ({key})",
        settings.table
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_each_column_once() {
        let schema = Schema::new([("k", Kind::Number), ("v", Kind::Number)]);
        let check = |key: &[&str]| check_names(&schema, &key.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(check(&["k", "v"]), Ok(()));
        assert_eq!(check(&["k", "v", "k"]), Err("key: k stands there twice".to_owned()));
    }
}
