//! Kinds of image addresses in task data.

use percent_encoding::percent_decode_str;
use url::Url;

use super::ImageProblem;
use crate::labelstudio::http::{one_line, shown};

/// Times a part of a path is decoded to see if it hides something; honest ones need one.
const MAX_DECODINGS: usize = 4;

/// Longest address, in bytes; data URIs have a bound of their own. Signed addresses are below 2,000.
const MAX_ADDRESS_BYTES: usize = 8 * 1024;

/// Most of a data URI that is shown, in characters: its media type.
const MAX_TYPE_CHARS: usize = 40;

/// Most of a relative address that a message repeats, in characters.
const MAX_SHOWN_CHARS: usize = 120;

/// Schemes of storages that Label Studio resolves to something that can be fetched.
const CLOUD_SCHEMES: [&str; 3] = ["s3", "gs", "azure-blob"];

/// A host that can't exist (RFC 6761): relative addresses are read against it, and must stay on it.
const NOWHERE: &str = "label-studio.invalid";

/// An address, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source<'a> {
    /// `data:...`, the whole of it.
    Data(&'a str),
    /// `s3://...` and the like, the whole of it.
    Cloud(&'a str),
    /// A file that Label Studio serves. `elsewhere` is the address as written, if it was absolute.
    LabelStudio { file: StoredFile, elsewhere: Option<Url> },
    /// Anything else on http or https.
    Http(Url),
}

/// A file that a task of Label Studio's names: what it was uploaded or is served as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptFile {
    /// The name Label Studio keeps of an upload, without the 8 hexadecimal digits it puts before.
    Upload(String),
    /// Path below the document root of its local files, decoded.
    Local(String),
}

impl KeptFile {
    /// The file behind an address in task data; `None` for what lies elsewhere.
    pub fn of(source: &str) -> Option<Self> {
        let Ok(Source::LabelStudio { file, .. }) = Source::parse(source, None) else { return None };
        match file {
            StoredFile::Upload(path) => {
                let name = percent_decode_str(path.rsplit('/').next()?).decode_utf8().ok()?;
                Some(Self::Upload(name.split_once('-')?.1.to_owned()))
            }
            StoredFile::Local(path) => Some(Self::Local(path.trim_start_matches('/').to_owned())),
            StoredFile::Stored(_) => None,
        }
    }

    /// The address in task data of a file below the document root, as Label Studio 1.23 writes it.
    pub fn local_address(path: &str) -> String {
        format!("/data/local-files/?d={}", percent_encoding::utf8_percent_encode(path, IN_PARAMETER))
    }
}

/// An image's address for people, of bounded length: without credentials and query, which may hold a signature.
pub fn shown_source(source: &str) -> String {
    match Source::parse(source, None) {
        Ok(Source::Data(uri)) => {
            let kind = uri.split([';', ',']).next().unwrap_or_default();
            one_line(kind, MAX_TYPE_CHARS)
        }
        Ok(Source::LabelStudio { file, .. }) => file.shown(),
        Ok(Source::Http(url)) => shown(&url),
        Ok(Source::Cloud(uri)) => without_query(uri),
        Err(_) => without_query(source),
    }
}

/// A file in Label Studio's keeping, at one of the three paths where version 1.23 serves files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StoredFile {
    /// Below `/data/upload/`, percent-encoded, checked: it can't lead anywhere else.
    Upload(String),
    /// `/data/local-files/?d=`: below the document root, decoded.
    Local(String),
    /// `/storage-data/uploaded/?filepath=`, decoded, for what is no upload.
    Stored(String),
}

/// Words that programs write where they have no value.
const PLACEHOLDERS: [&str; 7] = ["undefined", "null", "none", "nan", "n/a", "#n/a", "nil"];

impl<'a> Source<'a> {
    /// Reads an address. `base` is Label Studio's, if configured.
    pub(super) fn parse(text: &'a str, base: Option<&Url>) -> Result<Self, ImageProblem> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ImageProblem::NoAddress);
        }
        if PLACEHOLDERS.iter().any(|placeholder| text.eq_ignore_ascii_case(placeholder))
            || text.starts_with('$')
        {
            return Err(ImageProblem::Placeholder { shown: one_line(text, MAX_TYPE_CHARS) });
        }
        if text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) {
            return Ok(Self::Data(text));
        }
        if text.len() > MAX_ADDRESS_BYTES {
            return Err(ImageProblem::AddressTooLong { bytes: text.len(), limit: MAX_ADDRESS_BYTES });
        }
        match Url::parse(text) {
            Ok(url) if CLOUD_SCHEMES.contains(&url.scheme()) => Ok(Self::Cloud(text)),
            Ok(url) if matches!(url.scheme(), "http" | "https") => Self::absolute(url, base),
            // A Windows path: `c:\photos\a.png`.
            Ok(url) if url.scheme().len() == 1 => Err(ImageProblem::FilePath { shown: without_query(text) }),
            Ok(url) => Err(ImageProblem::Scheme { scheme: one_line(url.scheme(), 20) }),
            Err(url::ParseError::RelativeUrlWithoutBase) => Self::relative(text),
            Err(_) => Err(ImageProblem::NotAnAddress { shown: without_query(text) }),
        }
    }

    fn relative(text: &str) -> Result<Self, ImageProblem> {
        let url = Url::parse(&format!("http://{NOWHERE}/"))
            .and_then(|nowhere| nowhere.join(text))
            .map_err(|_| ImageProblem::NotAnAddress { shown: without_query(text) })?;
        if url.host_str() != Some(NOWHERE) {
            return Err(ImageProblem::NotAnAddress { shown: without_query(text) });
        }
        match StoredFile::find(&url)? {
            Some((_, file)) => Ok(Self::LabelStudio { file, elsewhere: None }),
            None => Err(ImageProblem::FilePath { shown: without_query(text) }),
        }
    }

    /// Other spellings of Label Studio's host are common (`localhost` seen from a container), so its paths
    /// count on any host. Below a sub-path that is not ours, an upload must look like one to be taken for it.
    fn absolute(url: Url, base: Option<&Url>) -> Result<Self, ImageProblem> {
        let Some((prefix, file)) = StoredFile::find(&url)? else { return Ok(Self::Http(url)) };
        let ours = base
            .is_some_and(|base| base.origin() == url.origin() || base.path().trim_end_matches('/') == prefix);
        if ours || prefix.is_empty() || file.looks_like_ours() {
            return Ok(Self::LabelStudio { file, elsewhere: Some(url) });
        }
        Ok(Self::Http(url))
    }
}

impl StoredFile {
    /// Finds Label Studio's file in an address, with the sub-path before it.
    ///
    /// # Errors
    /// The path could be read as one that leaves the folder, by Label Studio or a proxy before it.
    pub(super) fn find(url: &Url) -> Result<Option<(String, Self)>, ImageProblem> {
        let path = url.path();
        if let Some((prefix, rest)) = path.split_once("/data/upload/") {
            let file = upload(rest).ok_or_else(|| ImageProblem::Traversal { shown: shown(url) })?;
            return Ok(Some((prefix.to_owned(), file)));
        }
        let parameter = |name| url.query_pairs().find(|(key, value)| key == name && !value.is_empty());
        if let Some(prefix) = path.strip_suffix("/data/local-files/")
            && let Some((_, file)) = parameter("d")
        {
            return Ok(Some((prefix.to_owned(), Self::Local(file.into_owned()))));
        }
        if let Some(prefix) = path.strip_suffix("/storage-data/uploaded/")
            && let Some((_, file)) = parameter("filepath")
        {
            return Ok(Some((prefix.to_owned(), stored(&file, url)?)));
        }
        Ok(None)
    }

    /// `{project}/{8 hex digits}-{name}`, as Label Studio names uploads; the others carry a parameter of
    /// their own.
    fn looks_like_ours(&self) -> bool {
        let Self::Upload(path) = self else { return true };
        let Some((project, name)) = path.split_once('/') else { return false };
        let hex = name.split_once('-').map_or("", |(hex, _)| hex);
        project.bytes().all(|byte| byte.is_ascii_digit())
            && hex.len() == 8
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// The address under the configured Label Studio.
    pub(super) fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        let root = base.path().trim_end_matches('/');
        let (path, query) = match self {
            Self::Upload(path) => (format!("{root}/data/upload/{path}"), None),
            Self::Local(file) => (format!("{root}/data/local-files/"), Some(("d", file))),
            Self::Stored(file) => (format!("{root}/storage-data/uploaded/"), Some(("filepath", file))),
        };
        url.set_path(&path);
        if let Some((name, value)) = query {
            url.query_pairs_mut().append_pair(name, value);
        }
        url
    }

    /// The file for messages.
    pub(super) fn shown(&self) -> String {
        let text = match self {
            Self::Upload(path) => format!("/data/upload/{path}"),
            Self::Local(file) => format!("/data/local-files/?d={file}"),
            Self::Stored(file) => format!("/storage-data/uploaded/?filepath={file}"),
        };
        one_line(&text, MAX_SHOWN_CHARS)
    }
}

/// An upload by its percent-encoded path, if every segment names a file or folder however often it is
/// decoded.
fn upload(path: &str) -> Option<StoredFile> {
    let harmless = !path.is_empty() && path.split('/').all(is_harmless);
    harmless.then(|| StoredFile::Upload(path.to_owned()))
}

/// `filepath=upload/2/x.png` is the upload `2/x.png`; LS 1.23 answers that path with 400 when uploads are on
/// its own disk, and the upload's path always.
fn stored(file: &str, url: &Url) -> Result<StoredFile, ImageProblem> {
    let Some(path) = file.strip_prefix("upload/") else { return Ok(StoredFile::Stored(file.to_owned())) };
    let encoded = percent_encoding::utf8_percent_encode(path, IN_PATH).to_string();
    upload(&encoded).ok_or_else(|| ImageProblem::Traversal { shown: shown(url) })
}

/// Characters that a path must not hold as they are, besides controls and non-ASCII.
const IN_PATH: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`');

/// Characters that the value of a parameter must not hold as they are.
const IN_PARAMETER: &percent_encoding::AsciiSet = &IN_PATH.add(b'&').add(b'+').add(b'=').add(b';');

/// `true` if a segment stays one however often somebody on the way decodes it: no separators, no dots, no `..;x`.
fn is_harmless(segment: &str) -> bool {
    let mut text = segment.to_owned();
    for _ in 0..=MAX_DECODINGS {
        let name = text.split(';').next().unwrap_or_default();
        if matches!(name, "" | "." | "..") || text.contains(['/', '\\']) || text.contains(char::is_control) {
            return false;
        }
        match percent_decode_str(&text).decode_utf8() {
            Ok(decoded) if decoded == text => return true,
            Ok(decoded) => text = decoded.into_owned(),
            Err(_) => return false,
        }
    }
    false
}

/// The start of a relative address for messages; a query may hold a signature.
fn without_query(text: &str) -> String {
    one_line(text.split(['?', '#']).next().unwrap_or_default(), MAX_SHOWN_CHARS)
}

#[cfg(test)]
mod tests;
