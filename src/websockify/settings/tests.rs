//! Each rule of the command line: what passes, and what is said when it does not.

use std::path::Path;

use clap::FromArgMatches as _;

use super::*;

fn flags(line: &str) -> Flags {
    let argv = std::iter::once("websockify").chain(line.split_whitespace());
    let matches = Flags::command().try_get_matches_from(argv).unwrap();
    Flags::from_arg_matches(&matches).unwrap()
}

fn check(line: &str) -> Result<Settings, SettingsError> {
    Settings::check(&flags(line))
}

fn error(line: &str) -> String {
    check(line).unwrap_err().to_string()
}

#[test]
fn an_address_to_listen_on_and_a_target_are_enough() {
    let settings = check("[::1]:6080 db.example:5900").unwrap();
    let source = Source::Tcp {
        host: "::1".to_owned(),
        port: 6080,
        prefer_ipv6: false,
    };
    assert_eq!(settings.listen, source);
    let Destination::Fixed(target) = settings.to else {
        panic!("another destination");
    };
    assert_eq!(target.to_string(), "db.example:5900");
    assert!(settings.tls.is_none());
    assert_eq!(settings.heartbeat, Some(Duration::from_secs(25)));
    assert!(settings.timeout.is_none() && settings.idle_timeout.is_none());
}

#[test]
fn too_few_and_too_many_words_are_refused_by_what_is_missing_or_left() {
    assert!(error("").contains("source_port"));
    assert!(error("6080").contains("target_port"));
    assert!(error("6080 a:1 b:2").contains("`b:2`"));
    assert!(error("6080 a:1 --unix-target s").contains("`a:1`"));
    assert!(error("6080 a:1 --token-plugin TokenFile").contains("`a:1`"));
    assert!(error("6080 a:1 -- Xvnc").contains("`a:1`"));
    assert!(error("6080 a:1 --unix-listen s").contains("`6080`"));
    assert!(error("--inetd").contains("target_port"));
    assert!(error("x a:1").contains("`x`"));
    assert!(error("6080 a").contains("`a`"));
}

#[test]
fn an_option_without_the_one_that_it_belongs_to_is_refused() {
    for (line, option, other) in [
        ("--token-source f", "--token-source", "--token-plugin"),
        ("--host-token", "--host-token", "--token-plugin"),
        ("--auth-source a:b", "--auth-source", "--auth-plugin"),
        ("--web-auth --web /", "--web-auth", "--auth-plugin"),
        ("--web-auth --auth-plugin X", "--web-auth", "--web"),
        ("--legacy-syslog", "--legacy-syslog", "--syslog"),
    ] {
        let said = error(&format!("6080 a:1 {line}"));
        let expected = format!("{option} needs {other} beside it");
        assert_eq!(said, expected, "{line}");
    }
}

#[test]
fn tls_alone_needs_a_certificate_that_is_there() {
    let said = error("6080 a:1 --ssl-only --cert no-such.pem");
    assert!(
        said.contains("no-such.pem") && said.contains("--cert"),
        "{said}"
    );
    let there = tempfile::NamedTempFile::new().unwrap();
    let line = format!("6080 a:1 --ssl-only --cert {}", there.path().display());
    let settings = check(&line).unwrap();
    assert_eq!(settings.tls.unwrap().cert, there.path());
    assert!(settings.ssl_only);
}

#[test]
fn a_certificate_that_is_named_may_come_later() {
    let settings = check("6080 a:1 --cert later.pem").unwrap();
    assert!(settings.tls.unwrap().cert.is_absolute());
}

#[test]
fn tls_of_old_is_refused_whether_there_is_a_certificate_or_not() {
    assert!(error("6080 a:1 --ssl-version tlsv1_1").contains("tlsv1_2"));
    assert!(check("6080 a:1 --ssl-version tlsv1_3").is_ok());
    assert!(error("6080 a:1 --ssl-ciphers RC4-SHA").contains("leaves no cipher suite"));
    assert!(check("6080 a:1 --ssl-ciphers HIGH").is_ok());
}

#[test]
fn a_unix_socket_has_a_mode_in_octal_digits() {
    let mode = |line: &str| match check(line).unwrap().listen {
        Source::Unix { path, mode } => {
            assert!(path.is_absolute());
            mode
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(mode("--unix-listen s a:1"), 0o600);
    assert_eq!(mode("--unix-listen s --unix-listen-mode 0660 a:1"), 0o660);
    assert_eq!(mode("--unix-listen s --unix-listen-mode 0o777 a:1"), 0o777);
    for text in ["rw", "8", "1777", "-1"] {
        let said = error(&format!("--unix-listen s --unix-listen-mode {text} a:1"));
        assert!(said.contains(&format!("`{text}`")), "{said}");
    }
}

#[test]
fn tokens_come_from_a_plugin_or_from_the_old_option() {
    let Destination::Tokens {
        plugin,
        source,
        from_host,
    } = check("6080 --token-plugin x.Y --token-source z --host-token")
        .unwrap()
        .to
    else {
        panic!("another destination");
    };
    assert_eq!((plugin.as_str(), source.as_deref()), ("x.Y", Some("z")));
    assert!(from_host);
    let Destination::Tokens { plugin, source, .. } =
        check("6080 --target-config cfg --host-token").unwrap().to
    else {
        panic!("another destination");
    };
    assert_eq!(plugin, "TokenFile");
    assert!(Path::new(&source.unwrap()).is_absolute());
}

#[test]
fn a_wrapped_program_is_the_target_unless_another_is_named() {
    let settings = check("127.0.0.1:6080 --wrap-mode respawn -- Xvnc :1").unwrap();
    assert_eq!(settings.to, Destination::Wrapped);
    let wrapped = settings.wrapped.unwrap();
    assert_eq!(wrapped.command, ["Xvnc", ":1"]);
    assert_eq!((wrapped.port, wrapped.mode), (6080, WrapMode::Respawn));
    let settings = check("6080 --unix-target s -- Xvnc -rfbunixpath s").unwrap();
    assert!(matches!(settings.to, Destination::Fixed(Target::Unix(_))));
    assert!(settings.wrapped.is_some());
    assert!(error("--unix-listen s -- Xvnc").contains("source_port"));
}

#[test]
fn zero_asks_for_nothing() {
    let settings = check("6080 a:1 --timeout 0 --idle-timeout 0 --heartbeat 0").unwrap();
    assert!(settings.timeout.is_none() && settings.idle_timeout.is_none());
    assert!(settings.heartbeat.is_none());
    let settings = check("6080 a:1 --timeout 3 --idle-timeout 4 --heartbeat 5").unwrap();
    let waits = [settings.timeout, settings.idle_timeout, settings.heartbeat];
    assert_eq!(waits, [3, 4, 5].map(|wait| Some(Duration::from_secs(wait))));
}

#[test]
fn files_are_found_from_any_directory() {
    let settings = check("6080 a:1 --web w --record r --log-file l --key k --cert c").unwrap();
    let tls = settings.tls.unwrap();
    let web = settings.web.unwrap();
    assert!(web.listing && !web.guarded);
    for path in [
        web.dir,
        settings.record.unwrap(),
        settings.log.file.unwrap(),
        tls.key.unwrap(),
    ] {
        assert!(path.is_absolute(), "{}", path.display());
    }
    assert!(
        !check("6080 a:1 --web w --file-only")
            .unwrap()
            .web
            .unwrap()
            .listing
    );
}
