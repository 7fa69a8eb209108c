//! `rowmill plan`: how many workers an arrival rate needs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::{Failure, run};
use crate::config::Override;
use crate::measure::{Report, WrittenReport, median, shown};
use crate::planner::{Demand, Forecast, ServiceBehaviour, Trial, TrialDataflow, cores, demand, measure};
use crate::registry::Registry;
use crate::runtime;
use crate::source::{Arrivals, Load, parse_rate};

/// Say how many workers an arrival rate needs, and what latency it will meet.
///
/// The dataflow is measured for some seconds on this machine with generated rows: what it can do when workers never
/// rest, what a message takes when others hardly come, and how long messages wait at a load between.
#[derive(clap::Args)]
pub struct PlanArguments {
    /// The dataflow file; dataflows/weather.toml if not given.
    file: Option<PathBuf>,
    /// Rows that arrive a second.
    #[arg(long, value_name = "R", value_parser = parse_rate)]
    rate: f64,
    /// Rows a message; that of the dataflow if not given.
    #[arg(long, value_name = "N")]
    bucket_size: Option<u64>,
    /// How long the oldest row of a partial message waits; that of the dataflow if not given.
    #[arg(long, value_name = "D")]
    delay: Option<String>,
    /// How the times between arrivals vary.
    #[arg(long, value_enum, default_value_t = Arrivals::Poisson)]
    arrivals: Arrivals,
    /// Rows that arrive at the same time, such as those of one publish.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    burst: u64,
    /// The latency that 99 of 100 rows must stay under.
    #[arg(long, value_name = "D", value_parser = super::duration)]
    p99: Option<Duration>,
    /// Take mu from the report.json of a run instead of measuring; it tells nothing of the hand-over's time.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["file", "verify"])]
    report: Option<PathBuf>,
    /// Run at that rate, and show what was measured beside what was predicted.
    #[arg(long)]
    verify: bool,
    /// Plan for so many workers and no other bucket size, not for the fewest that do.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// How long `--verify` runs, in three parts whose medians count.
    #[arg(long, value_name = "D", value_parser = super::duration, default_value = "12s")]
    duration: Duration,
    /// Put a value over the file's: buffer.delay="1s", subtask.clip.upper=50.0
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// What is known of the dataflow, and how well.
struct PlannerInput {
    flow: TrialDataflow,
    bucket_size: usize,
    delay: Duration,
    /// By number of workers, from 1.
    behaviours: Vec<ServiceBehaviour>,
    sure: String,
}

pub fn run(arguments: &PlanArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    let known = match &arguments.report {
        Some(directory) => from_report(arguments, directory, registry)?,
        None => measured(arguments, registry)?,
    };
    let demand = |bucket_size: usize| demand(&load(arguments), bucket_size, known.delay);
    let wanted = demand(known.bucket_size);
    let choice = choose(&known.behaviours, &wanted, arguments);
    super::print(&describe(&known, arguments, &wanted));
    let Some((behaviour, forecast)) = choice else {
        super::print(&refusal(&known, arguments));
        return Ok(ExitCode::FAILURE);
    };
    super::print(&advice(&behaviour));
    if arguments.report.is_none() && arguments.workers.is_none() {
        super::print(&bucket_sizes(&known.flow, &behaviour, demand)?);
    }
    super::print(&known.sure);
    if arguments.verify {
        super::print(&verify(arguments, &known, &behaviour, &forecast)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn load(arguments: &PlanArguments) -> Load {
    Load { rate: arguments.rate, arrivals: arguments.arrivals, burst: arguments.burst }
}

/// Measures one worker, and as many as this machine has cores for.
fn measured(arguments: &PlanArguments, registry: &Registry) -> Result<PlannerInput, Failure> {
    let mut overrides = run::set_overrides(&arguments.set)?;
    overrides.extend(arguments.delay.as_ref().map(|delay| Override::text("--delay", "buffer.delay", delay)));
    overrides.extend(arguments.bucket_size.map(|size| Override::number("--bucket-size", "buffer.bucket_size", size)));
    let flow = TrialDataflow { file: arguments.file.clone(), overrides, registry: registry.clone() };
    let limits = flow.read([])?.limits();
    let mut behaviours = Vec::new();
    let mut spread: f64 = 0.0;
    let most = cores().max(arguments.workers.map_or(1, usize::from).min(2 * cores()));
    for workers in 1..=most {
        let (behaviour, apart) = measure(&flow, workers, limits.bucket_size)?;
        behaviours.push(behaviour);
        spread = spread.max(apart);
    }
    let sure = format!(
        "How sure: capacities were measured three times and lay up to {:.0} % apart; more than {most} workers are not \
         measured but reckoned from {most}. Generated rows, no sink, this machine.",
        spread * 100.0
    );
    Ok(PlannerInput { flow, bucket_size: limits.bucket_size, delay: limits.delay, behaviours, sure })
}

/// What a report tells: mean and deviation of service time.
fn from_report(
    arguments: &PlanArguments,
    directory: &std::path::Path,
    registry: &Registry,
) -> Result<PlannerInput, Failure> {
    let wrong = |reason: String| Failure::Wrong(format!("error: {reason}"));
    let report = WrittenReport::read(directory).map_err(wrong)?;
    let number = |pointer: &str| report.number(pointer).map_err(wrong);
    let (rows, messages) = (number("/rows_in")?, number("/messages")?);
    if rows == 0.0 {
        return Err(wrong(format!("{}: the report of a run without rows tells nothing", report.path().display())));
    }
    let service = number("/service_ns/message/mean")? / 1e9;
    let rows_a_message = (rows / messages).round().max(1.0);
    let bucket_size = arguments.bucket_size.map_or(rows_a_message, |size| size as f64);
    let service_now = service * bucket_size / rows_a_message;
    // What workers are busy with beside service is a message's, however many rows it has.
    let busy = number("/busy_seconds").unwrap_or(service * messages);
    let between = (busy / messages - service).max(0.0);
    let behaviour = ServiceBehaviour {
        workers: 1,
        bucket_size: bucket_size as usize,
        service_idle: service_now,
        service_busy: service_now,
        service_variation: (number("/service_ns/message/stdev")? / 1e9 / service).powi(2),
        overhead: 0.0,
        capacity: 1.0 / (service_now + between),
        congestion: 1.0,
    };
    let delay = arguments.delay.as_deref().map_or(Ok(Duration::from_secs(1)), super::duration);
    let delay = delay.map_err(|reason| Failure::Wrong(format!("error: --delay: {reason}")))?;
    let sure = format!("How sure: mu is that of {}, with its rows and on its machine.", report.path().display());
    Ok(PlannerInput {
        flow: TrialDataflow { file: None, overrides: Vec::new(), registry: registry.clone() },
        bucket_size: bucket_size as usize,
        delay,
        behaviours: vec![behaviour],
        sure,
    })
}

/// How any number of workers behaves: beyond those measured, each as one of the most that were.
fn behaviour_of(behaviours: &[ServiceBehaviour], workers: usize) -> ServiceBehaviour {
    let last = behaviours.last().expect("one worker is measured");
    behaviours.get(workers - 1).copied().unwrap_or_else(|| ServiceBehaviour {
        workers,
        capacity: last.capacity * workers as f64 / last.workers as f64,
        ..*last
    })
}

/// The fewest workers that serve the demand within its bound.
fn choose(
    behaviours: &[ServiceBehaviour],
    demand: &Demand,
    arguments: &PlanArguments,
) -> Option<(ServiceBehaviour, Forecast)> {
    const MOST: usize = 1024;
    let candidates = arguments.workers.map_or(1..=MOST, |workers| workers.into()..=workers.into());
    let good =
        |forecast: &Forecast| arguments.p99.is_none_or(|bound| forecast.row_latency(0.99) <= bound.as_secs_f64());
    candidates.map(|workers| behaviour_of(behaviours, workers)).find_map(|behaviour| {
        let forecast = behaviour.forecast(demand)?;
        good(&forecast).then_some((behaviour, forecast))
    })
}

fn time(seconds: f64) -> String {
    shown(seconds * 1e9)
}

fn describe(known: &PlannerInput, arguments: &PlanArguments, demand: &Demand) -> String {
    let bucket_size = known.bucket_size;
    let mut text = format!(
        "{} rows/s, {} arrivals of {} rows, {bucket_size} rows a message: lambda {:.1} messages/s\n\n",
        arguments.rate,
        if arguments.arrivals == Arrivals::Poisson { "Poisson" } else { "uniform" },
        arguments.burst,
        arguments.rate / bucket_size as f64,
    );
    let columns = ["workers", "serves rows/s", "mu rows/s", "rho", "mean wait", "p99 message", "p99 row"];
    text += &format!(
        "{:>8}{:>15}{:>12}{:>8}{:>12}{:>13}{:>12}\n",
        columns[0], columns[1], columns[2], columns[3], columns[4], columns[5], columns[6]
    );
    let most = known.behaviours.len().max(arguments.workers.map_or(1, usize::from));
    for behaviour in (1..=most).map(|workers| behaviour_of(&known.behaviours, workers)) {
        let serves = behaviour.capacity * bucket_size as f64;
        text += &format!("{:>8}{serves:>15.0}", behaviour.workers);
        text += &match behaviour.forecast(demand) {
            Some(forecast) => format!(
                "{:>12.0}{:>8.3}{:>12}{:>13}{:>12}\n",
                bucket_size as f64 / forecast.busy,
                forecast.rho,
                time(forecast.mean_wait),
                time(forecast.message_latency(0.99)),
                time(forecast.row_latency(0.99))
            ),
            None => "  the queue grows for ever\n".into(),
        };
    }
    text
}

fn refusal(known: &PlannerInput, arguments: &PlanArguments) -> String {
    let bound = arguments
        .p99
        .map_or_else(String::new, |p99| format!(" with 99 of 100 rows under {}", humantime::format_duration(p99)));
    let fill = known.bucket_size as f64 / arguments.rate;
    let longest = fill.min(known.delay.as_secs_f64());
    let bucket = if arguments.p99.is_some_and(|bound| bound.as_secs_f64() < longest) {
        format!(
            ": {} rows take {} to arrive, so take fewer rows a message or a shorter delay",
            known.bucket_size,
            time(fill)
        )
    } else {
        String::new()
    };
    match arguments.workers {
        Some(workers) => format!("{workers} workers do not serve this{bound}{bucket}"),
        None => format!("no number of workers serves this{bound}{bucket}"),
    }
}

/// The flags that start so many workers.
fn advice(behaviour: &ServiceBehaviour) -> String {
    let (workers, cores) = (behaviour.workers, cores());
    if workers <= cores {
        return format!("-w {workers} does.");
    }
    let processes = workers.div_ceil(cores);
    format!(
        "{workers} workers do, more than the {cores} cores of this machine: -n {processes} -w {cores}, one process a \
         machine like this (--hostfile)."
    )
}

/// What other bucket sizes would mean at this rate.
fn bucket_sizes(
    flow: &TrialDataflow,
    chosen: &ServiceBehaviour,
    demand: impl Fn(usize) -> Demand,
) -> Result<String, runtime::Error> {
    let workers = chosen.workers.min(cores());
    let mut text = format!("\n{:>14}{:>8}{:>12}  with {workers} workers\n", "rows a message", "rho", "p99 row");
    let mut best: Option<(usize, f64)> = None;
    for bucket_size in [1, 10, 100, 1000, 10_000] {
        let (behaviour, _) =
            if bucket_size == chosen.bucket_size { (*chosen, 0.0) } else { measure(flow, workers, bucket_size)? };
        let Some(forecast) = behaviour.forecast(&demand(bucket_size)) else {
            text += &format!("{bucket_size:>14}  the queue grows for ever\n");
            continue;
        };
        let p99 = forecast.row_latency(0.99);
        text += &format!("{bucket_size:>14}{:>8.3}{:>12}\n", forecast.rho, time(p99));
        if best.is_none_or(|(_, least)| p99 < least) {
            best = Some((bucket_size, p99));
        }
    }
    if let Some((bucket_size, p99)) = best {
        text += &format!("Least p99 of a row at this rate: {bucket_size} rows a message, {}.\n", time(p99));
    }
    Ok(text)
}

/// Runs at the rate three times, and sets the prediction beside the medians of what was measured.
fn verify(
    arguments: &PlanArguments,
    known: &PlannerInput,
    behaviour: &ServiceBehaviour,
    forecast: &Forecast,
) -> Result<String, runtime::Error> {
    let (workers, bucket_size) = (behaviour.workers, known.bucket_size);
    let trial = Trial { workers, bucket_size, load: load(arguments), duration: arguments.duration / 3 };
    let reports = (0..3).map(|_| trial.run(&known.flow)).collect::<Result<Vec<Report>, _>>()?;
    let median = |of: &dyn Fn(&Report) -> f64| median(reports.iter().map(of).collect());
    let seconds = |nanoseconds: f64| nanoseconds / 1e9;
    let service = |report: &Report| seconds(report.service_ns.message.inner().mean());
    let latency = |report: &Report| seconds(report.latency_ns.message.inner().mean());
    let message =
        |quantile| median(&|report| seconds(report.latency_ns.message.inner().value_at_quantile(quantile) as f64));
    let messages: u64 = reports.iter().map(|report| report.messages).sum();
    let title = format!("-w {workers}, {messages} messages");
    let mut text = format!("\n{title:<24}{:>12}{:>12}{:>12}\n", "predicted", "measured", "off by");
    let mut line = |name: &str, predicted: f64, measured: f64, show: &dyn Fn(f64) -> String| {
        let off = 100.0 * (predicted / measured - 1.0);
        text += &format!("{name:<24}{:>12}{:>12}{off:>11.0}%\n", show(predicted), show(measured));
    };
    line("rho", forecast.rho, median(&|report| report.rho), &|rho| format!("{rho:.3}"));
    line("mean service, message", forecast.service, median(&service), &time);
    line("mean wait, message", forecast.mean_wait, median(&|report| latency(report) - service(report)), &time);
    line("p50 latency, message", forecast.message_latency(0.5), message(0.5), &time);
    line("p99 latency, message", forecast.message_latency(0.99), message(0.99), &time);
    let row = median(&|report| seconds(report.latency_ns.row.inner().value_at_quantile(0.99) as f64));
    line("p99 latency, row", forecast.row_latency(0.99), row, &time);
    Ok(text)
}
