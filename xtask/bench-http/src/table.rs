//! Medians of each, and the median of the rounds' ratios, since the machine may drift.

use std::collections::BTreeMap;
use std::fmt;

/// Deskway should come to this part of what NGINX does.
const GOAL: f64 = 0.7;

#[derive(Default)]
pub(crate) struct Table {
    figures: Vec<String>,
    /// By figure and server: a value a round.
    values: BTreeMap<(String, &'static str), Vec<f64>>,
}

impl Table {
    pub(crate) fn add(&mut self, figure: &str, server: &'static str, value: f64) {
        if !self.figures.iter().any(|known| known == figure) {
            self.figures.push(figure.to_owned());
        }
        let values = self.values.entry((figure.to_owned(), server)).or_default();
        values.push(value);
    }

    /// The figures in which Deskway does not come up to the goal.
    pub(crate) fn missed(&self) -> Vec<String> {
        let missed = |figure: &&String| !reaches_goal(self.ratio(figure));
        self.figures.iter().filter(missed).cloned().collect()
    }

    /// The median of the rounds' ratios.
    fn ratio(&self, figure: &str) -> f64 {
        let (ours, theirs) = (self.of(figure, "Deskway"), self.of(figure, "NGINX"));
        let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs);
        median(ratios.collect())
    }

    fn of(&self, figure: &str, server: &'static str) -> &[f64] {
        let values = self.values.get(&(figure.to_owned(), server));
        values.map_or(&[], Vec::as_slice)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| figure | NGINX | Deskway | ratio (goal ≥ {GOAL}) |")?;
        writeln!(f, "|---|---|---|---|")?;
        for figure in &self.figures {
            let (ours, theirs) = (self.of(figure, "Deskway"), self.of(figure, "NGINX"));
            let ratio = self.ratio(figure);
            let judged = if reaches_goal(ratio) {
                format!("{ratio:.2}")
            } else {
                format!("**{ratio:.2}**, missed")
            };
            let (theirs, ours) = (median(theirs.to_vec()), median(ours.to_vec()));
            writeln!(f, "| {figure} | {theirs:.0} | {ours:.0} | {judged} |")?;
        }
        Ok(())
    }
}

/// What was not measured does not.
fn reaches_goal(ratio: f64) -> bool {
    ratio >= GOAL
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.get(middle.wrapping_sub(1))) {
        (Some(upper), Some(lower)) if values.len().is_multiple_of(2) => {
            f64::midpoint(*lower, *upper)
        }
        (Some(middle), _) => *middle,
        (None, _) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_gets_slower_changes_no_ratio() {
        let mut table = Table::default();
        for pace in [1.0, 2.0, 5.0] {
            table.add("pages", "Deskway", 60.0 / pace);
            table.add("pages", "NGINX", 100.0 / pace);
            table.add("handshakes", "Deskway", 80.0 / pace);
            table.add("handshakes", "NGINX", 100.0 / pace);
        }
        assert_eq!(table.missed(), ["pages"]);
        let text = table.to_string();
        assert!(
            text.contains("| pages | 50 | 30 | **0.60**, missed |"),
            "{text}"
        );
    }
}
