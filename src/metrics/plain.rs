//! The older text format, for those who do not ask for OpenMetrics.

use std::fmt::Write as _;

/// What [`Metrics::text`](super::Metrics::text) writes, in the format `text/plain; version=0.0.4`:
/// counters are named with their suffix, and there are neither units nor an end.
pub fn as_plain_text(open_metrics: &str) -> String {
    let mut plain = String::with_capacity(open_metrics.len());
    // The description waits for the type, which says the name.
    let mut help = None;
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        let (head, name, rest) = match [words.next(), words.next(), words.next(), words.next()] {
            [Some("#"), Some(head), Some(name), Some(rest)] => (head, name, rest),
            [Some("#"), ..] => continue,
            _ => {
                written(&mut plain, format_args!("{line}\n"));
                continue;
            }
        };
        match (head, rest) {
            ("HELP", rest) => help = Some(rest),
            ("TYPE", kind) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    kind => ("", kind),
                };
                if let Some(help) = help.take() {
                    written(&mut plain, format_args!("# HELP {name}{suffix} {help}\n"));
                }
                written(&mut plain, format_args!("# TYPE {name}{suffix} {kind}\n"));
            }
            _ => {}
        }
    }
    plain
}

/// A String takes whatever is written to it.
fn written(text: &mut String, what: std::fmt::Arguments<'_>) {
    _ = text.write_fmt(what);
}
