//! How it goes, for whoever waits: notes on standard error, a bar for each source on a terminal, and a plain line for each at the end.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::{
    bundle::State,
    evidence::Source,
    ui::{Printer, size},
};

/// Sums by source.
#[derive(Clone, Debug, Default)]
struct Sum {
    units: u64,
    rows: u64,
    gaps: u64,
    bar: Option<ProgressBar>,
}

/// Tells how a collection goes.
pub struct Progress {
    printer: Printer,
    bars: Option<MultiProgress>,
    sums: Mutex<BTreeMap<Source, Sum>>,
    bytes: AtomicU64,
}

impl Progress {
    /// Speaks through a printer; with moving bars on a terminal.
    pub fn new(printer: Printer) -> Self {
        let bars = printer.is_terminal().then(MultiProgress::new);
        Self { printer, bars, sums: Mutex::default(), bytes: AtomicU64::new(0) }
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

    /// One more unit of a source is to come.
    pub(super) fn expected(&self, source: Source) {
        self.change(source, |sum| {
            if let Some(bar) = &sum.bar {
                bar.inc_length(1);
                bar.set_style(style("{prefix:<16} {bar:30} {pos}/{len} {msg} {eta:>4}"));
            }
        });
    }

    /// Some will be tried again.
    pub(super) fn again(&self, count: usize) {
        self.say(&format!("{count} could not be read to the end; trying those again"));
    }

    /// A unit has ended.
    pub(super) fn unit(&self, source: Source, rows: u64, state: State) {
        self.change(source, |sum| {
            sum.units += 1;
            sum.rows += rows;
            sum.gaps += u64::from(state.is_gap());
            if let Some(bar) = &sum.bar {
                bar.inc(1);
                bar.set_message(self.message(source, sum.rows, bar.elapsed()));
            }
        });
    }

    /// Bytes of logs came in.
    pub(super) fn bytes(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::Relaxed);
    }

    /// All is read: a plain line for each source.
    pub(super) fn end(&self) {
        for (source, sum) in &*self.sums.lock().unwrap_or_else(PoisonError::into_inner) {
            if let Some(bar) = &sum.bar {
                bar.finish_and_clear();
            }
            let gaps =
                if sum.gaps > 0 { format!(", {} ended with something missing", sum.gaps) } else { String::new() };
            self.printer.note(format!("{}: {} units, {} rows{gaps}", source.name(), sum.units, sum.rows));
        }
    }

    fn change(&self, source: Source, change: impl FnOnce(&mut Sum)) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = sums.entry(source).or_default();
        if let (Some(bars), None) = (&self.bars, &sum.bar) {
            let bar = ProgressBar::new(0).with_style(style("{prefix:<16} {spinner} {msg}")).with_prefix(source.name());
            bar.enable_steady_tick(Duration::from_millis(120));
            sum.bar = Some(bars.add(bar));
        }
        change(sum);
    }

    fn message(&self, source: Source, rows: u64, elapsed: Duration) -> String {
        if source != Source::Logs {
            return format!("{rows} rows");
        }
        let bytes = self.bytes.load(Ordering::Relaxed);
        let rate = bytes as f64 / elapsed.as_secs_f64().max(0.001);
        format!("{rows} rows · {} · {}/s", size(bytes), size(rate as u64))
    }

    fn say(&self, line: &str) {
        self.quiet(|| self.printer.note(line));
    }

    /// Does something while nothing moves on the terminal.
    pub(super) fn quiet<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(work),
            None => work(),
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
