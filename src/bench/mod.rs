//! Measuring a dataflow: what it can do, what a load meets, and how it scales.

mod alone;
mod bars;
mod case;
mod dots;
mod feed;
mod findings;
mod foresight;
mod latency;
mod lines;
mod page;
mod peer;
mod picture;
mod plot;
mod program;
mod sweep;

pub use alone::{BareLoop, Part};
pub use case::{Case, Transport};
pub use foresight::{CheckedLoad, PlannerCheck};
pub use latency::{LoadPoint, LoadSweep, write as write_latency};
pub use page::write as write_page;
pub use peer::{PeerCommand, PeerOutput};
pub use sweep::{RowOrigin, Sweep};
