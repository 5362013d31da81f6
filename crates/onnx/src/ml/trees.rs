//! TreeEnsembleClassifier and TreeEnsembleRegressor: forests, boosted trees, single
//! trees.

use std::collections::HashMap;

use super::labels::{Classes, Transform, largest};
use crate::attributes::Attributes;
use crate::error::Fault;
use crate::ops::unary::sigmoid;
use crate::ops::{Inputs, Operator, Steps};
use crate::tensor::{Data, Kind, Tensor, count};

#[derive(Debug, Clone, Copy)]
enum Mode {
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    Equal,
    NotEqual,
    Leaf,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    value: f64,
    feature: u32,
    /// Of a leaf: where its weights begin and end.
    yes: u32,
    no: u32,
    mode: Mode,
    missing_is_yes: bool,
}

#[derive(Debug)]
struct Forest {
    nodes: Vec<Node>,
    roots: Vec<u32>,
    /// What leaves add to which target.
    weights: Vec<(u32, f64)>,
    base: Vec<f64>,
    /// How wide a row must at least be.
    width: usize,
    targets: usize,
    transform: Transform,
    /// Scores are of 64 bits where the trees are.
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

#[derive(Debug)]
pub(crate) struct Regressor {
    forest: Forest,
    aggregate: Aggregate,
}

#[derive(Debug)]
pub(crate) struct Classifier {
    forest: Forest,
    classes: Classes,
    /// There are two classes, and all weights are of one of them: they are scores of the
    /// second.
    one_sided: bool,
    all_positive: bool,
}

/// Names of the attributes that say what the leaves hold.
struct Leaves {
    trees: &'static str,
    nodes: &'static str,
    targets: &'static str,
    weights: &'static str,
    weights_tensor: &'static str,
}

const OF_CLASSES: Leaves = Leaves {
    trees: "class_treeids",
    nodes: "class_nodeids",
    targets: "class_ids",
    weights: "class_weights",
    weights_tensor: "class_weights_as_tensor",
};

const OF_TARGETS: Leaves = Leaves {
    trees: "target_treeids",
    nodes: "target_nodeids",
    targets: "target_ids",
    weights: "target_weights",
    weights_tensor: "target_weights_as_tensor",
};

fn mode(text: &str) -> Result<Mode, Fault> {
    Ok(match text {
        "BRANCH_LEQ" => Mode::LessOrEqual,
        "BRANCH_LT" => Mode::Less,
        "BRANCH_GTE" => Mode::GreaterOrEqual,
        "BRANCH_GT" => Mode::Greater,
        "BRANCH_EQ" => Mode::Equal,
        "BRANCH_NEQ" => Mode::NotEqual,
        "LEAF" => Mode::Leaf,
        other => {
            return Err(Fault::Choice {
                name: "nodes_modes",
                value: other.to_owned(),
            });
        }
    })
}

impl Forest {
    fn new(attributes: &Attributes, leaves: &Leaves, targets: usize) -> Result<Self, Fault> {
        let trees = attributes.ints("nodes_treeids")?;
        let ids = attributes.ints("nodes_nodeids")?;
        let mut places = HashMap::with_capacity(ids.len());
        for (at, key) in (0_u32..).zip(trees.iter().zip(ids)) {
            if places.insert((*key.0, *key.1), at).is_some() {
                return Err(Fault::Malformed("a tree has two nodes of the same number"));
            }
        }
        let mut forest = Self {
            nodes: nodes(attributes, trees, &places)?,
            roots: vec![],
            weights: vec![],
            base: attributes.numbers("base_values", "base_values_as_tensor")?,
            width: 0,
            targets,
            transform: Transform::of(attributes)?,
            kind: if attributes.has("nodes_values_as_tensor") {
                Kind::Double
            } else {
                Kind::Single
            },
        };
        forest.hang(attributes, leaves, &places)?;
        let branches = forest.nodes.iter();
        let branches = branches.filter(|node| !matches!(node.mode, Mode::Leaf));
        let widest = branches.map(|node| node.feature as usize + 1).max();
        forest.width = widest.unwrap_or(0);
        // The first node of a tree is its root.
        let mut last = None;
        for (at, tree) in (0_u32..).zip(trees) {
            if last != Some(tree) {
                forest.roots.push(at);
                last = Some(tree);
            }
        }
        Ok(forest)
    }

    /// Gives the leaves their weights.
    fn hang(
        &mut self,
        attributes: &Attributes,
        leaves: &Leaves,
        places: &HashMap<(i64, i64), u32>,
    ) -> Result<(), Fault> {
        let trees = attributes.ints(leaves.trees)?;
        let ids = attributes.ints(leaves.nodes)?;
        let targets = attributes.ints(leaves.targets)?;
        let weights = attributes.numbers(leaves.weights, leaves.weights_tensor)?;
        if [ids.len(), targets.len(), weights.len()] != [trees.len(); 3] {
            return Err(Fault::Attribute(leaves.weights));
        }
        let mut hung = Vec::with_capacity(weights.len());
        for (((tree, id), target), weight) in trees.iter().zip(ids).zip(targets).zip(weights) {
            let leaf = places.get(&(*tree, *id));
            let leaf = *leaf.ok_or(Fault::Attribute(leaves.nodes))?;
            let target = u32::try_from(*target)
                .ok()
                .filter(|target| (*target as usize) < self.targets)
                .ok_or(Fault::Attribute(leaves.targets))?;
            hung.push((leaf, target, weight));
        }
        hung.sort_by_key(|(leaf, _, _)| *leaf);
        for (at, (leaf, target, weight)) in (0_u32..).zip(hung) {
            self.weights.push((target, weight));
            let leaf = &mut self.nodes[leaf as usize];
            if matches!(leaf.mode, Mode::Leaf) {
                if leaf.no == 0 {
                    leaf.yes = at;
                }
                leaf.no = at + 1;
            }
        }
        Ok(())
    }

    /// The weights of the leaf at which a row ends.
    fn leaf(&self, root: u32, row: &[f64]) -> Result<&[(u32, f64)], Fault> {
        let mut at = root;
        // No way is longer than there are nodes, unless it goes round.
        for _ in 0..self.nodes.len() {
            let node = &self.nodes[at as usize];
            if matches!(node.mode, Mode::Leaf) {
                return Ok(&self.weights[node.yes as usize..node.no as usize]);
            }
            let value = row[node.feature as usize];
            #[expect(clippy::float_cmp, reason = "the format asks for it")]
            let yes = match node.mode {
                Mode::LessOrEqual => value <= node.value,
                Mode::Less => value < node.value,
                Mode::GreaterOrEqual => value >= node.value,
                Mode::Greater => value > node.value,
                Mode::Equal => value == node.value,
                Mode::NotEqual | Mode::Leaf => value != node.value,
            } || node.missing_is_yes && value.is_nan();
            at = if yes { node.yes } else { node.no };
        }
        Err(Fault::Malformed("a tree goes round in a circle"))
    }

    /// `row` is told, for each row, its numbers and the scores to fill.
    fn rows(
        &self,
        tensor: &Tensor,
        steps: &mut Steps,
        mut row: impl FnMut(&[f64], &mut [f64]) -> Result<(), Fault>,
    ) -> Result<Tensor, Fault> {
        let (rows, width) = tensor.table()?;
        if width < self.width {
            return Err(Fault::Shape(tensor.shape.clone()));
        }
        let shape = vec![rows, self.targets];
        let mut scores = vec![0.0; count(&shape)?];
        steps.take(&[rows, self.roots.len(), 8])?;
        let values = tensor.data.doubles()?;
        for (at, scores) in scores.chunks_exact_mut(self.targets.max(1)).enumerate() {
            row(&values[at * width..(at + 1) * width], scores)?;
        }
        Tensor::new(shape, Data::of_doubles(scores, self.kind)?)
    }

    fn sum(&self, row: &[f64], scores: &mut [f64]) -> Result<(), Fault> {
        for root in &self.roots {
            for (target, weight) in self.leaf(*root, row)? {
                scores[*target as usize] += weight;
            }
        }
        Ok(())
    }
}

fn nodes(
    attributes: &Attributes,
    trees: &[i64],
    places: &HashMap<(i64, i64), u32>,
) -> Result<Vec<Node>, Fault> {
    let features = attributes.ints("nodes_featureids")?;
    let modes = attributes.texts("nodes_modes")?;
    let yes = attributes.ints("nodes_truenodeids")?;
    let no = attributes.ints("nodes_falsenodeids")?;
    let missing = attributes.ints("nodes_missing_value_tracks_true")?;
    let values = attributes.numbers("nodes_values", "nodes_values_as_tensor")?;
    let lengths = [
        places.len(),
        features.len(),
        modes.len(),
        yes.len(),
        no.len(),
        values.len(),
    ];
    if lengths != [trees.len(); 6] || !(missing.is_empty() || missing.len() == trees.len()) {
        return Err(Fault::Malformed("lists of nodes have different lengths"));
    }
    let mut nodes = Vec::with_capacity(trees.len());
    for (at, tree) in trees.iter().enumerate() {
        let mode = mode(&modes[at])?;
        let place = |id: i64| match mode {
            Mode::Leaf => Ok(0),
            _ => places
                .get(&(*tree, id))
                .copied()
                .ok_or(Fault::Malformed("a branch leads to no node")),
        };
        nodes.push(Node {
            value: values[at],
            feature: u32::try_from(features[at])
                .map_err(|_| Fault::Attribute("nodes_featureids"))?,
            yes: place(yes[at])?,
            no: place(no[at])?,
            mode,
            missing_is_yes: missing.get(at).is_some_and(|flag| *flag != 0),
        });
    }
    Ok(nodes)
}

impl Regressor {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        let targets = usize::try_from(attributes.int_or("n_targets", 1)?);
        let targets = targets.map_err(|_| Fault::Attribute("n_targets"))?;
        let forest = Forest::new(attributes, &OF_TARGETS, targets)?;
        if ![0, 1, targets].contains(&forest.base.len()) {
            return Err(Fault::Attribute("base_values"));
        }
        let aggregate = attributes.text("aggregate_function", "SUM")?;
        let aggregate = match &*aggregate {
            "SUM" => Aggregate::Sum,
            "AVERAGE" => Aggregate::Average,
            "MIN" => Aggregate::Min,
            "MAX" => Aggregate::Max,
            other => {
                return Err(Fault::Choice {
                    name: "aggregate_function",
                    value: other.to_owned(),
                });
            }
        };
        Ok(Self { forest, aggregate })
    }

    fn best(&self, row: &[f64], scores: &mut [f64]) -> Result<(), Fault> {
        let mut found = vec![false; scores.len()];
        for root in &self.forest.roots {
            for (target, weight) in self.forest.leaf(*root, row)? {
                let target = *target as usize;
                let better = match self.aggregate {
                    Aggregate::Min => *weight < scores[target],
                    _ => *weight > scores[target],
                };
                if better || !found[target] {
                    scores[target] = *weight;
                    found[target] = true;
                }
            }
        }
        Ok(())
    }
}

impl Operator for Regressor {
    fn run(&self, inputs: &Inputs<'_>, steps: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let forest = &self.forest;
        let made = forest.rows(inputs.at(0)?, steps, |row, scores| {
            match self.aggregate {
                Aggregate::Min | Aggregate::Max => self.best(row, scores)?,
                Aggregate::Sum | Aggregate::Average => forest.sum(row, scores)?,
            }
            if self.aggregate == Aggregate::Average {
                #[expect(clippy::cast_precision_loss, reason = "a file holds fewer trees")]
                let trees = forest.roots.len().max(1) as f64;
                for score in &mut *scores {
                    *score /= trees;
                }
            }
            for (at, score) in scores.iter_mut().enumerate() {
                let own = if forest.base.len() == 1 { 0 } else { at };
                *score += forest.base.get(own).copied().unwrap_or(0.0);
            }
            forest.transform.apply(scores);
            Ok(())
        })?;
        Ok(vec![made])
    }
}

impl Classifier {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        let classes = Classes::needed(attributes)?;
        let forest = Forest::new(attributes, &OF_CLASSES, classes.len())?;
        let weights = &forest.weights;
        let first = weights.first().map(|(target, _)| *target);
        let one_sided = classes.len() == 2 && weights.iter().all(|(of, _)| Some(*of) == first);
        let all_positive = weights.iter().all(|(_, weight)| *weight >= 0.0);
        let base = forest.base.len();
        if !(base == 0 || base == classes.len() || one_sided && base == 1) {
            return Err(Fault::Attribute("base_values"));
        }
        Ok(Self {
            forest,
            classes,
            one_sided,
            all_positive,
        })
    }

    /// The place of the class, and both scores from that of the second.
    fn of_two(&self, scores: &mut [f64]) -> usize {
        let base = self.forest.base.last().copied().unwrap_or(0.0);
        let score = scores[0] + scores[1] + base;
        let transform = self.forest.transform;
        // Shares of trees, rather than evidence for or against.
        let shares = self.all_positive && transform == Transform::None;
        let both = match transform {
            Transform::Logistic => [sigmoid(-score), sigmoid(score)],
            _ if shares => [1.0 - score, score],
            _ => [-score, score],
        };
        scores.copy_from_slice(&both);
        usize::from(score > if shares { 0.5 } else { 0.0 })
    }
}

impl Operator for Classifier {
    fn run(&self, inputs: &Inputs<'_>, steps: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let mut places = vec![];
        let forest = &self.forest;
        let made = forest.rows(inputs.at(0)?, steps, |row, scores| {
            forest.sum(row, scores)?;
            if self.one_sided {
                places.push(self.of_two(scores));
                return Ok(());
            }
            for (score, base) in scores.iter_mut().zip(&forest.base) {
                *score += base;
            }
            places.push(largest(scores));
            forest.transform.apply(scores);
            Ok(())
        })?;
        // Scores of classifiers are always of 32 bits.
        let (rows, width) = made.table()?;
        let scores = super::labels::scores(rows, width, &made.data.doubles()?)?;
        Ok(vec![self.classes.labels(&places)?, scores])
    }
}
