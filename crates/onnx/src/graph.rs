//! A graph made ready: every name is a place, every node an operator.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::Error;
use crate::build::{Built, build};
use crate::error::Fault;
use crate::ops::{Inputs, Operator, Steps};
use crate::proto;
use crate::tensor::Tensor;

/// Values that are alive at once, without the constants of the file.
const MAX_LIVE: usize = 1 << 25;

/// What a value costs that is kept for as long as the model is.
const COST_OF_FOLDING: usize = 8;

#[derive(Debug)]
pub(crate) struct Graph {
    constants: Vec<Arc<Tensor>>,
    nodes: Vec<Node>,
    /// Places of what comes in, first what the graph declares, then what it takes from
    /// the graph around it.
    inputs: usize,
    captured: Vec<String>,
    outputs: Vec<Source>,
    places: usize,
}

#[derive(Debug)]
struct Node {
    name: String,
    operator: Box<dyn Operator>,
    inputs: Vec<Option<Source>>,
    outputs: Vec<Option<usize>>,
    /// Places that nothing reads any more after this node.
    done: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Constant(usize),
    Place(usize),
}

/// A graph while it is made.
struct Making {
    names: HashMap<String, Source>,
    constants: Vec<Arc<Tensor>>,
    captured: Vec<String>,
    places: usize,
    /// What reckoning with constants alone may still take.
    folding: Steps,
}

impl Making {
    fn source(&mut self, name: &str) -> Source {
        if let Some(source) = self.names.get(name) {
            return *source;
        }
        let place = self.place();
        self.captured.push(name.to_owned());
        self.names.insert(name.to_owned(), place);
        place
    }

    fn place(&mut self) -> Source {
        self.places += 1;
        Source::Place(self.places - 1)
    }

    fn constant(&mut self, name: &str, tensor: Tensor) {
        let source = Source::Constant(self.constants.len());
        self.constants.push(Arc::new(tensor));
        self.names.insert(name.to_owned(), source);
    }
}

impl Graph {
    pub(crate) fn new(
        graph: &proto::Graph,
        versions: &HashMap<String, i64>,
    ) -> Result<Self, Error> {
        let mut making = Making {
            names: HashMap::new(),
            constants: vec![],
            captured: vec![],
            places: 0,
            folding: Steps::of_constants(),
        };
        // Early files list their constants as inputs, too.
        let known: HashSet<&str> = graph.constants.iter().map(|(name, _)| &**name).collect();
        let mut inputs = 0;
        for input in &graph.inputs {
            if !known.contains(&*input.name) {
                let place = making.place();
                making.names.insert(input.name.clone(), place);
                inputs += 1;
            }
        }
        for (name, tensor) in &graph.constants {
            making.constant(name, tensor.clone());
        }
        let mut nodes = vec![];
        // Captured names get the places right behind the inputs, so they are looked up
        // before anything that is made here has its place.
        making.capture(graph);
        for node in &graph.nodes {
            making.node(node, versions, &mut nodes)?;
        }
        let mut outputs = vec![];
        for output in &graph.outputs {
            let source = making.names.get(&output.name);
            outputs.push(*source.ok_or_else(|| Error::Dangling(output.name.clone()))?);
        }
        let mut made = Self {
            constants: making.constants,
            nodes,
            inputs,
            captured: making.captured,
            outputs,
            places: making.places,
        };
        made.find_done();
        Ok(made)
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(crate) fn captured(&self) -> &[String] {
        &self.captured
    }

    fn find_done(&mut self) {
        let mut read = vec![false; self.places];
        for source in &self.outputs {
            if let Source::Place(place) = source {
                read[*place] = true;
            }
        }
        for node in self.nodes.iter_mut().rev() {
            let own = node
                .inputs
                .iter()
                .flatten()
                .filter_map(|source| match source {
                    Source::Place(place) => Some(*place),
                    Source::Constant(_) => None,
                });
            for place in own.chain(node.outputs.iter().flatten().copied()) {
                if !read[place] {
                    read[place] = true;
                    node.done.push(place);
                }
            }
        }
    }

    /// What comes out, or the name of the operator that failed and why.
    pub(crate) fn run(
        &self,
        inputs: Vec<Arc<Tensor>>,
        steps: &mut Steps,
    ) -> Result<Vec<Arc<Tensor>>, (String, Fault)> {
        let mut places: Vec<Option<Arc<Tensor>>> = inputs.into_iter().map(Some).collect();
        places.resize(self.places, None);
        let mut live = 0_usize;
        for node in &self.nodes {
            let given: Vec<Option<&Tensor>> = node
                .inputs
                .iter()
                .map(|source| match (*source)? {
                    Source::Constant(at) => Some(&*self.constants[at]),
                    Source::Place(at) => places[at].as_deref(),
                })
                .collect();
            let fault = |fault| (node.name.clone(), fault);
            let made = node.operator.run(&Inputs(&given), steps).map_err(fault)?;
            drop(given);
            for (place, tensor) in node.outputs.iter().zip(made) {
                if let Some(place) = place {
                    steps.take(&[tensor.len()]).map_err(fault)?;
                    live += tensor.len();
                    places[*place] = Some(Arc::new(tensor));
                }
            }
            for place in &node.done {
                let gone = places[*place].take();
                // Inputs were not counted.
                live = live.saturating_sub(gone.map_or(0, |tensor| tensor.len()));
            }
            if live > MAX_LIVE {
                return Err(fault(Fault::TooLarge));
            }
        }
        let outputs = self.outputs.iter().map(|source| match source {
            Source::Constant(at) => Some(self.constants[*at].clone()),
            Source::Place(at) => places[*at].clone(),
        });
        outputs
            .collect::<Option<_>>()
            .ok_or_else(|| ("the graph".to_owned(), Fault::Missing))
    }
}

impl Making {
    fn capture(&mut self, graph: &proto::Graph) {
        let mut made: HashSet<&str> = HashSet::new();
        for node in &graph.nodes {
            for name in proto::read_by(node) {
                if !name.is_empty() && !made.contains(name) {
                    self.source(name);
                }
            }
            made.extend(node.outputs.iter().map(|name| &**name));
        }
    }

    fn node(
        &mut self,
        node: &proto::Node,
        versions: &HashMap<String, i64>,
        nodes: &mut Vec<Node>,
    ) -> Result<(), Error> {
        let (operator, captured) = match build(node, versions)? {
            Built::Alias => {
                if let [input, ..] = &node.inputs[..] {
                    let source = self.source(input);
                    if let Some(output) = node.outputs.first() {
                        self.names.insert(output.clone(), source);
                    }
                }
                return Ok(());
            }
            Built::Constant(tensor) => {
                if let Some(output) = node.outputs.first() {
                    self.constant(output, tensor);
                }
                return Ok(());
            }
            Built::Operator(operator) => (operator, vec![]),
            Built::Scan(scan) => {
                let captured = scan.captured().to_vec();
                (Box::new(scan) as Box<dyn Operator>, captured)
            }
        };
        let names = node.inputs.iter().chain(&captured);
        let inputs: Vec<Option<Source>> = names
            .map(|name| (!name.is_empty()).then(|| self.source(name)))
            .collect();
        if self.fold(node, &*operator, &inputs) {
            return Ok(());
        }
        let mut outputs = vec![];
        for name in &node.outputs {
            outputs.push(if name.is_empty() {
                None
            } else {
                let Source::Place(at) = self.place() else {
                    continue;
                };
                self.names.insert(name.clone(), Source::Place(at));
                Some(at)
            });
        }
        nodes.push(Node {
            name: node.operator.clone(),
            operator,
            inputs,
            outputs,
            done: vec![],
        });
        Ok(())
    }

    /// A node that reads only constants makes constants: then it need not run for each
    /// block of rows. What fails or grows is left for then.
    fn fold(
        &mut self,
        node: &proto::Node,
        operator: &dyn Operator,
        inputs: &[Option<Source>],
    ) -> bool {
        let mut given = vec![];
        for source in inputs {
            given.push(match source {
                None => None,
                Some(Source::Constant(at)) => Some(&*self.constants[*at]),
                Some(Source::Place(_)) => return false,
            });
        }
        let Ok(made) = operator.run(&Inputs(&given), &mut self.folding) else {
            return false;
        };
        let sizes = made.iter().map(Tensor::len).sum::<usize>();
        if self.folding.take(&[sizes, COST_OF_FOLDING]).is_err() {
            return false;
        }
        for (name, tensor) in node.outputs.iter().zip(made) {
            if !name.is_empty() {
                self.constant(name, tensor);
            }
        }
        true
    }
}
