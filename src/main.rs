//! Parse, run, render the error, pick the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    forensys::cli::main(std::env::args_os())
}
