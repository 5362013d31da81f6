//! What goes by itself: the rules ([`rules`]) and what they say of an object
//! ([`due`]).

mod due;
mod rules;

pub(crate) use due::{Doomed, Seen, SeenObject, Sweep};
pub use rules::{
    Expiration, FilterForm, Lifecycle, LifecycleFilter, LifecycleRule, NoncurrentExpiration,
    NoncurrentTransition, Transition,
};
