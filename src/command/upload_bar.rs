//! Progress of an upload on standard error: a bar with a countdown on a terminal, lines elsewhere.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::{
    ui::{Printer, printable},
    upload::{Progress, Waiting},
};

/// Outside a terminal, a table that waits says so at most this often.
const BETWEEN_LINES: Duration = Duration::from_secs(15);

/// The bar.
pub struct Bar {
    bar: ProgressBar,
    printer: Printer,
    pause: Arc<Mutex<Option<Pause>>>,
    /// When a subject's last line was printed.
    told: Mutex<BTreeMap<String, Instant>>,
}

/// A pause as it is counted down.
#[derive(Clone, Debug)]
struct Pause {
    words: String,
    until: Instant,
    /// When trying ends.
    end: Option<Instant>,
}

impl Bar {
    /// A bar that shows itself when there is a terminal to show it on.
    pub fn new(printer: Printer) -> Self {
        let target = if printer.is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let pause = Arc::<Mutex<Option<Pause>>>::default();
        let shown = Arc::clone(&pause);
        let style = ProgressStyle::with_template("uploading {wide_bar} {human_pos}/{human_len} rows {eta} {countdown}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .with_key("countdown", move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
                if let Some(pause) = lock(&shown).as_ref() {
                    out.write_str(&pause.text(Instant::now())).ok();
                }
            });
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        if printer.is_terminal() {
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        Self { bar, printer, pause, told: Mutex::default() }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Pause {
    fn begin(waiting: &Waiting<'_>, now: Instant) -> Self {
        let words = format!("{}: {}", printable(waiting.subject), waiting.reason);
        Self { words, until: now + waiting.pause, end: waiting.left.and_then(|left| now.checked_add(left)) }
    }

    /// The pause in words; nothing once it is over.
    fn text(&self, now: Instant) -> String {
        let seconds = |until: Instant| until.saturating_duration_since(now).as_secs_f64().ceil();
        if now >= self.until {
            return String::new();
        }
        let next = format!("{}; next attempt in {} s", self.words, seconds(self.until));
        match self.end {
            Some(end) => format!("{next}, giving up in {}", minutes(seconds(end))),
            None => next,
        }
    }
}

fn minutes(seconds: f64) -> String {
    format!("{}:{:02} min", (seconds / 60.0).floor(), seconds % 60.0)
}

impl Progress for Bar {
    fn started(&self, rows: u64, dealt: u64) {
        self.bar.set_length(rows);
        self.bar.set_position(dealt);
        self.bar.reset_eta();
        if dealt > 0 {
            self.note(&format!("going on: {dealt} of {rows} rows have been dealt with before"));
        }
    }

    fn expected(&self, rows: u64) {
        self.bar.set_length(rows);
    }

    fn advanced(&self, _table: &str, rows: u64) {
        self.bar.inc(rows);
    }

    fn note(&self, text: &str) {
        self.bar.suspend(|| self.printer.note(text));
    }

    fn waiting(&self, waiting: &Waiting<'_>) {
        let now = Instant::now();
        let pause = Pause::begin(waiting, now);
        if self.printer.is_terminal() {
            *lock(&self.pause) = Some(pause);
            return;
        }
        let mut told = lock(&self.told);
        let is_due = told.get(waiting.subject).is_none_or(|last| now.duration_since(*last) >= BETWEEN_LINES);
        if is_due {
            told.insert(waiting.subject.to_owned(), now);
            self.printer.note(pause.text(now));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_counts_down_and_ends() {
        let now = Instant::now();
        let second = Duration::from_secs;
        let waiting = Waiting { subject: "t_CL", reason: "no role yet", pause: second(12), left: Some(second(588)) };
        let pause = Pause::begin(&waiting, now);
        assert_eq!(pause.text(now), "t_CL: no role yet; next attempt in 12 s, giving up in 9:48 min");
        assert_eq!(pause.text(now + second(4)), "t_CL: no role yet; next attempt in 8 s, giving up in 9:44 min");
        assert_eq!(pause.text(now + second(12)), "");
    }
}
