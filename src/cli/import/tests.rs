//! The files in `tests/import`: each gives exactly the configuration beside it, which is sound.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/import");

fn args(file: &str) -> Import {
    Import {
        file: Path::new(ROOT).join(file),
        from: None,
        owner: None,
        attach: false,
        write: None,
        force: false,
    }
}

fn found(args: &Import) -> Found {
    let mut found = read(args).unwrap();
    found.settle();
    found
}

/// As it is written, and read back by those who know the format.
fn imported(args: &Import) -> (String, config::Config) {
    let text = render::file(&found(args), &args.file, Path::new("/etc/deskway"));
    check(&text).unwrap();
    let config = config::from_text(&text, "", &Overrides::default());
    (text.replace(ROOT, "tests/import"), config.unwrap())
}

fn assert_is(args: &Import, name: &str) -> config::Config {
    let (text, config) = imported(args);
    let expected = fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
    assert_eq!(text, expected, "tests/import/{name}");
    config
}

#[test]
fn each_file_becomes_the_configuration_beside_it() {
    for file in [
        "whole.conf",
        "tokens",
        "tokens.d",
        "vncserver.users",
        "user-mapping.xml",
    ] {
        assert_is(&args(file), &format!("{file}.toml"));
    }
}

#[test]
fn two_desktops_behind_nginx_are_alice_s_and_bob_s() {
    let (text, config) = imported(&args("two-desktops.conf"));
    assert!(
        !text.contains("Not carried over"),
        "nothing is lost: {text}"
    );
    assert!(config.portal.public_index, "{text}");
    let desktops: Vec<_> = config
        .attach
        .iter()
        .map(|it| it.desktop.to_string())
        .collect();
    assert_eq!(desktops, ["alice", "bob"]);
    let listens = format!("{:?}", config.server.listen);
    assert!(
        listens.contains("0.0.0.0:80") && listens.contains("Http"),
        "{listens}"
    );
}

#[test]
fn a_desktop_of_nobody_is_the_owner_s_who_is_named() {
    let (text, config) = imported(&args("one-desktop.conf"));
    assert!(
        config.attach.is_empty() && text.contains("# [[attach]]"),
        "{text}"
    );
    let mut args = args("one-desktop.conf");
    args.owner = Some("alice".parse().unwrap());
    let (_, config) = imported(&args);
    assert_eq!(config.attach[0].desktop.to_string(), "alice");
}

#[test]
fn screens_are_attached_beside_their_owners_desktops() {
    let mut args = args("vncserver.users");
    args.attach = true;
    let config = assert_is(&args, "vncserver.users.attach.toml");
    assert_eq!(config.attach[2].desktop.to_string(), "bob/display3");
}

#[test]
fn files_that_make_no_sense_are_refused_with_their_place() {
    for (file, place) in [
        ("quotes.conf", "quotes.conf:4: quotes"),
        ("open.conf", "open.conf:3: a block without its `}`"),
        ("end.conf", "end.conf:3: a directive without its `;`"),
        ("close.conf", "close.conf:2: a `}` that closes nothing"),
        ("deep.conf", "deep.conf:1: blocks or files stand too deep"),
        ("entities.xml", "entities.xml:1: "),
        ("open.xml", "open.xml:3: "),
    ] {
        let error = read(&args(&format!("broken/{file}")))
            .unwrap_err()
            .to_string();
        assert!(error.contains(place), "{error}");
    }
    let none = read(&args("../config.rs")).unwrap_err();
    assert!(matches!(none, Error::Unknown { .. }), "{none}");
}

#[test]
fn what_hostile_files_hold_stays_in_its_quotes_and_comments() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nginx.conf");
    let text = "server { listen 80; server_name \"a\n[x]\"; odd \"\u{1b}[31m\nhosts = 1\";\n\
                location /novnc/alice/websockify { proxy_set_header Upgrade x; \
                proxy_pass \"http://h/\n\\\"[[attach]]\"; } }";
    fs::write(&path, text).unwrap();
    let mut args = args("");
    args.file = path;
    let (text, config) = imported(&args);
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(config.server.hosts.is_empty());
}

#[test]
fn addresses_that_would_serve_nobody_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nginx.conf");
    let text = "server { listen 80 proxy_protocol; listen 80; return 301 https://desk$request_uri;
                location /novnc/alice/websockify { proxy_set_header Upgrade $http_upgrade;
                proxy_pass http://h:1/; } }";
    fs::write(&path, text).unwrap();
    let mut args = args("");
    args.file = path;
    let (text, config) = imported(&args);
    assert_eq!(config.attach.len(), 1);
    assert!(!text.contains("[[listen]]\naddress"), "{text}");
    assert!(text.contains("this address is left out"), "{text}");
}

#[test]
fn each_server_brings_its_certificate_and_the_same_one_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nginx.conf");
    let server = |name: &str, cert: &str| {
        format!(
            "server {{ listen 443 ssl; server_name {name}.example.org;
             ssl_certificate /etc/{cert}.pem; ssl_certificate_key /etc/{cert}.key;
             location /novnc/{name}/websockify {{ proxy_set_header Upgrade $http_upgrade;
             proxy_pass http://h:1/; }} }}\n"
        )
    };
    let text = server("alice", "one") + &server("bob", "two") + &server("carol", "one");
    fs::write(&path, text).unwrap();
    let mut args = args("");
    args.file = path;
    let (text, config) = imported(&args);
    let certificates: Vec<_> = config.tls.pairs().map(|it| it.cert.clone()).collect();
    assert_eq!(
        certificates,
        [Path::new("/etc/one.pem"), Path::new("/etc/two.pem")]
    );
    assert!(text.contains("key = \"/etc/two.key\""), "{text}");
}

#[test]
fn more_than_a_configuration_may_hold_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    let line = |n| format!("person{n}: lab.example.org:5901\n");
    fs::write(&path, (0..2000).map(line).collect::<String>()).unwrap();
    let mut args = args("");
    args.file = path;
    let text = render::file(&found(&args), &args.file, Path::new("/"));
    assert!(matches!(check(&text), Err(Error::TooLong(_))));
}

#[test]
fn includes_are_found_from_the_file_s_folder_whatever_it_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("a[b]*");
    fs::create_dir_all(odd.join("sites/below")).unwrap();
    let location = |name: &str| {
        format!(
            "server {{ location /novnc/{name}/websockify {{ \
             proxy_set_header Upgrade $http_upgrade; proxy_pass http://h:1/; }} }}"
        )
    };
    fs::write(odd.join("nginx.conf"), "http { include sites/**.conf; }").unwrap();
    fs::write(odd.join("sites/a.conf"), location("alice")).unwrap();
    fs::write(odd.join("sites/below/b.conf"), location("bob")).unwrap();
    let mut args = args("");
    args.file = odd.join("nginx.conf");
    let (_, config) = imported(&args);
    assert_eq!(config.attach.len(), 1);
    // The default of a server that names no address.
    assert!(format!("{:?}", config.server.listen).contains("0.0.0.0:80"));
}

#[test]
fn a_person_with_a_dot_and_another_s_desktop_have_passwords_apart() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("user-mapping.xml");
    let connection = |name: &str, password: &str| {
        format!(
            "<connection name=\"{name}\"><protocol>vnc</protocol>\
             <param name=\"hostname\">lab</param><param name=\"port\">5901</param>\
             <param name=\"password\">{password}</param></connection>"
        )
    };
    let text = format!(
        "<user-mapping><authorize username=\"alice\">{}{}</authorize>\
         <authorize username=\"alice.b\">{}</authorize></user-mapping>",
        connection("b", "first"),
        connection("c", "second"),
        connection("main", "third")
    );
    fs::write(&from, text).unwrap();
    let mut args = args("");
    args.file = from;
    let path = folder.path().join("to/deskway.toml");
    let beside = path.parent().unwrap();
    let found = found(&args);
    assert_eq!(found.attached.len(), 3);
    let text = render::file(&found, &args.file, beside);
    place::write(&found, &text, &path, false).unwrap();
    for (desktop, password) in [
        ("alice/b", "first"),
        ("alice/c", "second"),
        ("alice.b", "third"),
    ] {
        let attached = found
            .attached
            .iter()
            .find(|it| it.desktop.as_deref() == Some(desktop))
            .unwrap();
        let file = render::password_file(attached, beside).unwrap();
        assert_eq!(fs::read_to_string(file).unwrap(), format!("{password}\n"));
    }
}

#[test]
fn it_is_written_whole_with_passwords_apart_and_over_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sub/deskway.toml");
    let args = args("user-mapping.xml");
    let found = found(&args);
    let beside = path.parent().unwrap();
    let text = render::file(&found, &args.file, beside);
    assert!(
        !text.contains("hunter2") && !text.contains("opensesame"),
        "{text}"
    );
    place::write(&found, &text, &path, false).unwrap();
    let password = beside.join("alice.password");
    assert_eq!(fs::read_to_string(&password).unwrap(), "hunter2\n");
    let mode = fs::metadata(&password).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    let again = place::write(&found, "other", &path, false).unwrap_err();
    assert!(matches!(again, Error::Exists { .. }), "{again}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    place::write(&found, "other", &path, true).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "other");
    assert_eq!(fs::read_dir(beside).unwrap().count(), 2);
}
