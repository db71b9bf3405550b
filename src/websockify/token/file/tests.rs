//! Token files as admins write them, well and badly.

use std::os::unix::fs::symlink;

use tempfile::tempdir;

use super::*;

fn tcp(host: &str, port: u16) -> Target {
    Target::Tcp {
        host: host.to_owned(),
        port,
    }
}

fn line(text: &str) -> Result<Option<(&str, Target)>, LineFault> {
    parse_line(text.as_bytes())
}

#[test]
fn a_line_is_a_token_a_colon_with_white_space_and_a_target() {
    for text in ["vm1: h:1", "vm1:\th:1", "  vm1:   h:1  \r", "vm1:\u{a0}h:1"] {
        assert_eq!(line(text), Ok(Some(("vm1", tcp("h", 1)))), "{text:?}");
    }
    assert_eq!(line("a:b: [::1]:5900"), Ok(Some(("a:b", tcp("::1", 5900)))));
    assert_eq!(
        line("s: unix_socket:/run/vm.sock"),
        Ok(Some(("s", Target::Unix("/run/vm.sock".into()))))
    );
}

#[test]
fn comments_and_empty_lines_say_nothing() {
    for text in ["", "   ", "\r", "# vm1: h:1", "   #"] {
        assert_eq!(line(text), Ok(None), "{text:?}");
    }
}

#[test]
fn other_lines_are_faults() {
    for text in ["vm1", "vm1:h:1", "vm1:", "vm1 h:1", "vm1: h: 1"] {
        assert_eq!(line(text), Err(LineFault::Syntax), "{text:?}");
    }
    assert_eq!(line("vm1: h"), Err(LineFault::Target(BadTarget::NoPort)));
    assert_eq!(
        line("vm1: h:1 # the first"),
        Err(LineFault::Target(BadTarget::Port))
    );
    assert_eq!(parse_line(b"vm\xff1: h:1"), Err(LineFault::Encoding));
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
