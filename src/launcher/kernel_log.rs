//! What the kernel's log says of programs that it ended for lack of memory
//! (`Documentation/ABI/testing/dev-kmsg`).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::{OFlags, SeekFrom};

/// Most bytes of one record; the kernel refuses to give a part.
const MAX_RECORD: usize = 8192;
/// Most records of one reading; the rest comes with the next.
const MAX_READ: usize = 512;
/// Most characters of a program's name; the kernel keeps 15 bytes.
const MAX_NAME: usize = 60;

/// The log from now on.
#[derive(Debug)]
pub(crate) struct KernelLog(File);

/// A program that the kernel ended because there was no memory left for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutOfMemory {
    /// The path of the group that it was in, and of the one whose limit it was: none when it was the
    /// whole machine's memory.
    pub(crate) group: String,
    pub(crate) limited: String,
    /// Nothing in it that a terminal would obey.
    pub(crate) program: String,
}

impl KernelLog {
    /// # Errors
    /// When there is none, as in many containers, or it is root's alone.
    pub(crate) fn open() -> io::Result<Self> {
        let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
        let file = File::options()
            .read(true)
            .custom_flags(nonblocking)
            .open("/dev/kmsg")?;
        rustix::fs::seek(&file, SeekFrom::End(0))?;
        Ok(Self(file))
    }

    /// What has come since the last reading.
    ///
    /// # Errors
    /// When the log cannot be read any more.
    pub(crate) fn read(&mut self) -> io::Result<Vec<OutOfMemory>> {
        let mut found = Vec::new();
        let mut record = [0; MAX_RECORD];
        for _ in 0..MAX_READ {
            match self.0.read(&mut record) {
                Ok(0) => break,
                Ok(length) => {
                    let text = String::from_utf8_lossy(record.get(..length).unwrap_or_default());
                    found.extend(parse(&text));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // What was to come next has been overwritten; reading goes on with what is there.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

impl AsFd for KernelLog {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// One record. A program's name is whatever it likes, so that what counts is looked for from both
/// ends around it; and only what the kernel itself says is believed.
fn parse(record: &str) -> Option<OutOfMemory> {
    let (head, message) = record.split_once(';')?;
    let priority: u32 = head.split(',').next()?.parse().ok()?;
    if priority >> 3 != 0 {
        return None;
    }
    let message = message.lines().next()?;
    let message = message.strip_prefix("oom-kill:constraint=")?;
    let (before, rest) = message.split_once(",task_memcg=")?;
    let limited = before
        .split_once(",oom_memcg=")
        .map_or("", |(_, path)| path);
    let (group, rest) = rest.split_once(",task=")?;
    let (program, _) = rest.rsplit_once(",pid=")?;
    Some(OutOfMemory {
        group: group.to_owned(),
        limited: limited.to_owned(),
        program: name(program),
    })
}

fn name(program: &str) -> String {
    let plain = |c: char| if c.is_control() { '?' } else { c };
    program.chars().take(MAX_NAME).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "6,545,35447350810,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),\
                         cpuset=/,mems_allowed=0,oom_memcg=/deskway/a/1,task_memcg=/deskway/a/1,";

    #[test]
    fn the_program_and_its_group_are_read() {
        let found = parse(&format!("{BEGIN}task=python3,pid=3610,uid=0\n")).unwrap();
        assert_eq!(found.program, "python3");
        assert_eq!(found.group, "/deskway/a/1");
        assert_eq!(found.limited, "/deskway/a/1");
    }

    #[test]
    fn a_hostile_name_stays_a_name() {
        for program in [
            "a,pid=1,uid=0",
            "x,task_memcg=/b",
            ",task=,pid=",
            "\\x1b[2J;",
        ] {
            let found = parse(&format!("{BEGIN}task={program},pid=3610,uid=0\n")).unwrap();
            assert_eq!(
                (found.group.as_str(), found.program.as_str()),
                ("/deskway/a/1", program)
            );
        }
        let found = parse(&format!("{BEGIN}task=\u{1b}[2J,pid=3610,uid=0\n")).unwrap();
        assert_eq!(found.program, "?[2J");
    }

    #[test]
    fn the_machine_s_own_lack_of_memory_is_no_group_s_limit() {
        let line = "6,1,1,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,\
                    mems_allowed=0,global_oom,task_memcg=/deskway/a/1,task=b,pid=1,uid=0";
        let found = parse(line).unwrap();
        assert_eq!(
            (found.group.as_str(), found.limited.as_str()),
            ("/deskway/a/1", "")
        );
    }

    #[test]
    fn what_is_said_by_anybody_else_or_of_anything_else_is_nothing() {
        let line = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,\
                    oom_memcg=/a,task_memcg=/a,task=b,pid=1,uid=0";
        assert!(parse(&format!("6,1,1,-;{line}")).is_some());
        for record in [
            format!("12,1,1,-;{line}"),
            format!("6,1,1,-;x {line}"),
            line.to_owned(),
            String::new(),
        ] {
            assert_eq!(parse(&record), None, "{record}");
        }
    }
}
