//! Distances of rows from points, by the products that scikit-learn takes them from.

use super::weighted::add_weighted;

/// Points, with their squared norms.
pub struct Points {
    points: Vec<Vec<f64>>,
    norms: Vec<f64>,
}

impl Points {
    /// Points of as many values as there are columns.
    pub fn new(points: Vec<Vec<f64>>) -> Points {
        let norms = points.iter().map(|point| point.iter().map(|x| x * x).sum()).collect();
        Points { points, norms }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.points.len()
    }

    /// For each of `rows` the number of the nearest point, of several the first.
    pub fn nearest(&self, columns: &[&[f64]], rows: usize) -> Vec<usize> {
        let (mut least, mut nearest) = (vec![f64::INFINITY; rows], vec![0; rows]);
        for (number, norm) in self.norms.iter().enumerate() {
            // A row's own norm is the same for all points.
            let products = self.products(number, columns, rows);
            for ((product, least), nearest) in products.iter().zip(&mut least).zip(&mut nearest) {
                let distance = norm + product;
                if distance < *least {
                    (*least, *nearest) = (distance, number);
                }
            }
        }
        nearest
    }

    /// The distances of `rows` from each point.
    pub fn distances(&self, columns: &[&[f64]], rows: usize) -> Vec<Vec<f64>> {
        let mut own = vec![0.0; rows];
        columns.iter().for_each(|column| own.iter_mut().zip(*column).for_each(|(norm, x)| *norm += x * x));
        let from = |number: usize| {
            let mut distances = self.products(number, columns, rows);
            let squares = distances.iter_mut().zip(&own);
            squares.for_each(|(product, own)| *product = (*product + own + self.norms[number]).max(0.0).sqrt());
            distances
        };
        (0..self.count()).map(from).collect()
    }

    /// For each row minus twice its product with a point.
    fn products(&self, number: usize, columns: &[&[f64]], rows: usize) -> Vec<f64> {
        let mut products = vec![0.0; rows];
        columns.iter().zip(&self.points[number]).for_each(|(column, x)| add_weighted(&mut products, column, -2.0 * x));
        products
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_point_and_how_far_each_is() {
        let points = Points::new(vec![vec![0.0, 0.0], vec![3.0, 4.0], vec![3.0, 4.0]]);
        let columns: [&[f64]; 2] = [&[0.0, 3.0, 1.0], &[0.0, 3.0, 0.0]];
        assert_eq!(points.nearest(&columns, 3), [0, 1, 0]);
        let distances = points.distances(&columns, 3);
        assert_eq!((distances[0][0], distances[1][0], distances[1][1]), (0.0, 5.0, 1.0));
    }
}
