//! The program as its administrators use it: the real binary, its output and exit status.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const DESKWAY: &str = env!("CARGO_BIN_EXE_deskway");
const DONE: Option<i32> = Some(0);
const FAILED: Option<i32> = Some(1);
/// By which systemd knows that to start it again changes nothing.
const WRONG_CONFIGURATION: Option<i32> = Some(78);
const WRONG_USAGE: Option<i32> = Some(2);

#[test]
fn check_config_takes_a_sound_file_and_says_all_that_is_wrong_with_another() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let sound = run(&[
        "check-config",
        &text(&folder.join("valid/one-address.toml")),
    ]);
    assert_eq!(sound.status.code(), DONE);
    assert!(out(&sound).contains("nothing is wrong"));
    let wrong = run(&[
        "check-config",
        &text(&folder.join("invalid/unknown-key.toml")),
    ]);
    assert_eq!(wrong.status.code(), FAILED);
    assert_eq!(out(&wrong), "");
    let said = err(&wrong);
    assert!(
        said.contains(
            "unknown-key.toml:3:1: unknown key `geomtry` in [desktops]: did you mean `geometry`?"
        ),
        "{said}"
    );
    assert_eq!(said.lines().count(), 4, "{said}");
    let missing = run(&["check-config", "/no/such/file.toml"]);
    assert_eq!(missing.status.code(), FAILED);
    assert!(err(&missing).contains("/no/such/file.toml"));
}

#[test]
fn check_config_tells_all_files_that_up_would_refuse() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("deskway.toml");
    let logo = place.path().join("logo.gif");
    fs::write(&logo, "GIF89a").unwrap();
    let written = format!(
        "[server]\ntls_cert = \"/no/cert.pem\"\ntls_key = \"/no/key.pem\"\n\
         [tls]\ncertificates = [{{ cert = \"{0}\", key = \"/no/other.pem\" }}]\n\
         [brand]\nlogo = \"/no/logo.svg\"\n\
         [[group]]\nname = \"physics\"\nlogo = \"{0}\"\n\
         [paths]\ntemplates_dir = \"/no/templates\"\n",
        logo.display()
    );
    fs::write(&file, written).unwrap();
    let output = run(&["check-config", &text(&file)]);
    assert_eq!(output.status.code(), FAILED);
    let said = err(&output);
    for expected in [
        "cannot read /no/templates",
        "`tls_cert` and `tls_key` in [server]: cannot read /no/cert.pem: ",
        "; put the file there, or correct the path",
        "`certificates` in [tls]: cannot read /no/other.pem: ",
        "`logo` in [brand]: the logo /no/logo.svg cannot be read: ",
        "`logo` in [[group]] of `physics`: the logo ",
        "logo.gif is neither an SVG, a PNG nor a WebP picture: write one of these",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert_eq!(said.lines().count(), 5, "{said}");
    assert_eq!(out(&output), "");
}

#[test]
fn an_import_prints_a_sound_file_and_writes_it_once() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let place = TempDir::new().unwrap();
    for name in [
        "one-desktop.conf",
        "two-desktops.conf",
        "whole.conf",
        "tokens",
        "tokens.d",
        "vncserver.users",
        "user-mapping.xml",
    ] {
        let printed = run(&["import", &text(&folder.join(name))]);
        assert_eq!(printed.status.code(), DONE, "{name}: {}", err(&printed));
        let file = place.path().join("deskway.toml");
        // The certificates of the machine that it comes from are not here.
        let there = out(&printed);
        let there = there.lines().filter(|line| !line.starts_with("tls_"));
        fs::write(&file, there.collect::<Vec<_>>().join("\n")).unwrap();
        let checked = run(&["check-config", &text(&file)]);
        assert_eq!(checked.status.code(), DONE, "{name}: {}", err(&checked));
    }
    let to = text(&place.path().join("new/deskway.toml"));
    let from = text(&folder.join("user-mapping.xml"));
    let written = run(&["import", &from, "--write", &to]);
    assert_eq!(written.status.code(), DONE, "{}", err(&written));
    assert!(out(&written).contains("2 attached desktops"));
    assert!(err(&written).contains("user-mapping.xml:17: a connection by ssh"));
    assert!(!err(&written).contains("opensesame"));
    assert_eq!(run(&["check-config", &to]).status.code(), DONE);
    let again = run(&["import", &from, "--write", &to]);
    assert_eq!(again.status.code(), FAILED);
    assert!(err(&again).contains("is there already"), "{}", err(&again));
    let unknown = run(&["import", &text(&folder.join("../cli.rs"))]);
    assert!(err(&unknown).contains("--from"), "{}", err(&unknown));
}

#[test]
fn a_wrong_file_stops_every_command_that_reads_it() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("deskway.toml");
    fs::write(&file, "[server]\nlisten = \"here\"\n").unwrap();
    let commands: [(&[&str], Option<i32>); 5] = [
        (&["user", "list"], FAILED),
        (&["desktop", "list"], FAILED),
        (&["up"], WRONG_CONFIGURATION),
        (&["serve"], WRONG_CONFIGURATION),
        (&["launcher"], WRONG_CONFIGURATION),
    ];
    for (command, status) in commands {
        let mut args = command.to_vec();
        let file = text(&file);
        args.extend(["--config", &file]);
        let output = run(&args);
        assert_eq!(output.status.code(), status, "{command:?}");
        assert!(
            err(&output).contains("deskway.toml:2:10"),
            "{}",
            err(&output)
        );
    }
}

#[test]
fn root_does_not_believe_a_file_that_anybody_can_write() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = TempDir::new().unwrap();
    let file = place.path().join("deskway.toml");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let output = run(&["check-config", &text(&file)]);
    if is_root() {
        assert_eq!(output.status.code(), FAILED);
        assert!(err(&output).contains("chmod o-w"));
    } else {
        assert_eq!(output.status.code(), DONE);
    }
}

#[test]
fn a_local_account_is_added_listed_changed_and_removed() {
    let place = Accounts::new();
    let added = place.run(
        "add",
        &["dwt-alice", "--full-name", "Alice Liddell"],
        "correct horse\n",
    );
    assert_eq!(added.status.code(), DONE, "{}", err(&added));
    let list: Value = serde_json::from_str(&out(&place.run("list", &["--json"], ""))).unwrap();
    assert_eq!(list[0]["name"], "dwt-alice");
    assert_eq!(list[0]["full_name"], "Alice Liddell");
    assert!(list[0]["created"].as_u64().unwrap() > 1_700_000_000);
    assert!(out(&place.run("list", &[], "")).contains("dwt-alice"));
    let twice = place.run("add", &["dwt-alice"], "correct horse\n");
    assert_eq!(twice.status.code(), FAILED);
    assert!(err(&twice).contains("deskway user passwd dwt-alice"));
    let changed = place.run("passwd", &["dwt-alice"], "battery staple");
    assert_eq!(changed.status.code(), DONE, "{}", err(&changed));
    assert_eq!(place.run("remove", &["dwt-alice"], "").status.code(), DONE);
    let again = place.run("remove", &["dwt-alice"], "");
    assert_eq!(again.status.code(), FAILED);
    assert!(out(&place.run("list", &[], "")).contains("no local accounts"));
}

#[test]
fn passwords_that_are_none_are_refused() {
    let place = Accounts::new();
    for (password, reason) in [
        ("short\n", "at least 8"),
        ("", "no password"),
        ("\nsecond line\n", "no password"),
        (&"x".repeat(2000), "at most 1024"),
    ] {
        let output = place.run("add", &["dwt-alice"], password);
        assert_eq!(output.status.code(), FAILED, "{password:?}");
        assert!(err(&output).contains(reason), "{}", err(&output));
    }
    assert!(out(&place.run("list", &[], "")).contains("no local accounts"));
}

#[test]
fn without_a_terminal_a_password_is_not_waited_for() {
    let place = Accounts::new();
    let state = text(place.state.path());
    let config = text(&place.config);
    let mut command = Command::new("setsid");
    command.args([
        "--wait",
        DESKWAY,
        "user",
        "add",
        "dwt-alice",
        "--state-dir",
        &state,
        "--config",
        &config,
    ]);
    command.args(os_user()).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), FAILED);
    assert!(
        err(&output).contains("--password-stdin"),
        "{}",
        err(&output)
    );
}

#[test]
fn at_a_terminal_the_password_is_asked_twice_and_never_shown() {
    let place = Accounts::new();
    let add = ["user", "add", "dwt-alice", "--state-dir"].map(str::to_owned);
    let mut words = [&[DESKWAY.to_owned()], &add[..]].concat();
    words.extend([
        text(place.state.path()),
        "--config".into(),
        text(&place.config),
    ]);
    words.extend(os_user().into_iter().map(str::to_owned));
    let differ = type_in(&words, &["correct horse\r", "correct house\r"]);
    assert_eq!(differ.0, FAILED);
    assert!(differ.1.contains("not the same"), "{}", differ.1);
    let broken_off = type_in(&words, &["correct\u{3}"]);
    assert_eq!(broken_off.0, FAILED);
    let added = type_in(&words, &["correct horse\r", "correct horse\r"]);
    assert_eq!(added.0, DONE, "{}", added.1);
    assert!(added.1.contains("can sign in"));
    assert!(!added.1.contains("correct horse"), "{}", added.1);
}

#[test]
fn as_root_a_local_account_needs_an_os_account_of_a_person() {
    if !is_root() {
        return;
    }
    let state = TempDir::new().unwrap();
    let add = |extra: &[&str]| {
        let mut args = vec!["user", "add", "dwt-nobody-of-that-name", "--password-stdin"];
        let state = text(state.path());
        args.extend(["--state-dir", &state]);
        args.extend(extra);
        feed(Command::new(DESKWAY).args(args), "correct horse\n")
    };
    let missing = add(&[]);
    assert_eq!(missing.status.code(), FAILED);
    assert!(
        err(&missing).contains("adduser dwt-nobody-of-that-name"),
        "{}",
        err(&missing)
    );
    let system = add(&["--os-user", "root"]);
    assert!(
        err(&system).contains("belongs to the system"),
        "{}",
        err(&system)
    );
}

#[test]
fn the_database_of_accounts_is_its_owners_alone() {
    let place = Accounts::new();
    place.run("add", &["dwt-alice"], "correct horse\n");
    let mode = fs::metadata(place.state.path().join("accounts.db"))
        .unwrap()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn doctor_answers_in_lines_and_in_json_with_the_same_states() {
    let place = TempDir::new().unwrap();
    let run_dir = text(&place.path().join("run"));
    let state_dir = text(&place.path().join("state"));
    let args = [
        "doctor",
        "--run-dir",
        &run_dir,
        "--state-dir",
        &state_dir,
        "--listen",
        "127.0.0.1:0",
    ];
    let lines = run(&args);
    let json = run(&[&args[..], &["--json"]].concat());
    let findings: Value = serde_json::from_str(&out(&json)).unwrap();
    let findings = findings.as_array().unwrap();
    let wrong = findings.iter().any(|finding| finding["state"] == "wrong");
    for output in [&lines, &json] {
        assert_eq!(output.status.code(), if wrong { FAILED } else { DONE });
    }
    for finding in findings {
        let state = finding["state"].as_str().unwrap();
        let check = finding["check"].as_str().unwrap();
        let starts = |line: &str| line.starts_with(state) && line.contains(check);
        assert!(
            out(&lines).lines().any(starts),
            "{finding} in {}",
            out(&lines)
        );
        assert_eq!(finding["mend"].is_null(), state == "fine", "{finding}");
    }
    assert!(
        !place.path().join("run").exists(),
        "the doctor changes nothing"
    );
}

#[test]
fn doctor_says_what_would_make_a_start_fail() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("deskway.toml");
    fs::write(
        &file,
        "[desktops]\nx_server = \"/no/such/Xvnc\"\nxsessions = \"/no/such\"\n",
    )
    .unwrap();
    let output = run(&[
        "doctor",
        "--json",
        "--config",
        &text(&file),
        "--listen",
        "192.0.2.1:80",
    ]);
    assert_eq!(output.status.code(), FAILED);
    let findings: Value = serde_json::from_str(&out(&output)).unwrap();
    for check in ["X server", "session", "address"] {
        let finding = findings
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["check"] == check)
            .unwrap();
        assert_eq!(finding["state"], "wrong", "{finding}");
        assert!(!finding["mend"].as_str().unwrap().is_empty());
    }
    fs::write(&file, "[desktops]\ndpi = 1\n").unwrap();
    let output = run(&["doctor", "--config", &text(&file)]);
    assert_eq!(output.status.code(), FAILED);
    assert!(
        out(&output).contains("deskway.toml:2:7"),
        "{}",
        out(&output)
    );
}

#[test]
fn desktops_without_a_launcher_are_an_error_that_says_so() {
    let place = TempDir::new().unwrap();
    let output = run(&["desktop", "list", "--run-dir", &text(place.path())]);
    assert_eq!(output.status.code(), FAILED);
    assert!(err(&output).contains("deskway up"), "{}", err(&output));
}

#[test]
fn wrong_usage_says_what_would_be_right() {
    let says = |args: &[&str], hint: &str| {
        let output = run(args);
        assert_eq!(output.status.code(), WRONG_USAGE, "{args:?}");
        assert!(err(&output).contains(hint), "{args:?}: {}", err(&output));
    };
    says(&["usr"], "'user'");
    says(&["up", "--listen", "6080"], "127.0.0.1:6080");
    says(&["up", "--base-path", "desk"], "/desk");
    says(&["up", "--tls-cert", "c.pem"], "--tls-key");
    says(&["up", "--log-filter", "deskway=loud"], "info");
    says(
        &["up", "--run-dir", &format!("/{}", "x".repeat(70))],
        "60 bytes",
    );
    says(&["desktop", "stop"], "DESKTOP");
    says(&["desktop", "start", "../alice"], "user name");
    says(
        &["user", "add", "alice", "--password", "secret"],
        "--password-stdin",
    );
}

#[test]
fn version_and_help_are_told() {
    let version = run(&["--version"]);
    assert_eq!(
        out(&version),
        format!("deskway {}\n", env!("CARGO_PKG_VERSION"))
    );
    let help = out(&run(&["upgrade", "--help"]));
    assert!(help.contains("that Deskway was started with"), "{help}");
    let help = out(&run(&["--help"]));
    for command in [
        "up",
        "serve",
        "launcher",
        "desktop",
        "user",
        "check-config",
        "doctor",
        "websockify",
    ] {
        assert!(
            help.contains(&format!("\n  {command} ")),
            "{command} in {help}"
        );
    }
    assert!(!help.contains("\n  agent "), "{help}");
}

#[test]
fn websockify_is_there_by_its_own_name_too() {
    let place = TempDir::new().unwrap();
    let link = place.path().join("websockify");
    std::os::unix::fs::symlink(DESKWAY, &link).unwrap();
    let called = |args: &[&str]| Command::new(&link).args(args).output().unwrap();
    for (help, program) in [
        (called(&["--help"]), "websockify"),
        (run(&["websockify", "--help"]), "deskway websockify"),
    ] {
        assert_eq!(help.status.code(), DONE);
        let usage = format!("\n    {program} [options] [source_addr:]source_port -- ");
        assert!(out(&help).contains(&usage), "{}", out(&help));
    }
    for (args, said) in [
        (&["6080"] as &[&str], "target_addr:target_port"),
        (&["6080", "a:1", "--web-auth"], "--auth-plugin"),
        (&["6080", "a:1", "--ssl"], "--ssl-only"),
        (&["6080", "a:1", "--timeout", "soon"], "--timeout"),
        (&["6080", "a:1", "--ssl-version", "tlsv1_1"], "tlsv1_2"),
        (
            &["6080", "--token-plugin", "my.Tokens"],
            "exec:/path/to/program",
        ),
        (&["6080", "a:1", "--web", "/no/such"], "/no/such"),
    ] {
        let wrong = called(args);
        assert_eq!(wrong.status.code(), WRONG_USAGE, "{args:?}");
        assert!(err(&wrong).contains(said), "{args:?}: {}", err(&wrong));
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let busy = called(&[&address, "a:1"]);
    assert_eq!(busy.status.code(), FAILED);
    assert!(err(&busy).contains(&address), "{}", err(&busy));
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let place = Accounts::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let state = text(place.state.path());
    let mut command = Command::new(DESKWAY);
    command
        .args(["user", "list", "--json", "--state-dir", &state])
        .stdout(writer);
    assert_eq!(command.status().unwrap().code(), DONE);
}

/// A state directory of its own, and an OS account for root's local accounts to run as.
struct Accounts {
    state: TempDir,
    config: std::path::PathBuf,
}

impl Accounts {
    fn new() -> Self {
        let state = TempDir::new().unwrap();
        let config = state.path().join("deskway.toml");
        // `daemon` is on every machine; here it counts as a person.
        fs::write(&config, "[access]\nmin_uid = 1\n").unwrap();
        Self { state, config }
    }

    /// `deskway user VERB ARGS`, with the password on standard input where it takes one.
    fn run(&self, verb: &str, args: &[&str], password: &str) -> Output {
        let mut command = Command::new(DESKWAY);
        command.args(["user", verb]).args(args);
        command.arg("--state-dir").arg(self.state.path());
        command.arg("--config").arg(&self.config);
        if verb == "add" {
            command.args(os_user());
        }
        if verb == "add" || verb == "passwd" {
            command.arg("--password-stdin");
        }
        feed(&mut command, password)
    }
}

/// What root adds to `user add` on a machine without people.
fn os_user() -> Vec<&'static str> {
    if is_root() {
        vec!["--os-user", "daemon"]
    } else {
        Vec::new()
    }
}

/// Runs a command at a terminal of its own and types one of `answers` at each question: its exit
/// status and all that the terminal showed.
fn type_in(words: &[String], answers: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("script");
    command.args([
        "--quiet",
        "--flush",
        "--return",
        "--command",
        &words.join(" "),
        "/dev/null",
    ]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut keys = child.stdin.take().unwrap();
    let mut screen = child.stdout.take().unwrap();
    let mut answers = answers.iter();
    let mut shown = Vec::new();
    let mut byte = [0];
    while screen.read(&mut byte).unwrap() > 0 {
        shown.push(byte[0]);
        if shown.ends_with(b": ")
            && let Some(answer) = answers.next()
        {
            keys.write_all(answer.as_bytes()).unwrap();
        }
    }
    let status = child.wait().unwrap().code();
    (status, String::from_utf8_lossy(&shown).into_owned())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn run(args: &[&str]) -> Output {
    Command::new(DESKWAY)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs a command with `input` on its standard input.
fn feed(command: &mut Command, input: &str) -> Output {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that fails early does not read it, which is fine.
    _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
