//! The sink: results wait in the queue until the server has them.

use std::sync::Arc;
use std::thread::JoinHandle;

use super::client::HttpClient;
use super::point_layout::PointLayout;
use super::queue::PointQueue;
use super::sender::PointSender;
use super::sending;
use crate::data::{Message, Schema};
use crate::sink::opening::Opening;
use crate::sink::{Deadline, Error, RefusedLine, Sink, SinkProgress, Takes};

/// Writes rows as points.
pub struct PointWriter {
    shown: String,
    queue: Arc<PointQueue>,
    deadline: Deadline,
    sender: Option<JoinHandle<()>>,
}

impl PointWriter {
    /// Waits for the server, for the opening's `connect_timeout` at most.
    ///
    /// # Errors
    /// No server, or one that refuses the login or the address.
    pub fn open(
        shown: String,
        client: HttpClient,
        layout: PointLayout,
        compresses: bool,
        schema: &Schema,
        opening: &Opening,
    ) -> Result<PointWriter, Error> {
        let queue = Arc::new(PointQueue::default());
        let sender = PointSender::start(shown.clone(), client, layout, compresses, schema, queue.clone(), opening)?;
        let thread = std::thread::Builder::new().name("influxdb-sink".into()).spawn(move || sending::run(sender));
        let sender = Some(thread.expect("a thread can be started"));
        Ok(PointWriter { shown, queue, deadline: opening.deadline.clone(), sender })
    }

    /// The error of a wait that is over.
    fn late(&self) -> Option<Error> {
        let ended = self.sender.as_ref().is_none_or(JoinHandle::is_finished);
        let reason = match (ended, self.deadline.has_passed()) {
            (true, _) => "nothing is sent any more",
            (false, true) => "the server has not taken all results in time",
            (false, false) => return None,
        };
        Some(Error::Custom { url: self.shown.clone(), reason: reason.into() })
    }
}

impl Takes<Message> for PointWriter {
    fn write(&mut self, message: Message) -> Result<(), Error> {
        if message.rows() == 0 {
            return Ok(());
        }
        self.queue.push(message, || self.late())
    }
}

impl Sink for PointWriter {
    fn flush(&mut self) -> Result<(), Error> {
        self.queue.failure().map_or(Ok(()), Err)
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.settle()
    }

    fn settle(&mut self) -> Result<(), Error> {
        self.queue.settle(|| self.late())
    }

    fn refused(&mut self) -> Vec<RefusedLine> {
        self.queue.refused()
    }

    fn waits_from(&self) -> Option<u64> {
        self.queue.waits_from()
    }

    fn progress(&self) -> Option<Arc<SinkProgress>> {
        Some(self.queue.progress.clone())
    }

    fn close(mut self: Box<Self>) -> Result<(), Error> {
        self.settle()
    }
}

impl Drop for PointWriter {
    fn drop(&mut self) {
        self.queue.end();
        if let Some(sender) = self.sender.take() {
            // One that panicked has told it.
            let _ = sender.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    use super::super::played_server::{PlayedRequest, PlayedServer};
    use super::super::settings::InfluxDb;
    use super::*;
    use crate::data::{Kind, TextColumn};
    use crate::sink::custom::RunSink;
    use crate::sink::opening::RowsOrigin;
    use crate::sink::{Existing, LinePosition};

    const TAKEN: &str = "HTTP/1.1 204 No Content\r\n\r\n";

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    fn schema() -> Schema {
        Schema::new([("at", Kind::Number), ("x", Kind::Number), ("station", Kind::Text)])
    }

    /// Rows of these numbers, which are their times, too.
    fn message(epoch: u64, numbers: std::ops::Range<u64>) -> Message {
        let values: Vec<f64> = numbers.clone().map(|n| n as f64).collect();
        let flat = ndarray::Array2::from_shape_vec((2, values.len()), [values.clone(), values].concat()).unwrap();
        let mut station = TextColumn::default();
        numbers.clone().for_each(|n| station.push(Some(if n % 10 == 3 { "bad" } else { "hill" })));
        Message::new(epoch, numbers.collect(), flat, vec![station])
    }

    fn settings(more: &str) -> InfluxDb {
        toml::from_str(&format!("measurement = 'w'\ntags = ['station']\n{more}")).unwrap()
    }

    fn opening(connect_timeout: Option<Duration>) -> Opening {
        let origin = RowsOrigin { time: Some("at".into()), ..RowsOrigin::default() };
        Opening { origin, existing: Existing::Append, connect_timeout, deadline: Deadline::default() }
    }

    fn open(url: &str, more: &str) -> (Result<Box<dyn Takes<Message>>, Error>, Deadline) {
        let opening = opening(Some(Duration::from_secs(60)));
        (settings(more).open(url, &schema(), &opening), opening.deadline)
    }

    /// The numbers of the lines of a body.
    fn numbers(body: &str) -> Vec<u64> {
        body.lines().map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap() / 1_000_000_000).collect()
    }

    #[test]
    fn points_are_sent_compressed_with_the_login() {
        for (more, login, authorization, gzip) in [
            ("token = 'rain'", "", "authorization: token rain", true),
            ("gzip = false", "anna:s%40crt@", "authorization: basic yw5uytpzqgnyda==", false),
            ("user = 'bob'\npassword = 'b'", "anna:x@", "authorization: basic ym9iomi=", true),
        ] {
            let server = PlayedServer::start(|_| TAKEN.into());
            let url = format!("http://{login}127.0.0.1:{}/write?db=w", server.port);
            let mut sink = open(&url, more).0.unwrap();
            sink.write(message(4, 0..2)).unwrap();
            sink.sync().unwrap();
            assert_eq!((sink.waits_from(), sink.refused()), (None, Vec::new()));
            sink.close().unwrap();
            let requests = server.requests();
            let [PlayedRequest { body: probe, .. }, PlayedRequest { head, body }] = &requests[..] else { panic!() };
            assert_eq!(
                (probe.as_str(), body.as_str()),
                ("", "w,station=hill x=0.0 0\nw,station=hill x=1.0 1000000000\n")
            );
            let head = head.to_lowercase();
            assert!(head.starts_with("post /write?db=w http/1.1\r\n"), "{head}");
            assert!(head.contains(authorization) && head.contains("content-encoding: gzip") == gzip, "{head}");
        }
    }

    #[test]
    fn what_a_server_does_not_take_now_is_sent_again() {
        let mut times = Vec::new();
        let times_of = Arc::new(Mutex::new(Vec::new()));
        let noted = times_of.clone();
        let server = PlayedServer::start(move |_| {
            times.push(Instant::now());
            *noted.lock().unwrap() = times.clone();
            match times.len() {
                // Also before the first row.
                1 | 4 => answer("503 Service Unavailable", ""),
                3 => "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n".into(),
                // The connection is closed without an answer: twice, for a kept one is tried again at once.
                5 | 6 => String::new(),
                _ => TAKEN.into(),
            }
        });
        let url = format!("http://127.0.0.1:{}/write?db=w", server.port);
        let mut sink = open(&url, "").0.unwrap();
        sink.write(message(4, 0..5)).unwrap();
        assert_eq!(sink.waits_from(), Some(4));
        sink.sync().unwrap();
        assert_eq!((sink.waits_from(), sink.progress().unwrap().missing()), (None, 0));
        let times = times_of.lock().unwrap();
        assert!(times[3] - times[2] >= Duration::from_secs(1), "Retry-After");
        assert_eq!(times.len(), 7);
        assert!(server.requests()[2..].iter().all(|request| numbers(&request.body) == [0, 1, 2, 3, 4]));
    }

    #[test]
    fn what_a_server_refuses_is_told_row_by_row_and_the_others_are_taken() {
        let taken = Arc::new(Mutex::new(BTreeSet::new()));
        let noted = taken.clone();
        let server = PlayedServer::start(move |request| {
            let bad = request.body.lines().filter(|line| line.contains("bad")).count();
            let count = request.body.lines().count();
            match (bad, count) {
                (_, 301..) => answer("413 Request Entity Too Large", "too much"),
                (0, _) => {
                    noted.lock().unwrap().extend(numbers(&request.body));
                    TAKEN.into()
                }
                (bad, _) if bad == count => {
                    answer("400 Bad Request", &format!("{{\"error\":\"partial write: no bad ones dropped={bad}\"}}"))
                }
                _ => answer("400 Bad Request", "{\"error\":\"some are bad\"}"),
            }
        });
        let url = format!("http://127.0.0.1:{}/write?db=w", server.port);
        let mut sink = open(&url, "").0.unwrap();
        (0..10).for_each(|epoch| sink.write(message(epoch, epoch * 100..epoch * 100 + 100)).unwrap());
        sink.sync().unwrap();
        let good: BTreeSet<u64> = (0..1000).filter(|n| n % 10 != 3).collect();
        assert_eq!(*taken.lock().unwrap(), good);
        let refused = sink.refused();
        let rows: BTreeMap<u64, &str> = refused
            .iter()
            .map(|refused| {
                let LinePosition { message, row } = LinePosition::of(&refused.line).unwrap();
                assert_eq!(message, row / 100);
                (row, refused.reason.as_str())
            })
            .collect();
        assert_eq!(refused.len(), 100);
        assert!(rows.keys().copied().eq((0..1000).filter(|n| n % 10 == 3)));
        assert!(rows[&13].contains("the server refuses it: partial write: no bad ones"), "{}", rows[&13]);
        // All of a request at once, where the server says so.
        let before = server.requests().len();
        let bad: Vec<usize> = (0..1000).filter(|row| row % 10 == 3).collect();
        sink.write(message(11, 0..1000).take_rows(&bad)).unwrap();
        sink.sync().unwrap();
        assert_eq!((sink.refused().len(), server.requests().len() - before), (100, 1));
    }

    /// The numbers of what became dead letters.
    fn dead(sink: &mut Box<dyn Takes<Message>>) -> Vec<u64> {
        let row = |refused: &RefusedLine| LinePosition::of(&refused.line).unwrap().row;
        let mut rows: Vec<u64> = sink.refused().iter().map(row).collect();
        rows.sort_unstable();
        rows
    }

    /// A server that fails at some rows, and takes others: those rows alone are dead letters.
    #[test]
    fn rows_at_which_a_server_fails_are_found_and_the_others_are_taken() {
        let taken = Arc::new(Mutex::new(BTreeSet::new()));
        let noted = taken.clone();
        let server = PlayedServer::start(move |request| {
            if request.body.contains("bad") {
                return answer("500 Internal Server Error", "{\"error\":\"index out of range\"}");
            }
            noted.lock().unwrap().extend(numbers(&request.body));
            TAKEN.into()
        });
        let url = format!("http://127.0.0.1:{}/write?db=w", server.port);
        let mut sink = open(&url, "").0.unwrap();
        // Alone before all others: those that come behind it show that the server works.
        sink.write(message(0, 3..4)).unwrap();
        sink.write(message(1, 100..200)).unwrap();
        sink.sync().unwrap();
        assert!(taken.lock().unwrap().iter().copied().eq((100..200).filter(|n| n % 10 != 3)));
        let refused = sink.refused();
        assert!(refused.iter().all(|line| line.reason.contains("takes other rows meanwhile: index out of range")));
        assert_eq!(refused.len(), 11);
        sink.write(message(2, 203..204)).unwrap();
        sink.sync().unwrap();
        assert_eq!((dead(&mut sink), sink.waits_from()), (vec![203], None), "alone behind others");
        // More of them in front than may fail before one is taken.
        let bad: Vec<usize> = (0..300).filter(|row| row % 10 == 3).chain([300]).collect();
        sink.write(message(3, 300..601).take_rows(&bad)).unwrap();
        sink.sync().unwrap();
        assert_eq!(dead(&mut sink).len(), 30);
        assert!(taken.lock().unwrap().contains(&600));
    }

    /// A server that is ill fails at all rows, or at some for a while: no row is lost.
    #[test]
    fn an_ill_server_costs_no_row() {
        let taken = Arc::new(Mutex::new(BTreeSet::new()));
        let (noted, mut alone, mut ill) = (taken.clone(), 0, 0);
        let server = PlayedServer::start(move |request| {
            let has_bad = request.body.contains("bad");
            alone += usize::from(has_bad && request.body.lines().count() == 1);
            let failing = match (alone, ill) {
                // All ten are found, and half of them tried once: others are taken, as where a node of several is away.
                (..15, _) => has_bad,
                // Then all fail.
                (_, ..5) => true,
                _ => false,
            };
            ill += usize::from(alone >= 15);
            if failing {
                return answer("500 Internal Server Error", "ill");
            }
            // In the end it says so itself.
            if has_bad && ill < 8 {
                return answer("503 Service Unavailable", "");
            }
            noted.lock().unwrap().extend(numbers(&request.body));
            TAKEN.into()
        });
        let url = format!("http://127.0.0.1:{}/write?db=w", server.port);
        let mut sink = open(&url, "").0.unwrap();
        sink.write(message(0, 0..100)).unwrap();
        sink.sync().unwrap();
        assert_eq!((dead(&mut sink), sink.waits_from()), (Vec::new(), None));
        assert!(taken.lock().unwrap().iter().copied().eq(0..100));
    }

    /// Rows of one series with these times and values.
    fn points(points: &[(f64, f64)]) -> Message {
        let (times, values): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
        let flat = ndarray::Array2::from_shape_vec((2, points.len()), [times, values].concat()).unwrap();
        let mut station = TextColumn::default();
        points.iter().for_each(|_| station.push(Some("hill")));
        Message::new(0, (0..points.len() as u64).collect(), flat, vec![station])
    }

    /// Two rows fail at first; then one is refused, the server fails at its neighbour once, and it takes the other row.
    #[test]
    fn a_row_is_a_dead_letter_once() {
        let (mut alone, mut ill) = ([0, 0], false);
        let server = PlayedServer::start(move |request| {
            let failed = || answer("500 Internal Server Error", "ill");
            let has = [11, 22].map(|n| numbers(&request.body).contains(&n));
            if request.body.lines().count() == 1 && (has[0] || has[1]) {
                let of = usize::from(has[1]);
                alone[of] += 1;
                return match (alone[of], of) {
                    (1, _) => failed(),
                    (_, 0) => answer("400 Bad Request", "no"),
                    _ => TAKEN.into(),
                };
            }
            if has[0] || has[1] || (alone[0] == 2 && !std::mem::replace(&mut ill, true)) {
                return failed();
            }
            TAKEN.into()
        });
        let url = format!("http://127.0.0.1:{}/write?db=w", server.port);
        let mut sink = open(&url, "").0.unwrap();
        let deadline = Instant::now() + Duration::from_secs(6);
        sink.write(message(0, 0..40)).unwrap();
        while sink.waits_from().is_some() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(dead(&mut sink), [11]);
    }

    /// A row at which the server fails is taken in the end: the one that replaces it is sent behind it again.
    #[test]
    fn the_last_value_of_a_point_stays_the_last() {
        let points_of = Arc::new(Mutex::new(BTreeMap::new()));
        let (noted, mut has_failed) = (points_of.clone(), false);
        let server = PlayedServer::start(move |request| {
            if request.body.contains(" x=1.0 ") && !has_failed {
                has_failed = request.body.lines().count() == 1;
                return answer("500 Internal Server Error", "ill");
            }
            let points = request.body.lines().filter_map(|line| line.rsplit_once(' '));
            noted.lock().unwrap().extend(points.map(|(point, time)| (time.to_owned(), point.to_owned())));
            TAKEN.into()
        });
        let url = format!("http://127.0.0.1:{}/write?db=w", server.port);
        let mut sink = open(&url, "").0.unwrap();
        let others = (0..20).map(|n| (f64::from(n), f64::from(100 + n)));
        let rows: Vec<(f64, f64)> = others.chain([(1000.0, 1.0), (1000.0, 2.0), (2000.0, 3.0)]).collect();
        sink.write(points(&rows)).unwrap();
        sink.sync().unwrap();
        let points = points_of.lock().unwrap();
        assert_eq!((points["1000000000000"].as_str(), points.len()), ("w,station=hill x=2.0", 22));
        assert_eq!(dead(&mut sink), [] as [u64; 0]);
    }

    /// More rows in front at which the server fails than it is tried with; and neighbours that it refuses by now.
    #[test]
    fn a_search_ends_where_the_first_rows_are_all_bad() {
        let taken = Arc::new(Mutex::new(BTreeSet::new()));
        let noted = taken.clone();
        let server = PlayedServer::start(move |request| {
            let numbers = numbers(&request.body);
            match numbers[..] {
                // As a server does that no longer takes what is that old.
                [12..15] if noted.lock().unwrap().contains(&numbers[0]) => answer("400 Bad Request", "old"),
                _ if numbers.iter().any(|n| *n < 12) => answer("500 Internal Server Error", "index out of range"),
                _ => {
                    noted.lock().unwrap().extend(numbers);
                    TAKEN.into()
                }
            }
        });
        let url = format!("http://127.0.0.1:{}/write?db=w", server.port);
        let (sink, deadline) = open(&url, "");
        let mut sink = sink.unwrap();
        deadline.set(Instant::now() + Duration::from_secs(20));
        sink.write(message(0, 0..100)).unwrap();
        sink.sync().unwrap();
        assert!(dead(&mut sink).into_iter().eq(0..12));
        assert!(taken.lock().unwrap().iter().copied().eq(12..100));
    }

    /// A server that fails at all rows of a day for a while, as where the file of that day is lost: no row is at fault.
    #[test]
    fn a_range_of_time_that_is_ill_costs_no_row() {
        const DAY: u64 = 86_400;
        let began = Instant::now();
        let server = PlayedServer::start(move |request| {
            match began.elapsed() < Duration::from_secs(4) && numbers(&request.body).iter().any(|n| *n < DAY) {
                true => answer("500 Internal Server Error", "shard is gone"),
                false => TAKEN.into(),
            }
        });
        let url = format!("http://127.0.0.1:{}/write?db=w", server.port);
        let mut sink = open(&url, "").0.unwrap();
        sink.write(message(0, DAY - 10..DAY + 10)).unwrap();
        sink.sync().unwrap();
        assert_eq!(dead(&mut sink), [] as [u64; 0]);
    }

    /// Regression: it was sent for ever, and held all others back.
    #[test]
    fn a_bad_row_without_another_of_its_day_is_a_dead_letter_where_others_are_taken() {
        const DAY: u64 = 86_400;
        let server = PlayedServer::start(|request| match request.body.contains("bad") {
            true => answer("500 Internal Server Error", "index out of range"),
            false => TAKEN.into(),
        });
        let url = format!("http://127.0.0.1:{}/write?db=w", server.port);
        let (sink, deadline) = open(&url, "");
        let mut sink = sink.unwrap();
        deadline.set(Instant::now() + Duration::from_secs(50));
        sink.write(message(0, 3..4)).unwrap();
        sink.write(message(1, DAY + 4..DAY + 10)).unwrap();
        sink.sync().unwrap();
        assert_eq!(dead(&mut sink), [3]);
        // Alone in its request: what was taken before shows that the server works.
        sink.write(message(2, 2 * DAY + 3..2 * DAY + 4)).unwrap();
        sink.sync().unwrap();
        assert_eq!((dead(&mut sink), sink.waits_from()), (vec![2 * DAY + 3], None));
    }

    #[test]
    fn what_lasts_ends_the_run() {
        let server = PlayedServer::start(|_| answer("401 Unauthorized", "{\"error\":\"authorization failed\"}"));
        let url = format!("http://anna:hunter2@127.0.0.1:{}/write?db=w", server.port);
        let refused = open(&url, "").0.err().unwrap().to_string();
        assert!(refused.contains("authorization failed (401)") && !refused.contains("hunter2"), "{refused}");
        let server = PlayedServer::start(|request| match request.body.as_str() {
            "" => TAKEN.into(),
            _ => answer("404 Not Found", "{\"error\":\"database not found: \\\"w\\\"\"}"),
        });
        let mut sink = open(&format!("http://127.0.0.1:{}/write?db=w", server.port), "").0.unwrap();
        sink.write(message(4, 0..1)).unwrap();
        let failed = sink.sync().unwrap_err().to_string();
        assert!(failed.contains("database not found: \"w\""), "{failed}");
        assert_eq!(sink.waits_from(), Some(4), "nothing of it is acknowledged");
    }

    /// Regression: the rows were sent for ever. What is long, does not end or breaks off is judged by its status.
    #[test]
    fn an_answer_that_is_not_read_to_its_end_is_judged_by_its_status() {
        let chunk = format!("12000\r\n{}\r\n", "e".repeat(0x12000));
        for body in [
            format!("Content-Length: 100000\r\n\r\n{}", "e".repeat(100_000)),
            // These never end.
            format!("Content-Length: 100000\r\n\r\n{}", "e".repeat(10)),
            format!("Transfer-Encoding: chunked\r\n\r\n{chunk}"),
            format!("Transfer-Encoding: chunked\r\n\r\nno chunk\r\n{chunk}"),
        ] {
            let long = body.clone();
            let server = PlayedServer::start(move |request| match request.body.contains("bad") {
                true => format!("HTTP/1.1 400 Bad Request\r\n{long}"),
                false => format!("HTTP/1.1 200 OK\r\n{long}"),
            });
            let url = format!("http://127.0.0.1:{}/write?db=w", server.port);
            let (sink, deadline) = open(&url, "");
            let mut sink = sink.unwrap();
            deadline.set(Instant::now() + Duration::from_secs(20));
            sink.write(message(0, 3..4)).unwrap();
            sink.write(message(1, 4..6)).unwrap();
            sink.sync().unwrap();
            let refused = sink.refused();
            assert_eq!((refused.len(), sink.waits_from()), (1, None));
            assert!(refused[0].reason.contains("400"), "{}", refused[0].reason);
            let server = PlayedServer::start(move |_| format!("HTTP/1.1 404 Not Found\r\n{body}"));
            let url = format!("http://127.0.0.1:{}/write?db=w", server.port);
            let failed = open(&url, "").0.err().unwrap().to_string();
            assert!(failed.contains("404") && failed.contains("check the address"), "{failed}");
        }
    }

    /// Regression: a server that says the login again had it in dead letters and in the run's error.
    #[test]
    fn the_login_is_covered_in_what_a_server_says() {
        for (login, more, secrets) in [
            ("", "token = 'T0kn'", ["T0kn", "T0kn"]),
            ("anna:s%40crt@", "", ["s@crt", "yw5uytpzqgnyda"]),
            ("", "user = 'anna'\npassword = 's@crt'", ["s@crt", "yw5uytpzqgnyda"]),
        ] {
            let says = move |status: &str, request: &PlayedRequest| {
                let header =
                    request.head.lines().find(|line| line.to_lowercase().starts_with("authorization")).unwrap();
                answer(status, &format!("{{\"error\":\"no {} for {header}\"}}", secrets[0]))
            };
            let server = PlayedServer::start(move |request| match request.body.as_str() {
                "" => TAKEN.into(),
                body if body.contains("x=4.0") => says("401 Unauthorized", request),
                _ => says("400 Bad Request", request),
            });
            let mut sink = open(&format!("http://{login}127.0.0.1:{}/write?db=w", server.port), more).0.unwrap();
            sink.write(message(0, 3..4)).unwrap();
            sink.sync().unwrap();
            let refused = sink.refused()[0].reason.clone();
            sink.write(message(1, 4..5)).unwrap();
            let failed = sink.sync().unwrap_err().to_string();
            for shown in [refused, failed] {
                assert!(shown.contains("no *** for authorization: "), "{shown}");
                let shown = shown.to_lowercase();
                assert!(secrets.iter().all(|secret| !shown.contains(&secret.to_lowercase())), "{shown}");
            }
        }
    }

    #[test]
    fn a_deadline_ends_the_wait_for_a_server() {
        // Nobody listens there.
        let url = format!("http://{}/write?db=w", crate::mqtt::free_port().unwrap());
        let refused = settings("").open(&url, &schema(), &opening(Some(Duration::from_millis(300)))).err().unwrap();
        assert!(refused.to_string().contains("the server"), "{refused}");
        let server = PlayedServer::start(|request| if request.body.is_empty() { TAKEN.into() } else { String::new() });
        let (sink, deadline) = open(&format!("http://127.0.0.1:{}/write?db=w", server.port), "");
        let mut sink = sink.unwrap();
        sink.write(message(0, 0..3)).unwrap();
        deadline.set(Instant::now() + Duration::from_millis(300));
        assert!(sink.sync().is_err());
        assert_eq!(sink.waits_from(), Some(0));
    }

    #[test]
    fn a_certificate_is_trusted_where_it_is_named() {
        let (server, pem) = PlayedServer::encrypted(|_| TAKEN.into());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), pem).unwrap();
        let url = format!("https://localhost:{}/write?db=w", server.port);
        let mut sink = open(&url, &format!("ca = {:?}", file.path())).0.unwrap();
        sink.write(message(0, 0..3)).unwrap();
        sink.close().unwrap();
        assert_eq!(numbers(&server.requests()[1].body), [0, 1, 2]);
        let (_, other) = PlayedServer::encrypted(|_| TAKEN.into());
        std::fs::write(file.path(), other).unwrap();
        let refused = open(&url, &format!("ca = {:?}", file.path())).0.err().unwrap().to_string();
        assert!(refused.contains("check `ca`"), "{refused}");
    }
}
