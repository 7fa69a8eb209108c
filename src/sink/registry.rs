//! Sinks by the scheme of their address. A new one is one file beside this one and one line here.

use super::custom::{CustomSink, SinkConfig};
use crate::schemes::Schemes;

/// The sinks that a program knows beside topics, files and standard output.
pub type Sinks = Schemes<CustomSink>;

impl Sinks {
    /// Those that are built in.
    pub fn builtin() -> Sinks {
        let sinks = Sinks::none();
        #[cfg(feature = "postgres")]
        let sinks = sinks.with_built_in::<super::postgres::Postgres>("postgresql").or("postgres");
        #[cfg(feature = "influxdb")]
        let sinks = sinks.with_built_in::<super::influxdb::InfluxDb>("http").or("https");
        sinks
    }

    /// These and one that is built in.
    #[cfg(any(feature = "postgres", feature = "influxdb"))]
    fn with_built_in<T: super::custom::RunSink>(self, scheme: &'static str) -> Sinks {
        self.with_settings::<T>(scheme, |settings, url| Ok(CustomSink::built_in(T::deserialize(settings)?, url)))
    }

    /// These and one more, which replaces one of the same scheme.
    pub fn with<T: SinkConfig>(self, scheme: &'static str) -> Sinks {
        self.with_settings::<T>(scheme, |settings, url| Ok(CustomSink::new(T::deserialize(settings)?, url)))
    }
}
