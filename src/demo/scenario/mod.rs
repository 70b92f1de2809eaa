//! The recorded compromise.

mod recording;
mod text;

pub use recording::{Denial, LogChunk, Reach, RecordedContainer, RecordedFile, RecordedLog, Scenario};
