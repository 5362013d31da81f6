//! A project becomes what is in the cloud: read what is there, compare, say what will
//! change, and change it. There is no state file: names are made of project and stage,
//! everything is tagged with them, and what is there is read back each time.
//!
//! Reading order: [`names`] what things are called, [`site`] what all steps know,
//! [`step`] one change, [`kinds`] a file for each kind of thing (what is wanted, what
//! is found, the steps between them, and how each is done), [`found`] reading all
//! kinds, [`plan`] all their steps in order, [`run`] doing it, [`release`] how
//! releases are numbered and taken back, [`check`], [`aws`] and [`secret`] what is refused
//! beforehand, [`coordinator`] what stands on AWS for what the engine's gateway does itself,
//! [`keys`] how API keys are known there.

pub mod aws;
pub mod check;
pub mod coordinator;
pub mod found;
pub mod keys;
pub mod kinds;
pub mod names;
pub mod plan;
pub mod release;
pub mod run;
pub mod secret;
pub mod site;
pub mod step;

mod calls;
mod error;

pub use error::{DeployError, StepError};
pub use found::Found;
pub use plan::Plan;
pub use site::{Cloud, Made, Site, Target};
pub use step::{Action, Phase, Step};

#[cfg(test)]
mod tests;
