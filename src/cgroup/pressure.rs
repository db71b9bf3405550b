//! How long processes waited for something, as the kernel's pressure stall information says it
//! (`Documentation/accounting/psi.rst`).

use std::path::Path;

use super::files;

/// Thousandths of the last ten seconds in which at least one process waited; `None` where the
/// kernel does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    pub cpu: Option<u32>,
    pub memory: Option<u32>,
    pub io: Option<u32>,
}

/// From the three files of a group of version 2.
pub(super) fn of(directory: &Path) -> Pressure {
    let some = |file| some(&files::read(directory, file).ok()?);
    Pressure {
        cpu: some("cpu.pressure"),
        memory: some("memory.pressure"),
        io: some("io.pressure"),
    }
}

/// `some avg10=1.23 avg60=… …` as thousandths: 12.
fn some(text: &str) -> Option<u32> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let mut fields = line.split(' ');
    let average = fields.find_map(|field| field.strip_prefix("avg10="))?;
    let (whole, hundredths) = average.split_once('.')?;
    let tenths = hundredths.chars().next()?.to_digit(10)?;
    let thousandths = whole.parse::<u32>().ok()?.checked_mul(10)?;
    thousandths.checked_add(tenths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_of_ten_seconds_comes_as_thousandths() {
        let text = "some avg10=1.29 avg60=0.00 avg300=0.00 total=0\nfull avg10=9.00 total=0\n";
        assert_eq!(some(text), Some(12));
        assert_eq!(some("some avg10=100.00 avg60=0.00 total=1\n"), Some(1000));
        assert_eq!(some("full avg10=9.00\n"), None);
        assert_eq!(some("some avg10=4294967295.9"), None);
        assert_eq!(some(""), None);
    }
}
