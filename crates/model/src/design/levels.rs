//! Levels of a factor, collected block by block and put into R's order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::error::DataError;
use crate::eval::{Data, Labels, Node, Vector};

/// More than any factor has that goes into a model.
const MAX_LEVELS: usize = 1 << 18;

/// How R puts the levels of an expression into order.
#[derive(Debug, Clone)]
pub(super) enum Order {
    /// As the factor itself has them: in every block the same.
    Fixed,
    Text,
    Number,
    /// `relevel`
    First(Arc<str>, Box<Order>),
}

#[derive(Debug, Default)]
pub(super) struct Levels {
    order: Option<Order>,
    listed: Vec<Arc<str>>,
    known: HashMap<Arc<str>, usize>,
    used: HashSet<usize>,
}

impl Order {
    fn of(node: &Node, data: Data<'_>) -> Self {
        match node {
            Node::First(of, first) => {
                let inner = Self::of(of, data);
                Self::First(first.clone(), Box::new(inner))
            }
            Node::Factor(factor) if factor.levels.is_none() => match factor.of.column(data) {
                Ok(Vector::Number(_)) => Self::Number,
                Ok(Vector::Factor(..)) => Self::of(&factor.of, data),
                _ => Self::Text,
            },
            Node::Factor(_) | Node::Cut(..) | Node::Interaction(..) => Self::Fixed,
            _ => match node.column(data) {
                Ok(Vector::Factor(..)) => Self::Fixed,
                _ => Self::Text,
            },
        }
    }
}

impl Levels {
    /// `complete` are the rows that are used.
    pub fn observe(
        &mut self,
        node: &Node,
        data: Data<'_>,
        labels: &Labels<'_>,
        complete: &[bool],
    ) -> Result<(), DataError> {
        let first = self.order.is_none();
        if first {
            self.order = Some(Order::of(node, data));
        }
        let combined = matches!(node, Node::Interaction(..));
        if combined && !first && self.listed[..] != labels.values[..] {
            let why = "interaction() wants data in one block, or factors with the same levels";
            return Err(DataError::other(why));
        }
        let mut places = Vec::with_capacity(labels.values.len());
        for label in labels.values.iter() {
            let known = self.known.get(label).copied();
            places.push(known.unwrap_or_else(|| {
                self.listed.push(label.clone());
                self.known.insert(label.clone(), self.listed.len() - 1);
                self.listed.len() - 1
            }));
        }
        let mut seen = vec![false; places.len()];
        for (code, complete) in labels.of_rows.iter().zip(complete) {
            if *complete && let Some(seen) = seen.get_mut(*code as usize) {
                *seen = true;
            }
        }
        let used = places.iter().zip(&seen).filter(|(_, seen)| **seen);
        self.used.extend(used.map(|(place, _)| *place));
        if self.used.len() > MAX_LEVELS || self.listed.len() > 16 * MAX_LEVELS {
            return Err(DataError::other(format!(
                "a factor has more than {MAX_LEVELS} levels"
            )));
        }
        Ok(())
    }

    /// Those that are used, in R's order.
    pub fn finish(self) -> Vec<Arc<str>> {
        let used = |at: &usize| self.used.contains(at);
        let mut levels: Vec<Arc<str>> = (0..self.listed.len())
            .filter(used)
            .map(|at| self.listed[at].clone())
            .collect();
        if let Some(order) = &self.order {
            sort(order, &mut levels);
        }
        levels
    }
}

fn sort(order: &Order, levels: &mut [Arc<str>]) {
    match order {
        Order::Fixed => {}
        Order::Text => levels.sort(),
        Order::Number => levels.sort_by(|one, other| {
            let number = |text: &Arc<str>| text.parse().unwrap_or(f64::INFINITY);
            number(one).total_cmp(&number(other))
        }),
        Order::First(first, inner) => {
            sort(inner, levels);
            if let Some(place) = levels.iter().position(|own| own == first) {
                levels[..=place].rotate_right(1);
            }
        }
    }
}
