//! Benchmarks of a dataflow: throughput, latency under load, scaling, and the planner's forecasts.
//!
//! - `sweep`: runs all cases and peers; `case`: a case and its measurement; `lines`: CSV files.
//! - `program`: starts this program again, for runs in processes of their own.
//! - `scale`: a model of more machines.
//! - `latency`: latency against load; `planner_check`: forecast against measurement.
//! - `bare_loop`: parts of a run alone; `peer`: other programs; `feed`: rows over MQTT.
//! - `findings`, `page`: the results and their pages; `plot`, `bars`, `dots`: their charts.
//!
//! Never here: code that a run needs without the feature `bench`.

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
mod planner_check;
mod plot;
mod program;
mod scale;
mod sweep;

pub use bare_loop::{BareLoop, Part};
pub use case::{Case, Transport};
pub use latency::{LoadPoint, LoadSweep, write as write_latency};
pub use page::write as write_page;
pub use peer::{PeerCommand, PeerOutput};
pub use planner_check::{CheckedLoad, PlannerCheck};
pub use scale::{cases as scale_cases, report as scale_report};
pub use sweep::{RowOrigin, Sweep};
