//! Sources by the scheme of their address. A new one is one file beside this one and one line here.

use super::polled::{CustomSource, SourceConfig};
use crate::schemes::Schemes;

/// The sources that a program knows beside topics, files, standard input and generated rows.
pub type Sources = Schemes<CustomSource>;

impl Sources {
    /// Those that are built in.
    pub fn builtin() -> Sources {
        Sources::none()
    }

    /// These and one more, which replaces one of the same scheme.
    pub fn with<T: SourceConfig>(self, scheme: &'static str) -> Sources {
        self.with_settings::<T>(scheme, |settings, url| Ok(CustomSource::new(T::deserialize(settings)?, url)))
    }
}
