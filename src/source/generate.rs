//! Generated rows like those of a Davis station; the same seed gives the same bytes.
//!
//! A row every five minutes: daily and yearly cycles, columns that follow each other, wind that calms down, showers.
//! Includes the faults of real stations: single gaps, a sensor that is missing for hours, sentinels (-9999 and 32767),
//! rows sent twice, a soil sensor that gets stuck.

use std::f64::consts::TAU;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::buffer::MAX_BUCKET;
use super::{BucketBuffer, Load, Schedule, SourceOutput};
use crate::data::{Bucket, DAVIS, Format, Origin, Row};
use crate::measure::Clock;

/// 2016-08-31T00:00:00Z.
const START: u64 = 1_472_601_600;
const INTERVAL: u64 = 300;
const ROWS_A_DAY: f64 = 288.0;
const ROWS_A_YEAR: f64 = 365.25 * ROWS_A_DAY;

const DUPLICATES: f64 = 0.004;
const GAPS: f64 = 0.01;
const SENTINELS: f64 = 0.001;

#[derive(Clone, Debug, PartialEq)]
enum GeneratedCell {
    Missing,
    Number { value: f64, decimals: usize },
    Text(String),
}

/// A generated row, its cells in the order of the schema `davis`.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratedRow {
    cells: Vec<GeneratedCell>,
}

/// An endless station.
pub struct Generator {
    rng: ChaCha8Rng,
    index: u64,
    last: Option<GeneratedRow>,
    weather: Weather,
}

/// The state carried from one measurement to the next.
#[derive(Default)]
struct Weather {
    warmth: f64,
    pressure: f64,
    moisture: f64,
    clouds: f64,
    wind: f64,
    direction: f64,
    wet_rows: u32,
    away_rows: u32,
    stuck_rows: u32,
    soil: f64,
}

impl Generator {
    /// The same seed makes the same rows.
    pub fn new(seed: u64) -> Generator {
        let weather = Weather { wind: 4.0, direction: 200.0, clouds: 0.3, soil: 60.0, ..Weather::default() };
        Generator { rng: ChaCha8Rng::seed_from_u64(seed), index: 0, last: None, weather }
    }

    /// A number around 0 with variance 1.
    fn noise(&mut self) -> f64 {
        // Twelve uniform numbers: close enough to a normal one, and the same on every machine.
        (0..12).map(|_| self.rng.random::<f64>()).sum::<f64>() - 6.0
    }

    /// A quantity that wanders and returns to `centre`.
    fn wander(&mut self, from: f64, centre: f64, pull: f64, step: f64) -> f64 {
        from + pull * (centre - from) + step * self.noise()
    }

    /// Goes on with a state that lasts a while: rows left, or a new stretch with probability `begin`.
    fn stretch(&mut self, rows_left: u32, begin: f64, longest: u32) -> u32 {
        if rows_left > 0 {
            rows_left - 1
        } else if self.rng.random_bool(begin) {
            self.rng.random_range(1..=longest)
        } else {
            0
        }
    }

    fn advance(&mut self) {
        let Weather { warmth, pressure, moisture, clouds, wind, direction, wet_rows, away_rows, stuck_rows, .. } =
            self.weather;
        self.weather.warmth = self.wander(warmth, 0.0, 0.005, 0.3);
        self.weather.pressure = self.wander(pressure, 0.0, 0.002, 0.004);
        self.weather.moisture = self.wander(moisture, 0.0, 0.01, 0.8);
        self.weather.clouds = self.wander(clouds, 0.3, 0.02, 0.05).clamp(0.0, 1.0);
        self.weather.wind = self.wander(wind, 4.0, 0.05, 1.1).max(-3.0);
        self.weather.direction = (direction + 14.0 * self.noise()).rem_euclid(360.0);
        self.weather.wet_rows = self.stretch(wet_rows, 0.003, 60);
        self.weather.away_rows = self.stretch(away_rows, 0.0005, 300);
        self.weather.stuck_rows = self.stretch(stuck_rows, 0.0005, 400);
    }

    fn measure(&mut self) -> GeneratedRow {
        self.advance();
        let time = self.index as f64;
        self.index += 1;
        let day = time / ROWS_A_DAY;
        let year = time / ROWS_A_YEAR + 0.665;
        let sun = (TAU * (day - 0.25)).sin() + 0.25 * (TAU * (year - 0.22)).sin();
        let out_temp =
            56.0 + 13.0 * (TAU * (year - 0.3)).sin() + 11.0 * (TAU * (day - 0.375)).sin() + self.weather.warmth;
        let humidity = (68.0 - 1.1 * (out_temp - 56.0) + self.weather.moisture).clamp(4.0, 100.0);
        let dewpoint = dewpoint(out_temp, humidity);
        let wind = self.weather.wind.max(0.0).round();
        let gust = (wind + 1.5 * self.noise().abs() * (1.0 + wind / 5.0)).round();
        let raining = self.weather.wet_rows > 0;
        let rain =
            if raining && self.rng.random_bool(0.6) { 0.01 * f64::from(self.rng.random_range(1..6)) } else { 0.0 };
        let light = (sun.max(0.0) * 850.0 * (1.0 - 0.7 * self.weather.clouds)).round();
        let barometer = 29.95 + self.weather.pressure;
        if self.weather.stuck_rows == 0 {
            let step = 0.02 * (out_temp - self.weather.soil) / 10.0;
            self.weather.soil += step + 0.05 * self.noise();
        }
        let compass = |degrees: f64| (degrees / 22.5).round() * 22.5 % 360.0;
        let gust_direction = compass((self.weather.direction + 20.0 * self.noise()).rem_euclid(360.0));
        let away = self.weather.away_rows > 0;
        let number = |value: f64, decimals| GeneratedCell::Number { value, decimals };
        let if_windy =
            |speed: f64, direction: f64| if speed > 0.0 { number(direction, 1) } else { GeneratedCell::Missing };
        let if_there = |cell| if away { GeneratedCell::Missing } else { cell };
        let forecast = self.rng.random_range(0..4);
        let text = |value: String| GeneratedCell::Text(value);
        let cells = vec![
            text((START + (self.index - 1) * INTERVAL).to_string()),
            text("davis".into()),
            text("1".into()),
            text("5".into()),
            number(barometer, 3),
            number(barometer - 0.95 + 0.001 * self.noise(), 3),
            number(barometer - 0.012 + 0.001 * self.noise(), 3),
            number(69.0 + 3.0 * (TAU * (day - 0.45)).sin() + 0.1 * self.weather.warmth, 1),
            number(out_temp, 1),
            number((41.0 + 0.15 * (humidity - 60.0) + self.noise()).round(), 0),
            number(humidity.round(), 0),
            number(wind, 0),
            if_windy(wind, compass(self.weather.direction)),
            number(gust, 0),
            if_windy(gust, gust_direction),
            number(if raining { rain * 12.0 } else { 0.0 }, 2),
            number(rain, 2),
            number(dewpoint, 1),
            number(windchill(out_temp, wind), 1),
            number(out_temp + 0.03 * (humidity - 50.0) * (out_temp - 60.0).max(0.0) / 10.0, 1),
            number(light / 850.0 * 0.012, 3),
            number(light, 0),
            number(light / 95.0, 1),
            if_there(number(out_temp + 1.5 + 0.4 * self.noise(), 1)),
            if_there(number((humidity + 2.0 * self.noise()).clamp(1.0, 100.0).round(), 0)),
            number(self.weather.soil, 1),
            number((40.0 + 25.0 * (TAU * (year - 0.1)).sin() - if raining { 8.0 } else { 0.0 }).round(), 0),
            number(if raining || humidity > 92.0 { 15.0 } else { 0.0 }, 0),
            number((100.0 - 2.5 * self.noise().abs()).max(0.0), 1),
            number(4.62 + 0.05 * (TAU * day).sin() + 0.01 * self.noise(), 2),
            text("0".into()),
            text(["8", "6", "2", "3"][forecast].into()),
            text(["45", "109", "28", "162"][forecast].into()),
        ];
        GeneratedRow { cells: self.spoil(cells) }
    }

    /// Inserts gaps and sentinels.
    fn spoil(&mut self, mut cells: Vec<GeneratedCell>) -> Vec<GeneratedCell> {
        for cell in cells.iter_mut().filter(|cell| matches!(cell, GeneratedCell::Number { .. })) {
            let chance: f64 = self.rng.random();
            if chance < GAPS {
                *cell = GeneratedCell::Missing;
            } else if chance < GAPS + SENTINELS {
                let value = if self.rng.random_bool(0.5) { -9999.0 } else { 32767.0 };
                *cell = GeneratedCell::Number { value, decimals: 0 };
            }
        }
        cells
    }
}

impl Iterator for Generator {
    type Item = GeneratedRow;

    fn next(&mut self) -> Option<GeneratedRow> {
        let again = self.last.is_some() && self.rng.random_bool(DUPLICATES);
        if !again {
            self.last = Some(self.measure());
        }
        self.last.clone()
    }
}

impl Generator {
    /// The next rows as a message.
    pub fn bucket(&mut self, epoch: u64, rows: usize) -> Bucket {
        let mut bucket = Bucket::new(epoch, epoch * rows as u64);
        for (position, record) in (1..=rows as u64).zip(self) {
            let row = Row { bytes: &record.json(), format: Format::Json, header: None };
            bucket.push(row, 0, Origin { topic: "generated".into(), position });
        }
        bucket
    }
}

/// Magnus' formula, in degrees Fahrenheit; relative humidity in percent.
fn dewpoint(fahrenheit: f64, humidity: f64) -> f64 {
    let celsius = (fahrenheit - 32.0) / 1.8;
    let gamma = (humidity / 100.0).ln() + 17.62 * celsius / (243.12 + celsius);
    243.12 * gamma / (17.62 - gamma) * 1.8 + 32.0
}

/// The wind chill of the US National Weather Service (2001), in degrees Fahrenheit and miles an hour.
fn windchill(fahrenheit: f64, wind: f64) -> f64 {
    if fahrenheit > 50.0 || wind < 3.0 {
        return fahrenheit;
    }
    let power = wind.powf(0.16);
    35.74 + 0.6215 * fahrenheit - 35.75 * power + 0.4275 * fahrenheit * power
}

impl GeneratedRow {
    /// The row as a JSON object.
    pub fn json(&self) -> Vec<u8> {
        let mut json = Vec::new();
        self.write_json(&mut json);
        json
    }

    /// Appends the row as a JSON object, without a line end.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (place, (cell, (name, ..))) in self.cells.iter().zip(DAVIS).enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let written = match cell {
                GeneratedCell::Missing => write!(out, "{comma}\"{name}\": null"),
                GeneratedCell::Text(text) => write!(out, "{comma}\"{name}\": \"{text}\""),
                GeneratedCell::Number { value, decimals } => {
                    write!(out, "{comma}\"{name}\": {:.*}", decimals, positive_zero(*value, *decimals))
                }
            };
            written.expect("a Vec takes everything");
        }
        out.push(b'}');
    }

    /// Appends the row as CSV cells, without a line end.
    pub fn write_csv(&self, out: &mut Vec<u8>) {
        for (place, cell) in self.cells.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            match cell {
                GeneratedCell::Missing => {}
                GeneratedCell::Text(text) => out.extend_from_slice(text.as_bytes()),
                GeneratedCell::Number { value, decimals } => {
                    write!(out, "{:.*}", decimals, positive_zero(*value, *decimals)).expect("a Vec takes everything")
                }
            }
        }
    }

    /// The header of [`GeneratedRow::write_csv`].
    pub fn csv_header() -> String {
        DAVIS.map(|(name, ..)| name).join(",")
    }
}

/// Rounding must not produce a negative zero.
fn positive_zero(value: f64, decimals: usize) -> f64 {
    if value.abs() < 0.5 * 0.1_f64.powi(decimals as i32) { 0.0 } else { value }
}

/// Generates `rows` rows into buckets as fast as they are taken.
pub fn read(rows: u64, seed: u64, buffer: BucketBuffer, clock: Clock, output: &SourceOutput) {
    let mut station = GeneratedSource::new(seed, buffer, clock, output);
    let mut json = Vec::new();
    for (record, position) in Generator::new(seed).zip(1..=rows) {
        json.clear();
        record.write_json(&mut json);
        if !station.give(&json, position, clock.now()) {
            break;
        }
    }
    station.end();
}

/// Offers `rows` rows on a schedule, from a store filled beforehand: to generate a row takes longer than to process it.
/// `ready` is closed when the store is full. The store is offered again and again.
pub fn offer(
    rows: u64,
    seed: u64,
    load: Load,
    buffer: BucketBuffer,
    clock: Clock,
    output: &SourceOutput,
    ready: crossbeam_channel::Sender<()>,
) {
    // Small enough for the cache, large enough that no message, which is bounded in bytes too, holds a row twice.
    let store_rows = buffer.bucket_size().clamp(1 << 12, MAX_BUCKET / 256);
    let records = Generator::new(seed).zip(0..rows).take(store_rows);
    let store: Vec<Vec<u8>> = records.map(|(record, _)| record.json()).collect();
    drop(ready);
    let mut station = GeneratedSource::new(seed, buffer, clock, output);
    let start = Instant::now();
    for ((json, due), position) in store.iter().cycle().zip(Schedule::new(load, seed)).zip(1..=rows) {
        let due = start + due;
        if !station.wait(due) || !station.give(json, position, clock.at(due)) {
            break;
        }
    }
    station.end();
}

/// Puts generated rows into buckets.
struct GeneratedSource<'a> {
    topic: Arc<str>,
    buffer: BucketBuffer,
    clock: Clock,
    output: &'a SourceOutput,
    /// The last reading of the clock.
    now: Instant,
}

impl GeneratedSource<'_> {
    fn new(seed: u64, buffer: BucketBuffer, clock: Clock, output: &SourceOutput) -> GeneratedSource<'_> {
        GeneratedSource { topic: format!("generate:seed={seed}").into(), buffer, clock, output, now: Instant::now() }
    }

    /// Pushes a row into the buffer; false when no more are wanted.
    fn give(&mut self, json: &[u8], position: u64, arrived: u64) -> bool {
        let row = Row { bytes: json, format: Format::Json, header: None };
        let origin = Origin { topic: self.topic.clone(), position };
        let full = self.buffer.push(row, arrived, origin, self.clock);
        // A bucket closes when its last row arrives, or was due.
        let wanted = full.is_none_or(|mut bucket| {
            bucket.metadata.closed = arrived;
            self.output.send(bucket) && !self.output.stop.is_set()
        });
        wanted && !self.buffer.is_done()
    }

    fn end(mut self) {
        self.buffer.close(self.clock).map(|bucket| self.output.send(bucket));
    }

    /// Waits until a row is due, and closes a bucket that may not wait so long; false when no more are wanted.
    fn wait(&mut self, due: Instant) -> bool {
        const LOOK_UP_INTERVAL: Duration = Duration::from_millis(50);
        while self.now < due {
            self.now = Instant::now();
            let deadline = self.buffer.deadline(self.clock);
            if deadline.is_some_and(|deadline| deadline <= self.now.min(due))
                && let Some(bucket) = self.buffer.close(self.clock)
                && !self.output.send(bucket)
            {
                return false;
            }
            if self.output.stop.is_set() {
                return false;
            }
            let until = self.buffer.deadline(self.clock).map_or(due, |deadline| deadline.min(due));
            std::thread::sleep(until.saturating_duration_since(self.now).min(LOOK_UP_INTERVAL));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(seed: u64, rows: usize) -> Vec<String> {
        let line = |record: GeneratedRow| {
            let mut out = Vec::new();
            record.write_csv(&mut out);
            String::from_utf8(out).unwrap()
        };
        Generator::new(seed).take(rows).map(line).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert_eq!(lines(7, 500), lines(7, 500));
        assert_ne!(lines(7, 5), lines(8, 5));
    }

    #[test]
    fn rows_have_the_faults_of_real_stations() {
        let lines = lines(7, 5_000);
        assert!(lines.iter().all(|line| line.split(',').count() == 33));
        assert!(lines.windows(2).filter(|pair| pair[0] == pair[1]).count() > 5);
        for fault in [",,", "-9999", "32767"] {
            assert!(lines.iter().filter(|line| line.contains(fault)).count() > 10, "{fault}");
        }
        let soil = |line: &String| line.split(',').nth(25).unwrap().to_owned();
        let stuck = lines.windows(30).filter(|rows| rows.iter().all(|row| soil(row) == soil(&rows[0]))).count();
        assert!(stuck > 10, "{stuck}");
    }

    #[test]
    fn a_row_reads_back_by_the_schema() {
        use crate::data::{Bucket, Schema};
        use crate::format::Decoder;
        let mut bucket = Bucket::new(0, 0);
        for record in Generator::new(3).take(50) {
            let row = Row { bytes: &record.json(), format: Format::Json, header: None };
            bucket.push(row, 0, Origin { topic: "t".into(), position: 1 });
        }
        let (message, bad) = Decoder::new(Arc::new(Schema::davis()), Arc::default()).decode(&bucket);
        assert_eq!((message.rows(), bad.len()), (50, 0));
        let barometer = message.column(0);
        assert!(barometer.iter().filter(|x| (28.0..32.0).contains(*x)).count() > 40);
    }
}
