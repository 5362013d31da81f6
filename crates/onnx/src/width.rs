//! How wide a table must be whose input does not say so: found in what is reckoned
//! with it first.

use crate::attributes::Attributes;
use crate::error::Fault;
use crate::proto::{Graph, Node};

pub(crate) fn width_of(name: &str, graph: &Graph) -> Option<usize> {
    let mut names = vec![name];
    for node in &graph.nodes {
        if !node.inputs.iter().any(|input| names.contains(&&**input)) {
            continue;
        }
        match &*node.operator {
            "Cast" | "Identity" | "Normalizer" | "Binarizer" => {
                names.extend(node.outputs.iter().map(|output| &**output));
            }
            _ => {
                if let Ok(Some(width)) = of(node, graph) {
                    return Some(width);
                }
            }
        }
    }
    None
}

fn of(node: &Node, graph: &Graph) -> Result<Option<usize>, Fault> {
    let own = &node.attributes;
    let constant = |at: usize| -> Option<&[usize]> {
        let name = node.inputs.get(at)?;
        let found = graph.constants.iter().find(|(own, _)| own == name);
        found.map(|(_, tensor)| &tensor.shape[..])
    };
    let several = |length: usize| (length > 1).then_some(length);
    Ok(match &*node.operator {
        "Scaler" => several(own.floats("offset")?.len()),
        "Imputer" => several(own.floats("imputed_value_floats")?.len()),
        "LinearRegressor" | "LinearClassifier" => {
            let rows = own.floats("intercepts")?.len().max(1);
            own.floats("coefficients")?.len().checked_div(rows)
        }
        "SVMRegressor" | "SVMClassifier" => {
            let values = own.floats("support_vectors")?.len();
            vectors(own)?.and_then(|count| values.checked_div(count))
        }
        "TreeEnsembleRegressor" | "TreeEnsembleClassifier" => {
            let widest = own.ints("nodes_featureids")?.iter().max();
            widest.and_then(|widest| usize::try_from(*widest).ok()?.checked_add(1))
        }
        "MatMul" | "Gemm" => match constant(1) {
            Some([height, width]) => Some(if own.flag("transB", false)? {
                *width
            } else {
                *height
            }),
            _ => None,
        },
        "Sub" | "Add" | "Mul" | "Div" => {
            let shape = constant(1).or_else(|| constant(0));
            shape.and_then(|shape| several(*shape.last()?))
        }
        _ => None,
    })
}

fn vectors(own: &Attributes) -> Result<Option<usize>, Fault> {
    let counts = own.ints("vectors_per_class")?.iter();
    let total = match own.int("n_supports")? {
        Some(count) => Some(count),
        None => counts.copied().try_fold(0_i64, i64::checked_add),
    };
    Ok(total.and_then(|total| usize::try_from(total).ok()))
}
