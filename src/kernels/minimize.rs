//! Minimisers of one variable: Brent's method, free and bounded, after SciPy's `optimize`, and Newton's method.
//!
//! Source of the first two: R. P. Brent, Algorithms for Minimization without Derivatives, chapter 5 (1973). Tolerances and
//! first steps are SciPy's, so that the same function leads to the same minimum.

/// The part of an interval that a golden-section step takes: (3 - sqrt 5) / 2.
const GOLDEN: f64 = 0.381_966_011_250_105_1;
/// SciPy's `brent` rounds it.
const GOLDEN_ROUNDED: f64 = 0.381_966_0;
const MAX_STEPS: usize = 500;

/// The best three points so far, and the interval that holds the minimum.
struct BrentSearch {
    a: f64,
    b: f64,
    best: (f64, f64),
    second: (f64, f64),
    third: (f64, f64),
    step: f64,
    step_before: f64,
}

impl BrentSearch {
    fn new(a: f64, b: f64, x: f64, fx: f64) -> BrentSearch {
        let best = (x, fx);
        BrentSearch { a, b, best, second: best, third: best, step: 0.0, step_before: 0.0 }
    }

    fn middle(&self) -> f64 {
        0.5 * (self.a + self.b)
    }

    /// The step to the vertex of the parabola through the three points, if it is acceptable.
    fn parabola(&self) -> Option<f64> {
        let (x, fx) = self.best;
        let r = (x - self.second.0) * (fx - self.third.1);
        let q = (x - self.third.0) * (fx - self.second.1);
        let p = (x - self.third.0) * q - (x - self.second.0) * r;
        let q = 2.0 * (q - r);
        let (p, q) = if q > 0.0 { (-p, q) } else { (p, -q) };
        let shorter = p.abs() < (0.5 * q * self.step_before).abs();
        (shorter && p > q * (self.a - x) && p < q * (self.b - x)).then(|| p / q)
    }

    fn golden(&mut self, part: f64) {
        let x = self.best.0;
        self.step_before = if x >= self.middle() { self.a - x } else { self.b - x };
        self.step = part * self.step_before;
    }

    /// Adds a new point `u`.
    fn take(&mut self, u: f64, fu: f64) {
        let x = self.best.0;
        if fu <= self.best.1 {
            *(if u >= x { &mut self.a } else { &mut self.b }) = x;
            (self.third, self.second, self.best) = (self.second, self.best, (u, fu));
            return;
        }
        *(if u < x { &mut self.a } else { &mut self.b }) = u;
        if fu <= self.second.1 || self.second.0 == x {
            (self.third, self.second) = (self.second, (u, fu));
        } else if fu <= self.third.1 || self.third.0 == x || self.third.0 == self.second.0 {
            self.third = (u, fu);
        }
    }
}

/// First and second derivative of a function to be maximised, at a point.
#[derive(Clone, Copy, Debug)]
pub struct Derivatives {
    /// The first derivative.
    pub first: f64,
    /// The second derivative.
    pub second: f64,
}

impl Derivatives {
    fn newton_step(self) -> f64 {
        -self.first / self.second
    }
}

/// Where derivatives are asked for.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// A point.
    Point(f64),
    /// A step from the last point.
    Step(f64),
}

/// Where the first derivative of a concave function, which falls, is zero: Newton's method, kept between
/// bounds that close in.
///
/// `derivatives` gives them at a point, and exactly enough at steps up to `near` from it: a root that near is found
/// without another point. `None` if a derivative is unknown, without convergence, or at a bound.
pub fn root_of_falling(
    mut derivatives: impl FnMut(Place) -> Option<Derivatives>,
    start: f64,
    bounds: (f64, f64),
    near: f64,
) -> Option<f64> {
    const MAX_STEPS: usize = 60;
    let (mut low, mut high) = bounds;
    let mut x = start;
    for _ in 0..MAX_STEPS {
        let here = derivatives(Place::Point(x))?;
        let step = here.newton_step();
        if here.second < 0.0
            && step.abs() <= near
            && let Some(step) = root_nearby(|step| derivatives(Place::Step(step)), step, near)
        {
            return (x + step > bounds.0 && x + step < bounds.1).then_some(x + step);
        }
        *(if here.first > 0.0 { &mut low } else { &mut high }) = x;
        let inside = here.second < 0.0 && x + step > low && x + step < high;
        x = if inside { x + step } else { 0.5 * (x + if here.first > 0.0 { high } else { low }) };
    }
    None
}

/// The step to the root, from a first guess; `None` if it is not as near as twice `near`.
fn root_nearby(mut at: impl FnMut(f64) -> Option<Derivatives>, mut step: f64, near: f64) -> Option<f64> {
    const MAX_STEPS: usize = 8;
    for _ in 0..MAX_STEPS {
        let further = at(step)?.newton_step();
        step += further;
        if further.abs() <= 1e-9 * near {
            return (step.abs() <= 2.0 * near).then_some(step);
        }
    }
    None
}

/// The minimum of `f` between `low` and `high`, as `scipy.optimize.fminbound` finds it.
pub fn bounded(mut f: impl FnMut(f64) -> f64, low: f64, high: f64, tolerance: f64) -> f64 {
    let start = low + GOLDEN * (high - low);
    let mut search = BrentSearch::new(low, high, start, f(start));
    for _ in 1..MAX_STEPS {
        let x = search.best.0;
        let middle = search.middle();
        // SciPy writes the machine epsilon as 2.2e-16.
        let tol1 = 2.2e-16_f64.sqrt() * x.abs() + tolerance / 3.0;
        let tol2 = 2.0 * tol1;
        if (x - middle).abs() <= tol2 - 0.5 * (search.b - search.a) {
            break;
        }
        let parabola = if search.step_before.abs() > tol1 { search.parabola() } else { None };
        match parabola {
            Some(step) => {
                (search.step_before, search.step) = (search.step, step);
                let u = x + step;
                if u - search.a < tol2 || search.b - u < tol2 {
                    search.step = if middle >= x { tol1 } else { -tol1 };
                }
            }
            None => search.golden(GOLDEN),
        }
        let sign = if search.step >= 0.0 { 1.0 } else { -1.0 };
        let u = x + sign * search.step.abs().max(tol1);
        let fu = f(u);
        search.take(u, fu);
    }
    search.best.0
}

/// The minimum of `f` near the bracket (-2, 2), as `scipy.optimize.brent(f, brack=(-2, 2))` finds it.
///
/// # Errors
/// Where SciPy raises: no valid bracket.
pub fn brent(mut f: impl FnMut(f64) -> f64) -> Result<f64, &'static str> {
    const TOLERANCE: f64 = 1.48e-8;
    let [(xa, _), (xb, fb), (xc, _)] = bracket(&mut f, -2.0, 2.0)?;
    let mut search = BrentSearch::new(xa.min(xc), xa.max(xc), xb, fb);
    for _ in 0..MAX_STEPS {
        let x = search.best.0;
        let middle = search.middle();
        let tol1 = TOLERANCE * x.abs() + 1e-11;
        let tol2 = 2.0 * tol1;
        if (x - middle).abs() < tol2 - 0.5 * (search.b - search.a) {
            break;
        }
        if search.step_before.abs() <= tol1 {
            search.golden(GOLDEN_ROUNDED);
        } else if let Some(step) = search.parabola() {
            (search.step_before, search.step) = (search.step, step);
            let u = x + step;
            if u - search.a < tol2 || search.b - u < tol2 {
                search.step = if middle >= x { tol1 } else { -tol1 };
            }
        } else {
            search.golden(GOLDEN_ROUNDED);
        }
        let sign = if search.step >= 0.0 { 1.0 } else { -1.0 };
        let u = if search.step.abs() < tol1 { x + sign * tol1 } else { x + search.step };
        let fu = f(u);
        search.take(u, fu);
    }
    Ok(search.best.0)
}

/// Three points of which the middle one is the lowest, walked to downhill from `xa` and `xb`.
fn bracket(f: &mut impl FnMut(f64) -> f64, xa: f64, xb: f64) -> Result<[(f64, f64); 3], &'static str> {
    const RATIO: f64 = 1.618_034;
    const GROW_LIMIT: f64 = 110.0;
    const NO_BRACKET: &str =
        "The algorithm terminated without finding a valid bracket. Consider trying different initial points.";
    let mut point = |x: f64| (x, f(x));
    let (mut a, mut b) = (point(xa), point(xb));
    if a.1 < b.1 {
        std::mem::swap(&mut a, &mut b);
    }
    let mut c = point(b.0 + RATIO * (b.0 - a.0));
    let mut steps = 0;
    while c.1 < b.1 {
        let left = (b.0 - a.0) * (b.1 - c.1);
        let right = (b.0 - c.0) * (b.1 - a.1);
        let value = right - left;
        let denominator = 2.0 * if value.abs() < 1e-21 { 1e-21 } else { value };
        let w = b.0 - ((b.0 - c.0) * right - (b.0 - a.0) * left) / denominator;
        let limit = b.0 + GROW_LIMIT * (c.0 - b.0);
        steps += 1;
        if steps > 1001 {
            return Err(NO_BRACKET);
        }
        let next = if (w - c.0) * (b.0 - w) > 0.0 {
            let w = point(w);
            if w.1 < c.1 {
                (a, b) = (b, w);
                break;
            } else if w.1 > b.1 {
                c = w;
                break;
            }
            point(c.0 + RATIO * (c.0 - b.0))
        } else if (w - limit) * (limit - c.0) >= 0.0 {
            point(limit)
        } else if (w - limit) * (c.0 - w) > 0.0 {
            let w = point(w);
            if w.1 < c.1 {
                (b, c) = (c, w);
                point(c.0 + RATIO * (c.0 - b.0))
            } else {
                w
            }
        } else {
            point(c.0 + RATIO * (c.0 - b.0))
        };
        (a, b, c) = (b, c, next);
    }
    let lowest = (b.1 < c.1 && b.1 <= a.1) || (b.1 < a.1 && b.1 <= c.1);
    let ordered = (a.0 < b.0 && b.0 < c.0) || (c.0 < b.0 && b.0 < a.0);
    let finite = a.0.is_finite() && b.0.is_finite() && c.0.is_finite();
    if lowest && ordered && finite { Ok([a, b, c]) } else { Err(NO_BRACKET) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_find_the_minimum_of_a_quartic() {
        let f = |x: f64| (x - 1.25).powi(4) + (x - 1.25).powi(2);
        assert!((bounded(f, -3.0, 7.0, 1.48e-8) - 1.25).abs() < 1e-7);
        assert!((brent(f).unwrap() - 1.25).abs() < 1e-7);
    }

    #[test]
    fn brent_ends_where_scipys_does() {
        // Box-Cox's cost of three values; SciPy ends at -9.823353 or -9.823360, by rounding.
        let logs = [23.9f64.ln(), 24.5f64.ln(), 25.6f64.ln()];
        let cost = |lambda: f64| {
            let powers = logs.map(|log| (lambda * (log - logs[0])).exp_m1());
            let mean = powers.iter().sum::<f64>() / 3.0;
            let variance = powers.iter().map(|y| (y - mean) * (y - mean)).sum::<f64>() / 3.0;
            3.0 * lambda * logs[0] + 1.5 * variance.ln()
                - 3.0 * lambda.abs().ln()
                - (lambda - 1.0) * logs.iter().sum::<f64>()
        };
        assert!((brent(cost).unwrap() + 9.823_353_5).abs() < 1e-4);
    }

    #[test]
    fn newton_ends_at_the_top_and_not_at_a_bound() {
        // -cosh(x - 3): its second derivative hardly changes near the top and runs away far from it.
        let mut point = 0.0;
        let mut derivatives = |place: Place| {
            let x = match place {
                Place::Point(x) => x,
                Place::Step(step) => point + step,
            };
            if let Place::Point(x) = place {
                point = x;
            }
            Some(Derivatives { first: -(x - 3.0f64).sinh(), second: -(x - 3.0f64).cosh() })
        };
        for near in [1e-5, 0.1] {
            assert!((root_of_falling(&mut derivatives, -20.0, (-50.0, 50.0), near).unwrap() - 3.0).abs() < 1e-9);
            assert_eq!(root_of_falling(&mut derivatives, 0.0, (-50.0, 2.0), near), None);
        }
    }

    #[test]
    fn brent_refuses_a_line_without_end() {
        assert!(brent(|x| -x).is_err());
    }
}
