//! Sums that lose nothing: R adds with 80 bits, here the rest of each addition is kept.

const LANES: usize = 4;

/// A sum with what rounding has cut off.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sum {
    high: [f64; LANES],
    low: [f64; LANES],
}

/// The rounded sum, and what is missing of it (Knuth).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

impl Sum {
    pub fn add(&mut self, value: f64) {
        let (high, low) = two_sum(self.high[0], value);
        self.high[0] = high;
        self.low[0] += low;
    }

    pub fn add_all(&mut self, values: &[f64]) {
        let (lanes, rest) = values.as_chunks::<LANES>();
        for four in lanes {
            for (lane, value) in four.iter().enumerate() {
                let (high, low) = two_sum(self.high[lane], *value);
                self.high[lane] = high;
                self.low[lane] += low;
            }
        }
        for value in rest {
            self.add(*value);
        }
    }

    /// Products, each rounded.
    pub fn add_products(&mut self, ones: &[f64], others: &[f64]) {
        let (ones, one_rest) = ones.as_chunks::<LANES>();
        let (others, other_rest) = others.as_chunks::<LANES>();
        for (one, other) in ones.iter().zip(others) {
            let mut four = [0.0; LANES];
            for lane in 0..LANES {
                four[lane] = one[lane] * other[lane];
            }
            self.add_all(&four);
        }
        for (one, other) in one_rest.iter().zip(other_rest) {
            self.add(one * other);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for lane in 0..LANES {
            let (high, low) = two_sum(self.high[lane], other.high[lane]);
            self.high[lane] = high;
            self.low[lane] += low + other.low[lane];
        }
    }

    pub fn total(&self) -> f64 {
        let plain: f64 = self.high.iter().sum();
        if !plain.is_finite() {
            return plain;
        }
        let mut low: f64 = self.low.iter().sum();
        let mut sum = 0.0;
        for high in self.high {
            let (next, rest) = two_sum(sum, high);
            sum = next;
            low += rest;
        }
        sum + low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_small() {
        let mut values = vec![1e16, 1.0, -1e16, 0.1, 1e17, -1e17];
        values.extend([0.1; 9]);
        let mut sum = Sum::default();
        sum.add_all(&values);
        assert!((sum.total() - 2.0).abs() < 1e-15);
        let mut first = Sum::default();
        let mut second = Sum::default();
        first.add_all(&values[..3]);
        second.add_all(&values[3..]);
        first.merge(&second);
        assert!((first.total() - 2.0).abs() < 1e-15);
        first.add(f64::INFINITY);
        assert!(first.total().is_infinite());
    }
}
