//! Jailed processes: templates, their forks, and programs started in a jail of
//! Linux namespaces, seccomp, rlimits and cgroups. No root is needed.
//!
//! Reading order: [`spec`] says what a jail is made of; [`jail`] is the program
//! that enters one (it runs as `squall __jail`, single-threaded, and replaces
//! itself by the guest); [`process`] and [`template`] are the engine's handles
//! on what runs inside; [`forks`] is the template's own side of it, for guests that
//! are this program.
//!
//! With `r-guest` this is the only crate of the workspace that holds `unsafe`.

mod allocator;
mod ask;
mod aws_sdk;
pub mod cgroup;
mod client;
mod control;
mod doctor;
mod filter;
pub mod forks;
mod guest;
pub mod jail;
mod pages;
mod process;
mod python;
mod r;
mod rlimits;
mod root;
mod settings;
pub mod spec;
mod template;

pub use allocator::return_large_blocks;
pub use aws_sdk::AwsSdk;
pub use client::{Client, R_WORD};
pub use control::{Control, LogPipe};
pub use doctor::{Check, doctor};
pub use guest::{PYTHON_LIBRARY, R_GLUE, R_RUNTIME};
pub use pages::make_large;
pub use process::{Exit, Process, SandboxError, memory_of_tree, process_tree};
pub use python::{Interpreter, find_interpreters};
pub use r::{LeftOut, RHome, find_r, look_for_r};
pub use settings::{FunctionFiles, Isolation, Sandbox, SandboxSettings};
pub use template::{Readiness, Template};
