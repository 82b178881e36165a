//! What the measurement found, for people and for programs.

use super::child::Pinning;
use super::figures::{Better, Figures, KINDS, Kind};
use serde::Serialize;
use std::fmt::Write as _;

/// The figures of all runs. Field names are the keys of `--json`.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Version of the software.
    version: &'static str,
    /// Cores of the machine.
    cores: usize,
    /// Which cores source and destination ran on.
    pinning: Pinning,
    /// How often each figure was measured.
    runs: usize,
    figures: Vec<Figure>,
}

#[derive(Debug, Clone, Serialize)]
struct Figure {
    #[serde(flatten)]
    kind: Kind,
    median: f64,
    values: Vec<f64>,
    /// Whether the median reaches what must be, and the goal.
    reached: Option<(bool, bool)>,
}

impl Report {
    pub(super) fn new(figures: &Figures, pinning: Pinning, runs: usize) -> Self {
        let measured = KINDS.iter().filter(|kind| !figures.values(kind.key).is_empty());
        let figures = measured.map(|kind| Figure::new(*kind, figures.values(kind.key))).collect();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Report { version: env!("CARGO_PKG_VERSION"), cores, pinning, runs, figures }
    }

    /// Whether everything that was measured reaches what it must.
    pub fn holds(&self) -> bool {
        self.figures.iter().all(|figure| figure.reached.is_none_or(|(must, _)| must))
    }

    /// The report for people.
    pub fn table(&self) -> String {
        let mut table = String::new();
        let width = self.figures.iter().map(|figure| figure.kind.what.chars().count()).max().unwrap_or(0);
        let pinned = match self.pinning.source {
            Some(_) => "a core each for source and destination",
            None => "NOT pinned (taskset or a second core is missing): both ends may have shared a core",
        };
        // Writing into a string never fails.
        let _ = writeln!(table, "medians of {} runs, {} cores, {pinned}", self.runs, self.cores);
        let _ = writeln!(table, "{:<width$}  {:>20}  {:>23}  {:>11}  {:>11}", "", "median", "range", "must", "goal");
        for figure in &self.figures {
            let Figure { kind, median, values, .. } = figure;
            let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
            let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let median = format!("{} {}", number(*median), kind.unit);
            let range = format!("{} – {}", number(lowest), number(highest));
            let [must, goal] = figure.verdicts();
            let line = format!("{:<width$}  {:>20}  {range:>23}  {must:>11}  {goal:>11}", kind.what, median.trim());
            let _ = writeln!(table, "{}", line.trim_end());
        }
        table.truncate(table.trim_end().len());
        table
    }
}

impl Figure {
    fn new(kind: Kind, values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let median = match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[odd / 2],
            even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
        };
        let reaches = |bound: f64| match kind.better {
            Better::Higher => median >= bound,
            Better::Lower => median <= bound,
        };
        let reached = kind.bounds.map(|(must, goal)| (reaches(must), reaches(goal)));
        Figure { kind, median, values: values.to_vec(), reached }
    }

    fn verdicts(&self) -> [String; 2] {
        let sign = match self.kind.better {
            Better::Higher => '≥',
            Better::Lower => '≤',
        };
        let verdict = |bound: f64, reached: bool| {
            let mark = if reached { '✓' } else { '✗' };
            format!("{sign} {} {mark}", number(bound))
        };
        match self.kind.bounds.zip(self.reached) {
            Some(((must, goal), (keeps, excels))) => [verdict(must, keeps), verdict(goal, excels)],
            None => [String::new(), String::new()],
        }
    }
}

/// Three digits that count, and no more than are known.
fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1e6 => format!("{:.2} M", value / 1e6),
        large if large >= 1e4 => format!("{:.0} k", value / 1e3),
        whole if whole >= 100.0 => format!("{value:.0}"),
        tens if tens >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(key: &'static str, values: &[f64]) -> Report {
        let mut figures = Figures::default();
        values.iter().for_each(|value| figures.add(key, *value));
        Report::new(&figures, Pinning { source: None, destination: None }, values.len())
    }

    #[test]
    fn the_median_decides_whether_a_figure_is_reached() {
        let short = report("open", &[0.1, 5.0, 0.3]);
        assert!(short.holds());
        assert!(short.table().contains("≤ 1.00 ✓") && short.table().contains("≤ 0.20 ✗"), "{}", short.table());
        assert!(!report("open", &[0.1, 5.0]).holds());
        assert!(!report("share_256", &[0.64]).holds());
        assert!(report("rate_256", &[1.0]).holds());
    }

    #[test]
    fn what_was_not_measured_is_not_shown() {
        let table = report("ingest", &[400_000.0]).table();
        assert!(table.contains("400 k messages/s"), "{table}");
        assert!(!table.contains("QUIC"), "{table}");
    }
}
