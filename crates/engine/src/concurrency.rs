//! How many invocations run at once, against the account's and the functions'
//! limits.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use types::{FunctionName, ThrottleReason};

/// Counts what runs. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Concurrency {
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Of functions without a reservation.
    unreserved: u32,
    by_function: HashMap<FunctionName, u32>,
}

/// One running invocation; it counts until dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    concurrency: Concurrency,
    function: FunctionName,
    reserved: bool,
}

impl Concurrency {
    /// Takes a slot, or says which limit is reached.
    pub(crate) fn enter(
        &self,
        function: &FunctionName,
        reserved: Option<u32>,
        unreserved_limit: u32,
    ) -> Result<Slot, ThrottleReason> {
        let mut counts = self.counts.lock();
        let own = counts.by_function.get(function).copied().unwrap_or(0);
        match reserved {
            Some(limit) if own >= limit => {
                return Err(ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded);
            }
            None if counts.unreserved >= unreserved_limit => {
                return Err(ThrottleReason::ConcurrentInvocationLimitExceeded);
            }
            Some(_) => {}
            None => counts.unreserved += 1,
        }
        match counts.by_function.get_mut(function) {
            Some(count) => *count += 1,
            None => {
                counts.by_function.insert(function.clone(), 1);
            }
        }
        Ok(Slot {
            concurrency: self.clone(),
            function: function.clone(),
            reserved: reserved.is_some(),
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.concurrency.counts.lock();
        if !self.reserved {
            counts.unreserved -= 1;
        }
        if let Some(count) = counts.by_function.get_mut(&self.function) {
            *count -= 1;
            if *count == 0 {
                counts.by_function.remove(&self.function);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_named_and_slots_come_back() {
        let concurrency = Concurrency::default();
        let f: FunctionName = "f".parse().unwrap();
        let g: FunctionName = "g".parse().unwrap();
        let first = concurrency.enter(&f, None, 1).unwrap();
        assert_eq!(
            concurrency.enter(&f, None, 1).unwrap_err(),
            ThrottleReason::ConcurrentInvocationLimitExceeded
        );
        let reserved = concurrency.enter(&g, Some(1), 1).unwrap();
        assert_eq!(
            concurrency.enter(&g, Some(1), 1).unwrap_err(),
            ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded
        );
        drop((first, reserved));
        assert!(concurrency.enter(&f, None, 1).is_ok());
        assert!(concurrency.enter(&g, Some(1), 1).is_ok());
    }

    #[test]
    fn a_reservation_of_zero_stops_a_function() {
        let f: FunctionName = "f".parse().unwrap();
        assert!(Concurrency::default().enter(&f, Some(0), 10).is_err());
    }
}
