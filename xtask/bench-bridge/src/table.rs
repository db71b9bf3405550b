//! The table: medians of each, and ours beside the others, round by round.

use std::collections::BTreeMap;
use std::fmt;

use crate::figure::{Goal, Row};
use crate::relay::Kind;

pub(crate) struct Table {
    /// By row and relay: the values of the rounds.
    values: BTreeMap<(Row, Kind), BTreeMap<usize, f64>>,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self {
            values: BTreeMap::new(),
        }
    }

    pub(crate) fn add(&mut self, row: Row, kind: Kind, round: usize, value: f64) {
        let values = self.values.entry((row, kind)).or_default();
        values.insert(round, value);
    }

    fn median(&self, row: Row, kind: Kind) -> Option<f64> {
        let values = self.values.get(&(row, kind))?;
        median(values.values().copied().collect())
    }

    /// The median of the rounds' ratios: the machine may drift from round to round, and both
    /// drift with it.
    fn ratio(&self, row: Row, to: Kind) -> Option<f64> {
        let ours = self.values.get(&(row, Kind::Ours))?;
        let others = self.values.get(&(row, to))?;
        let ratios = ours.iter().filter_map(|(round, ours)| {
            let other = others.get(round)?;
            (*other > 0.0).then(|| ours / other)
        });
        median(ratios.collect())
    }

    fn judged(&self, row: Row, goal: Goal) -> String {
        let (value, met, bound) = match goal {
            Goal::AtMost(kind, bound) => {
                let ratio = self.ratio(row, kind);
                let text = format!("≤ {bound:.2} × {}", kind.name());
                (ratio, ratio.map(|it| it <= bound), text)
            }
            Goal::AtLeast(kind, bound) => {
                let ratio = self.ratio(row, kind);
                let text = format!("≥ {bound:.1} × {}", kind.name());
                (ratio, ratio.map(|it| it >= bound), text)
            }
            Goal::NoMoreThan(bound) => {
                let value = self.median(row, Kind::Ours);
                let text = format!("≤ {}", row.shown(bound));
                (value, value.map(|it| it <= bound), text)
            }
            Goal::NoLessThan(bound) => {
                let value = self.median(row, Kind::Ours);
                let text = format!("≥ {}", row.shown(bound));
                (value, value.map(|it| it >= bound), text)
            }
        };
        match (value, met) {
            (Some(value), Some(true)) => format!("{value:.2} ({bound}: met)"),
            (Some(value), Some(false)) => format!("**{value:.2}** ({bound}: **missed**)"),
            _ => format!("– ({bound})"),
        }
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle)?;
    match values.len() % 2 {
        0 => Some(f64::midpoint(*values.get(middle - 1)?, *upper)),
        _ => Some(*upper),
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| figure |")?;
        for kind in Kind::ALL {
            write!(f, " {} |", kind.name())?;
        }
        writeln!(f, " goals |")?;
        writeln!(f, "|---|{}---|", "---|".repeat(Kind::ALL.len()))?;
        let mut rows: Vec<Row> = self.values.keys().map(|(row, _)| *row).collect();
        rows.dedup();
        for row in rows {
            write!(f, "| {} |", row.title())?;
            for &kind in Kind::ALL {
                let value = self.median(row, kind);
                let shown = value.map_or_else(|| "–".to_owned(), |it| row.shown(it));
                write!(f, " {shown} |")?;
            }
            let goals = row.goals().iter().map(|&goal| self.judged(row, goal));
            writeln!(f, " {} |", goals.collect::<Vec<_>>().join("; "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_gets_slower_changes_no_ratio() {
        let mut table = Table::new();
        for (round, pace) in [(1, 1.0), (2, 2.0), (3, 5.0)] {
            table.add(Row::From16k, Kind::Ours, round, pace);
            table.add(Row::From16k, Kind::Chain, round, 10.0 * pace);
        }
        assert_eq!(table.ratio(Row::From16k, Kind::Chain), Some(0.1));
        assert_eq!(table.median(Row::From16k, Kind::Ours), Some(2.0));
        let text = table.to_string();
        assert!(
            text.contains("0.10 (≤ 0.20 × NGINX + Websockify: met)"),
            "{text}"
        );
        assert!(text.contains("– (≤ 1.10 × HAProxy)"), "{text}");
    }
}
