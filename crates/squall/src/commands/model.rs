//! `squall model`: models fitted, shown, served, compared, and used for predictions,
//! without R.
//!
//! Reading order: [`place`] is where models and data come from and results go;
//! [`fit`], [`predict`], [`show`], [`compare`], [`linregress`] and [`serve`] are what can
//! be asked; [`in_r`] is what only R can do.

mod compare;
mod fit;
mod in_r;
mod linregress;
mod place;
mod predict;
mod serve;
mod show;
mod source;

use crate::args::{Global, ModelAction, ModelArgs};
use crate::client;
use crate::failure::Failure;

pub use source::ObjectSource;

pub fn run(global: &Global, args: ModelArgs) -> Result<(), Failure> {
    client::block_on_threads(async {
        match args.action {
            ModelAction::Fit(args) => fit::run(global, args).await,
            ModelAction::Show(args) => show::run(global, args).await,
            ModelAction::Predict(args) => predict::run(global, args).await,
            ModelAction::Serve(args) => serve::run(global, args).await,
            ModelAction::Compare(args) => compare::run(global, args).await,
            ModelAction::Linregress(args) => linregress::run(global, args).await,
        }
    })
}
