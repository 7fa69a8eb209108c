//! The first centres of clusters, chosen by the random numbers of NumPy as scikit-learn does.

use super::mersenne_twister::MersenneTwister;

/// The place in a cumulative sum that a number falls in.
fn place_of(cumulative: &[f64], x: f64) -> usize {
    cumulative.partition_point(|sum| *sum <= x)
}

fn cumulative(shares: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sum = 0.0;
    let sums = shares.map(|share| {
        sum += share;
        sum
    });
    sums.collect()
}

/// Shares as cumulative probabilities.
fn probabilities(shares: &[f64]) -> Vec<f64> {
    let mut sums = cumulative(shares.iter().copied());
    let all = sums.last().copied().unwrap_or(1.0);
    sums.iter_mut().for_each(|sum| *sum /= all);
    sums
}

/// Different places of `count`, each as likely: `choice(count, chosen, replace=False, p=...)`.
pub fn choose(count: usize, chosen: usize, random: &mut MersenneTwister) -> Vec<usize> {
    let (mut shares, mut found) = (vec![1.0 / count as f64; count], Vec::new());
    while found.len() < chosen.min(count) {
        let drawn: Vec<f64> = (found.len()..chosen).map(|_| random.random_sample()).collect();
        found.iter().for_each(|place: &usize| shares[*place] = 0.0);
        let sums = probabilities(&shares);
        for x in drawn {
            let place = place_of(&sums, x).min(count - 1);
            if !found.contains(&place) {
                found.push(place);
            }
        }
    }
    found
}

/// Points far from each other: D. Arthur and S. Vassilvitskii, k-means++, 2007, the best of several draws each.
pub fn plus_plus(points: &[Vec<f64>], chosen: usize, random: &mut MersenneTwister) -> Vec<usize> {
    let trials = 2 + (chosen as f64).ln() as usize;
    let norms: Vec<f64> = points.iter().map(|point| point.iter().map(|x| x * x).sum()).collect();
    let distances = |from: usize| -> Vec<f64> {
        let product = |to: &Vec<f64>| points[from].iter().zip(to).map(|(a, b)| a * b).sum::<f64>();
        let squared = |(to, norm): (&Vec<f64>, &f64)| (-2.0 * product(to) + norms[from] + norm).max(0.0);
        points.iter().zip(&norms).map(squared).collect()
    };
    let first = probabilities(&vec![1.0 / points.len() as f64; points.len()]);
    let first = place_of(&first, random.random_sample()).min(points.len() - 1);
    let (mut found, mut closest) = (vec![first], distances(first));
    let mut potential: f64 = closest.iter().sum();
    while found.len() < chosen {
        let drawn: Vec<f64> = (0..trials).map(|_| random.random_sample() * potential).collect();
        let sums = cumulative(closest.iter().copied());
        let mut best: Option<(f64, usize, Vec<f64>)> = None;
        for x in drawn {
            let candidate = sums.partition_point(|sum| *sum < x).min(points.len() - 1);
            let nearer: Vec<f64> = distances(candidate).iter().zip(&closest).map(|(a, b)| a.min(*b)).collect();
            let sum: f64 = nearer.iter().sum();
            if best.as_ref().is_none_or(|(least, ..)| sum < *least) {
                best = Some((sum, candidate, nearer));
            }
        }
        let Some((sum, candidate, nearer)) = best else { break };
        (potential, closest) = (sum, nearer);
        found.push(candidate);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `RandomState(5).choice(10, size=6, replace=False, p=[0.1] * 10)`
    #[test]
    fn places_are_chosen_as_numpy_does() {
        assert_eq!(choose(10, 6, &mut MersenneTwister::new(5)), [2, 8, 9, 4, 6, 5]);
    }

    /// `sklearn.cluster.kmeans_plusplus(points, 4, random_state=5)`
    #[test]
    fn centers_are_those_of_scikit_learn() {
        let point = |i: usize| vec![(i * i % 11) as f64 / 2.0, (i * 7 % 5) as f64];
        let points: Vec<Vec<f64>> = (0..12).map(point).collect();
        assert_eq!(plus_plus(&points, 4, &mut MersenneTwister::new(5)), [2, 10, 8, 1]);
    }
}
