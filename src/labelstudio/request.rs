//! Requests to the API, before they are sent.

use bytes::Bytes;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

/// A call to be made, with words for what it does: "can't {doing}: ...".
pub(super) struct Call {
    pub(super) doing: String,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
    pub(super) files: Vec<FilePart>,
}

/// A file to upload. Cloning shares its bytes.
#[derive(Clone, Debug)]
pub struct FilePart {
    pub name: String,
    pub bytes: Bytes,
}

impl Call {
    /// `path` is below Label Studio's address, e.g. `api/projects/3`.
    pub(super) fn new(doing: impl Into<String>, method: Method, path: impl Into<String>) -> Self {
        Self {
            doing: doing.into(),
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            files: Vec::new(),
        }
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Sends files as a form does, in place of a body.
    pub(super) fn files(mut self, files: Vec<FilePart>) -> Self {
        self.files = files;
        self
    }

    pub(super) fn form(&self) -> Form {
        self.files.iter().enumerate().fold(Form::new(), |form, (index, file)| {
            let part = Part::stream_with_length(file.bytes.clone(), file.bytes.len() as u64)
                .file_name(file.name.clone());
            form.part(format!("file{index}"), part)
        })
    }

    /// `true` if it does no harm when it arrives twice: our PATCHes set fields to fixed values, a POST creates.
    pub(super) fn is_repeatable(&self) -> bool {
        self.method != Method::POST
    }
}
