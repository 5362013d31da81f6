//! What comes out of a model, and what it means: a label, probabilities of classes, or
//! plain values.

use std::sync::Arc;

use crate::Error;
use crate::ml::labels::Classes;
use crate::proto::Graph;
use crate::tensor::{Data, Kind, Tensor};

/// Predictions, a column for each thing that the model says.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    pub rows: usize,
    pub columns: Vec<Made>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// `fit` is the prediction itself: the label of a classifier, the value of a
    /// regressor. `prob.CLASS` are probabilities; the rest is called as in the model.
    pub name: String,
    pub role: Role,
    pub values: Values,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// The class that the model decides for.
    Label,
    /// How probable a class is, or in models that know no probabilities its score.
    Probability {
        class: Arc<str>,
    },
    Value,
}

/// Numbers keep the width they have in the model, so that they can be written as short
/// as they are.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    Single(Vec<f32>),
    Double(Vec<f64>),
    Whole(Vec<i64>),
    Flag(Vec<bool>),
    Text(Vec<Arc<str>>),
}

impl Values {
    pub fn rows(&self) -> usize {
        match self {
            Self::Single(values) => values.len(),
            Self::Double(values) => values.len(),
            Self::Whole(values) => values.len(),
            Self::Flag(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// The value of a row as text, numbers as short as they can be read back.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn text(&self, row: usize) -> String {
        match self {
            Self::Single(values) => values[row].to_string(),
            Self::Double(values) => values[row].to_string(),
            Self::Whole(values) => values[row].to_string(),
            Self::Flag(values) => values[row].to_string(),
            Self::Text(values) => values[row].to_string(),
        }
    }

    /// The value of a row as a number, if it is one.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn number(&self, row: usize) -> Option<f64> {
        match self {
            Self::Single(values) => Some(values[row].into()),
            Self::Double(values) => Some(values[row]),
            #[expect(clippy::cast_precision_loss, reason = "what a number of JSON can hold")]
            Self::Whole(values) => Some(values[row] as f64),
            Self::Flag(_) | Self::Text(_) => None,
        }
    }
}

/// An output as the graph declares it.
#[derive(Debug)]
pub(crate) struct Declared {
    name: String,
    label: bool,
    classes: Option<Vec<Arc<str>>>,
}

impl Declared {
    pub(crate) fn classes(&self) -> Option<&[Arc<str>]> {
        self.classes.as_deref()
    }
}

pub(crate) fn declared(graph: &Graph) -> Vec<Declared> {
    let told = classes_of(graph);
    let label = |output: &crate::proto::Declared| {
        let vector = output
            .shape
            .as_ref()
            .is_none_or(|shape| shape.len() == 1 || shape.len() == 2 && shape.contains(&Some(1)));
        vector && matches!(output.kind, Some(Kind::Whole | Kind::Text | Kind::Flag))
    };
    let some_label = graph.outputs.iter().any(label);
    let outputs = graph.outputs.iter().map(|output| {
        let label = label(output);
        let width = output.shape.as_ref().and_then(|shape| *shape.get(1)?);
        // Maps of classes have no shape: who made them knows the classes.
        let own = zipped(graph, &output.name).or_else(|| {
            let told = told.clone().filter(|told| width == Some(told.len()));
            told.filter(|_| some_label && !label)
        });
        Declared {
            name: output.name.clone(),
            label,
            classes: own,
        }
    });
    outputs.collect()
}

fn zipped(graph: &Graph, output: &str) -> Option<Vec<Arc<str>>> {
    let makes = |node: &&crate::proto::Node| {
        node.operator == "ZipMap" && node.outputs.iter().any(|name| name == output)
    };
    let node = graph.nodes.iter().find(makes)?;
    let classes = Classes::of(&node.attributes).ok().flatten();
    Some(classes?.names())
}

/// The classes of a classifier, or the list from which labels are picked by the place
/// of the largest score.
fn classes_of(graph: &Graph) -> Option<Vec<Arc<str>>> {
    for node in graph.nodes.iter().rev() {
        if let Ok(Some(classes)) = Classes::of(&node.attributes) {
            return Some(classes.names());
        }
        if node.operator == "ArrayFeatureExtractor" {
            let list = node.inputs.first();
            let list = list.and_then(|list| graph.constants.iter().find(|(name, _)| name == list));
            match list.map(|(_, tensor)| &tensor.data) {
                Some(Data::Whole(classes)) => return Some(Classes::Whole(classes.clone()).names()),
                Some(Data::Text(classes)) => return Some(classes.clone()),
                _ => {}
            }
        }
    }
    None
}

impl Predicted {
    pub(crate) fn new(rows: usize) -> Self {
        Self {
            rows,
            columns: vec![],
        }
    }

    /// The outputs of one more block of rows.
    pub(crate) fn add(
        &mut self,
        declared: &[Declared],
        made: Vec<Arc<Tensor>>,
        rows: usize,
    ) -> Result<(), Error> {
        let first = self.columns.is_empty();
        let mut at = 0;
        for (declared, tensor) in declared.iter().zip(made) {
            let refused = || Error::Output(declared.name.clone());
            let width = match tensor.shape[..] {
                [height] if height == rows => 1,
                [height, width] if height == rows => width,
                [height, width, 1] if height == rows => width,
                // Some converters write labels as one row.
                [1, height] if height == rows => 1,
                _ => return Err(refused()),
            };
            for column in 0..width {
                let values = column_of(&tensor.data, column, width);
                if first {
                    self.columns.push(declared.column(column, width, values));
                    continue;
                }
                let own = self.columns.get_mut(at + column).ok_or_else(refused)?;
                if !own.values.append(values) {
                    return Err(refused());
                }
            }
            at += width;
        }
        if at == self.columns.len() {
            Ok(())
        } else {
            Err(Error::Output("of all".to_owned()))
        }
    }

    /// What is predicted is called `fit`: the first label, or else the values, with
    /// numbers if there are several.
    pub(crate) fn name(&mut self) {
        let label = |made: &&mut Made| made.role == Role::Label;
        if let Some(first) = self.columns.iter_mut().find(label) {
            "fit".clone_into(&mut first.name);
            return;
        }
        let values = self.columns.iter_mut();
        let mut values: Vec<&mut Made> = values.filter(|made| made.role == Role::Value).collect();
        if let [only] = &mut values[..] {
            "fit".clone_into(&mut only.name);
            return;
        }
        for (at, made) in values.into_iter().enumerate() {
            made.name = format!("fit.{at}");
        }
    }
}

impl Declared {
    fn column(&self, at: usize, width: usize, values: Values) -> Made {
        let class = self.classes.as_ref().and_then(|classes| classes.get(at));
        let (name, role) = match class {
            Some(class) if !self.label => (
                format!("prob.{class}"),
                Role::Probability {
                    class: class.clone(),
                },
            ),
            _ if self.label => (self.name.clone(), Role::Label),
            _ if width == 1 => (self.name.clone(), Role::Value),
            _ => (format!("{}.{at}", self.name), Role::Value),
        };
        Made { name, role, values }
    }
}

fn column_of(data: &Data, column: usize, width: usize) -> Values {
    fn of<T: Clone>(values: &[T], column: usize, width: usize) -> Vec<T> {
        values.iter().skip(column).step_by(width).cloned().collect()
    }
    match data {
        Data::Single(values) => Values::Single(of(values, column, width)),
        Data::Double(values) => Values::Double(of(values, column, width)),
        Data::Whole(values) => Values::Whole(of(values, column, width)),
        Data::Flag(values) => Values::Flag(of(values, column, width)),
        Data::Text(values) => Values::Text(of(values, column, width)),
    }
}

impl Values {
    /// Whether they were of the same kind.
    fn append(&mut self, other: Self) -> bool {
        match (self, other) {
            (Self::Single(values), Self::Single(more)) => values.extend(more),
            (Self::Double(values), Self::Double(more)) => values.extend(more),
            (Self::Whole(values), Self::Whole(more)) => values.extend(more),
            (Self::Flag(values), Self::Flag(more)) => values.extend(more),
            (Self::Text(values), Self::Text(more)) => values.extend(more),
            _ => return false,
        }
        true
    }
}
