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
pub use case::{Case, Over};
pub use foresight::{Compared, Foresight};
pub use latency::{Ladder, Rung, write as write_latency};
pub use page::write as write_page;
pub use peer::{Peer, Told};
pub use sweep::{Rows, Sweep};
