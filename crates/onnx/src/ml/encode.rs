//! Categories as numbers: OneHotEncoder, LabelEncoder, CategoryMapper.

use std::collections::HashMap;
use std::sync::Arc;

use crate::attributes::Attributes;
use crate::error::Fault;
use crate::ops::{Inputs, Operator, Steps};
use crate::tensor::{Data, Tensor, count};

/// A value as a key. Numbers that are written differently are the same key, NaNs all
/// are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Text(Arc<str>),
    Whole(i64),
    Bits(u64),
}

fn float_key(value: f64) -> Key {
    Key::Bits(if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        // Minus zero is zero.
        (value + 0.0).to_bits()
    })
}

fn keys(data: &Data) -> Vec<Key> {
    match data {
        Data::Text(values) => values.iter().cloned().map(Key::Text).collect(),
        Data::Whole(values) => values.iter().copied().map(Key::Whole).collect(),
        Data::Flag(values) => values.iter().map(|f| Key::Whole(i64::from(*f))).collect(),
        Data::Single(values) => values.iter().map(|n| float_key(f64::from(*n))).collect(),
        Data::Double(values) => values.iter().map(|n| float_key(*n)).collect(),
    }
}

#[derive(Debug)]
pub(crate) struct OneHotEncoder {
    places: HashMap<Key, usize>,
    count: usize,
    /// What is not known is all zeros, rather than an error.
    zeros: bool,
}

impl OneHotEncoder {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        let texts = attributes.texts("cats_strings")?;
        let keys = if texts.is_empty() {
            keys(&Data::Whole(attributes.ints("cats_int64s")?.to_vec()))
        } else {
            keys(&Data::Text(texts.to_vec()))
        };
        Ok(Self {
            count: keys.len(),
            places: keys.into_iter().zip(0..).collect(),
            zeros: attributes.flag("zeros", true)?,
        })
    }
}

impl Operator for OneHotEncoder {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let mut shape = tensor.shape.clone();
        shape.push(self.count);
        let mut hot = vec![0.0; count(&shape)?];
        let own = match &tensor.data {
            Data::Text(_) | Data::Whole(_) => keys(&tensor.data),
            #[expect(clippy::cast_possible_truncation, reason = "as the format defines it")]
            other => keys(&Data::Whole(
                other.doubles()?.into_iter().map(|n| n as i64).collect(),
            )),
        };
        for (row, key) in own.iter().enumerate() {
            match self.places.get(key) {
                Some(place) => hot[row * self.count + place] = 1.0,
                None if self.zeros => {}
                None => return Err(unknown(key)),
            }
        }
        Ok(vec![Tensor::new(shape, Data::Single(hot))?])
    }
}

fn unknown(key: &Key) -> Fault {
    Fault::Value(match key {
        Key::Text(text) => text.to_string(),
        Key::Whole(value) => value.to_string(),
        Key::Bits(bits) => f64::from_bits(*bits).to_string(),
    })
}

/// LabelEncoder and CategoryMapper: values for values.
#[derive(Debug)]
pub(crate) struct Mapper {
    places: HashMap<Key, usize>,
    values: Data,
    default: Data,
}

impl Mapper {
    /// Since version 2 there are lists of keys and of values, since version 4 tensors,
    /// too. Before there was one list of texts, whose places are the numbers.
    pub(crate) fn label_encoder(attributes: &Attributes) -> Result<Vec<Self>, Fault> {
        let classes = attributes.texts("classes_strings")?;
        if !classes.is_empty() {
            return Self::both_ways(
                classes,
                &(0..).take(classes.len()).collect::<Vec<_>>(),
                attributes,
            );
        }
        let list = |names: [&'static str; 4]| -> Result<Option<Data>, Fault> {
            let [texts, wholes, floats, tensor] = names;
            Ok(if attributes.has(texts) {
                Some(Data::Text(attributes.texts(texts)?.to_vec()))
            } else if attributes.has(wholes) {
                Some(Data::Whole(attributes.ints(wholes)?.to_vec()))
            } else if attributes.has(floats) {
                Some(Data::Single(attributes.floats(floats)?.to_vec()))
            } else {
                attributes.tensor(tensor)?.map(|tensor| tensor.data.clone())
            })
        };
        let own = list(["keys_strings", "keys_int64s", "keys_floats", "keys_tensor"])?;
        let own = own.ok_or(Fault::Attribute("keys_strings"))?;
        let names = [
            "values_strings",
            "values_int64s",
            "values_floats",
            "values_tensor",
        ];
        let values = list(names)?.ok_or(Fault::Attribute("values_strings"))?;
        let given = attributes.tensor("default_tensor")?;
        let default = match (given, &values) {
            (Some(tensor), _) if tensor.len() == 1 => tensor.data.clone(),
            (_, Data::Text(_)) => Data::Text(vec![attributes.text("default_string", "_Unused")?]),
            (_, Data::Whole(_)) => Data::Whole(vec![attributes.int_or("default_int64", -1)?]),
            (_, Data::Double(_)) => {
                Data::Double(vec![attributes.float("default_float", -0.0)?.into()])
            }
            _ => Data::Single(vec![attributes.float("default_float", -0.0)?]),
        };
        Ok(vec![Self::new(keys(&own), values, default)?])
    }

    pub(crate) fn category_mapper(attributes: &Attributes) -> Result<Vec<Self>, Fault> {
        let texts = attributes.texts("cats_strings")?;
        let wholes = attributes.ints("cats_int64s")?;
        Self::both_ways(texts, wholes, attributes)
    }

    fn both_ways(
        texts: &[Arc<str>],
        wholes: &[i64],
        attributes: &Attributes,
    ) -> Result<Vec<Self>, Fault> {
        let texts = Data::Text(texts.to_vec());
        let wholes = Data::Whole(wholes.to_vec());
        let text = Data::Text(vec![attributes.text("default_string", "_Unused")?]);
        let whole = Data::Whole(vec![attributes.int_or("default_int64", -1)?]);
        Ok(vec![
            Self::new(keys(&texts), wholes.clone(), whole)?,
            Self::new(keys(&wholes), texts, text)?,
        ])
    }

    fn new(keys: Vec<Key>, values: Data, default: Data) -> Result<Self, Fault> {
        if keys.len() != values.len() {
            return Err(Fault::Malformed(
                "there are more keys than values, or fewer",
            ));
        }
        let mut all = values;
        let end = all.len();
        all.append(default.clone())?;
        let mut places: HashMap<Key, usize> = HashMap::with_capacity(end);
        for (key, place) in keys.into_iter().zip(0..) {
            // Of equal keys the first counts.
            places.entry(key).or_insert(place);
        }
        Ok(Self {
            places,
            values: all,
            default,
        })
    }
}

/// The mappers of a node, of which the one whose keys are of the input's kind maps.
#[derive(Debug)]
pub(crate) struct Mappers(pub Vec<Mapper>);

impl Operator for Mappers {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let own = keys(&tensor.data);
        let text = matches!(tensor.data, Data::Text(_));
        let both = self.0.len() == 2;
        let mapper = self
            .0
            .iter()
            .find(|mapper| !both || matches!(mapper.default, Data::Text(_)) != text)
            .ok_or(Fault::Kind)?;
        let end = mapper.values.len() - 1;
        let places: Vec<usize> = own
            .iter()
            .map(|key| mapper.places.get(key).copied().unwrap_or(end))
            .collect();
        let data: Data = crate::tensor::each_kind!(
            &mapper.values,
            values => crate::tensor::picked(values, &places)
        );
        Ok(vec![Tensor::new(tensor.shape.clone(), data)?])
    }
}
