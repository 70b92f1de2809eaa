//! The bundle: rows at rest, and the only hand-over between collecting and uploading.
//!
//! ```text
//! DIR/run.json                    what was asked: scope, window, sources, who, with which tool; written first
//!     journal.jsonl               a line per try of a unit that ended: its state, its parts with digests, its coverage
//!     actions.jsonl               every request sent to the cluster and how it was answered
//!     tables/TABLE/….jsonl        the parts: rows, one JSON object a line
//!     raw/KIND/….jsonl.zst        every listed API object as the server sent it
//!     manifest.json               derived from the journal, written last: it seals the bundle
//!     manifest.N.json             the seals of earlier attempts
//! ```
//!
//! The journal is append-only. A part is on stable storage before the line that names it (group commit, once a second), and never
//! changes after that: each try of a unit writes files of its own, and what earlier ones kept stays with the unit.
//! A resumed run trusts journalled parts only; whole lines of parts that a kill cut off are kept as `interrupted`.
//! Everything can be read with `jq` and `sha256sum`.

mod commit;
mod digest;
mod growing;
mod journal;
mod known;
mod lock;
mod manifest;
mod name;
mod part;
mod place;
mod reader;
mod resume;
mod run;
mod seal;
mod unit;
mod verify;
mod writer;

pub use growing::Growing;
pub use journal::{Coverage, JournalLine, PartEntry, State};
pub use known::{Identity, of_row as identity_of_row};
pub use manifest::{FileEntry, GapEntry, Manifest, SealStatus, TableTotal};
pub use name::component;
pub use reader::{Bundle, read_part};
pub use run::{FORMAT, Operator, RunFile, Window};
pub use unit::{Outcome, Unit};
pub use verify::{Problem, Verification, verify};
pub use writer::{BundleWriter, Held};
