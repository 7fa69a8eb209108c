//! Measuring a dataflow: what it can do, what a load meets, and how it scales.

mod bare_loop;
mod bars;
mod case;
mod dots;
mod feed;
mod findings;
mod latency;
mod lines;
mod page;
mod peer;
mod picture;
mod planner_check;
mod plot;
mod program;
mod sweep;

pub use bare_loop::{BareLoop, Part};
pub use case::{Case, Transport};
pub use latency::{LoadPoint, LoadSweep, write as write_latency};
pub use page::write as write_page;
pub use peer::{PeerCommand, PeerOutput};
pub use planner_check::{CheckedLoad, PlannerCheck};
pub use sweep::{RowOrigin, Sweep};
