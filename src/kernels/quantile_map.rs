//! Maps values to their levels among the quantiles of a column, as scikit-learn's `QuantileTransformer` does.
//!
//! The level of a quantile is its cumulative probability, 0 to 1; parameters call levels `places`.

use std::hint::select_unpredictable;
use std::ops::Index;

use multiversion::multiversion;

use super::normal;
use crate::pool::Scratch;

/// How far from an end of the data a value counts as the end itself, for the normal distribution.
const BOUNDS_THRESHOLD: f64 = 1e-7;

/// The distinct quantiles of a column with their levels, and a grid over their range that shortens the search.
pub struct QuantileMap {
    /// Ascending, followed by infinities, so that a search may run past the end.
    quantiles: Scratch<f64>,
    /// The levels of the first and the last quantile that equal each.
    first: Scratch<f64>,
    last: Scratch<f64>,
    /// From each quantile to the next, the slope of the level; 0 behind the last.
    slopes: Scratch<f64>,
    /// How many quantiles lie in the cells before each cell.
    grid: Scratch<u32>,
    range: QuantileRange,
}

/// The ends of the quantiles, and how their cells are counted.
#[derive(Clone, Copy)]
struct QuantileRange {
    least: f64,
    most: f64,
    /// The level of the greatest quantile.
    end: f64,
    cells_per_unit: f64,
    last_cell: f64,
    /// How many steps of binary search the fullest cell needs.
    steps: u32,
}

/// Lookup tables: slices, or arrays of a known length, whose masked indices need no bounds check.
struct LookupTables<'a, T: ?Sized, G: ?Sized> {
    quantiles: &'a T,
    first: &'a T,
    last: &'a T,
    slopes: &'a T,
    grid: &'a G,
    mask: usize,
    grid_mask: usize,
    range: QuantileRange,
}

impl QuantileMap {
    /// Cells per quantile, so that most cells hold one or none.
    const CELLS: usize = 4;
    /// From so many values on, tables that fit are padded to arrays of a known length.
    const VALUES_FOR_ARRAYS: usize = 500;

    /// The map of ascending quantiles and their levels, equally many; `None` without a quantile.
    pub fn new(all: &[f64], places: &[f64]) -> Option<QuantileMap> {
        let (mut quantiles, mut first, mut last) = (Scratch::default(), Scratch::default(), Scratch::default());
        let mut start = 0;
        for equal in all.chunk_by(|a, b| a == b) {
            let after = start + equal.len();
            quantiles.push(equal[0]);
            first.push(places[start]);
            last.push(places[after - 1]);
            start = after;
        }
        let (least, most, end) = (*quantiles.first()?, *quantiles.last()?, *last.last()?);
        let rise = |(q, (first, last)): (&[f64], (&f64, &f64))| (first - last) / (q[1] - q[0]);
        let mut slopes: Scratch<f64> = quantiles.windows(2).zip(first[1..].iter().zip(last.iter())).map(rise).collect();
        slopes.push(0.0);
        first.push(end);
        let last_cell = (Self::CELLS * quantiles.len()) as f64;
        let range = QuantileRange { least, most, end, cells_per_unit: last_cell / (most - least), last_cell, steps: 0 };
        let mut map = QuantileMap { quantiles, first, last, slopes, grid: Scratch::default(), range };
        map.count_cells();
        Some(map)
    }

    fn count_cells(&mut self) {
        self.grid.resize(Self::CELLS * self.quantiles.len() + 1, 0);
        for quantile in self.quantiles.iter() {
            self.grid[self.range.cell(*quantile)] += 1;
        }
        let (mut before, mut fullest) = (0, 0);
        for cell in self.grid.iter_mut() {
            fullest = fullest.max(*cell);
            before += std::mem::replace(cell, before);
        }
        self.range.steps = u32::BITS - fullest.leading_zeros();
        let searched = self.quantiles.len() + (1 << self.range.steps);
        self.quantiles.resize(searched, f64::INFINITY);
    }

    /// The level of a value; NaN stays NaN.
    pub fn uniform(&self, x: f64) -> f64 {
        self.tables().uniform(x, self.range.steps)
    }

    /// Replaces values by their levels; NaN stays NaN.
    pub fn uniform_all(&mut self, values: &mut [f64]) {
        if self.grid.len() > ARRAY_CELLS || values.len() < Self::VALUES_FOR_ARRAYS {
            return values.iter_mut().for_each(|x| *x = self.uniform(*x));
        }
        for table in [&mut self.quantiles, &mut self.first, &mut self.last, &mut self.slopes] {
            table.resize(ARRAY_ENTRIES, f64::INFINITY);
        }
        self.grid.resize(ARRAY_CELLS, 0);
        match self.range.steps {
            0 | 1 => uniform_all::<1>(self, values),
            2 => uniform_all::<2>(self, values),
            3 | 4 => uniform_all::<4>(self, values),
            _ => uniform_all::<10>(self, values),
        }
    }

    /// The quantile of the standard normal distribution at the level of `x`; NaN stays NaN.
    pub fn normal(&self, x: f64) -> f64 {
        if x.is_nan() {
            return x;
        }
        let place = if x - BOUNDS_THRESHOLD < self.range.least {
            0.0
        } else if x + BOUNDS_THRESHOLD > self.range.most {
            1.0
        } else {
            self.tables().between(x, self.range.steps)
        };
        let edge = BOUNDS_THRESHOLD - f64::EPSILON;
        normal::quantile(place).clamp(normal::quantile(edge), normal::quantile(1.0 - edge))
    }

    fn tables(&self) -> LookupTables<'_, [f64], [u32]> {
        let QuantileMap { quantiles, first, last, slopes, grid, range } = self;
        LookupTables { quantiles, first, last, slopes, grid, mask: usize::MAX, grid_mask: usize::MAX, range: *range }
    }
}

/// The cells of up to 1023 quantiles, and entries for those and the longest search behind them; powers of two.
const ARRAY_CELLS: usize = 4096;
const ARRAY_ENTRIES: usize = 2048;

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2", "x86_64+sse4.2"))]
fn uniform_all<const STEPS: u32>(places: &QuantileMap, values: &mut [f64]) {
    let tables: LookupTables<[f64; ARRAY_ENTRIES], [u32; ARRAY_CELLS]> = LookupTables {
        quantiles: table(&places.quantiles),
        first: table(&places.first),
        last: table(&places.last),
        slopes: table(&places.slopes),
        grid: table(&places.grid),
        mask: ARRAY_ENTRIES - 1,
        grid_mask: ARRAY_CELLS - 1,
        range: places.range,
    };
    values.iter_mut().for_each(|x| *x = tables.uniform(*x, STEPS));
}

/// A padded table as an array of a known length.
#[inline(always)]
fn table<T, const N: usize>(table: &[T]) -> &[T; N] {
    table.try_into().expect("it is filled up")
}

impl QuantileRange {
    /// The cell of a value; of two values the greater one never lies in a lower cell.
    #[inline(always)]
    fn cell(&self, x: f64) -> usize {
        // Adding 2^52 rounds to an integer, which is then in the low bits.
        const ROUND: f64 = 4_503_599_627_370_496.0;
        let cell = (x - self.least) * self.cells_per_unit;
        let cell = if cell > 0.0 { cell } else { 0.0 };
        let cell = if cell < self.last_cell { cell } else { self.last_cell };
        (cell + ROUND).to_bits() as u32 as usize
    }
}

/// Only loads depend on the value, no branches: one mispredicted branch takes longer than the whole lookup.
impl<T, G> LookupTables<'_, T, G>
where
    T: Index<usize, Output = f64> + ?Sized,
    G: Index<usize, Output = u32> + ?Sized,
{
    #[inline(always)]
    fn uniform(&self, x: f64, steps: u32) -> f64 {
        let between = self.between(x, steps);
        let below_most = select_unpredictable(x < self.range.most, between, self.range.end);
        let place = select_unpredictable(x > self.range.least, below_most, 0.0);
        select_unpredictable(x.is_nan(), x, place)
    }

    /// The mean of the interpolations from below and from above, which differ where quantiles repeat; meaningless for a
    /// value outside of the ends.
    #[inline(always)]
    fn between(&self, x: f64, steps: u32) -> f64 {
        let above = self.up_to(x, steps);
        let below = above.saturating_sub(1) & self.mask;
        let (low, slope) = (self.last[below], self.slopes[below]);
        let upwards = slope * (x - self.quantiles[below]) + low;
        let downwards = slope * (self.quantiles[above] - x) - self.first[above];
        let equal = 0.5 * (low + self.first[below]);
        select_unpredictable(self.quantiles[below] == x, equal, 0.5 * (upwards - downwards))
    }

    /// How many quantiles are not above `x`.
    #[inline(always)]
    fn up_to(&self, x: f64, steps: u32) -> usize {
        let mut count = self.grid[self.range.cell(x) & self.grid_mask] as usize;
        for step in (0..steps).rev() {
            let stride = 1 << step;
            let reached = self.quantiles[(count + stride - 1) & self.mask] <= x;
            count += select_unpredictable(reached, stride, 0);
        }
        count & self.mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// NumPy's `interp` over quantiles that may repeat, from below and from above, as scikit-learn calls it.
    fn slow(all: &[f64], places: &[f64], x: f64) -> f64 {
        if x <= all[0] {
            return 0.0;
        }
        let Some(above) = all.iter().position(|quantile| *quantile > x) else { return 1.0 };
        let first_equal = all.iter().position(|quantile| *quantile >= x).unwrap_or(above);
        if first_equal < above {
            return 0.5 * (places[first_equal] + places[above - 1]);
        }
        let slope = (places[above] - places[above - 1]) / (all[above] - all[above - 1]);
        slope * (x - all[above - 1]) + places[above - 1]
    }

    proptest! {
        #[test]
        fn arrays_and_slices_give_what_a_walk_gives(
            quantiles in proptest::collection::vec(-20..20i32, 2..40),
            distinct in any::<bool>(),
            stretch in 1..200i32,
        ) {
            let mut all: Vec<f64> = quantiles.iter().map(|quantile| f64::from(*quantile) / 4.0).collect();
            all.sort_by(f64::total_cmp);
            if distinct {
                all.dedup();
            }
            // One quantile far away, so that most share a cell.
            all.push(f64::from(25 + stretch * stretch));
            let places: Vec<f64> = (0..all.len()).map(|place| place as f64 / (all.len() - 1) as f64).collect();
            let values: Vec<f64> = (0..600).map(|i| f64::from(i) / 50.0 - 6.0).chain([f64::NAN, 1e9]).collect();
            let mut map = QuantileMap::new(&all, &places).unwrap();
            let mut in_arrays = values.clone();
            map.uniform_all(&mut in_arrays);
            for (x, place) in values.iter().zip(in_arrays) {
                prop_assert_eq!(place.to_bits(), map.uniform(*x).to_bits());
                prop_assert!(x.is_nan() && place.is_nan() || (place - slow(&all, &places, *x)).abs() < 1e-12, "{x} {place}");
            }
        }
    }

    #[test]
    fn a_thousand_quantiles_in_one_cell() {
        let all: Vec<f64> = (0..1000).map(|i| f64::from(i) / 1e6).chain([1e9]).collect();
        let places: Vec<f64> = (0..all.len()).map(|place| place as f64 / 1000.0).collect();
        let mut map = QuantileMap::new(&all, &places).unwrap();
        let mut values = all.clone();
        for _ in 0..2 {
            values.copy_from_slice(&all);
            map.uniform_all(&mut values);
            assert_eq!(values, places);
        }
        assert!((map.uniform(499.5e-6) - 0.4995).abs() < 1e-12);
    }

    #[test]
    fn all_equal_or_beyond_the_range() {
        let map = QuantileMap::new(&[2.0; 3], &[0.0, 0.5, 1.0]).unwrap();
        assert_eq!([1.0, 2.0, 3.0].map(|x| map.uniform(x)), [0.0, 0.0, 1.0]);
        let map = QuantileMap::new(&[f64::MIN, 0.0, f64::MAX], &[0.0, 0.5, 1.0]).unwrap();
        assert_eq!([f64::MIN, 0.0, f64::MAX].map(|x| map.uniform(x)), [0.0, 0.5, 1.0]);
        assert!(QuantileMap::new(&[], &[]).is_none());
    }
}
