//! A model from the outside: fields go in by columns, predictions come out by columns.

use std::sync::Arc;

use crate::Error;
use crate::error::Fault;
use crate::graph::Graph;
use crate::ops::Steps;
use crate::outputs::{Declared, Predicted, declared};
use crate::proto;
use crate::tensor::{Data, Kind, Tensor, count};
use crate::width::width_of;

/// Rows that go through the graph at once: enough that the price of a node is shared,
/// few enough that what lies between nodes stays in the processor's caches.
const BLOCK: usize = 256;
const MAX_FIELDS: usize = 1 << 16;

#[derive(Debug)]
pub struct Model {
    graph: Graph,
    inputs: Vec<Input>,
    fields: Vec<Field>,
    outputs: Vec<Declared>,
    metadata: Vec<(String, String)>,
    block: usize,
}

/// One column of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub kind: Kind,
}

/// An input of the graph: some of the fields, side by side.
#[derive(Debug)]
struct Input {
    kind: Kind,
    width: usize,
    /// A single column may be written without its second dimension.
    flat: bool,
}

/// The values of one field. In numbers NaN is what is missing.
#[derive(Debug, Clone, Copy)]
pub enum Column<'a> {
    Numbers(&'a [f64]),
    Texts(&'a [&'a str]),
}

impl Column<'_> {
    fn rows(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }
}

impl Model {
    /// Reads an ONNX file. Whatever its bytes are, this neither panics nor takes much
    /// more memory than they do.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let file = proto::file(bytes)?;
        let written = file.graph.ok_or(Error::NotOnnx("it has no graph"))?;
        if written.nodes.is_empty() {
            return Err(Error::NotOnnx("its graph has no nodes"));
        }
        let graph = Graph::new(&written, &file.versions)?;
        if let Some(name) = graph.captured().first() {
            return Err(Error::Dangling(name.clone()));
        }
        let names = feature_names(&file.metadata);
        let known = |name: &str| written.constants.iter().any(|(own, _)| own == name);
        let open: Vec<&proto::Declared> = written
            .inputs
            .iter()
            .filter(|input| !known(&input.name))
            .collect();
        let (mut inputs, mut fields, mut block) = (vec![], vec![], BLOCK);
        for declared in &open {
            let alone = (open.len() == 1).then_some(&names[..]);
            let input = input(declared, &written, alone.map(<[_]>::len))?;
            if declared.shape.as_ref().and_then(|shape| *shape.first()?) == Some(1) {
                block = 1;
            }
            name_fields(&mut fields, declared, &input, alone);
            inputs.push(input);
        }
        Ok(Self {
            outputs: declared(&written),
            graph,
            inputs,
            fields,
            metadata: file.metadata,
            block,
        })
    }

    /// Whether bytes look like a model: the format has no mark of its own, but files
    /// begin with the version of the format, a small number, and who made them.
    pub fn looks_like_one(bytes: &[u8]) -> bool {
        matches!(
            bytes,
            [
                0x08,
                1..=0x3f,
                0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42 | 0x72,
                ..
            ]
        )
    }

    /// What the model wants to know of a row, in the order in which [`Self::run`] takes
    /// it.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// What the file says of itself, as its maker wrote it.
    pub fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    /// The classes that the model tells apart, where it is a classifier that says so.
    pub fn classes(&self) -> Option<&[Arc<str>]> {
        self.outputs.iter().find_map(|output| output.classes())
    }

    /// Predictions for `rows` rows, of which there is one column for each field.
    pub fn run(&self, columns: &[Column<'_>], rows: usize) -> Result<Predicted, Error> {
        self.check(columns, rows)?;
        let mut predicted = Predicted::new(rows);
        let (mut start, mut block) = (0, self.block);
        // Without rows the graph is run once, too: its columns are wanted.
        while start < rows || predicted.columns.is_empty() && rows == 0 {
            let end = rows.min(start + block);
            match self.block(columns, start, end) {
                Err(Error::Node {
                    fault: Fault::TooLarge | Fault::TooLong,
                    ..
                }) if block > 1 => block /= 2,
                Err(error) => return Err(error),
                Ok(made) => {
                    predicted.add(&self.outputs, made, end - start)?;
                    start = end;
                    if rows == 0 {
                        break;
                    }
                }
            }
        }
        predicted.name();
        Ok(predicted)
    }

    fn check(&self, columns: &[Column<'_>], rows: usize) -> Result<(), Error> {
        if columns.len() != self.fields.len() {
            return Err(Error::Fields {
                model: self.fields.len(),
                given: columns.len(),
            });
        }
        for (field, column) in self.fields.iter().zip(columns) {
            let name = || field.name.clone();
            if let Some(wanted) = field.misses(column) {
                return Err(Error::Field {
                    name: name(),
                    wanted,
                });
            }
            if column.rows() != rows {
                return Err(Error::Rows {
                    name: name(),
                    given: column.rows(),
                    rows,
                });
            }
        }
        Ok(())
    }

    fn block(
        &self,
        columns: &[Column<'_>],
        start: usize,
        end: usize,
    ) -> Result<Vec<Arc<Tensor>>, Error> {
        let mut given = Vec::with_capacity(self.inputs.len());
        let mut columns = columns;
        for input in &self.inputs {
            let (own, rest) = columns.split_at(input.width);
            columns = rest;
            let tensor = input.tensor(own, start, end);
            given.push(Arc::new(tensor.map_err(|fault| Error::Node {
                operator: "Input".to_owned(),
                fault,
            })?));
        }
        self.graph
            .run(given, &mut Steps::of_a_block())
            .map_err(|(operator, fault)| Error::Node { operator, fault })
    }
}

impl Field {
    /// What it wants that a column does not have.
    fn misses(&self, column: &Column<'_>) -> Option<&'static str> {
        match (self.kind, column) {
            (Kind::Text, Column::Numbers(_)) => Some("texts"),
            (Kind::Text, Column::Texts(_)) => None,
            (_, Column::Texts(_)) => Some("numbers"),
            (Kind::Whole | Kind::Flag, Column::Numbers(values)) => {
                let other = values.iter().any(|n| n.fract() != 0.0);
                other.then_some("whole numbers")
            }
            _ => None,
        }
    }
}

impl Input {
    /// Rows `start..end` of the columns, row by row.
    #[expect(clippy::cast_possible_truncation, reason = "the model reckons so")]
    fn tensor(&self, columns: &[Column<'_>], start: usize, end: usize) -> Result<Tensor, Fault> {
        let rows = end - start;
        let shape = if self.flat {
            vec![rows]
        } else {
            vec![rows, self.width]
        };
        let total = count(&shape)?;
        let numbers = columns.iter().filter_map(|column| match column {
            Column::Numbers(values) => Some(*values),
            Column::Texts(_) => None,
        });
        let numbers: Vec<&[f64]> = numbers.collect();
        let each = |make: &mut dyn FnMut(f64)| {
            for row in start..end {
                for values in &numbers {
                    make(values[row]);
                }
            }
        };
        let data = match self.kind {
            Kind::Single => {
                let mut made = Vec::with_capacity(total);
                each(&mut |n| made.push(n as f32));
                Data::Single(made)
            }
            Kind::Double => {
                let mut made = Vec::with_capacity(total);
                each(&mut |n| made.push(n));
                Data::Double(made)
            }
            Kind::Whole => {
                let mut made = Vec::with_capacity(total);
                each(&mut |n| made.push(n as i64));
                Data::Whole(made)
            }
            Kind::Flag => {
                let mut made = Vec::with_capacity(total);
                each(&mut |n| made.push(n != 0.0));
                Data::Flag(made)
            }
            Kind::Text => {
                let mut made = Vec::with_capacity(total);
                for row in start..end {
                    for column in columns {
                        if let Column::Texts(values) = column {
                            made.push(values[row].into());
                        }
                    }
                }
                Data::Text(made)
            }
        };
        Tensor::new(shape, data)
    }
}

/// What a declared input wants. `names` says how many features have a name.
fn input(
    declared: &proto::Declared,
    graph: &proto::Graph,
    names: Option<usize>,
) -> Result<Input, Error> {
    let refused = || Error::Input(declared.name.clone());
    let kind = declared.kind.ok_or_else(refused)?;
    let shape = declared.shape.as_deref().ok_or_else(refused)?;
    if matches!(shape.first(), Some(Some(rows)) if *rows != 1) {
        return Err(Error::Unsupported("a fixed number of rows"));
    }
    let (width, flat) = match shape {
        [_] => (1, true),
        [_, Some(width)] => (*width, false),
        [_, None] => {
            let named = names.filter(|names| *names > 0);
            let width = named.or_else(|| width_of(&declared.name, graph));
            (width.ok_or_else(refused)?, false)
        }
        _ => return Err(refused()),
    };
    if width == 0 || width > MAX_FIELDS {
        return Err(refused());
    }
    Ok(Input { kind, width, flat })
}

/// A single table's columns are called as its maker says, else f0, f1, ... An input
/// that is one column has its own name.
fn name_fields(
    fields: &mut Vec<Field>,
    declared: &proto::Declared,
    input: &Input,
    alone: Option<&[String]>,
) {
    let given = alone.filter(|names| names.len() == input.width);
    for at in 0..input.width {
        let name = match (given, input.width, alone) {
            (Some(names), ..) => names[at].clone(),
            (None, 1, None) => declared.name.clone(),
            (None, 1, Some(_)) if !matches!(&*declared.name, "X" | "input" | "float_input") => {
                declared.name.clone()
            }
            (None, _, Some(_)) => format!("f{at}"),
            (None, _, None) => format!("{}.{at}", declared.name),
        };
        fields.push(Field {
            name,
            kind: input.kind,
        });
    }
}

/// Names of features, which converters do not keep, but whoever made the file may have
/// added: as a JSON list or with commas between them.
fn feature_names(metadata: &[(String, String)]) -> Vec<String> {
    let Some((_, value)) = metadata.iter().find(|(key, _)| key == "feature_names") else {
        return vec![];
    };
    let list = value.trim();
    if list.starts_with('[') {
        return serde_json::from_str(list).unwrap_or_default();
    }
    list.split(',').map(|name| name.trim().to_owned()).collect()
}
