//! How a run opens the sink.

use super::address::Address;
use super::connection::Database;
use super::progress::ProgressTable;
use super::settings::Postgres;
use super::table::check_names;
use super::writer::TableWriter;
use crate::data::{Message, Schema};
use crate::mqtt::masked;
use crate::sink::custom::RunSink;
use crate::sink::opening::Opening;
use crate::sink::{Error, LastTransaction, Takes};

/// The database at an address, with the login of the settings.
fn database(settings: &Postgres, url: &str) -> Result<Database, String> {
    let mut address = Address::read(url, settings.ca.is_some())?;
    if let Some(user) = &settings.user {
        address.config.user(user);
    }
    if let Some(password) = &settings.password {
        address.config.password(password.reveal());
    }
    Database::new(url, address, settings.ca.as_deref())
}

fn reach(settings: &Postgres, url: &str) -> Result<Database, Error> {
    database(settings, url).map_err(|reason| Error::Custom { url: masked(url), reason })
}

impl RunSink for Postgres {
    type Input = Message;
    const IS_TRANSACTIONAL: bool = true;

    fn check(&self, url: &str) -> Result<(), String> {
        database(self, url).map(drop)
    }

    fn check_columns(&self, schema: &Schema, _time: Option<&str>) -> Result<(), String> {
        check_names(schema, &self.key)
    }

    fn open(&self, url: &str, schema: &Schema, opening: &Opening) -> Result<Box<dyn Takes<Message>>, Error> {
        Ok(Box::new(TableWriter::open(reach(self, url)?, self, schema, opening)?))
    }

    fn committed(&self, url: &str, opening: &Opening, fresh: bool) -> Result<Option<LastTransaction>, Error> {
        let database = reach(self, url)?;
        let progress = ProgressTable::of(&self.table, &opening.origin.dataflow, "");
        let (_, last) = database.begin(opening, |client| Ok(progress.committed(client, fresh)?))?;
        Ok(last)
    }
}
