//! Operators of ai.onnx.ml: whole models of scikit-learn, and what prepares columns
//! for them. All reckon with 64 bits and give what the format says, 32 mostly.

pub(crate) mod encode;
pub(crate) mod labels;
pub(crate) mod linear;
pub(crate) mod prepare;
pub(crate) mod svm;
pub(crate) mod trees;
