//! Erlang's formulas.

/// Erlang B: how often an arrival at M/M/c without waiting room finds all `servers` busy; 0 to 1.
///
/// `offered` is the load in erlangs, lambda / mu. By the recursion over servers, which neither overflows nor cancels.
/// Source: A. K. Erlang (1917); recursion as in R. B. Cooper, Introduction to Queueing Theory (1981), chapter 3.
pub fn erlang_b(servers: usize, offered: f64) -> f64 {
    (1..=servers).fold(1.0, |blocked, server| {
        let carried = offered * blocked;
        carried / (server as f64 + carried)
    })
}

/// Erlang C: how often an arrival at M/M/c must wait; 1 where the queue is not stable.
///
/// `offered` is the load in erlangs, lambda / mu. Source: C = B / (1 - rho (1 - B)), Cooper (1981), chapter 3.
pub fn erlang_c(servers: usize, offered: f64) -> f64 {
    let rho = offered / servers as f64;
    if rho >= 1.0 {
        return 1.0;
    }
    let blocked = erlang_b(servers, offered);
    blocked / (1.0 - rho * (1.0 - blocked))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Equal to four decimal places.
    fn is(value: f64, published: f64) -> bool {
        (value - published).abs() < 0.5e-4
    }

    #[test]
    fn erlang_b_equals_published_tables() {
        let table = [(1, 1.0, 0.5), (5, 5.0, 0.2849), (10, 10.0, 0.2146), (20, 15.0, 0.0456), (100, 100.0, 0.0757)];
        for (servers, offered, published) in table {
            assert!(is(erlang_b(servers, offered), published), "{servers} {offered} {}", erlang_b(servers, offered));
        }
    }

    #[test]
    fn erlang_c_equals_published_tables() {
        let table = [
            (1, 0.8, 0.8),
            (2, 1.0, 0.3333),
            (2, 1.6, 0.7111),
            (3, 2.0, 0.4444),
            (5, 4.0, 0.5541),
            (10, 8.0, 0.4092),
            (20, 16.0, 0.2561),
            (100, 90.0, 0.2169),
        ];
        for (servers, offered, published) in table {
            assert!(is(erlang_c(servers, offered), published), "{servers} {offered} {}", erlang_c(servers, offered));
        }
        assert_eq!(erlang_c(2, 2.0), 1.0);
    }
}
