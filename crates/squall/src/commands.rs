//! One file for each thing that can be asked.

pub mod doctor;
pub mod env;
pub mod functions;
pub mod invoke;
pub mod logs;
pub mod ps;
pub mod up;
