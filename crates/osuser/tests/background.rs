//! A process that goes into the background and takes what its parent left open.
//!
//! Only a process with one thread can, which no test of the usual harness is. So this program
//! starts itself: what it prints in that role is what is looked at.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, Stdio};

type Outcome = Result<(), Box<dyn Error>>;

const ROLE: &str = "BACKGROUND_ROLE";
const DESCRIPTOR: &str = "BACKGROUND_DESCRIPTOR";

fn main() -> Outcome {
    match std::env::var(ROLE).as_deref() {
        Ok("detach") => detached(),
        Ok("adopt") => adopting(),
        _ => {
            a_detached_process_has_a_session_and_descriptors_of_its_own()?;
            a_process_that_ignores_its_children_goes_into_the_background_too()?;
            a_descriptor_is_adopted_and_its_variable_taken()
        }
    }
}

fn a_detached_process_has_a_session_and_descriptors_of_its_own() -> Outcome {
    let (mut left_open, writer) = inheritable()?;
    let (hold, held) = io::pipe()?;
    let (mut answers, to_answer) = io::pipe()?;
    let mut started = Command::new(std::env::current_exe()?)
        .env(ROLE, "detach")
        .stdin(Stdio::from(hold))
        .stdout(Stdio::from(to_answer))
        .spawn()?;
    drop(writer);
    let pid = started.id().to_string();
    assert!(started.wait()?.success(), "what was started ends at once");
    // It goes on: its standard input is still open.
    assert_eq!(left_open.read(&mut [0])?, 0, "what was left open is closed");
    drop(held);
    let mut answer = String::new();
    answers.read_to_string(&mut answer)?;
    let [own, session, kept] = answer.split_whitespace().collect::<Vec<_>>()[..] else {
        return Err(format!("not three words: {answer}").into());
    };
    assert_ne!(own, pid, "another process");
    assert_ne!(session, own, "which leads no session");
    assert_ne!(session, own_session()?, "and has not this one");
    assert_eq!(kept, "kept", "what it opened itself stays open");
    Ok(())
}

fn a_process_that_ignores_its_children_goes_into_the_background_too() -> Outcome {
    let started = Command::new("sh")
        .args(["-c", "trap '' CHLD; exec \"$0\""])
        .arg(std::env::current_exe()?)
        .env(ROLE, "detach")
        .stdin(Stdio::null())
        .output()?;
    assert!(started.status.success(), "{started:?}");
    assert!(started.stdout.ends_with(b" kept\n"), "{started:?}");
    Ok(())
}

fn detached() -> Outcome {
    let own = File::open("/dev/zero")?;
    deskway_osuser::detach()?;
    deskway_osuser::close_inherited()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    let kept = (&own).read_exact(&mut [0]).map_or("lost", |()| "kept");
    let session = own_session()?;
    writeln!(io::stdout(), "{} {session} {kept}", std::process::id())?;
    Ok(())
}

fn a_descriptor_is_adopted_and_its_variable_taken() -> Outcome {
    let (mut passed, writer) = inheritable()?;
    let started = Command::new(std::env::current_exe()?)
        .env(ROLE, "adopt")
        .env(DESCRIPTOR, writer.as_raw_fd().to_string())
        .spawn()?;
    drop(writer);
    let mut said = String::new();
    passed.read_to_string(&mut said)?;
    assert_eq!(said, "adopted");
    assert!(started.wait_with_output()?.status.success());
    Ok(())
}

fn adopting() -> Outcome {
    let number = deskway_osuser::take_variable(DESCRIPTOR)?.ok_or("no descriptor")?;
    assert_eq!(std::env::var_os(DESCRIPTOR), None);
    assert_eq!(deskway_osuser::take_variable(DESCRIPTOR)?, None);
    let number = number.to_str().ok_or("no number")?.parse()?;
    let mut adopted = File::from(deskway_osuser::adopt(number)?);
    assert!(deskway_osuser::adopt(number).is_err(), "once only");
    adopted.write_all(b"adopted")?;
    Ok(())
}

/// A pipe whose other end a program that is started has too.
fn inheritable() -> Result<(io::PipeReader, OwnedFd), Box<dyn Error>> {
    let (reader, writer) = io::pipe()?;
    Ok((reader, rustix::io::dup(&writer)?))
}

/// The number of this process's session, 0 in a container whose session was begun outside: the
/// sixth field of proc(5)'s `stat`, since rustix knows no such number.
fn own_session() -> Result<String, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, after_name) = stat.rsplit_once(')').ok_or("no name")?;
    let session = after_name.split_whitespace().nth(3).ok_or("no session")?;
    Ok(session.to_owned())
}
