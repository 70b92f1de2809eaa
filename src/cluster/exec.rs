//! One exec in one container, bounded in bytes and in time. No terminal, no input.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{Api, AttachParams};
use tokio::io::AsyncReadExt as _;

use super::{
    connect::Cluster,
    problem::{Problem, ProblemKind},
    request::from_client,
};

/// Bytes read from one exec at most.
const LARGEST_OUTPUT: usize = 64 * 1024 * 1024;
/// How long one exec may take.
const LONGEST: Duration = Duration::from_secs(60);
/// How long the server may take to open the session.
const OPENING: Duration = Duration::from_secs(20);

/// What an exec gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutput {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error, up to 64 KiB.
    pub stderr: Vec<u8>,
    /// Why there may be more, where a bound was hit.
    pub cut: Option<String>,
    /// The server's last word about the command when it was anything but success.
    pub failure: Option<String>,
}

impl ExecOutput {
    /// Whether the program to run does not exist in the container: it has no shell of this name.
    pub fn is_not_found(&self) -> bool {
        let words = self.failure.as_deref().unwrap_or_default();
        words.contains("executable file not found") || words.contains("no such file or directory")
    }
}

impl Cluster {
    /// Runs a command in a container and reads what it prints.
    pub async fn exec(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        command: &[String],
    ) -> Result<ExecOutput, Problem> {
        let api: Api<Pod> = Api::namespaced(self.client().clone(), namespace);
        let params = AttachParams::default()
            .container(container)
            .stdin(false)
            .stdout(true)
            .stderr(true)
            .tty(false)
            .max_stdout_buf_size(64 * 1024);
        let began = Instant::now();
        let opening = api.exec(pod, command, &params);
        let mut process = match tokio::time::timeout(OPENING, opening).await {
            Ok(opened) => opened.map_err(|error| from_client(&error))?,
            Err(_) => {
                return Err(Problem::new(
                    ProblemKind::Unreachable,
                    format!("the exec session did not open within {} s", OPENING.as_secs()),
                ));
            }
        };
        let status = process.take_status();
        let mut output = ExecOutput { stdout: Vec::new(), stderr: Vec::new(), cut: None, failure: None };
        let (stdout, stderr) = (process.stdout(), process.stderr());
        let ended = {
            let ExecOutput { stdout: out, stderr: err, .. } = &mut output;
            let read = async {
                let (whole, _) =
                    tokio::join!(read_up_to(stdout, LARGEST_OUTPUT, out), read_up_to(stderr, 64 * 1024, err));
                let last_word = match status {
                    Some(status) => status.await,
                    None => None,
                };
                (whole, last_word)
            };
            tokio::time::timeout(LONGEST, read).await
        };
        match ended {
            Ok((true, last_word)) => output.failure = last_word.and_then(|status| failure(&status)),
            Ok((false, _)) => output.cut = Some(format!("more than {LARGEST_OUTPUT} bytes were printed")),
            Err(_) => output.cut = Some(format!("the command did not end within {} s", LONGEST.as_secs())),
        }
        process.abort();
        let outcome = output.cut.as_deref().or(output.failure.as_deref()).unwrap_or("success");
        let target = format!("{namespace}/{pod}/{container}");
        self.actions()
            .exec(&target, output.stdout.len() as u64, began, outcome)
            .map_err(|error| Problem::new(ProblemKind::Local, error.to_string()))?;
        Ok(output)
    }
}

/// Reads a stream to its end and keeps the first `limit` bytes; false when there were more. What is not kept is still
/// read: a stream that nobody reads would hold up the others.
async fn read_up_to(stream: Option<impl tokio::io::AsyncRead + Unpin>, limit: usize, out: &mut Vec<u8>) -> bool {
    let Some(mut stream) = stream else { return true };
    let mut buffer = vec![0; 32 * 1024];
    let mut whole = true;
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return whole,
            Ok(count) => {
                let room = limit - out.len().min(limit);
                out.extend_from_slice(buffer.get(..count.min(room)).unwrap_or_default());
                whole &= count <= room;
            }
        }
    }
}

fn failure(status: &Status) -> Option<String> {
    let is_success = status.status.as_deref() == Some("Success");
    (!is_success).then(|| status.message.clone().or_else(|| status.reason.clone()).unwrap_or_else(|| "failed".into()))
}
