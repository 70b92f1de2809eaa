//! How it goes, for whoever waits: notes on standard error, and a line of sums on a terminal.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    bundle::State,
    evidence::Source,
    ui::{Printer, size},
};

/// Sums by source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    units: u64,
    rows: u64,
    gaps: u64,
}

/// Tells how a collection goes.
pub struct Progress {
    printer: Printer,
    bar: Option<ProgressBar>,
    sums: Mutex<BTreeMap<Source, Sum>>,
    bytes: AtomicU64,
}

impl Progress {
    /// Speaks through a printer; with a moving line on a terminal.
    pub fn new(printer: Printer) -> Self {
        let bar = printer.is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} · {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { printer, bar, sums: Mutex::default(), bytes: AtomicU64::new(0) }
    }

    /// What will be read of containers, before it begins.
    pub(super) fn planned(&self, shells: usize, jobs: usize) {
        if shells > 0 {
            self.say(&format!("exec: one shell in {shells} containers; --no-exec leaves them untouched"));
        }
        if jobs > 0 {
            self.say(&format!("{jobs} logs and histories to read"));
        }
    }

    /// Some will be tried again.
    pub(super) fn again(&self, count: usize) {
        self.say(&format!("{count} could not be read to the end; trying those again"));
    }

    /// A unit has ended.
    pub(super) fn unit(&self, source: Source, rows: u64, state: State) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = sums.entry(source).or_default();
        *sum = Sum { units: sum.units + 1, rows: sum.rows + rows, gaps: sum.gaps + u64::from(state.is_gap()) };
        if let Some(bar) = &self.bar {
            let parts: Vec<_> = sums.iter().map(|(source, sum)| format!("{} {}", source.name(), sum.rows)).collect();
            bar.set_message(format!("{} · {}", parts.join(" · "), size(self.bytes.load(Ordering::Relaxed))));
        }
    }

    /// Bytes of logs came in.
    pub(super) fn bytes(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::Relaxed);
    }

    /// All is read: a plain line for each source.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        for (source, sum) in &*self.sums.lock().unwrap_or_else(PoisonError::into_inner) {
            let gaps = if sum.gaps > 0 { format!(", {} gaps", sum.gaps) } else { String::new() };
            self.printer.note(format!("{}: {} units, {} rows{gaps}", source.name(), sum.units, sum.rows));
        }
    }

    fn say(&self, line: &str) {
        self.quiet(|| self.printer.note(line));
    }

    /// Does something while nothing moves on the terminal.
    pub(super) fn quiet<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }
}
