//! A node of the file becomes an operator: by its name, its attributes, and the
//! version of the set of operators that the file was written for.

use std::collections::HashMap;

use crate::Error;
use crate::error::Fault;
use crate::ml::{encode, linear, prepare, svm, trees};
use crate::ops::arithmetic::{Arithmetic, Fold};
use crate::ops::cast::Cast;
use crate::ops::compare::{Compare, Logic, Not, Where};
use crate::ops::repeat::Scan;
use crate::ops::{Operator, lanes, layout, matrix, pick, reduce, unary};
use crate::proto::Node;
use crate::tensor::Tensor;

pub(crate) enum Built {
    Operator(Box<dyn Operator>),
    Scan(Scan),
    Constant(Tensor),
    /// What comes in goes out.
    Alias,
}

/// The version that is meant where a file says none.
const OLDEST: i64 = 1;

pub(crate) fn build(node: &Node, versions: &HashMap<String, i64>) -> Result<Built, Error> {
    let version = versions.get(&node.domain).copied().unwrap_or(OLDEST);
    let built = match &*node.domain {
        "" if node.operator == "Scan" => {
            return Scan::new(&node.attributes, versions).map(Built::Scan);
        }
        "" => standard(node, version),
        "ai.onnx.ml" => of_tables(node),
        _ => Ok(None),
    };
    let name = || match &*node.domain {
        "" => node.operator.clone(),
        domain => format!("{domain}.{}", node.operator),
    };
    let built = built.map_err(|fault| Error::Node {
        operator: name(),
        fault,
    })?;
    built.ok_or_else(|| Error::Operator(name()))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "as most that is built may be wrong"
)]
fn boxed(operator: impl Operator + 'static) -> Result<Option<Built>, Fault> {
    Ok(Some(Built::Operator(Box::new(operator))))
}

fn standard(node: &Node, version: i64) -> Result<Option<Built>, Fault> {
    let own = &node.attributes;
    match &*node.operator {
        "Identity" | "Dropout" => Ok(Some(Built::Alias)),
        "Constant" => {
            let layout::Constant(tensor) = layout::Constant::new(own)?;
            Ok(Some(Built::Constant(tensor)))
        }
        "Cast" => boxed(Cast::new(own)?),
        "Where" => boxed(Where),
        "Not" => boxed(Not),
        "Clip" => boxed(unary::Clip::new(own)?),
        "IsNaN" => boxed(unary::Is::NaN),
        "IsInf" => boxed(unary::Is::Infinite),
        "MatMul" => boxed(matrix::MatMul),
        "Gemm" => boxed(matrix::Gemm::new(own)?),
        other => match pairs(other) {
            Some(built) => Ok(Some(built)),
            None => shaped(node, version),
        },
    }
}

/// Two numbers become one.
fn pairs(operator: &str) -> Option<Built> {
    let fold = |with, mean| -> Box<dyn Operator> { Box::new(Fold { with, mean }) };
    let operator: Box<dyn Operator> = match operator {
        "Add" => Box::new(Arithmetic::Add),
        "Sub" => Box::new(Arithmetic::Sub),
        "Mul" => Box::new(Arithmetic::Mul),
        "Div" => Box::new(Arithmetic::Div),
        "Pow" => Box::new(Arithmetic::Pow),
        "Mod" => Box::new(Arithmetic::Mod),
        "Sum" => fold(Arithmetic::Add, false),
        "Mean" => fold(Arithmetic::Add, true),
        "Min" => fold(Arithmetic::Min, false),
        "Max" => fold(Arithmetic::Max, false),
        "Equal" => Box::new(Compare::Equal),
        "Less" => Box::new(Compare::Less),
        "LessOrEqual" => Box::new(Compare::LessOrEqual),
        "Greater" => Box::new(Compare::Greater),
        "GreaterOrEqual" => Box::new(Compare::GreaterOrEqual),
        "And" => Box::new(Logic::And),
        "Or" => Box::new(Logic::Or),
        "Xor" => Box::new(Logic::Xor),
        _ => return None,
    };
    Some(Built::Operator(operator))
}

fn shaped(node: &Node, version: i64) -> Result<Option<Built>, Fault> {
    let own = &node.attributes;
    let axis = |default| own.int_or("axis", default);
    match &*node.operator {
        "Reshape" => boxed(layout::Reshape::new(own)?),
        "Flatten" => boxed(layout::Flatten(axis(1)?)),
        "Transpose" => boxed(layout::Transpose::new(own)?),
        "Squeeze" => boxed(layout::Squeeze(own.ints("axes")?.to_vec())),
        "Unsqueeze" => boxed(layout::Unsqueeze(own.ints("axes")?.to_vec())),
        "Slice" => boxed(layout::Slice::new(own)?),
        "Split" => boxed(layout::Split {
            axis: axis(0)?,
            sizes: own.ints("split")?.to_vec(),
            outputs: node.outputs.len(),
        }),
        "Concat" => boxed(layout::Concat(axis(1)?)),
        "Expand" => boxed(layout::Expand),
        "Tile" => boxed(layout::Tile),
        "Shape" => boxed(layout::Shape {
            start: own.int_or("start", 0)?,
            end: own.int("end")?,
        }),
        "Size" => boxed(layout::Size),
        "ConstantOfShape" => boxed(layout::ConstantOfShape::new(own)?),
        "Range" => boxed(layout::Range),
        "Gather" => boxed(pick::Gather { axis: axis(0)? }),
        "GatherElements" => boxed(lanes::GatherElements { axis: axis(0)? }),
        "OneHot" => boxed(pick::OneHot { axis: axis(-1)? }),
        "ArgMax" => boxed(lanes::Arg::new(true, own)?),
        "ArgMin" => boxed(lanes::Arg::new(false, own)?),
        "TopK" => boxed(lanes::TopK::new(own)?),
        "CumSum" => boxed(lanes::CumSum {
            exclusive: own.flag("exclusive", false)?,
            reverse: own.flag("reverse", false)?,
        }),
        "Softmax" | "LogSoftmax" => boxed(lanes::Softmax {
            axis: axis(if version < 13 { 1 } else { -1 })?,
            log: node.operator == "LogSoftmax",
            rest: version < 13,
        }),
        "LpNormalization" => boxed(lanes::LpNormalization {
            axis: axis(-1)?,
            p: own.int_or("p", 2)?,
        }),
        other => {
            if let Some(unary) = unary::named(other) {
                return boxed(unary);
            }
            if let Some(bent) = unary::Bent::named(other, own)? {
                return boxed(bent);
            }
            match reduce::Reduce::named(other, own)? {
                Some(reduce) => boxed(reduce),
                None => Ok(None),
            }
        }
    }
}

fn of_tables(node: &Node) -> Result<Option<Built>, Fault> {
    let own = &node.attributes;
    match &*node.operator {
        // The classes are told with the output.
        "ZipMap" => Ok(Some(Built::Alias)),
        "ArrayFeatureExtractor" => boxed(pick::ArrayFeatureExtractor),
        "Binarizer" => boxed(prepare::Binarizer::new(own)?),
        "CategoryMapper" => boxed(encode::Mappers(encode::Mapper::category_mapper(own)?)),
        "FeatureVectorizer" => boxed(prepare::FeatureVectorizer),
        "Imputer" => boxed(prepare::Imputer::new(own)?),
        "LabelEncoder" => boxed(encode::Mappers(encode::Mapper::label_encoder(own)?)),
        "LinearClassifier" => boxed(linear::Classifier::new(own)?),
        "LinearRegressor" => boxed(linear::Regressor::new(own)?),
        "Normalizer" => boxed(prepare::Normalizer::new(own)?),
        "OneHotEncoder" => boxed(encode::OneHotEncoder::new(own)?),
        "Scaler" => boxed(prepare::Scaler::new(own)?),
        "SVMClassifier" => boxed(svm::Classifier::new(own)?),
        "SVMRegressor" => boxed(svm::Regressor::new(own)?),
        "TreeEnsembleClassifier" => boxed(trees::Classifier::new(own)?),
        "TreeEnsembleRegressor" => boxed(trees::Regressor::new(own)?),
        _ => Ok(None),
    }
}
