//! The files in `tests/config`: sound ones are taken, each of the others is refused with
//! exactly the message in the `.txt` beside it.
#![expect(clippy::unwrap_used, reason = "a failing read fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use deskway::config::{self, Config, Error, Overrides, Restart};

#[test]
fn sound_files_are_taken() {
    for file in files("valid") {
        if let Err(error) = read(&file) {
            panic!("{error}");
        }
    }
}

#[test]
fn an_empty_file_is_the_defaults() {
    let empty = read(&folder("valid").join("empty.toml")).unwrap();
    assert_eq!(empty, Config::default_for(0));
}

#[test]
fn what_the_file_says_is_what_runs() {
    let config = read(&folder("valid").join("everything.toml")).unwrap();
    assert_eq!(config.server.listen.len(), 2);
    assert_eq!(config.server.base_path, "/desk");
    assert_eq!(
        config.server.hosts,
        ["desk.example.org", "physics.example.org", "lab.example.org"],
        "a group's name is one of the server's, and so is one of a certificate that is ordered"
    );
    let certificates: Vec<_> = config.tls.pairs().map(|files| files.cert.clone()).collect();
    let expected =
        ["cert.pem", "lab.pem", "old.pem"].map(|name| PathBuf::from("/etc/deskway").join(name));
    assert_eq!(certificates, expected);
    let acme = config.tls.acme.as_ref().unwrap();
    assert_eq!(acme.domains, ["desk.example.org", "lab.example.org"]);
    assert_eq!(config.sign_in.lifetime.as_secs(), 90 * 60);
    assert_eq!(config.access.groups, ["staff", "students"]);
    assert_eq!(config.admin.users, ["alice"]);
    assert_eq!(config.admin.groups, ["sudo"]);
    assert_eq!(config.desktops.geometry.to_string(), "1920x1080");
    assert_eq!(config.desktops.env["LANG"], "de_DE.UTF-8");
    assert_eq!(config.desktops.profiles[1].name, "matlab");
    assert_eq!(config.desktops.restart, Restart::OnCrash);
    assert_eq!(config.idle.stop_after.unwrap().as_secs(), 2 * 24 * 60 * 60);
    assert_eq!(
        (config.idle.busy_cpu, config.idle.grace.as_secs()),
        (10, 120)
    );
    assert_eq!(config.attach[0].desktop.to_string(), "alice/office");
    let accent = config.brand.colours.accent.unwrap();
    assert_eq!(accent.to_string(), "#2a6f97");
    let physics = &config.groups[0];
    assert_eq!(physics.name, "physics");
    assert_eq!(physics.brand.name, "Physics at the Lab");
    let logo = physics.brand.logo.as_deref();
    assert_eq!(logo, Some(Path::new("/etc/deskway/physics.svg")));
    assert_eq!(
        physics.brand.colours.accent_dark, None,
        "its own accent stands for both"
    );
    assert_eq!(
        physics.brand.notice, config.brand.notice,
        "what it does not say is the place's"
    );
    assert_eq!(config.limits.memory_high, Some(3 << 30));
    assert_eq!(config.limits.hours_per_day.unwrap().as_secs(), 8 * 60 * 60);
    assert_eq!(physics.limits.memory_max, Some(16 << 30));
    assert_eq!(physics.limits.cpu_quota, None, "0 lifts what everybody has");
    assert_eq!(physics.limits.hours_per_day, None);
    assert_eq!(physics.limits.processes, config.limits.processes);
    assert_eq!(config.groups[1].limits, config.limits);
    assert!(config.groups[1].brand.links.is_empty());
    assert!(config.portal.public_index);
    assert_eq!(config.paths.run, PathBuf::from("/run/lab"));
    assert!(config.log.json && !config.sign_in.local && !config.desktops.private_tmp);
}

#[test]
fn flags_are_stronger_than_the_file() {
    let overrides = Overrides {
        listen: vec!["127.0.0.1:7000".parse().unwrap()],
        base_path: Some(String::new()),
        run_dir: Some("/run/other".into()),
        ..Overrides::default()
    };
    let text = text_of(&folder("valid").join("everything.toml"));
    let config = config::over(Config::default_for(0), &text, "x", &overrides).unwrap();
    let listener = config.server.listen.first().unwrap();
    assert_eq!(overrides.listen.first(), Some(&listener.at));
    assert_eq!(config.server.base_path, "");
    assert_eq!(config.paths.run, PathBuf::from("/run/other"));
    assert_eq!(config.paths.state, PathBuf::from("/srv/lab"));
}

#[test]
fn wrong_files_are_refused_with_the_place_and_what_would_be_right() {
    for file in files("invalid") {
        let error = read(&file).expect_err(&file.display().to_string());
        let expected = text_of(&file.with_extension("txt"));
        assert_eq!(
            error.to_string().trim(),
            expected.trim(),
            "{}",
            file.display()
        );
        let Error::Wrong { problems, .. } = error else {
            panic!("another error for {}", file.display());
        };
        assert!(problems.iter().all(|problem| problem.line > 0));
    }
}

#[test]
fn hostile_files_are_refused_without_a_panic() {
    let deep = "a = ".to_owned() + &"[".repeat(10_000);
    let many = (0..2000).fold("[desktops]\n".to_owned(), |text, i| {
        text + &format!("k{i} = 1\n")
    });
    let nested = "[server]\nlisten = {a={b={c={d=[[[1]]]}}}}\n".to_owned();
    let odd = "[server.listen.x]\ny = 1\n[[server.hosts]]\nz = 2\n".to_owned();
    let raw_bytes = "\u{0}\u{1b}[31m = \"\u{7f}\"".to_owned();
    for text in [deep, many, nested, odd, raw_bytes] {
        let error = config::from_text(&text, "x", &Overrides::default()).unwrap_err();
        let message = error.to_string();
        assert!(
            !message.contains('\u{1b}') && message.lines().count() <= 20,
            "{message}"
        );
    }
}

fn read(file: &Path) -> Result<Config, Error> {
    let text = text_of(file);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    config::over(Config::default_for(0), &text, &name, &Overrides::default())
}

fn text_of(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/config")
        .join(name)
}

fn files(name: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no files in {name}");
    files
}
