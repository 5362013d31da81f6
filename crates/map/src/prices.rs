//! What AWS asks for its services: a dated table that is a data file, so that new prices
//! are one file's change and every forecast and bill uses the same.

use serde::Deserialize;

/// Dollars for each thing. A GB is 2^30 bytes, as AWS counts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PriceTable {
    /// The day as of which the prices held.
    pub dated: String,
    pub region: String,
    pub lambda: LambdaPrices,
    pub storage: StoragePrices,
    pub transfer: TransferPrices,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LambdaPrices {
    pub gb_second_x86: f64,
    pub gb_second_arm: f64,
    pub request: f64,
    /// For what a function has of /tmp beyond `tmp_free_mb`.
    pub tmp_gb_second: f64,
    pub tmp_free_mb: u32,
    pub free_requests_a_month: u64,
    pub free_gb_seconds_a_month: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StoragePrices {
    pub gb_month: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TransferPrices {
    /// Out of AWS; what comes in costs nothing.
    pub gb_out: f64,
    pub free_gb_a_month: u64,
}

impl PriceTable {
    /// The table that this program carries.
    pub fn carried() -> Self {
        serde_json::from_str(include_str!("../data/prices.json"))
            .expect("a test reads the file that is carried")
    }
}

/// What a second of a function costs, and a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// For a second with a gigabyte.
    pub gigabyte_second: f64,
    pub request: f64,
}

impl Prices {
    pub fn of(arm: bool) -> Self {
        PriceTable::carried().lambda.of(arm)
    }

    /// For a second of an instance with so much memory.
    pub fn second(&self, memory_mb: u32) -> f64 {
        self.gigabyte_second * f64::from(memory_mb) / 1024.0
    }
}

impl LambdaPrices {
    pub fn of(&self, arm: bool) -> Prices {
        let gigabyte_second = if arm {
            self.gb_second_arm
        } else {
            self.gb_second_x86
        };
        Prices {
            gigabyte_second,
            request: self.request,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_carried_table_is_whole_and_dated() {
        let table = PriceTable::carried();
        let day: Vec<_> = table.dated.split('-').collect();
        assert_eq!(day.len(), 3, "{}", table.dated);
        let lambda = &table.lambda;
        assert!(lambda.gb_second_arm < lambda.gb_second_x86);
        // A gigabyte for a million seconds, which everyone can look up.
        let close = |one: f64, other: f64| (one / other - 1.0).abs() < 1e-9;
        assert!(close(Prices::of(false).second(1024), 0.000_016_666_7));
        assert!(close(
            Prices::of(true).gigabyte_second,
            lambda.gb_second_arm
        ));
        for price in [
            lambda.request,
            lambda.tmp_gb_second,
            table.storage.gb_month,
            table.transfer.gb_out,
        ] {
            assert!(price > 0.0 && price < 1.0, "{price}");
        }
    }
}
