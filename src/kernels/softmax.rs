//! Scores of classes: the largest, and scores as probabilities. A slice holds one class, a value a row.

/// The logistic function.
pub fn logistic(x: f64) -> f64 {
    if x < 0.0 {
        let e = x.exp();
        return e / (1.0 + e);
    }
    1.0 / (1.0 + (-x).exp())
}

/// One minus each value.
pub fn complement(values: &[f64]) -> Vec<f64> {
    values.iter().map(|x| 1.0 - x).collect()
}

/// For each row the class of the largest score, of several the first; of NaN, as NumPy has it, the first.
pub fn argmax(scores: &[Vec<f64>]) -> Vec<usize> {
    let rows = scores.first().map_or(0, Vec::len);
    let largest = |row: usize| {
        let larger = |one: f64, other: f64| one > other || one.is_nan() && !other.is_nan();
        (1..scores.len())
            .fold(0, |best, class| if larger(scores[class][row], scores[best][row]) { class } else { best })
    };
    (0..rows).map(largest).collect()
}

/// For each row its class: of two classes, which have one score, the second where `is_second` says so of it; of more, that
/// of the largest score.
pub fn decide(scores: &[Vec<f64>], is_second: impl Fn(f64) -> bool) -> Vec<usize> {
    match scores {
        [one] => one.iter().map(|score| usize::from(is_second(*score))).collect(),
        all => argmax(all),
    }
}

/// For each row the exponentials of its scores, divided by their sum.
pub fn softmax(scores: &mut [Vec<f64>]) {
    let rows = scores.first().map_or(0, Vec::len);
    for row in 0..rows {
        let most = scores.iter().map(|class| class[row]).fold(f64::NEG_INFINITY, f64::max);
        scores.iter_mut().for_each(|class| class[row] = (class[row] - most).exp());
        let sum: f64 = scores.iter().map(|class| class[row]).sum();
        scores.iter_mut().for_each(|class| class[row] /= sum);
    }
}

/// Divides each row's scores by their sum; where it is 0, all are equal.
pub fn normalize(scores: &mut [Vec<f64>]) {
    let (classes, rows) = (scores.len() as f64, scores.first().map_or(0, Vec::len));
    for row in 0..rows {
        let sum: f64 = scores.iter().map(|class| class[row]).sum();
        scores.iter_mut().for_each(|class| class[row] = if sum == 0.0 { 1.0 / classes } else { class[row] / sum });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_scores_is_taken() {
        assert_eq!(argmax(&[vec![1.0, 0.0], vec![1.0, 2.0], vec![0.0, 2.0]]), [0, 1]);
    }

    #[test]
    fn probabilities_sum_to_one_also_of_large_scores() {
        let mut scores = vec![vec![1000.0, -2.0], vec![0.0, -2.0]];
        softmax(&mut scores);
        assert_eq!(scores, [[1.0, 0.5], [0.0, 0.5]]);
        let mut scores = vec![vec![0.0, 3.0], vec![0.0, 1.0]];
        normalize(&mut scores);
        assert_eq!(scores, [[0.5, 0.75], [0.5, 0.25]]);
    }

    #[test]
    fn the_logistic_function_keeps_its_digits_on_both_sides() {
        assert_eq!((logistic(0.0), logistic(800.0), logistic(-800.0)), (0.5, 1.0, 0.0));
        assert!((logistic(-40.0) / (-40.0_f64).exp() - 1.0).abs() < 1e-15);
    }
}
