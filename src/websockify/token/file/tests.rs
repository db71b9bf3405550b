//! Token files as admins write them, well and badly.

use std::fs;
use std::os::unix::fs::symlink;

use futures_util::future::join_all;
use tempfile::tempdir;
use tokio::runtime::Builder;

use super::*;

fn tcp(host: &str, port: u16) -> Target {
    Target::Tcp {
        host: host.to_owned(),
        port,
    }
}

#[tokio::test]
async fn a_bad_line_does_not_hide_the_good_ones() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("tokens");
    fs::write(&path, b"a: h:1\nnonsense\n\xff: h:2\nb: h\nc: h:3\na: h:4").unwrap();
    let file = TokenFile::read_each_time(path.to_str().unwrap());
    assert_eq!(file.lookup("a").await.unwrap(), Some(tcp("h", 4)));
    assert_eq!(file.lookup("b").await.unwrap(), None);
    assert_eq!(file.lookup("c").await.unwrap(), Some(tcp("h", 3)));
    assert_eq!(file.lookup("nonsense").await.unwrap(), None);
}

#[tokio::test]
async fn a_token_file_is_read_anew_and_a_read_only_one_once() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("tokens");
    let name = path.to_str().unwrap();
    let (again, once) = (TokenFile::read_each_time(name), TokenFile::read_once(name));
    assert!(once.lookup("a").await.is_err(), "it is not there yet");
    fs::write(&path, "a: h:1").unwrap();
    assert_eq!(again.lookup("a").await.unwrap(), Some(tcp("h", 1)));
    assert_eq!(once.lookup("a").await.unwrap(), Some(tcp("h", 1)));
    fs::write(&path, "a: h:2\nb: h:3").unwrap();
    assert_eq!(again.lookup("a").await.unwrap(), Some(tcp("h", 2)));
    assert_eq!(once.lookup("a").await.unwrap(), Some(tcp("h", 1)));
    assert_eq!(once.lookup("b").await.unwrap(), None);
}

#[tokio::test]
async fn a_directory_is_all_its_files_and_one_that_is_none_stops_nobody() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("1"), "a: h:1\nboth: h:1").unwrap();
    fs::write(dir.path().join("2"), "b: h:2\nboth: h:2").unwrap();
    fs::create_dir(dir.path().join("3")).unwrap();
    symlink("/nowhere", dir.path().join("4")).unwrap();
    let file = TokenFile::read_each_time(dir.path().to_str().unwrap());
    assert_eq!(file.lookup("a").await.unwrap(), Some(tcp("h", 1)));
    assert_eq!(file.lookup("b").await.unwrap(), Some(tcp("h", 2)));
    assert_eq!(file.lookup("both").await.unwrap(), Some(tcp("h", 2)));
}

#[tokio::test]
async fn a_pipe_is_refused_and_not_waited_for() {
    let error = TokenFile::read_each_time("/dev/null").lookup("a").await;
    let said = error.unwrap_err().to_string();
    assert!(said.contains("not a regular file"), "{said}");
}

/// Runs `lookup` so many times at once on one worker; how many threads did what it waits for.
fn threads_for<F: Future>(times: usize, lookup: impl Fn() -> F) -> usize {
    let name = format!("aside-{:x}", std::ptr::from_ref(&lookup).addr() & 0xff_ffff);
    let mut worker = Builder::new_current_thread();
    let worker = worker.thread_name(&name).build().unwrap();
    worker.block_on(join_all((0..times).map(|_| lookup())));
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let names = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("comm")));
    names
        .filter(|comm| comm.as_ref().is_ok_and(|comm| comm.trim() == name))
        .count()
}

#[test]
fn many_visitors_at_once_cost_no_more_threads_than_one() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("tokens");
    let lines: Vec<String> = (0..2000).map(|n| format!("vm{n}: h:1")).collect();
    fs::write(&path, lines.join("\n")).unwrap();
    let file = TokenFile::read_each_time(path.to_str().unwrap());
    let threads = threads_for(200, async || {
        assert_eq!(file.lookup("vm7").await.unwrap(), Some(tcp("h", 1)));
    });
    assert!(threads <= 2, "{threads}");
}

#[test]
fn a_change_that_leaves_the_same_times_counts_too() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("tokens");
    let file = TokenFile::read_each_time(path.to_str().unwrap());
    let worker = Builder::new_current_thread().build().unwrap();
    for port in (1..=9).cycle().take(300) {
        fs::write(&path, format!("a: h:{port}")).unwrap();
        let found = worker.block_on(file.lookup("a")).unwrap();
        assert_eq!(found, Some(tcp("h", port)));
    }
}

#[test]
fn a_bad_line_is_told_of_once_and_not_to_each_visitor() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("tokens");
    let log = Arc::new(std::sync::Mutex::new(Vec::new()));
    let writer = Arc::clone(&log);
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || Written(Arc::clone(&writer)))
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let mut kept = Kept::default();
        let now = Clock::System.unix();
        for _ in 0..3 {
            fs::write(&path, "a: h:1\nnonsense").unwrap();
            kept.refresh(&path, now).unwrap();
        }
        fs::write(&path, "a: h:1\nnonsense\nmore nonsense").unwrap();
        kept.refresh(&path, now).unwrap();
    });
    let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    assert_eq!(log.matches("line 2 is left out").count(), 1, "{log}");
    assert_eq!(log.matches("line 3 is left out").count(), 1, "{log}");
}

struct Written(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut written = self.0.lock().map_err(|_| std::io::ErrorKind::Other)?;
        written.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
