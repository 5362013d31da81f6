//! One file for each thing that can be asked, and [`session`], which those about
//! objects share.

pub mod buckets;
pub mod clock;
pub mod cp;
pub mod doctor;
pub mod env;
pub mod events;
pub mod functions;
pub mod invoke;
pub mod jobs;
pub mod logs;
pub mod ls;
pub mod map;
pub mod ps;
pub mod rm;
pub mod routes;
pub mod schedules;
mod session;
pub mod store;
pub mod sync;
pub mod up;
