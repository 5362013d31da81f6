//! How often a route may be called, as the settings of a stage say.

use super::model::{RouteSettings, Stage};
use super::route_key::RouteKey;

/// Calls in a second, and how many may come at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throttle {
    pub rate: f64,
    pub burst: u32,
}

/// What an account of AWS has where nothing else is said.
const RATE_OF_ACCOUNT: f64 = 10_000.0;

impl Throttle {
    /// What is said of the route itself goes before what is said of all routes.
    pub(super) fn of(stage: &Stage, key: &RouteKey) -> Option<Self> {
        let own = stage.route_settings.get(&key.to_string());
        let settings = || own.into_iter().chain(&stage.default_settings);
        let said = |what: fn(&RouteSettings) -> Option<f64>| settings().find_map(what);
        let rate = said(|settings| settings.throttling_rate_limit);
        let burst = settings().find_map(|settings| settings.throttling_burst_limit);
        if rate.is_none() && burst.is_none() {
            return None;
        }
        let rate = rate.unwrap_or(RATE_OF_ACCOUNT).max(0.0);
        // Without a burst of its own, a rate lets in at once what it lets in in a second.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float that is too large becomes the largest number"
        )]
        let burst = burst.unwrap_or(rate.ceil() as i64);
        Some(Self {
            rate,
            burst: u32::try_from(burst.max(0)).unwrap_or(u32::MAX),
        })
    }
}
