//! The one place that writes to standard output and standard error.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "this is the module that prints")]

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// One JSON document with documented fields.
    Json,
}

/// Says things: results on standard output, notes on standard error. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    output: Output,
    terminal: bool,
}

impl Printer {
    /// A printer for the process's own streams.
    pub fn new(output: Output) -> Self {
        Self { output, terminal: std::io::stderr().is_terminal() }
    }

    /// Whether results are to be one JSON document.
    pub fn is_json(self) -> bool {
        self.output == Output::Json
    }

    /// Whether standard error is a terminal that may show progress and colour.
    pub fn is_terminal(self) -> bool {
        self.terminal
    }

    /// Whether colour may be used on standard error (<https://no-color.org>).
    pub fn has_color(self) -> bool {
        self.terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    /// Prints a result for people; says nothing when the result is to be JSON.
    pub fn text(self, line: impl AsRef<str>) {
        if self.output == Output::Text {
            self.raw(line);
        }
    }

    /// Prints a line of the result in any format. A closed pipe is not an error.
    pub fn raw(self, line: impl AsRef<str>) {
        drop(writeln!(std::io::stdout().lock(), "{}", line.as_ref()));
    }

    /// Prints the result as JSON, if that is asked for.
    pub fn json(self, value: &impl Serialize) {
        if self.output == Output::Json
            && let Ok(text) = serde_json::to_string_pretty(value)
        {
            self.raw(text);
        }
    }

    /// Prints a note on standard error.
    pub fn note(self, line: impl AsRef<str>) {
        drop(writeln!(std::io::stderr().lock(), "{}", line.as_ref()));
    }
}
