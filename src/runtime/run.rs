//! Runs this process' part of a dataflow: its workers, and its connections to the other processes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use timely::WorkerConfig;

use crate::config::{Dataflow, SinkPlan};
use crate::measure::{BrokerLink, BusyTime, Report};
use crate::mqtt::ClientIdLock;
use crate::runtime::cluster::control_channel::{ControlChannel, ReopenRequest, UnlinkedSinks};
use crate::runtime::cluster::identity::OwnIdentity;
use crate::runtime::cluster::mesh::{Mesh, Peer};
use crate::runtime::cluster::start_barrier;
use crate::runtime::cluster::topology::{Cluster, Sockets};
use crate::runtime::epochs::resume::ResumePoint;
use crate::runtime::error::Error;
use crate::runtime::ingest::held_buckets::HeldBuckets;
use crate::runtime::observe::activity::Activity;
use crate::runtime::observe::sampler::Sampler;
use crate::runtime::observe::status_refresher::StatusRefresher;
use crate::runtime::observe::timely_log::TimelyTrace;
use crate::runtime::observe::watchdog::Watchdog;
use crate::runtime::options::Options;
use crate::runtime::reload::versions::ModelVersions;
use crate::runtime::worker::Context;
use crate::runtime::{coordinator, worker};
use crate::sink;

/// Runs this process' workers until the source ends; process 0 returns the report.
///
/// # Errors
/// The first error of this process' workers.
pub fn run(dataflow: Dataflow, mut options: Options) -> Result<Option<Report>, Error> {
    let activity = Arc::<Activity>::default();
    let _ = activity.sinks.set(dataflow.sinks.iter().map(SinkPlan::shown).collect());
    let _watchdog = Watchdog::start(&activity, &options);
    let _refresher = StatusRefresher::start(&activity, &options);
    if options.cluster.process == 0 {
        let trace = options.trace.iter().map(|path| ("the trace", part_of_trace(path, &options.cluster)));
        dataflow.check_files(options.cluster.processes(), &trace.collect::<Vec<_>>())?;
    }
    let _client_ids = lock_client_ids(&dataflow, &options.cluster)?;
    let start = if options.cluster.process == 0 { Some(ResumePoint::find(&dataflow, &options)?) } else { None };
    let start = Mutex::new(start);
    let (sockets, _control) = match options.cluster.hosts.len() {
        0 | 1 => (Vec::new(), None),
        _ => {
            let Some((sockets, control)) = meet(&dataflow, &mut options, &activity)? else { return Ok(None) };
            let _ = activity.peers.set(control.peers.clone());
            (sockets, Some(control))
        }
    };
    let (builders, others) = options.cluster.build(sockets).map_err(Error::Cluster)?;
    let trace = options.trace.as_deref().map(|path| trace(path, &options.cluster)).transpose()?;
    let (following, path) = (trace.clone(), options.trace.clone());
    let dataflow = Arc::new(dataflow);
    let sampler = options.on_live.as_ref().map(|_| Sampler::default());
    let (busy, held, versions) = (BusyTime::default(), HeldBuckets::default(), ModelVersions::default());
    let guards = timely::execute::execute_from(builders, others, WorkerConfig::default(), move |worker| {
        following.iter().for_each(|trace| trace.follow(worker));
        let first = worker.index() == 0;
        let start = if first { start.lock().expect("no holder panics").take() } else { None };
        let context = Context {
            dataflow: &dataflow,
            options: &options,
            sampler: sampler.as_ref(),
            activity: &activity,
            busy: &busy,
            held: &held,
            versions: &versions,
        };
        match start {
            Some(start) => coordinator::run(worker, &context, start),
            None => worker::run(worker, &context).map(|()| None),
        }
    });
    let mut report = None;
    for result in guards.map_err(Error::Cluster)?.join() {
        let own = result.map_err(|panic| Error::Cluster(format!("a worker ended early: {panic}")))??;
        report = report.or(own);
    }
    if let (Some(trace), Some(path)) = (trace, path) {
        trace.close().map_err(|error| Error::Trace(path, error))?;
    }
    Ok(report)
}

/// Connects the processes; returns the data connections, in their order, and the control channel; `None` if the run is
/// stopped meanwhile. What the processes agree on is set in the options.
fn meet(
    dataflow: &Dataflow,
    options: &mut Options,
    activity: &Arc<Activity>,
) -> Result<Option<(Sockets, ControlChannel)>, Error> {
    let Cluster { hosts, process, .. } = &options.cluster;
    let own = OwnIdentity::of(dataflow, options)?;
    let own_file = own.identity.source_file.clone();
    let meeting = Mesh {
        hosts,
        process: *process,
        own,
        secret: options.secret.clone(),
        timeout: options.connect_timeout,
        stop: options.stop.clone(),
    };
    let listener = options.listener.take().map(|listener| listener.try_clone());
    let listener = listener.transpose().map_err(|error| Error::Cluster(error.to_string()))?;
    let Some(peers) = meeting.connect(listener).map_err(Error::Cluster)? else { return Ok(None) };
    let (mut data, mut controls, mut fuse) = (Vec::new(), Vec::new(), options.fuse);
    let mut shared_file = own_file.is_some();
    for (other, peer) in peers.into_iter().enumerate() {
        let Some(Peer { data: stream, control, identity }) = peer else {
            data.push(None);
            continue;
        };
        // All must build the same operators: if one is not fused, none is.
        fuse &= identity.fuse;
        shared_file &= identity.source_file == own_file;
        data.push(Some(stream));
        controls.extend(control.map(|control| (other, hosts[other].as_str(), control)));
    }
    let begins = start_barrier::meet(*process, &controls, &options.stop, options.connect_timeout);
    if !begins.map_err(Error::Cluster)? {
        return Ok(None);
    }
    let reopen = ReopenRequest { asked: std::mem::take(&mut options.reopen), here: options.reopen.clone() };
    let control = ControlChannel::start(
        options.cluster.process,
        controls,
        &options.stop,
        &reopen,
        &activity.begun,
        unlinked(activity),
    );
    let control = control.map_err(|error| Error::Cluster(format!("the processes cannot talk: {error}")))?;
    (options.fuse, options.shared_file) = (fuse, shared_file);
    Ok(Some((data, control)))
}

/// The numbers of the sinks of this process that have no connection to their brokers.
fn unlinked(activity: &Arc<Activity>) -> UnlinkedSinks {
    let activity = activity.clone();
    Box::new(move || {
        let without = activity.links().into_iter().filter(|link| link.link != BrokerLink::Up);
        let numbers = without.filter_map(|link| activity.sinks.get()?.iter().position(|sink| *sink == link.sink));
        numbers.filter_map(|number| u8::try_from(number).ok()).collect()
    })
}

/// Locks the client ids of this process while it runs: two runs with one id would take over each other's session.
fn lock_client_ids(dataflow: &Dataflow, cluster: &Cluster) -> Result<Vec<ClientIdLock>, Error> {
    let mut locks = Vec::new();
    for (what, endpoint) in dataflow.clients(cluster.process, cluster.processes()) {
        locks.extend(ClientIdLock::take(&endpoint).map_err(|reason| Error::ClientId { what, reason })?);
    }
    Ok(locks)
}

fn part_of_trace(path: &Path, cluster: &Cluster) -> PathBuf {
    if cluster.processes() > 1 { sink::part(path, cluster.process) } else { path.to_owned() }
}

/// Opens the trace of this process.
fn trace(path: &Path, cluster: &Cluster) -> Result<TimelyTrace, Error> {
    let path = part_of_trace(path, cluster);
    TimelyTrace::create(&path, cluster.process).map_err(|error| Error::Trace(path, error))
}
