//! How the requests of a route are handled, besides where they go and who may send them.
//! Squall's own: with clients it travels among the parameters of the route's integration,
//! each under a name that begins with `squall:`, so that any client of AWS can say it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::catalog::Cors;

/// What is not said is as AWS has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Handling {
    /// The largest body that is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// Requests that are worked on at one time; more are told to come again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// For how long answers to GET and HEAD are kept and given again. None: they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_seconds: Option<u32>,
    /// Whether answers are compressed for clients that take it. None: they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compress: Option<bool>,
    /// Whether a function's answer goes out while it is made.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// Whether a signed link of somebody who may call the route lets in whoever has it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub share: bool,
    /// Addresses from which it may be called. None: from all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<IpRange>,
    /// Rules for pages of other origins, in the place of the API's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// What the route is for, in one line, for its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IpRange {
    network: IpAddr,
    bits: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given}: {why}")]
pub struct BadHandling {
    given: String,
    why: String,
}

/// What begins the names of its parameters.
pub const PREFIX: &str = "squall:";

impl Handling {
    /// Takes what is its own out of an integration's parameters.
    pub fn take(parameters: &mut BTreeMap<String, String>) -> Result<Self, BadHandling> {
        let own: Vec<String> = parameters
            .keys()
            .filter(|name| name.starts_with(PREFIX))
            .cloned()
            .collect();
        match own.first() {
            None => Ok(Self::default()),
            Some(name) => Err(BadHandling {
                given: name.clone(),
                why: "there is no such parameter".to_owned(),
            }),
        }
    }

    /// As parameters again.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

impl IpRange {
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.bits);
                let cut = |bits: u32| bits.checked_shr(shift).unwrap_or(0);
                cut(network.to_bits()) == cut(address.to_bits())
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.bits);
                let cut = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
                cut(network.to_bits()) == cut(address.to_bits())
            }
            // An address of IPv4 that came over a socket of IPv6.
            (IpAddr::V4(_), IpAddr::V6(address)) => address
                .to_ipv4_mapped()
                .is_some_and(|address| self.contains(address.into())),
            (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl std::str::FromStr for IpRange {
    type Err = BadHandling;

    fn from_str(text: &str) -> Result<Self, BadHandling> {
        let bad = || BadHandling {
            given: text.chars().take(60).collect(),
            why: "this is no address and no range of them, such as 10.0.0.0/8".to_owned(),
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| bad())?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| bad()))?;
        if bits > most {
            return Err(bad());
        }
        Ok(Self { network, bits })
    }
}

impl TryFrom<String> for IpRange {
    type Error = BadHandling;

    fn try_from(text: String) -> Result<Self, BadHandling> {
        text.parse()
    }
}

impl From<IpRange> for String {
    fn from(range: IpRange) -> Self {
        range.to_string()
    }
}

impl std::fmt::Display for IpRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}
