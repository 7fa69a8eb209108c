//! The table of the runs' progress, which stands beside the table of the rows and changes in the same transactions.

use postgres::types::ToSql;
use postgres::{Client, Error, Row, Statement};

use super::name::TableName;
use crate::sink::{LastTransaction, TransactionProgress};

/// The row of a dataflow in the table of progress.
pub struct ProgressTable {
    table: TableName,
    /// What tells it from others: the dataflow, the table of its rows, and the source where that begins again.
    key: [String; 3],
}

/// What an earlier run has left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredProgress {
    /// How many transactions there were.
    pub transactions: i64,
    /// The number of the next row.
    pub next_row: i64,
    /// The length and hash of the beginning of the source's file.
    pub beginning: Option<(i64, String)>,
}

const NAME: &str = "rowmill_progress";
const OF_KEY: &str = "dataflow = $1 AND sink = $2 AND source = $3";

impl ProgressTable {
    /// The progress of a dataflow with a table of rows; `source` is empty unless that begins again.
    pub fn of(rows: &TableName, dataflow: &str, source: &str) -> ProgressTable {
        ProgressTable { table: rows.beside(NAME), key: [dataflow.into(), rows.to_string(), source.into()] }
    }

    fn is_there(&self, client: &mut Client) -> Result<bool, Error> {
        let found = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&self.table.to_string()])?;
        Ok(found.get(0))
    }

    /// What the last transaction has left; a `fresh` run forgets it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn committed(&self, client: &mut Client, fresh: bool) -> Result<Option<LastTransaction>, Error> {
        let ([dataflow, sink, source], table) = (&self.key, &self.table);
        if !self.is_there(client)? {
            return Ok(None);
        }
        if fresh {
            client.execute(&format!("DELETE FROM {table} WHERE {OF_KEY}"), &[dataflow, sink, source])?;
            return Ok(None);
        }
        // A transaction of a run that was killed may still be at work: its end is waited for.
        let sql = format!("SELECT transactions, change FROM {table} WHERE {OF_KEY} FOR UPDATE");
        let found = client.query_opt(&sql, &[dataflow, sink, source])?;
        let last = |row: Row| LastTransaction {
            transactions: row.get::<_, i64>(0) as u64,
            change: row.get::<_, Option<Vec<u8>>>(1).unwrap_or_default(),
        };
        Ok(found.map(last).filter(|last| last.transactions > 0))
    }

    /// Takes the row over for a run, by which every other one that still holds it ends; what an earlier one has left.
    ///
    /// # Errors
    /// Those of the database.
    pub fn take_over(&self, client: &mut Client, run: &str) -> Result<StoredProgress, Error> {
        let ([dataflow, sink, source], table) = (&self.key, &self.table);
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {table} (dataflow text, sink text, source text, run text NOT NULL, transactions \
             bigint NOT NULL, next_row bigint NOT NULL, beginning_bytes bigint, beginning text, change bytea, written \
             timestamptz NOT NULL, PRIMARY KEY (dataflow, sink, source))"
        );
        // To create it may be forbidden where it is there.
        if !self.is_there(client)? {
            client.batch_execute(&create)?;
        }
        let sql = format!(
            "INSERT INTO {table} AS before (dataflow, sink, source, run, transactions, next_row, written) VALUES ($1, $2, \
             $3, $4, 0, 0, now()) ON CONFLICT (dataflow, sink, source) DO UPDATE SET run = $4 RETURNING transactions, \
             next_row, beginning_bytes, beginning"
        );
        let row = client.query_one(&sql, &[dataflow, sink, source, &run])?;
        let beginning = row.get::<_, Option<i64>>(2).zip(row.get::<_, Option<String>>(3));
        Ok(StoredProgress { transactions: row.get(0), next_row: row.get(1), beginning })
    }

    /// How many transactions a run has committed; `None` if another has taken over.
    ///
    /// # Errors
    /// Those of the database.
    pub fn transactions(&self, client: &mut Client, run: &str) -> Result<Option<i64>, Error> {
        let ([dataflow, sink, source], table) = (&self.key, &self.table);
        let sql = format!("SELECT transactions FROM {table} WHERE {OF_KEY} AND run = $4 FOR UPDATE");
        Ok(client.query_opt(&sql, &[dataflow, sink, source, &run])?.map(|row| row.get(0)))
    }

    /// What [`ProgressTable::store`] says.
    ///
    /// # Errors
    /// Those of the database.
    pub fn prepare(&self, client: &mut Client) -> Result<Statement, Error> {
        client.prepare(&format!(
            "UPDATE {} SET transactions = transactions + 1, next_row = $5, beginning_bytes = $6, beginning = $7, change = \
             $8, written = now() WHERE {OF_KEY} AND run = $4 AND transactions = $9",
            self.table
        ))
    }

    /// Stores progress in the transaction that is open, behind so many `transactions`; false if the row is not as this
    /// run has left it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn store(
        &self,
        client: &mut Client,
        statement: &Statement,
        run: &str,
        transactions: i64,
        progress: &TransactionProgress,
        beginning: Option<&(i64, String)>,
    ) -> Result<bool, Error> {
        let [dataflow, sink, source] = &self.key;
        let (next_row, change) = (progress.next_row as i64, &progress.change);
        let (bytes, hash) = (beginning.map(|(bytes, _)| *bytes), beginning.map(|(_, hash)| hash.as_str()));
        let values: [&(dyn ToSql + Sync); 9] =
            [dataflow, sink, source, &run, &next_row, &bytes, &hash, change, &transactions];
        let stored = client.execute(statement, &values)?;
        Ok(stored == 1)
    }
}
