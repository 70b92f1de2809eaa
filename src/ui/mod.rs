//! All that the tool says. Results go to standard output, everything else to standard error.

mod printer;
mod text;

pub use printer::{Output, Printer};
pub use text::{printable, size};
