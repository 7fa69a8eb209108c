//! The nearest of many points.

/// Points to search, one behind the other.
pub struct Neighbors {
    points: Vec<f64>,
    width: usize,
    metric: Metric,
}

/// How far apart two points are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The root of the sum of squares.
    Euclidean,
    /// The sum of magnitudes.
    Manhattan,
    /// The largest magnitude.
    Chebyshev,
}

/// A point that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbor {
    /// Its number.
    pub point: usize,
    /// How far it is.
    pub distance: f64,
}

impl Neighbors {
    /// Points of `width` values each.
    pub fn new(points: Vec<f64>, width: usize, metric: Metric) -> Neighbors {
        Neighbors { points, width, metric }
    }

    /// How many points there are.
    pub fn count(&self) -> usize {
        self.points.len() / self.width.max(1)
    }

    /// The `count` points nearest to a row, which are fewer than all or all; the nearest first, of equal ones the first.
    pub fn nearest(&self, row: &[f64], count: usize, found: &mut Vec<Neighbor>) {
        found.clear();
        let points = self.points.chunks_exact(self.width.max(1)).enumerate();
        found.extend(points.map(|(point, values)| Neighbor { point, distance: self.squared(row, values) }));
        let nearer = |a: &Neighbor, b: &Neighbor| a.distance.total_cmp(&b.distance).then(a.point.cmp(&b.point));
        if count < found.len() {
            found.select_nth_unstable_by(count, nearer);
            found.truncate(count);
        }
        found.sort_unstable_by(nearer);
        if self.metric == Metric::Euclidean {
            found.iter_mut().for_each(|neighbor| neighbor.distance = neighbor.distance.sqrt());
        }
    }

    /// The distance, or its square where that is cheaper and orders alike.
    fn squared(&self, row: &[f64], point: &[f64]) -> f64 {
        let apart = row.iter().zip(point).map(|(x, y)| (x - y).abs());
        match self.metric {
            Metric::Euclidean => apart.map(|x| x * x).sum(),
            Metric::Manhattan => apart.sum(),
            Metric::Chebyshev => apart.fold(0.0, f64::max),
        }
    }
}

/// What each neighbour counts for by its distance: those at no distance alone, if there are some.
pub fn by_distance(found: &[Neighbor], weights: &mut Vec<f64>) {
    let same = found.iter().any(|neighbor| neighbor.distance == 0.0);
    weights.clear();
    let weight = |neighbor: &Neighbor| match (same, neighbor.distance) {
        (true, distance) => f64::from(u8::from(distance == 0.0)),
        (false, distance) => 1.0 / distance,
    };
    weights.extend(found.iter().map(weight));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(metric: Metric, count: usize) -> Vec<(usize, f64)> {
        let neighbors = Neighbors::new(vec![3.0, 4.0, 0.0, 0.0, 0.0, 6.0, 3.0, 4.0], 2, metric);
        let mut found = Vec::new();
        neighbors.nearest(&[0.0, 0.0], count, &mut found);
        found.into_iter().map(|Neighbor { point, distance }| (point, distance)).collect()
    }

    #[test]
    fn the_nearest_come_first_and_equal_ones_in_their_order() {
        assert_eq!(nearest(Metric::Euclidean, 2), [(1, 0.0), (0, 5.0)]);
        assert_eq!(nearest(Metric::Euclidean, 9), [(1, 0.0), (0, 5.0), (3, 5.0), (2, 6.0)]);
        assert_eq!(nearest(Metric::Manhattan, 3), [(1, 0.0), (2, 6.0), (0, 7.0)]);
        assert_eq!(nearest(Metric::Chebyshev, 2), [(1, 0.0), (0, 4.0)]);
    }

    #[test]
    fn what_is_at_no_distance_counts_alone() {
        let neighbors = |distances: &[f64]| -> Vec<Neighbor> {
            distances.iter().map(|distance| Neighbor { point: 0, distance: *distance }).collect()
        };
        let mut weights = Vec::new();
        by_distance(&neighbors(&[0.0, 0.0, 2.0]), &mut weights);
        assert_eq!(weights, [1.0, 1.0, 0.0]);
        by_distance(&neighbors(&[0.5, 2.0]), &mut weights);
        assert_eq!(weights, [2.0, 0.5]);
    }
}
