//! Shows the status while the first worker, which shows it else, is blocked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::measure::{BrokerLink, IntervalStatus, RunStatus, now_ms};
use crate::runtime::background_thread::BackgroundThread;
use crate::runtime::observe::activity::{Activity, STALL_INTERVAL};
use crate::runtime::options::{OnLive, Options};

/// How often it is looked up whether the first worker is blocked.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(250);
/// A first worker that has shown nothing for so long is blocked, as by a sink that takes nothing.
const BLOCKED_INTERVAL: Duration = Duration::from_millis(1500);

/// Shows the status while the first worker is blocked, until it is dropped. It has a thread of its own: the disk may be
/// what blocks.
pub struct StatusRefresher {
    _thread: BackgroundThread,
}

impl StatusRefresher {
    /// In the process with the first worker, if anybody is shown the status.
    pub fn start(activity: &Arc<Activity>, options: &Options) -> Option<StatusRefresher> {
        let on_live = options.on_live.clone().filter(|_| options.cluster.process == 0)?;
        let over = Arc::<AtomicBool>::default();
        let processes = options.cluster.processes();
        let workers = options.cluster.workers * processes;
        let thread = RefresherThread { activity: activity.clone(), on_live, over: over.clone(), workers, processes };
        let thread = BackgroundThread::start("status", over, move || thread.run());
        Some(StatusRefresher { _thread: thread.expect("a thread can be started") })
    }
}

struct RefresherThread {
    activity: Arc<Activity>,
    on_live: OnLive,
    over: Arc<AtomicBool>,
    /// Of all processes.
    workers: usize,
    processes: usize,
}

impl RefresherThread {
    fn run(self) {
        let started = Instant::now();
        let mut moved = (self.activity.mark(), started);
        while !self.over.load(Ordering::Relaxed) {
            let mark = self.activity.mark();
            if mark != moved.0 || !self.activity.rows_wait() {
                moved = (mark, Instant::now());
            }
            self.refresh(started, moved.1);
            std::thread::park_timeout(LOOK_UP_INTERVAL);
        }
    }

    /// Shows the last status again if it is old: what it tells of the sinks is as of now, and of the last second, which
    /// nobody has measured, nothing.
    fn refresh(&self, started: Instant, moved: Instant) {
        let Some(mut last) = self.activity.shown.last() else { return };
        if last.as_ref().map_or(started, |(at, _)| *at).elapsed() < BLOCKED_INTERVAL {
            return;
        }
        let links = self.activity.links_of_all();
        // Before the first status there is only to tell of sinks that connect, and of rows that wait.
        let connects = || links.iter().any(|link| link.link == BrokerLink::Connecting);
        if last.is_none() && !connects() && !self.activity.rows_wait() {
            return;
        }
        let of_none = || RunStatus {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            workers: self.workers,
            processes: self.processes,
            ..RunStatus::of_none()
        };
        let before = last.take().map_or_else(of_none, |(_, status)| status);
        let still = moved.elapsed();
        let stalled_ms = (still >= STALL_INTERVAL).then(|| now_ms() - still.as_millis() as u64);
        let (stalled_ms, stalled_by) = self.activity.stall(before.stalled_ms.or(stalled_ms));
        let status = RunStatus {
            written_ms: now_ms(),
            links,
            stalled_ms,
            stalled_by,
            now: IntervalStatus {
                seconds: started.elapsed().as_secs_f64(),
                waiting: before.now.waiting,
                ..IntervalStatus::default()
            },
            ..before
        };
        (self.on_live)(&status);
        *last = Some((Instant::now(), status));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::runtime::Cluster;

    #[test]
    fn a_status_that_nobody_shows_any_more_is_shown_again() {
        let shown = Arc::<Mutex<Vec<RunStatus>>>::default();
        let collect = shown.clone();
        let on_live: OnLive = Arc::new(move |status| collect.lock().unwrap().push(status.clone()));
        let options = Options { on_live: Some(on_live.clone()), ..Options::new(Cluster::threads(1)) };
        let activity = Arc::<Activity>::default();
        let now = IntervalStatus { rows_per_second: 7.0, ..IntervalStatus::default() };
        activity.shown.show(RunStatus { rows_in: 5, now, ..RunStatus::default() }, &on_live);
        let refresher = StatusRefresher::start(&activity, &options).unwrap();
        let since = Instant::now();
        while shown.lock().unwrap().len() < 3 {
            assert!(since.elapsed() < Duration::from_secs(30));
            std::thread::sleep(LOOK_UP_INTERVAL);
        }
        drop(refresher);
        let shown = shown.lock().unwrap();
        let rates: Vec<f64> = shown[..3].iter().map(|status| status.now.rows_per_second).collect();
        assert_eq!(rates, [7.0, 0.0, 0.0], "of a second that nobody has measured nothing is known");
        assert!(shown[..3].iter().all(|status| status.rows_in == 5));
        let cluster = Cluster { process: 1, ..options.cluster.clone() };
        assert!(StatusRefresher::start(&activity, &Options { cluster, ..options }).is_none(), "not the first worker's");
        assert!(StatusRefresher::start(&activity, &Options::new(Cluster::threads(1))).is_none(), "nobody is shown it");
    }
}
