//! One exec in one container, read piece by piece, bounded in bytes and in time. No terminal, no input.
//!
//! Closing the session does not end the process: one that is given up may go on in the container. That is recorded.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::{
    api::{Api, AttachParams, AttachedProcess},
    client::UpgradeConnectionError,
};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{
    actions::{Actions, ExecEnd},
    connect::Cluster,
    problem::{Problem, ProblemKind},
    request::from_client,
};

/// How long the server may take to open the session.
const OPENING: Duration = Duration::from_secs(20);
/// Bytes of standard error that are kept.
const LARGEST_STDERR: usize = 64 * 1024;
/// What stands after the reason where a process was given up.
pub const MAY_STILL_RUN: &str = "the process may still run in the container";

/// The bounds of an exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecLimits {
    /// How long it may take, the time not counted in which nobody reads.
    pub wall: Duration,
    /// Bytes of standard output at most.
    pub bytes: u64,
}

/// A container of a pod.
#[derive(Clone, Copy, Debug)]
pub struct ExecTarget<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// Name of the pod.
    pub pod: &'a str,
    /// Name of the container.
    pub container: &'a str,
}

/// How an exec ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutcome {
    /// Bytes of standard output.
    pub bytes: u64,
    /// Standard error, up to 64 KiB.
    pub stderr: Vec<u8>,
    /// Why it was given up before its end.
    pub cut: Option<String>,
    /// The server's last word about the command when it was anything but success.
    pub failure: Option<String>,
    /// Exit code, where the command ran and failed.
    pub exit_code: Option<i32>,
}

impl ExecOutcome {
    /// Whether the program to run does not exist in the container, or is none: it has no shell of this name. The words are those of
    /// runc, crun and hcsshim.
    pub fn is_not_found(&self) -> bool {
        const WORDS: [&str; 7] = [
            "executable file not found",
            "no such file or directory",
            "permission denied",
            "is a directory",
            "exec format error",
            "executable file `",
            "cannot find the file",
        ];
        let words = self.failure.as_deref().unwrap_or_default().to_ascii_lowercase();
        self.bytes == 0
            && (WORDS.iter().any(|known| words.contains(known)) || matches!(self.exit_code, Some(126 | 127)))
    }
}

/// A session under way. Dropping it gives the process up.
pub struct ExecSession {
    process: AttachedProcess,
    stdout: Option<Box<dyn AsyncRead + Send + Unpin>>,
    stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    limits: ExecLimits,
    left: Duration,
    outcome: ExecOutcome,
    record: Record,
}

/// What is recorded when the session is over, whatever ended it.
struct Record {
    actions: Actions,
    target: String,
    began: Instant,
    is_written: bool,
}

impl Cluster {
    /// Starts a command in a container.
    pub async fn exec(
        &self,
        target: ExecTarget<'_>,
        command: &[String],
        limits: ExecLimits,
    ) -> Result<ExecSession, Problem> {
        let api: Api<Pod> = Api::namespaced(self.client().clone(), target.namespace);
        let params = AttachParams::default()
            .container(target.container)
            .stdin(false)
            .stdout(true)
            .stderr(true)
            .tty(false)
            .max_stdout_buf_size(64 * 1024);
        let began = Instant::now();
        let opening = api.exec(target.pod, command, &params);
        let mut process = match tokio::time::timeout(OPENING, opening).await {
            Ok(opened) => opened.map_err(|error| refused(&error))?,
            Err(_) => {
                return Err(Problem::new(
                    ProblemKind::Unreachable,
                    format!("the exec session did not open within {} s", OPENING.as_secs()),
                ));
            }
        };
        let (stdout, stderr) = (process.stdout(), process.stderr());
        Ok(ExecSession {
            process,
            stdout: stdout.map(|stream| Box::new(stream) as _),
            stderr: stderr.map(|stream| Box::new(stream) as _),
            limits,
            left: limits.wall,
            outcome: ExecOutcome::default(),
            record: Record {
                actions: self.actions().clone(),
                target: format!("{}/{}/{}", target.namespace, target.pod, target.container),
                began,
                is_written: false,
            },
        })
    }
}

impl ExecSession {
    /// The next piece of standard output; none at its end, or when a bound was reached.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        if self.outcome.cut.is_some() {
            return None;
        }
        let waited = Instant::now();
        let read =
            tokio::time::timeout(self.left, read_either(&mut self.stdout, &mut self.stderr, &mut self.outcome.stderr));
        let Ok(piece) = read.await else {
            self.out_of_time();
            return None;
        };
        self.left = self.left.saturating_sub(waited.elapsed());
        let piece = piece?;
        self.outcome.bytes += piece.len() as u64;
        if self.outcome.bytes > self.limits.bytes {
            self.give_up(&format!("more than {} bytes were printed", self.limits.bytes));
        }
        Some(piece)
    }

    /// Stops reading, for a reason.
    pub fn give_up(&mut self, reason: &str) {
        self.outcome.cut.get_or_insert_with(|| reason.to_owned());
    }

    fn out_of_time(&mut self) {
        let seconds = self.limits.wall.as_secs();
        self.give_up(&format!("the command did not end within {seconds} s"));
    }

    /// Ends the session, and records how.
    pub async fn end(mut self) -> Result<ExecOutcome, Problem> {
        if self.outcome.cut.is_none() {
            let last_word = async {
                match self.process.take_status() {
                    Some(status) => status.await,
                    None => None,
                }
            };
            match tokio::time::timeout(self.left, last_word).await {
                Ok(Some(status)) => {
                    self.outcome.failure = failure(&status);
                    self.outcome.exit_code = exit_code(&status);
                }
                Ok(None) => self.outcome.failure = Some("the session broke off".to_owned()),
                Err(_) => self.out_of_time(),
            }
        }
        self.process.abort();
        // A session that broke off says as little about its process as one that was given up.
        let may_still_run =
            self.outcome.cut.is_some() || self.outcome.failure.as_deref() == Some("the session broke off");
        if let Some(cut) = &mut self.outcome.cut {
            *cut = format!("{cut}; {MAY_STILL_RUN}");
        }
        let outcome = &self.outcome;
        let words = outcome.cut.as_deref().or(outcome.failure.as_deref()).unwrap_or("success");
        let end = ExecEnd { bytes: outcome.bytes, outcome: words, exit_code: outcome.exit_code, may_still_run };
        self.record.write(end).map_err(|error| Problem::new(ProblemKind::Local, error.to_string()))?;
        Ok(std::mem::take(&mut self.outcome))
    }
}

impl Record {
    fn write(&mut self, end: ExecEnd<'_>) -> std::io::Result<()> {
        self.is_written = true;
        self.actions.exec(&self.target, self.began, end)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.is_written {
            return;
        }
        let end = ExecEnd { bytes: 0, outcome: "given up", exit_code: None, may_still_run: true };
        if let Err(error) = self.write(end) {
            tracing::error!(%error, "An exec could not be recorded in actions.jsonl");
        }
    }
}

type Stream = Option<Box<dyn AsyncRead + Send + Unpin>>;

/// Reads whichever stream has something, until there is a piece of standard output or both have ended. What is not kept of standard
/// error is still read: a stream that nobody reads would hold up the other.
async fn read_either(stdout: &mut Stream, stderr: &mut Stream, said: &mut Vec<u8>) -> Option<Vec<u8>> {
    let (mut out, mut err) = (vec![0; 32 * 1024], vec![0; 4 * 1024]);
    loop {
        tokio::select! {
            read = read(stdout, &mut out), if stdout.is_some() => match read {
                0 => *stdout = None,
                count => {
                    out.truncate(count);
                    return Some(out);
                }
            },
            read = read(stderr, &mut err), if stderr.is_some() => match read {
                0 => *stderr = None,
                count => {
                    let room = LARGEST_STDERR.saturating_sub(said.len());
                    said.extend_from_slice(err.get(..count.min(room)).unwrap_or_default());
                }
            },
            else => return None,
        }
    }
}

/// Bytes read; 0 at the end, and where there is no stream.
async fn read(stream: &mut Stream, buffer: &mut [u8]) -> usize {
    match stream {
        Some(stream) => stream.read(buffer).await.unwrap_or(0),
        None => 0,
    }
}

/// A refusal before the session: the answer's status says which.
fn refused(error: &kube::Error) -> Problem {
    match error {
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => {
            Problem::from_answer(*status, None, b"the exec was refused")
        }
        other => from_client(other),
    }
}

fn failure(status: &Status) -> Option<String> {
    let is_success = status.status.as_deref() == Some("Success");
    (!is_success).then(|| status.message.clone().or_else(|| status.reason.clone()).unwrap_or_else(|| "failed".into()))
}

fn exit_code(status: &Status) -> Option<i32> {
    let causes = status.details.as_ref()?.causes.as_ref()?;
    let code = causes.iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"))?;
    code.message.as_deref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(failure: &str, exit_code: Option<i32>, bytes: u64) -> ExecOutcome {
        ExecOutcome { failure: Some(failure.to_owned()), exit_code, bytes, ..ExecOutcome::default() }
    }

    #[test]
    fn a_missing_program_is_known_by_the_words_of_each_runtime() {
        for words in [
            "exec: \"sh\": executable file not found in $PATH",
            "exec: \"/bin/sh\": stat /bin/sh: no such file or directory",
            "executable file `sh` not found in $PATH: No such file or directory",
            "hcs::System::CreateProcess: The system cannot find the file specified.",
        ] {
            assert!(ended(words, None, 0).is_not_found(), "{words}");
        }
        assert!(ended("command terminated with exit code 127", Some(127), 0).is_not_found());
        assert!(!ended("command terminated with exit code 127", Some(127), 20).is_not_found(), "a shell spoke");
        assert!(!ended("command terminated with exit code 2", Some(2), 0).is_not_found());
        assert!(!ExecOutcome::default().is_not_found());
    }

    #[tokio::test]
    async fn standard_error_does_not_hold_up_standard_output() {
        let noise = vec![b'e'; 3 * LARGEST_STDERR];
        let mut stderr: Stream = Some(Box::new(std::io::Cursor::new(noise)));
        let mut stdout: Stream = Some(Box::new(std::io::Cursor::new(b"out".to_vec())));
        let (mut said, mut read) = (Vec::new(), Vec::new());
        while let Some(piece) = read_either(&mut stdout, &mut stderr, &mut said).await {
            read.extend(piece);
        }
        assert_eq!((read.as_slice(), said.len()), (&b"out"[..], LARGEST_STDERR));
    }
}
