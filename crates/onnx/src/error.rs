//! Why a file is not a model that runs here, and why rows have no prediction.

use thiserror::Error;

#[derive(Debug, Error)]
pub enum Error {
    #[error("this is not an ONNX model: {0}")]
    NotOnnx(&'static str),
    #[error("the model uses operator {0}, which is not one of those that run here")]
    Operator(String),
    #[error("the model has {0}, which does not run here")]
    Unsupported(&'static str),
    #[error("{operator} of the model cannot be run")]
    Node {
        operator: String,
        #[source]
        fault: Fault,
    },
    #[error("nothing in the model makes {0}")]
    Dangling(String),
    #[error("input {0} of the model is not a table of numbers or texts")]
    Input(String),
    #[error("output {0} of the model has not one row for each row of the data")]
    Output(String),
    #[error("the model has {model} fields, but {given} were given")]
    Fields { model: usize, given: usize },
    #[error("field {name}: the model wants {wanted}")]
    Field { name: String, wanted: &'static str },
    #[error("field {name}: {given} rows where others have {rows}")]
    Rows {
        name: String,
        given: usize,
        rows: usize,
    },
}

/// What went wrong inside one operator.
#[derive(Debug, Error)]
pub enum Fault {
    #[error("{0}")]
    Malformed(&'static str),
    #[error("attribute {0} is missing or of another kind")]
    Attribute(&'static str),
    #[error("attribute {name} has the value {value}, which is not known")]
    Choice { name: &'static str, value: String },
    #[error("an input is missing")]
    Missing,
    #[error("its values are of a kind that does not fit")]
    Kind,
    #[error("shapes {0:?} and {1:?} do not fit together")]
    Shapes(Vec<usize>, Vec<usize>),
    #[error("shape {0:?} does not fit")]
    Shape(Vec<usize>),
    #[error("axis {0} does not exist")]
    Axis(i64),
    #[error("index {0} does not exist")]
    Index(i64),
    #[error("{0:?} is not a value that the model was fitted to")]
    Value(String),
    #[error("it would take too much memory")]
    TooLarge,
    #[error("it would take too many steps")]
    TooLong,
}
