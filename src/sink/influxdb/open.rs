//! How a run opens the sink.

use super::address::WriteAddress;
use super::client::HttpClient;
use super::point_layout::PointLayout;
use super::settings::InfluxDb;
use super::writer::PointWriter;
use crate::data::{Message, Schema};
use crate::mqtt::masked;
use crate::sink::Error;
use crate::sink::custom::{OpenedRunSink, RunSink};
use crate::sink::opening::Opening;

impl RunSink for InfluxDb {
    type Input = Message;
    const IS_TRANSACTIONAL: bool = false;

    fn check(&self, url: &str) -> Result<(), String> {
        HttpClient::check(&WriteAddress::read(url)?, self)
    }

    fn check_columns(&self, schema: &Schema, time: Option<&str>) -> Result<(), String> {
        PointLayout::of(self, schema, time).map(drop)
    }

    fn open(&self, url: &str, schema: &Schema, opening: &Opening) -> Result<OpenedRunSink<Self>, Error> {
        let shown = masked(url);
        let unfit = |reason| Error::Custom { url: shown.clone(), reason };
        let address = WriteAddress::read(url).map_err(unfit)?;
        let client = HttpClient::new(address, self).map_err(unfit)?;
        let layout = PointLayout::of(self, schema, opening.origin.time.as_deref()).map_err(unfit)?;
        Ok(Box::new(PointWriter::open(shown.clone(), client, layout, self.gzip, schema, opening)?))
    }
}
