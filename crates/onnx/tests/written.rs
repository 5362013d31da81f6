//! Models written byte by byte: what is read of them, and what is refused. Models of
//! scikit-learn itself are in tests/test_onnx_models.py.

use std::fmt::Write;

use onnx::{Column, Error, Fault, Kind, Model, Role, Values};

/// A message of protocol buffers.
#[derive(Default, Clone)]
struct Message(Vec<u8>);

impl Message {
    fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
        self
    }

    fn int(self, field: u64, value: i64) -> Self {
        self.varint(field << 3).varint(value.cast_unsigned())
    }

    fn bytes(self, field: u64, bytes: &[u8]) -> Self {
        let mut longer = self.varint(field << 3 | 2).varint(bytes.len() as u64);
        longer.0.extend(bytes);
        longer
    }

    fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    fn inner(self, field: u64, message: &Message) -> Self {
        self.bytes(field, &message.0)
    }
}

fn floats(name: &str, values: &[f32]) -> Message {
    let packed: Vec<u8> = values.iter().flat_map(|n| n.to_le_bytes()).collect();
    Message::default()
        .text(1, name)
        .bytes(7, &packed)
        .int(20, 6)
}

fn ints(name: &str, values: &[i64]) -> Message {
    let start = Message::default().text(1, name).int(20, 7);
    values.iter().fold(start, |message, n| message.int(8, *n))
}

fn int(name: &str, value: i64) -> Message {
    Message::default().text(1, name).int(3, value).int(20, 2)
}

fn word(name: &str, value: &str) -> Message {
    Message::default().text(1, name).text(4, value).int(20, 3)
}

fn words(name: &str, values: &[&str]) -> Message {
    let start = Message::default().text(1, name).int(20, 8);
    values
        .iter()
        .fold(start, |message, text| message.text(9, text))
}

fn node(operator: &str, inputs: &[&str], outputs: &[&str], attributes: &[Message]) -> Message {
    const OF_TABLES: [&str; 5] = [
        "Scaler",
        "LinearClassifier",
        "ZipMap",
        "OneHotEncoder",
        "TreeEnsembleRegressor",
    ];
    let mut message = Message::default().text(4, operator);
    if OF_TABLES.contains(&operator) {
        message = message.text(7, "ai.onnx.ml");
    }
    message = inputs
        .iter()
        .fold(message, |message, name| message.text(1, name));
    message = outputs
        .iter()
        .fold(message, |message, name| message.text(2, name));
    attributes
        .iter()
        .fold(message, |message, own| message.inner(5, own))
}

/// An input or output of elements of `kind`, whose last size is `width`.
fn declared(name: &str, kind: i64, width: Option<i64>) -> Message {
    let mut shape = Message::default().inner(1, &Message::default().text(2, "N"));
    if let Some(width) = width {
        shape = shape.inner(1, &Message::default().int(1, width));
    }
    let tensor = Message::default().int(1, kind).inner(2, &shape);
    let of_type = Message::default().inner(1, &tensor);
    Message::default().text(1, name).inner(2, &of_type)
}

fn graph(nodes: &[Message], inputs: &[Message], outputs: &[Message]) -> Message {
    let message = Message::default();
    let message = nodes
        .iter()
        .fold(message, |message, node| message.inner(1, node));
    let message = inputs
        .iter()
        .fold(message, |message, own| message.inner(11, own));
    outputs
        .iter()
        .fold(message, |message, own| message.inner(12, own))
}

fn file(graph: &Message) -> Vec<u8> {
    let version = |domain: &str, version| Message::default().text(1, domain).int(2, version);
    Message::default()
        .int(1, 8)
        .text(2, "by hand")
        .inner(8, &version("", 18))
        .inner(8, &version("ai.onnx.ml", 3))
        .inner(7, graph)
        .0
}

/// A scaler, a logistic regression, and its classes as maps.
fn classifier() -> Vec<u8> {
    let nodes = [
        node(
            "Scaler",
            &["X"],
            &["scaled"],
            &[floats("offset", &[1.0, 0.0]), floats("scale", &[1.0, 0.5])],
        ),
        node(
            "LinearClassifier",
            &["scaled"],
            &["label", "scores"],
            &[
                floats("coefficients", &[-1.0, 0.0, 1.0, 0.0]),
                floats("intercepts", &[0.0, 0.0]),
                words("classlabels_strings", &["no", "yes"]),
                word("post_transform", "SOFTMAX"),
            ],
        ),
        node(
            "ZipMap",
            &["scores"],
            &["maps"],
            &[words("classlabels_strings", &["no", "yes"])],
        ),
    ];
    let outputs = [
        declared("label", 8, None),
        Message::default().text(1, "maps"),
    ];
    file(&graph(&nodes, &[declared("X", 1, Some(2))], &outputs))
}

fn tree(no: i64) -> Vec<u8> {
    let nodes = [
        node(
            "OneHotEncoder",
            &["sex"],
            &["hot"],
            &[words("cats_strings", &["female", "male"]), int("zeros", 0)],
        ),
        node("Flatten", &["hot"], &["flat"], &[]),
        node("Concat", &["flat", "age"], &["all"], &[int("axis", 1)]),
        node(
            "TreeEnsembleRegressor",
            &["all"],
            &["fitted"],
            &[
                ints("nodes_treeids", &[0, 0, 0]),
                ints("nodes_nodeids", &[0, 1, 2]),
                ints("nodes_featureids", &[2, 0, 0]),
                ints("nodes_truenodeids", &[1, 0, 0]),
                ints("nodes_falsenodeids", &[no, 0, 0]),
                floats("nodes_values", &[30.0, 0.0, 0.0]),
                words("nodes_modes", &["BRANCH_LEQ", "LEAF", "LEAF"]),
                ints("target_treeids", &[0, 0]),
                ints("target_nodeids", &[1, 2]),
                ints("target_ids", &[0, 0]),
                floats("target_weights", &[1.5, 2.5]),
            ],
        ),
    ];
    let inputs = [declared("sex", 8, Some(1)), declared("age", 1, Some(1))];
    file(&graph(&nodes, &inputs, &[declared("fitted", 1, Some(1))]))
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        write!(text, ": {error}").expect("a text takes all");
        next = error.source();
    }
    text
}

#[test]
fn a_classifier_says_labels_and_probabilities() {
    let bytes = classifier();
    assert!(Model::looks_like_one(&bytes));
    let model = Model::read(&bytes).unwrap();
    let names: Vec<&str> = model.fields().iter().map(|field| &*field.name).collect();
    assert_eq!(names, ["f0", "f1"]);
    assert_eq!(model.classes().unwrap().len(), 2);
    let rows = 1000;
    let first: Vec<f64> = (0..rows).map(|n| f64::from(n % 3)).collect();
    let other = vec![0.0; 1000];
    let columns = [Column::Numbers(&first), Column::Numbers(&other)];
    let made = model.run(&columns, 1000).unwrap();
    let names: Vec<&str> = made.columns.iter().map(|made| &*made.name).collect();
    assert_eq!(names, ["fit", "prob.no", "prob.yes"]);
    assert_eq!(made.columns[0].role, Role::Label);
    for (row, label) in ["no", "no", "yes", "no"].iter().enumerate() {
        assert_eq!(made.columns[0].values.text(row), *label);
    }
    let yes = 1.0 / (1.0 + 2.0_f64.exp());
    assert!((made.columns[2].values.number(999).unwrap() - yes).abs() < 1e-7);
    assert_eq!(made.columns[1].values.rows(), 1000);
}

#[test]
fn trees_take_numbers_and_texts() {
    let model = Model::read(&tree(2)).unwrap();
    let kinds: Vec<Kind> = model.fields().iter().map(|field| field.kind).collect();
    assert_eq!(kinds, [Kind::Text, Kind::Single]);
    let (sexes, ages) = (["male", "female"], [30.0, 30.5]);
    let columns = [Column::Texts(&sexes), Column::Numbers(&ages)];
    let made = model.run(&columns, 2).unwrap();
    assert_eq!(made.columns[0].name, "fit");
    assert_eq!(made.columns[0].values, Values::Single(vec![1.5, 2.5]));
}

#[test]
fn wrong_data_is_told_by_its_field() {
    let model = Model::read(&tree(2)).unwrap();
    let run = |sex: Column<'_>, age: &[f64]| {
        let made = model.run(&[sex, Column::Numbers(age)], 1);
        chain(&made.unwrap_err())
    };
    assert_eq!(
        run(Column::Numbers(&[1.0]), &[3.0]),
        "field sex: the model wants texts"
    );
    assert_eq!(
        run(Column::Texts(&["male"]), &[3.0, 4.0]),
        "field age: 2 rows where others have 1"
    );
    assert_eq!(
        run(Column::Texts(&["other"]), &[3.0]),
        "OneHotEncoder of the model cannot be run: \"other\" is not a value that the model \
         was fitted to"
    );
    let made = model.run(&[Column::Texts(&["male"])], 1);
    assert_eq!(
        chain(&made.unwrap_err()),
        "the model has 2 fields, but 1 were given"
    );
}

#[test]
fn no_rows_are_columns_without_rows() {
    let model = Model::read(&classifier()).unwrap();
    let columns = [Column::Numbers(&[]), Column::Numbers(&[])];
    let made = model.run(&columns, 0).unwrap();
    assert_eq!((made.rows, made.columns.len()), (0, 3));
}

#[test]
fn a_tree_that_goes_round_ends() {
    let model = Model::read(&tree(0)).unwrap();
    let columns = [Column::Texts(&["male"]), Column::Numbers(&[31.0])];
    let error = model.run(&columns, 1).unwrap_err();
    assert!(chain(&error).ends_with("a tree goes round in a circle"));
}

#[test]
fn unknown_operators_are_named() {
    let nodes = [node("Conv", &["X"], &["Y"], &[])];
    let bytes = file(&graph(
        &nodes,
        &[declared("X", 1, Some(2))],
        &[declared("Y", 1, Some(2))],
    ));
    assert!(matches!(Model::read(&bytes), Err(Error::Operator(name)) if name == "Conv"));
}

#[test]
fn a_few_bytes_do_not_become_much_memory() {
    let large = |value: i64| {
        let dims = Message::default().int(1, 2).int(2, 7);
        let sizes = [value; 2]
            .iter()
            .fold(dims, |message, n| message.int(7, *n));
        Message::default()
            .text(1, "value")
            .inner(5, &sizes)
            .int(20, 4)
    };
    for size in [1 << 20, i64::MAX, -1] {
        let nodes = [
            node("Constant", &[], &["shape"], &[large(size)]),
            node("ConstantOfShape", &["shape"], &["zeros"], &[]),
            node("Add", &["X", "zeros"], &["Y"], &[]),
        ];
        let outputs = [declared("Y", 1, Some(2))];
        let bytes = file(&graph(&nodes, &[declared("X", 1, Some(2))], &outputs));
        let model = Model::read(&bytes);
        let columns = [Column::Numbers(&[1.0]), Column::Numbers(&[1.0])];
        let fault = match model.unwrap().run(&columns, 1) {
            Err(Error::Node { fault, .. }) => fault,
            other => panic!("{other:?}"),
        };
        assert!(
            matches!(fault, Fault::TooLarge | Fault::Index(_)),
            "{fault}"
        );
    }
}

#[test]
fn graphs_within_graphs_have_an_end() {
    let mut body = graph(&[], &[], &[]);
    for _ in 0..1000 {
        let own = Message::default()
            .text(1, "body")
            .inner(6, &body)
            .int(20, 5);
        body = graph(&[node("Scan", &[], &[], &[own])], &[], &[]);
    }
    assert!(matches!(
        Model::read(&file(&body)),
        Err(Error::Unsupported(_))
    ));
}

#[test]
fn changed_bytes_are_read_or_refused() {
    let columns = [Column::Texts(&["male"]), Column::Numbers(&[31.0])];
    let numbers = [Column::Numbers(&[1.0]), Column::Numbers(&[31.0])];
    for bytes in [classifier(), tree(2)] {
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff, bytes[at].wrapping_add(1)] {
                let mut changed = bytes.clone();
                changed[at] = value;
                if let Ok(model) = Model::read(&changed) {
                    let _ = model.run(&columns, 1);
                    let _ = model.run(&numbers, 1);
                }
            }
            let _ = Model::read(&bytes[..at]);
            let _ = Model::read(&bytes[at..]);
        }
    }
}
