//! A row in, a prediction out: a model that lies somewhere as an object answers by
//! itself, without a function. Behind it stands whatever holds objects, the buckets of
//! the engine in this process, AWS, or a file.
//!
//! Reading order: [`service`] walks a request through; `route` and `asked` say what is
//! asked of the model, `intake` makes rows of queries and bodies, `answer` says what comes
//! out, `refusal` why nothing does. [`served`] is a model that is there and may be
//! replaced at any time: `state` decides when, [`source`] is where it comes from, `loaded`
//! what is made of it.

mod answer;
mod asked;
mod intake;
mod loaded;
mod refusal;
mod route;
mod served;
mod service;
mod source;
mod standalone;
mod state;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use asked::NAMES as OPTIONS;
pub(crate) use loaded::Current;
#[cfg(test)]
pub(crate) use loaded::Loaded;
pub(crate) use refusal::Refusal;

pub use route::ModelRoute;
pub use served::{Freshness, ServedModel};
pub(crate) use service::example_answer;
pub use service::{ModelCall, serve_model};
pub(crate) use source::BucketObject;
pub use source::{Mark, ModelSource, SourceError};
pub use standalone::{Standalone, TooLarge};
