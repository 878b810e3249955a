//! Reasons why a task's image is unavailable, each with its remedy.

use std::time::Duration;

use crate::domain::ids::TaskId;
use crate::labelstudio::LabelStudioError;

/// Reason why images can't be fetched at all, or one of them.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MediaError {
    #[error("local files root `{root}` can't be opened: {reason}; check --local-files-root")]
    LocalFilesRoot { root: String, reason: String },
    #[error("the HTTP client for images can't be built: {reason}; check the CA certificates")]
    HttpClient { reason: String },
    #[error("{}", sentence(*task, problem))]
    Image { task: Option<TaskId>, problem: ImageProblem },
}

/// Reason why one image is unavailable. Addresses are shown without credentials and query.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImageProblem {
    #[error("the task has no image address; check the column behind the `<Image>` tag's value")]
    NoAddress,
    #[error("its address is {bytes} bytes long, limit is {limit}; use a shorter one")]
    AddressTooLong { bytes: usize, limit: usize },
    #[error(
        "`{shown}` is not a valid address; use http(s), data:, s3://, gs:// or azure-blob://, or upload the image"
    )]
    NotAnAddress { shown: String },
    #[error(
        "addresses that start with `{scheme}:` are not fetched; use http(s), data:, s3://, gs:// or azure-blob://"
    )]
    Scheme { scheme: String },
    #[error("`{shown}` stands where the address should: the import left it empty; correct the task's data")]
    Placeholder { shown: String },
    #[error(
        "its address redirects to `{scheme}:`, which is not followed; put the address it ends at into the task"
    )]
    RedirectsTo { scheme: String },
    #[error("its address gives {what}; use the address of one picture")]
    NotAPicture { what: &'static str },
    #[error("`{shown}` is a file's path; upload the image or sync its folder as Local Files in Label Studio")]
    FilePath { shown: String },
    #[error("`{shown}` leads out of Label Studio's files; correct the task's data")]
    Traversal { shown: String },
    #[error("`{shown}` is with Label Studio; set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY")]
    NoLabelStudio { shown: String },
    #[error("a cloud address is resolved by Label Studio for a task, and there is none; save the task first")]
    NoTask,
    #[error("refused to fetch {url}: {address} is not public; allow it with --fetch-allow-cidr")]
    NotPublic { url: String, address: String },
    #[error("{url} can't be reached: {reason}; check the address")]
    Unreachable { url: String, reason: String },
    #[error("did not come within {} s; check its host or raise --image-timeout-seconds", limit.as_secs_f32())]
    TimedOut { limit: Duration },
    #[error(
        "host `{host}` did not answer three times and is left alone for {seconds} s; check it, or the address"
    )]
    SilentHost { host: String, seconds: u64 },
    #[error("{url} answered {answer}; {}", hint(*status, *retry_after, answer))]
    Status { url: String, status: u16, answer: String, retry_after: Option<Duration> },
    #[error("Label Studio answered with a web page instead of a file; check LABEL_STUDIO_URL")]
    WebPage,
    #[error("Label Studio redirects to {to}; set LABEL_STUDIO_URL to the address it really has")]
    Moved { to: String },
    #[error("{url} redirects more than {limit} times; use the address it ends at")]
    TooManyRedirects { url: String, limit: usize },
    #[error("is empty (0 bytes); upload it again")]
    Empty,
    #[error("is {}; raise --max-image-bytes or resize the source", excess(*bytes, *limit as u64))]
    TooLarge { bytes: Option<u64>, limit: usize },
    #[error("its data URI is damaged: {reason}; import it again")]
    DataUri { reason: &'static str },
    #[error("local file `{path}` is outside of the local files root; correct the task's data")]
    OutsideRoot { path: String },
    #[error("local file `{path}` is not a regular file; correct the task's data")]
    NotAFile { path: String },
    #[error("local file `{path}` can't be read: {reason}; check its permissions")]
    Unreadable { path: String, reason: String },
    #[error(
        "local file `{path}` does not exist under the local files root; sync the storage in Label Studio again"
    )]
    NoLocalFile { path: String },
    #[error("reading was interrupted; try again")]
    Interrupted,
    #[error(transparent)]
    LabelStudio(#[from] LabelStudioError),
}

/// `image for task 812 is empty`, or `image for task 812: ...` where the problem has a subject of its own.
fn sentence(task: Option<TaskId>, problem: &ImageProblem) -> String {
    let image = task.map_or_else(|| "image".to_owned(), |task| format!("image for task {task}"));
    match problem {
        ImageProblem::Empty | ImageProblem::TooLarge { .. } | ImageProblem::TimedOut { .. } => {
            format!("{image} {problem}")
        }
        _ => format!("{image}: {problem}"),
    }
}

/// Size and limit of an image that is too large; not every host announces the size.
fn excess(bytes: Option<u64>, limit: u64) -> String {
    match bytes {
        Some(bytes) => format!("{}, limit is {}", megabytes(bytes), megabytes(limit)),
        None => format!("larger than {}", megabytes(limit)),
    }
}

/// `20 MB`, `41.2 MB`, `312 bytes`.
fn megabytes(bytes: u64) -> String {
    match bytes {
        0..100_000 => format!("{bytes} bytes"),
        _ if bytes.is_multiple_of(1_000_000) => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// Advice for an image host's status.
fn hint(status: u16, retry_after: Option<Duration>, answer: &str) -> String {
    let answer = answer.to_ascii_lowercase();
    let contains = |word: &str| answer.contains(word);
    let hint = match (status, retry_after) {
        (400..500, _) if contains("expired") => {
            "the signed link has expired: import the task again, or let Label Studio sign it again (cloud storage)"
        }
        (400..500, _) if contains("user-agent") || contains("user agent") => {
            "the host refuses programs that do not call themselves a browser; host the image elsewhere or upload it"
        }
        (429 | 500.., Some(wait)) => return format!("try again in {} s, as it asks", wait.as_secs()),
        (401 | 403, _) => "give the project a task data login, or this program access",
        (404 | 410, _) => "the file is gone, or the address is wrong",
        (429 | 500.., None) => "try again later",
        _ => "check the address",
    };
    hint.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_reads_as_one_sentence_about_the_task() {
        let large = |bytes| ImageProblem::TooLarge { bytes, limit: 20_000_000 };
        let advice = "raise --max-image-bytes or resize the source";
        let refused =
            ImageProblem::NotPublic { url: "http://169.254.169.254/".into(), address: "address".into() };
        for (task, problem, text) in [
            (Some(812), large(Some(41_234_567)), format!("image for task 812 is 41.2 MB, limit is 20 MB; {advice}")),
            (None, large(None), format!("image is larger than 20 MB; {advice}")),
            (Some(1), ImageProblem::Empty, "image for task 1 is empty (0 bytes); upload it again".to_owned()),
            (
                Some(61),
                refused,
                "image for task 61: refused to fetch http://169.254.169.254/: address is not public; allow it with \
                 --fetch-allow-cidr"
                    .to_owned(),
            ),
        ] {
            assert_eq!(MediaError::Image { task: task.map(TaskId), problem }.to_string(), text);
        }
    }
}
