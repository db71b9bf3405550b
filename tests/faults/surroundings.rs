//! What is around Deskway is not as it should be: visitors, the network.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::UNIX_EPOCH;

use deskway::runtime::Clock;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::account::Person;
use crate::gateway::{Gateway, connect, read_reply};
use crate::scene::Scene;

/// Debian's; the loader fills in the machine's name.
const LIBFAKETIME: &str = "/usr/$LIB/faketime/libfaketime.so.1";

/// F12: The clock is set
/// Happens: Whatever has a deadline is timed by a clock that nobody can set. So are sign-ins, across
/// restarts too.
/// Seen: Nothing.
/// Lost: Nothing.
/// Kept: Sign-ins, for as long as they were to last and no longer; waits after wrong passwords.
/// Tests: src/runtime/clock.rs a_clock_that_is_set_moves_the_time_of_records_and_not_that_of_sign_ins;
/// src/launcher/throttle.rs waits_end_at_a_minute
#[test]
fn f12_a_clock_that_is_set_an_hour_a_day_or_ten_years_away_signs_nobody_out() {
    let alice = Person::new("a");
    let stays = Gateway::folder();
    // Deskway runs again and again, each time on the same files.
    let start = |clock: &str| {
        let on_the_same = |folder: &Path| {
            let file = folder.join("deskway.toml");
            let text = fs::read_to_string(&file).unwrap();
            let [own, same] = [folder, stays.path()].map(|path| path.display().to_string());
            let mut text = text.replace(&format!("{own}/r"), &format!("{same}/r"));
            text = text.replace(&format!("{own}/s"), &format!("{same}/s"));
            fs::write(file, text).unwrap();
        };
        let at_that_time = |program: &Path| {
            let mut up = Command::new("env");
            up.arg(format!("LD_PRELOAD={LIBFAKETIME}"))
                .arg(format!("FAKETIME={clock}"));
            up.arg("FAKETIME_DONT_FAKE_MONOTONIC=1").arg(program);
            up
        };
        Scene::made("", on_the_same, at_that_time)
    };
    let cookie = start("+0").guest(&alice).cookie;
    for (clock, ahead) in [
        ("+3600", 3600),
        ("-86400", -86_400),
        ("+315360000", 315_360_000),
    ] {
        let scene = start(clock);
        let me = scene.get("/api/v1/me", &cookie);
        assert_eq!(me.status, 200, "{clock}: {me:?}");
        assert_eq!(scene.get("/api/v1/desktops", &cookie).status, 200);
        let mut fields = me
            .head
            .lines()
            .filter_map(|line| line.strip_prefix("date: "));
        let date = httpdate::parse_http_date(fields.next().unwrap()).unwrap();
        let its = date
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs()
            .cast_signed();
        let ours = Clock::System.unix().cast_signed();
        assert!((its - ours - ahead).abs() < 60, "the clock is not set");
    }
}

/// F20: Visitors write into the log, or flood it
/// Happens: What they send is written with its control characters escaped, one line for each event.
/// What happens again and again is counted and said now and then.
/// Seen: Nothing.
/// Lost: Nothing.
/// Kept: The log's lines are Deskway's own.
#[test]
fn f20_what_visitors_send_makes_no_line_and_no_colour_in_the_log() {
    let scene = Scene::new();
    let form = "application/x-www-form-urlencoded";
    let name = "eve%0d%0aERROR+forged%1b%5b31m%00%e2%80%ae";
    let body = format!("name={name}&password=x%0dforged&next=/");
    let reply = scene.post("/sign-in", form, &body, "");
    assert_eq!(reply.status, 401, "{reply:?}");
    for line in [
        "GET /d/eve%0aforged%1b[31m/ HTTP/1.1\r\nUser-Agent: \u{1b}[31mforged\r\n",
        "GET /forged HTTP/1.1\r\nUser-Agent: x\r\nCookie: a=\u{1b}]0;forged\u{7}\r\n",
        "GET / HTTP/1.1\r\nX-Forwarded-For: 1.2.3.4\u{1b}[31mforged\r\nForwarded: for=\"\u{1b}forged\"\r\n",
        "\u{1b}[31mforged / HTTP/1.1\r\n",
    ] {
        let mut stream = connect(scene.address).unwrap();
        write!(
            stream,
            "{line}Host: {}\r\nConnection: close\r\n\r\n",
            scene.address
        )
        .unwrap();
        // What cannot be understood need not be answered.
        drop(read_reply(&mut BufReader::new(stream)));
    }
    let log = scene.log();
    let control = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!log.contains(control), "{log:?}");
    // Not even a name, which may be a password in the wrong field.
    assert!(!log.contains("forged"), "{log}");
}

#[test]
fn f20_a_flood_of_visitors_is_not_a_flood_of_lines() {
    let scene = Scene::new();
    let lines = || scene.log().lines().count();
    let before = lines();
    for _ in 0..500 {
        let mut stream = connect(scene.address).unwrap();
        stream.write_all(b"nonsense\r\n\r\n").unwrap();
    }
    for _ in 0..200 {
        let reply = scene.get("/d/nobody/websockify", "deskway=made+up");
        assert!(
            matches!(reply.status, 303 | 400 | 401 | 404 | 426),
            "{reply:?}"
        );
    }
    assert!(lines() - before < 50, "{}", scene.log());
}

/// F22: There is no network, or no name server
/// Happens: Deskway starts and serves whoever reaches it. It looks up no name to take a connection.
/// Seen: Nothing.
/// Lost: Nothing.
/// Kept: Everything on the machine itself.
#[test]
fn f22_without_any_network_people_sign_in_over_loopback_and_desktops_start() {
    let alice = Person::new("a");
    // In a thread of its own, for a thread that is in there stays there.
    let in_there = || {
        let _network = NoNetwork::enter();
        let scene = Scene::new();
        let hers = scene.guest(&alice);
        hers.start();
        let mut view = hers.watch();
        view.shake_hands();
        view.is_drawn_for();
    };
    std::thread::scope(|scope| scope.spawn(in_there).join().unwrap());
}

/// A network of nothing but loopback, in which this thread is from now on, and what it starts.
struct NoNetwork(Child);

impl NoNetwork {
    fn enter() -> Self {
        let script = "ip link set lo up && echo ready && exec sleep infinity";
        let mut holder = Command::new("unshare");
        holder
            .args(["--net", "sh", "-c", script])
            .stdout(Stdio::piped());
        let mut holder = holder.spawn().unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(holder.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let namespace = fs::File::open(format!("/proc/{}/ns/net", holder.id())).unwrap();
        move_into_link_name_space(
            std::os::fd::AsFd::as_fd(&namespace),
            Some(LinkNameSpaceType::Network),
        )
        .unwrap();
        Self(holder)
    }
}

impl Drop for NoNetwork {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            eprintln!("the network without anybody is left: {error}");
        }
    }
}
