//! What surrounds the protocol crate: what a request has to hold before it gets
//! there, and how answers look when they leave.

pub(crate) mod admit;
pub(crate) mod answer;
pub(crate) mod framing;
pub(crate) mod small;
pub(crate) mod subresource;
