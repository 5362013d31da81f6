//! The file as it is written: messages of onnx.proto, of which only what a table's
//! model can need is kept.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::Error;
use crate::attributes::{Attribute, Attributes};
use crate::tensor::{Data, Kind, Tensor, count};
use crate::wire::{Fields, Wire};

/// Graphs within graphs. Real models have two.
const MAX_DEPTH: usize = 6;

#[derive(Debug, Default)]
pub(crate) struct File {
    pub graph: Option<Graph>,
    /// Versions of the sets of operators, by domain.
    pub versions: HashMap<String, i64>,
    pub metadata: Vec<(String, String)>,
}

#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub nodes: Vec<Node>,
    pub constants: Vec<(String, Tensor)>,
    pub inputs: Vec<Declared>,
    pub outputs: Vec<Declared>,
}

#[derive(Debug, Default)]
pub(crate) struct Node {
    pub operator: String,
    pub domain: String,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub attributes: Attributes,
}

/// An input or output, and what it says of itself.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    pub name: String,
    pub kind: Option<Kind>,
    /// Sizes that are not written down are `None`.
    pub shape: Option<Vec<Option<usize>>>,
}

/// Names that a node reads, graphs inside it included.
pub(crate) fn read_by(node: &Node) -> Vec<&str> {
    let mut names: Vec<&str> = node.inputs.iter().map(|name| &**name).collect();
    for graph in node.attributes.graphs() {
        let mut own: HashSet<&str> = graph.constants.iter().map(|(name, _)| &**name).collect();
        own.extend(graph.inputs.iter().map(|input| &*input.name));
        for node in &graph.nodes {
            names.extend(read_by(node).iter().filter(|name| !own.contains(*name)));
            own.extend(node.outputs.iter().map(|name| &**name));
        }
    }
    names
}

pub(crate) fn file(bytes: &[u8]) -> Result<File, Error> {
    let mut file = File::default();
    let mut fields = Fields::of(bytes);
    while let Some((number, wire)) = fields.next()? {
        match number {
            7 => file.graph = Some(graph(wire.bytes()?, 0)?),
            8 => {
                let (domain, version) = version(wire.bytes()?)?;
                file.versions.insert(domain, version);
            }
            14 => file.metadata.push(property(wire.bytes()?)?),
            25 => return Err(Error::Unsupported("functions of its own")),
            _ => {}
        }
    }
    Ok(file)
}

/// The standard operators' domain has two names.
fn domain(text: &str) -> String {
    if text == "ai.onnx" { "" } else { text }.to_owned()
}

fn version(bytes: &[u8]) -> Result<(String, i64), Error> {
    let (mut name, mut version) = (String::new(), 1);
    let mut fields = Fields::of(bytes);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => name = domain(wire.text()?),
            2 => version = wire.whole()?,
            _ => {}
        }
    }
    Ok((name, version))
}

fn property(bytes: &[u8]) -> Result<(String, String), Error> {
    let mut property = (String::new(), String::new());
    let mut fields = Fields::of(bytes);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => wire.text()?.clone_into(&mut property.0),
            2 => wire.text()?.clone_into(&mut property.1),
            _ => {}
        }
    }
    Ok(property)
}

fn graph(bytes: &[u8], depth: usize) -> Result<Graph, Error> {
    if depth == MAX_DEPTH {
        return Err(Error::Unsupported("graphs that are too deep"));
    }
    let mut graph = Graph::default();
    let mut fields = Fields::of(bytes);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => graph.nodes.push(node(wire.bytes()?, depth)?),
            5 => graph.constants.push(tensor(wire.bytes()?)?),
            11 => graph.inputs.push(declared(wire.bytes()?)?),
            12 => graph.outputs.push(declared(wire.bytes()?)?),
            15 => return Err(Error::Unsupported("sparse constants")),
            _ => {}
        }
    }
    Ok(graph)
}

fn node(bytes: &[u8], depth: usize) -> Result<Node, Error> {
    let mut node = Node::default();
    let mut fields = Fields::of(bytes);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => node.inputs.push(wire.text()?.to_owned()),
            2 => node.outputs.push(wire.text()?.to_owned()),
            4 => wire.text()?.clone_into(&mut node.operator),
            5 => {
                let (name, attribute) = attribute(wire.bytes()?, depth)?;
                node.attributes.insert(name, attribute);
            }
            7 => node.domain = domain(wire.text()?),
            _ => {}
        }
    }
    Ok(node)
}

fn attribute(bytes: &[u8], depth: usize) -> Result<(String, Attribute), Error> {
    let mut name = String::new();
    let (mut float, mut int, mut kind) = (0.0, 0, 0);
    let (mut text, mut one, mut inner) = (Arc::from(""), None, None);
    let (mut floats, mut ints, mut texts) = (vec![], vec![], vec![]);
    let mut fields = Fields::of(bytes);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => wire.text()?.clone_into(&mut name),
            2 => float = wire.single()?,
            3 => int = wire.whole()?,
            4 => text = wire.text()?.into(),
            5 => one = Some(tensor(wire.bytes()?)?.1),
            6 => inner = Some(graph(wire.bytes()?, depth + 1)?),
            7 => wire.singles(&mut floats)?,
            8 => wire.wholes(&mut ints)?,
            9 => texts.push(wire.text()?.into()),
            20 => kind = wire.whole()?,
            _ => {}
        }
    }
    let attribute = match kind {
        1 => Attribute::Float(float),
        2 => Attribute::Int(int),
        3 => Attribute::Text(text),
        4 => Attribute::Tensor(one.ok_or(Error::NotOnnx("a tensor is missing"))?),
        5 => Attribute::Graph(inner.ok_or(Error::NotOnnx("a graph is missing"))?.into()),
        6 => Attribute::Floats(floats),
        7 => Attribute::Ints(ints),
        8 => Attribute::Texts(texts),
        _ => return Err(Error::Unsupported("attributes of an unknown type")),
    };
    Ok((name, attribute))
}

fn declared(bytes: &[u8]) -> Result<Declared, Error> {
    let mut declared = Declared::default();
    let mut fields = Fields::of(bytes);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => wire.text()?.clone_into(&mut declared.name),
            2 => type_of(wire.bytes()?, &mut declared)?,
            _ => {}
        }
    }
    Ok(declared)
}

/// Types that are not tensors, which only outputs have, say nothing that is needed.
fn type_of(bytes: &[u8], declared: &mut Declared) -> Result<(), Error> {
    let mut fields = Fields::of(bytes);
    while let Some((number, wire)) = fields.next()? {
        if number != 1 {
            continue;
        }
        let mut fields = Fields::of(wire.bytes()?);
        while let Some((number, wire)) = fields.next()? {
            match number {
                1 => declared.kind = Kind::of(wire.whole()?),
                2 => declared.shape = Some(shape(wire.bytes()?)?),
                _ => {}
            }
        }
    }
    Ok(())
}

fn shape(bytes: &[u8]) -> Result<Vec<Option<usize>>, Error> {
    let mut shape = vec![];
    let mut fields = Fields::of(bytes);
    while let Some((number, wire)) = fields.next()? {
        if number != 1 {
            continue;
        }
        let mut size = None;
        let mut fields = Fields::of(wire.bytes()?);
        while let Some((number, wire)) = fields.next()? {
            if number == 1 {
                size = usize::try_from(wire.whole()?).ok();
            }
        }
        shape.push(size);
    }
    Ok(shape)
}

/// The values of a tensor, which lie in one of several fields.
#[derive(Default)]
struct Values<'a> {
    raw: Option<&'a [u8]>,
    floats: Vec<f32>,
    doubles: Vec<f64>,
    wholes: Vec<i64>,
    texts: Vec<Arc<str>>,
}

fn tensor(bytes: &[u8]) -> Result<(String, Tensor), Error> {
    let (mut name, mut dims, mut kind) = (String::new(), vec![], 0);
    let mut values = Values::default();
    let mut fields = Fields::of(bytes);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => wire.wholes(&mut dims)?,
            2 => kind = wire.whole()?,
            4 => wire.singles(&mut values.floats)?,
            5 | 7 | 11 => wire.wholes(&mut values.wholes)?,
            6 => values.texts.push(wire.text()?.into()),
            8 => wire.text()?.clone_into(&mut name),
            9 => values.raw = Some(wire.bytes()?),
            10 => wire.doubles(&mut values.doubles)?,
            14 if matches!(wire, Wire::Varint(1)) => {
                return Err(Error::Unsupported("constants in files of their own"));
            }
            _ => {}
        }
    }
    let data = values.data(kind)?;
    let shape: Result<Vec<usize>, _> = dims.into_iter().map(usize::try_from).collect();
    let shape = shape.map_err(|_| Error::NotOnnx("a size is negative"))?;
    if count(&shape).ok() != Some(data.len()) {
        return Err(Error::NotOnnx(
            "a tensor has other values than its shape says",
        ));
    }
    Ok((name, Tensor { shape, data }))
}

impl Values<'_> {
    /// Numbers of the types in TensorProto.DataType.
    fn data(self, kind: i64) -> Result<Data, Error> {
        let Some(raw) = self.raw else {
            return match kind {
                1 => Ok(Data::Single(self.floats)),
                2..=7 | 12 | 13 => Ok(Data::Whole(self.wholes)),
                8 => Ok(Data::Text(self.texts)),
                9 => Ok(Data::Flag(self.wholes.iter().map(|n| *n != 0).collect())),
                11 => Ok(Data::Double(self.doubles)),
                _ => Err(KIND),
            };
        };
        match kind {
            1 => Ok(Data::Single(each(raw, f32::from_le_bytes)?)),
            2 => Ok(Data::Whole(each(raw, |[b]| i64::from(b))?)),
            3 => Ok(Data::Whole(each(raw, |[b]| i64::from(b.cast_signed()))?)),
            4 => Ok(Data::Whole(each(raw, |b| u16::from_le_bytes(b).into())?)),
            5 => Ok(Data::Whole(each(raw, |b| i16::from_le_bytes(b).into())?)),
            6 => Ok(Data::Whole(each(raw, |b| i32::from_le_bytes(b).into())?)),
            7 | 13 => Ok(Data::Whole(each(raw, i64::from_le_bytes)?)),
            9 => Ok(Data::Flag(each(raw, |[b]| b != 0)?)),
            11 => Ok(Data::Double(each(raw, f64::from_le_bytes)?)),
            12 => Ok(Data::Whole(each(raw, |b| u32::from_le_bytes(b).into())?)),
            _ => Err(KIND),
        }
    }
}

const KIND: Error = Error::Unsupported("numbers of an unusual type");

fn each<const N: usize, T>(raw: &[u8], read: impl Fn([u8; N]) -> T) -> Result<Vec<T>, Error> {
    let (values, rest) = raw.as_chunks();
    if !rest.is_empty() {
        return Err(Error::NotOnnx("a tensor ends in the middle of a number"));
    }
    Ok(values.iter().map(|bytes| read(*bytes)).collect())
}
