//! The command line.

use std::{ffi::OsString, process::ExitCode};

/// Parses the arguments, runs the verb and renders its error.
pub fn main(_arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    ExitCode::SUCCESS
}
