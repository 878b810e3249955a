//! Backbone and heads as one ONNX model, so that other runtimes predict the same.
//!
//! Input `pixels`, f32 `[N, 3, px, px]`, normalised with the mean and scale of the backbone's spec; one output for each
//! head, named as the head is: calibrated probabilities, f32 `[N, classes]`. Only operators that every runtime has since
//! opset 13.

mod message;

use prost::Message;

use super::backbone;
use super::{BackboneChoice, Head, ModelError};
use message::{
    Attribute, Dimension, Entry, FLOAT, FLOAT16, GraphMessage, INT, INTS, Model, Node, Opset, Shape,
    TensorMessage, TensorType, ValueInfo, ValueType,
};

/// Name of the model's input.
pub const INPUT: &str = "pixels";

/// Version of the file format: onnxruntime reads it since 1.10.
const IR_VERSION: i64 = 8;

/// Version of the operators: the axes of reductions are attributes, as they are up to 17.
const OPSET: i64 = 13;

/// Largest name of an output kept as it is, in bytes.
const MAX_NAME: usize = 200;

/// Least length the last layer is divided by, where it is all zeros.
const MIN_LENGTH: f32 = 1e-12;

/// Writes a backbone and its heads `(name, head)` as ONNX; `metadata` goes along as key and value.
///
/// # Errors
/// The backbone can't be loaded, two heads share a name, or a head is of another backbone.
pub fn onnx(
    choice: &BackboneChoice,
    heads: &[(&str, &Head)],
    metadata: &[(&str, String)],
) -> Result<Vec<u8>, ModelError> {
    let mut graph = Graph::default();
    let drawn = backbone::draw(choice, &mut graph, INPUT)?;
    let embedding = graph.rounded_as_stored(&drawn.embedding);
    let mut outputs = Vec::with_capacity(heads.len());
    for (name, head) in heads {
        let output = graph.head(&embedding, drawn.dim, name, head)?;
        outputs.push(value(&output, &[None, Some(head.classes())]));
    }
    let px = Some(drawn.px);
    let model = Model {
        ir_version: IR_VERSION,
        opset_import: vec![Opset { domain: String::new(), version: OPSET }],
        producer_name: env!("CARGO_PKG_NAME").to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(GraphMessage {
            node: graph.nodes,
            name: env!("CARGO_PKG_NAME").to_owned(),
            initializer: graph.weights,
            input: vec![value(INPUT, &[None, Some(3), px, px])],
            output: outputs,
        }),
        metadata_props: metadata
            .iter()
            .map(|(key, value)| Entry { key: (*key).to_owned(), value: value.clone() })
            .collect(),
    };
    Ok(model.encode_to_vec())
}

/// Output of a backbone's graph, and its input's size.
pub(super) struct Drawn {
    /// Name of the embedding, `[N, dim]`.
    pub embedding: String,
    pub dim: usize,
    /// Side of the input, in pixels.
    pub px: usize,
}

/// Nodes in the order they run, and their weights.
#[derive(Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    weights: Vec<TensorMessage>,
}

impl Graph {
    /// Adds a node and gives the name of its output.
    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: Vec<Attribute>) -> String {
        let output = format!("{}_{}", op.to_lowercase(), self.nodes.len());
        self.named_node(op, inputs, attributes, &output);
        output
    }

    fn named_node(&mut self, op: &str, inputs: &[&str], attribute: Vec<Attribute>, output: &str) {
        self.nodes.push(Node {
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            name: format!("{op}_{}", self.nodes.len()),
            op_type: op.to_owned(),
            attribute,
        });
    }

    /// Adds a constant, row-major, unless one of that name is there, and gives its name.
    pub fn weight(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        if self.weights.iter().all(|weight| weight.name != name) {
            self.weights.push(TensorMessage {
                dims: dims.iter().map(|dim| *dim as i64).collect(),
                data_type: FLOAT,
                name: name.to_owned(),
                raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            });
        }
        name.to_owned()
    }

    /// Numbers between 0 and 6.
    pub fn relu6(&mut self, x: &str) -> String {
        let low = self.weight("zero", &[], &[0.0]);
        let high = self.weight("six", &[], &[6.0]);
        self.node("Clip", &[x, &low, &high], vec![])
    }

    /// Spatial mean and population standard deviation of `[N, C, H, W]`, each `[N, C, 1, 1]`.
    pub fn mean_and_std(&mut self, x: &str) -> (String, String) {
        let mean = self.node("GlobalAveragePool", &[x], vec![]);
        let centred = self.node("Sub", &[x, &mean], vec![]);
        let squares = self.node("Mul", &[&centred, &centred], vec![]);
        let variance = self.node("GlobalAveragePool", &[&squares], vec![]);
        (mean, self.node("Sqrt", &[&variance], vec![]))
    }

    /// Spatial mean of `[N, C, H, W]`, scaled to length one over its channels: `[N, C, 1, 1]`.
    pub fn unit_mean(&mut self, x: &str) -> String {
        let mean = self.node("GlobalAveragePool", &[x], vec![]);
        let length = self.node("ReduceL2", &[&mean], vec![ints("axes", &[1]), int("keepdims", 1)]);
        let least = self.weight("least_length", &[], &[MIN_LENGTH]);
        let length = self.node("Max", &[&length, &least], vec![]);
        self.node("Div", &[&mean, &length], vec![])
    }

    /// Joins `[N, C, 1, 1]` parts to `[N, sum of C]`.
    pub fn joined(&mut self, parts: &[String]) -> String {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let joined = self.node("Concat", &parts, vec![int("axis", 1)]);
        self.node("Flatten", &[&joined], vec![int("axis", 1)])
    }

    /// Numbers rounded to half floats and back: heads learn from embeddings as the store keeps them.
    fn rounded_as_stored(&mut self, embedding: &str) -> String {
        let half = self.node("Cast", &[embedding], vec![int("to", i64::from(FLOAT16))]);
        self.node("Cast", &[&half], vec![int("to", i64::from(FLOAT))])
    }

    /// Adds a head's product, bias and activation; the output has the head's name.
    fn head(&mut self, embedding: &str, dim: usize, name: &str, head: &Head) -> Result<String, ModelError> {
        if head.dim() != dim {
            return Err(ModelError::Length { expected: dim, found: head.dim() });
        }
        let taken = |output: &str| {
            output == INPUT || self.nodes.iter().any(|node| node.output.iter().any(|other| other == output))
        };
        if name.is_empty() || name.len() > MAX_NAME || taken(name) {
            return Err(ModelError::HeadFile(format!("`{name}` can't be the name of an ONNX output")));
        }
        let weight = self.weight(&format!("{name}.weight"), &[head.classes(), dim], head.weight());
        let bias = self.weight(&format!("{name}.bias"), &[head.classes()], head.bias());
        let logits = self.node("Gemm", &[embedding, &weight, &bias], vec![int("transB", 1)]);
        match head.activation() {
            super::Activation::Softmax => self.named_node("Softmax", &[&logits], vec![int("axis", 1)], name),
            super::Activation::Sigmoid => self.named_node("Sigmoid", &[&logits], vec![], name),
        }
        Ok(name.to_owned())
    }
}

/// A whole number as attribute.
pub(super) fn int(name: &str, value: i64) -> Attribute {
    Attribute { name: name.to_owned(), i: Some(value), ints: Vec::new(), kind: INT }
}

/// A list of whole numbers as attribute.
pub(super) fn ints(name: &str, values: &[usize]) -> Attribute {
    let ints = values.iter().map(|value| *value as i64).collect();
    Attribute { name: name.to_owned(), i: None, ints, kind: INTS }
}

/// A tensor of singles; `None` is the number of images.
fn value(name: &str, dims: &[Option<usize>]) -> ValueInfo {
    let dim = dims.iter().map(|dim| match dim {
        Some(size) => Dimension { value: Some(*size as i64), param: None },
        None => Dimension { value: None, param: Some("N".to_owned()) },
    });
    let tensor = TensorType { elem_type: FLOAT, shape: Some(Shape { dim: dim.collect() }) };
    ValueInfo { name: name.to_owned(), kind: Some(ValueType { tensor: Some(tensor) }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(dim: usize) -> Head {
        Head::new(super::super::Activation::Softmax, dim, vec![0.5; 2 * dim], vec![0.0, 1.0]).unwrap()
    }

    #[test]
    fn the_tiny_backbone_becomes_a_model_whose_names_hold_together() {
        // 32 of the last layer, mean and spread of two blocks of 8 and 16 channels.
        let head = head(32 + 2 * 8 + 2 * 16);
        let bytes = onnx(&BackboneChoice::Tiny, &[("weather", &head), ("light", &head)], &[]).unwrap();
        let model = Model::decode(bytes.as_slice()).unwrap();
        let graph = model.graph.unwrap();
        let outputs: Vec<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
        assert_eq!((model.ir_version, outputs), (8, vec!["weather", "light"]));
        let mut known: Vec<&str> = graph.initializer.iter().map(|weight| weight.name.as_str()).collect();
        known.push(INPUT);
        for node in &graph.node {
            assert!(node.input.iter().all(|input| known.contains(&input.as_str())), "{node:?}");
            known.extend(node.output.iter().map(String::as_str));
        }
    }

    #[test]
    fn heads_that_do_not_fit_are_refused() {
        let wrong = onnx(&BackboneChoice::Tiny, &[("weather", &head(3))], &[]);
        assert!(matches!(wrong, Err(ModelError::Length { expected: 80, found: 3 })), "{wrong:?}");
        let head = head(80);
        for name in ["pixels", "", "concat_0"] {
            let named = onnx(&BackboneChoice::Tiny, &[(name, &head)], &[]);
            assert_eq!(named.is_err(), name != "concat_0", "{name}");
        }
        assert!(onnx(&BackboneChoice::Tiny, &[("a", &head), ("a", &head)], &[]).is_err());
    }
}
