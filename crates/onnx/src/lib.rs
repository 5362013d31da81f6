//! Models of the Open Neural Network Exchange: classifiers and regressors of tables,
//! as skl2onnx and its kin write them, run here without any runtime of theirs.
//!
//! Reading order: `wire` and `proto` read the file, `graph` makes it ready, `build`
//! finds the operator of a node, `ops` and `ml` hold the operators, [`Model`] is all of
//! it from the outside. Files come from anywhere: whatever they claim, memory and steps
//! are bounded (`tensor::MAX_ELEMENTS`, `ops::Steps`).
//!
//! Why by hand: docs/decisions/0018-onnx-models-run-by-operators-of-our-own.md.

mod attributes;
mod build;
mod error;
mod graph;
mod ml;
mod model;
mod ops;
mod outputs;
mod proto;
mod tensor;
mod width;
mod wire;

pub use error::{Error, Fault};
pub use model::{Column, Field, Model};
pub use outputs::{Made, Predicted, Role, Values};
pub use tensor::Kind;
