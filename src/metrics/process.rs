//! What the process itself takes, read from files that were opened before the sandbox closed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustix::fs::Dir;

/// Most bytes of `/proc/self/stat`.
const MAX_STAT: usize = 1024;

/// The files of this process in `/proc`.
#[derive(Debug)]
pub struct OwnProcess {
    stat: File,
    page: u64,
    ticks: f64,
    descriptors: File,
}

/// What they say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) resident_bytes: u64,
    pub(super) cpu_seconds: f64,
    pub(super) descriptors: u64,
}

impl OwnProcess {
    /// Opens them: to be called by the process that is meant, before it may open nothing more.
    ///
    /// # Errors
    /// Where there is no `/proc`.
    pub fn open() -> io::Result<Self> {
        let own = format!("/proc/{}", std::process::id());
        Ok(Self {
            stat: File::open(format!("{own}/stat"))?,
            descriptors: File::open(format!("{own}/fd"))?,
            page: u64::try_from(rustix::param::page_size()).unwrap_or(4096),
            ticks: f64::from(u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100)),
        })
    }

    pub(super) fn figures(&self) -> Option<Figures> {
        let mut text = [0; MAX_STAT];
        let len = self.stat.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(text.get(..len)?).ok()?;
        // The second field, the name, may hold anything, and ends with the last bracket: what
        // follows are the fields from the third on (proc_pid_stat(5)).
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u32>().ok();
        let pages = fields.get(24 - 3)?.parse::<u64>().ok()?;
        Some(Figures {
            resident_bytes: pages.saturating_mul(self.page),
            cpu_seconds: (f64::from(field(14)?) + f64::from(field(15)?)) / self.ticks,
            descriptors: self.count_descriptors()?,
        })
    }

    /// The kernel says it as the directory's size (since Linux 6.2); before, they are counted.
    fn count_descriptors(&self) -> Option<u64> {
        let size = self.descriptors.metadata().ok()?.len();
        if size > 0 {
            return Some(size);
        }
        let mut dir = Dir::read_from(&self.descriptors).ok()?;
        let names = std::iter::from_fn(|| dir.read()).map_while(Result::ok);
        let count = names.filter(|entry| !entry.file_name().to_bytes().starts_with(b"."));
        u64::try_from(count.count()).ok()
    }
}
