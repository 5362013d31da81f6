//! What a node says besides its inputs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Fault;
use crate::proto::Graph;
use crate::tensor::{Data, Tensor};

#[derive(Debug)]
pub(crate) enum Attribute {
    Float(f32),
    Int(i64),
    Text(Arc<str>),
    Tensor(Tensor),
    Graph(Box<Graph>),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Texts(Vec<Arc<str>>),
}

#[derive(Debug, Default)]
pub(crate) struct Attributes(HashMap<String, Attribute>);

impl Attributes {
    pub(crate) fn insert(&mut self, name: String, attribute: Attribute) {
        self.0.insert(name, attribute);
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// For nodes that are nothing but one attribute.
    pub(crate) fn only(&self) -> Option<&Attribute> {
        let mut all = self.0.values();
        all.next().filter(|_| all.next().is_none())
    }

    pub(crate) fn float(&self, name: &'static str, default: f32) -> Result<f32, Fault> {
        match self.0.get(name) {
            None => Ok(default),
            Some(Attribute::Float(value)) => Ok(*value),
            Some(_) => Err(Fault::Attribute(name)),
        }
    }

    pub(crate) fn int(&self, name: &'static str) -> Result<Option<i64>, Fault> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Attribute::Int(value)) => Ok(Some(*value)),
            Some(_) => Err(Fault::Attribute(name)),
        }
    }

    pub(crate) fn int_or(&self, name: &'static str, default: i64) -> Result<i64, Fault> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    pub(crate) fn flag(&self, name: &'static str, default: bool) -> Result<bool, Fault> {
        Ok(self.int(name)?.map_or(default, |value| value != 0))
    }

    pub(crate) fn text(
        &self,
        name: &'static str,
        default: &'static str,
    ) -> Result<Arc<str>, Fault> {
        match self.0.get(name) {
            None => Ok(default.into()),
            Some(Attribute::Text(value)) => Ok(value.clone()),
            Some(_) => Err(Fault::Attribute(name)),
        }
    }

    pub(crate) fn floats(&self, name: &'static str) -> Result<&[f32], Fault> {
        match self.0.get(name) {
            None => Ok(&[]),
            Some(Attribute::Floats(values)) => Ok(values),
            Some(_) => Err(Fault::Attribute(name)),
        }
    }

    pub(crate) fn ints(&self, name: &'static str) -> Result<&[i64], Fault> {
        match self.0.get(name) {
            None => Ok(&[]),
            Some(Attribute::Ints(values)) => Ok(values),
            Some(_) => Err(Fault::Attribute(name)),
        }
    }

    pub(crate) fn texts(&self, name: &'static str) -> Result<&[Arc<str>], Fault> {
        match self.0.get(name) {
            None => Ok(&[]),
            Some(Attribute::Texts(values)) => Ok(values),
            Some(_) => Err(Fault::Attribute(name)),
        }
    }

    pub(crate) fn tensor(&self, name: &'static str) -> Result<Option<&Tensor>, Fault> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Attribute::Tensor(value)) => Ok(Some(value)),
            Some(_) => Err(Fault::Attribute(name)),
        }
    }

    pub(crate) fn graph(&self, name: &'static str) -> Result<&Graph, Fault> {
        match self.0.get(name) {
            Some(Attribute::Graph(graph)) => Ok(graph),
            _ => Err(Fault::Attribute(name)),
        }
    }

    pub(crate) fn graphs(&self) -> impl Iterator<Item = &Graph> {
        self.0.values().filter_map(|attribute| match attribute {
            Attribute::Graph(graph) => Some(&**graph),
            _ => None,
        })
    }

    /// Numbers that are a list, or in models with 64-bit numbers a tensor of the same
    /// name with an ending.
    pub(crate) fn numbers(
        &self,
        name: &'static str,
        tensor: &'static str,
    ) -> Result<Vec<f64>, Fault> {
        match self.tensor(tensor)?.map(|tensor| &tensor.data) {
            None => Ok(self.floats(name)?.iter().map(|n| f64::from(*n)).collect()),
            Some(Data::Single(values)) => Ok(values.iter().map(|n| f64::from(*n)).collect()),
            Some(Data::Double(values)) => Ok(values.clone()),
            Some(_) => Err(Fault::Attribute(tensor)),
        }
    }
}
