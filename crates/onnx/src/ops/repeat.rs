//! A graph that is run once for each row of a table, as distances to all rows of the
//! training data are written.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Inputs, Operator, Steps};
use crate::attributes::Attributes;
use crate::error::Fault;
use crate::graph::Graph;
use crate::proto;
use crate::tensor::{Data, Tensor, count, each_kind};

#[derive(Debug)]
pub(crate) struct Scan {
    body: Graph,
    scanned: usize,
    /// The body does nothing but what [`distances`] does.
    distances: bool,
}

impl Scan {
    pub(crate) fn new(
        attributes: &Attributes,
        versions: &HashMap<String, i64>,
    ) -> Result<Self, crate::Error> {
        let of = |fault| crate::Error::Node {
            operator: "Scan".to_owned(),
            fault,
        };
        let otherwise = [
            "scan_input_axes",
            "scan_input_directions",
            "scan_output_axes",
            "scan_output_directions",
        ];
        for name in otherwise {
            if attributes.ints(name).map_err(of)?.iter().any(|n| *n != 0) {
                return Err(crate::Error::Unsupported(
                    "scans along other axes than the first",
                ));
            }
        }
        let scanned = attributes.int("num_scan_inputs").map_err(of)?;
        let scanned = scanned.and_then(|n| usize::try_from(n).ok());
        let written = attributes.graph("body").map_err(of)?;
        let body = Graph::new(written, versions)?;
        Ok(Self {
            distances: scanned == Some(1) && are_distances(written),
            scanned: scanned
                .filter(|n| (1..=body.inputs()).contains(n))
                .ok_or_else(|| of(Fault::Attribute("num_scan_inputs")))?,
            body,
        })
    }

    /// Names that the body takes from the graph around it: they come as inputs behind
    /// the others.
    pub(crate) fn captured(&self) -> &[String] {
        self.body.captured()
    }
}

impl Operator for Scan {
    fn run(&self, inputs: &Inputs<'_>, steps: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        if self.distances
            && let Some(made) = distances(inputs.at(0)?, inputs.at(1)?, steps)?
        {
            return Ok(made);
        }
        let own = self.body.inputs();
        let kept = own - self.scanned;
        let mut given: Vec<Arc<Tensor>> = vec![];
        for at in 0..own + self.body.captured().len() {
            given.push(Arc::new(inputs.at(at)?.clone()));
        }
        let captured = given.split_off(own);
        let scanned = given.split_off(kept);
        let mut state = given;
        let [length, ..] = scanned[0].shape[..] else {
            return Err(Fault::Shape(vec![]));
        };
        if scanned
            .iter()
            .any(|tensor| tensor.shape.first() != Some(&length))
        {
            return Err(Fault::Malformed("scanned inputs have different lengths"));
        }
        let mut stacks: Vec<Option<Tensor>> = vec![];
        for row in 0..length {
            steps.take(&[64])?;
            let mut given = state;
            for tensor in &scanned {
                let size = tensor.len() / length;
                let range = row * size..(row + 1) * size;
                let data = each_kind!(&tensor.data, values => values[range].to_vec());
                given.push(Arc::new(Tensor::new(tensor.shape[1..].to_vec(), data)?));
            }
            given.extend(captured.iter().cloned());
            let mut made = self.body.run(given, steps).map_err(|(_, fault)| fault)?;
            if made.len() < kept {
                return Err(Fault::Missing);
            }
            let rows = made.split_off(kept);
            state = made;
            stacks.resize_with(rows.len(), || None);
            for (stack, row) in stacks.iter_mut().zip(rows) {
                push(stack, &row)?;
            }
        }
        let mut outputs: Vec<Tensor> = state
            .into_iter()
            .map(|tensor| Arc::try_unwrap(tensor).unwrap_or_else(|shared| (*shared).clone()))
            .collect();
        for stack in stacks {
            outputs.push(stack.ok_or(Fault::Missing)?);
        }
        Ok(outputs)
    }
}

fn push(stack: &mut Option<Tensor>, row: &Tensor) -> Result<(), Fault> {
    let stack = stack.get_or_insert_with(|| {
        let mut shape = vec![0];
        shape.extend(&row.shape);
        Tensor {
            shape,
            data: Data::empty(row.data.kind()),
        }
    });
    if stack.shape[1..] != row.shape {
        return Err(Fault::Shapes(stack.shape.clone(), row.shape.clone()));
    }
    stack.shape[0] += 1;
    count(&stack.shape)?;
    stack.data.append(row.data.clone())
}

/// How converters write squared distances between the rows of two tables: the first is
/// handed on as it is, the other comes row by row.
fn are_distances(body: &proto::Graph) -> bool {
    let ([table, row], [_, made]) = (&body.inputs[..], &body.outputs[..]) else {
        return false;
    };
    let mut names = HashMap::new();
    let mut steps = vec![];
    for node in &body.nodes {
        match (&*node.operator, &node.inputs[..], &node.outputs[..]) {
            ("Identity", [from], [to]) => {
                let from = *names.get(&**from).unwrap_or(&&**from);
                names.insert(&**to, from);
            }
            ("Sub", [a, b], [to]) if *a == table.name && *b == row.name => steps.push(&**to),
            ("ReduceSumSquare", [from, rest @ ..], [to]) if steps == [from] => {
                let axes = node.attributes.ints("axes").unwrap_or_default();
                let constant = rest.first().and_then(|axes| {
                    let found = body.constants.iter().find(|(name, _)| name == axes);
                    found.and_then(|(_, axes)| axes.wholes().ok())
                });
                let keeps = node.attributes.flag("keepdims", true).unwrap_or(true);
                if constant.unwrap_or(axes) != [1] || keeps {
                    return false;
                }
                steps.push(&**to);
            }
            _ => return false,
        }
    }
    let real = |name: &String| names.get(&**name).copied().unwrap_or(name).to_owned();
    matches!(steps[..], [_, last] if real(&made.name) == last)
        && real(&body.outputs[0].name) == table.name
}

/// `None` where the tables are not what a body of distances can take.
fn distances(
    table: &Tensor,
    other: &Tensor,
    steps: &mut Steps,
) -> Result<Option<Vec<Tensor>>, Fault> {
    let ([rows, width], [others, same]) = (&table.shape[..], &other.shape[..]) else {
        return Ok(None);
    };
    if width != same || *width == 0 {
        return Ok(None);
    }
    let shape = vec![*others, *rows];
    count(&shape)?;
    steps.take(&[*others, *rows, *width])?;
    macro_rules! squares {
        ($table:expr, $other:expr) => {{
            let mut made = Vec::with_capacity(others * rows);
            for other in $other.chunks_exact(*width) {
                for row in $table.chunks_exact(*width) {
                    let squares = row.iter().zip(other).map(|(a, b)| (a - b) * (a - b));
                    made.push(squares.sum());
                }
            }
            made
        }};
    }
    let data = match (&table.data, &other.data) {
        (Data::Single(a), Data::Single(b)) => Data::Single(squares!(a, b)),
        (Data::Double(a), Data::Double(b)) => Data::Double(squares!(a, b)),
        _ => return Ok(None),
    };
    Ok(Some(vec![table.clone(), Tensor::new(shape, data)?]))
}
