//! The command line itself: forms that are understood, and errors that say what is wrong.

use tempfile::TempDir;

use crate::harness::{Target, exchange, proxy, serving};
use crate::ledger::case;

/// Arguments that are wrong, and the part of the message that says so.
fn each_is_wrong(wrong: &[(&[&str], &str)]) {
    for (arguments, part) in wrong {
        let ended = serving().nowhere().with(arguments).run();
        ended.is_wrong_usage(part);
    }
}

case!(help_names_every_option, || {
    let ended = serving().nowhere().with(&["--help"]).run();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    for option in OPTIONS {
        assert!(ended.stdout.contains(option), "no {option}");
    }
});

/// Every option that 0.13 has.
const OPTIONS: &[&str] = &[
    "--verbose",
    "--traffic",
    "--record",
    "--daemon",
    "--run-once",
    "--timeout",
    "--idle-timeout",
    "--cert",
    "--key",
    "--key-password",
    "--ssl-only",
    "--ssl-target",
    "--verify-client",
    "--cafile",
    "--ssl-version",
    "--ssl-ciphers",
    "--unix-listen",
    "--unix-listen-mode",
    "--unix-target",
    "--inetd",
    "--web",
    "--web-auth",
    "--wrap-mode",
    "--prefer-ipv6",
    "--libserver",
    "--target-config",
    "--token-plugin",
    "--token-source",
    "--host-token",
    "--auth-plugin",
    "--auth-source",
    "--heartbeat",
    "--log-file",
    "--syslog",
    "--legacy-syslog",
    "--file-only",
];

case!(options_that_need_another_one_say_which, || {
    each_is_wrong(&[
        (&["--token-source", "x", "6080", "h:1"], "--token-plugin"),
        (&["--host-token", "6080", "h:1"], "--token-plugin"),
        (&["--auth-source", "x", "6080", "h:1"], "--auth-plugin"),
        (
            &["--web-auth", "--web", "/", "6080", "h:1"],
            "--auth-plugin",
        ),
        (
            &["--web-auth", "--auth-plugin", "ExpectOrigin", "6080", "h:1"],
            "--web",
        ),
    ]);
});

case!(legacy_syslog_needs_syslog, || {
    each_is_wrong(&[(&["--legacy-syslog", "6080", "h:1"], "--syslog")]);
});

case!(options_that_do_not_exist_are_named, || {
    each_is_wrong(&[
        (&["--no-such-option", "6080", "h:1"], "--no-such-option"),
        (&["-x", "6080", "h:1"], "-x"),
    ]);
});

case!(all_errors_have_one_form, || {
    for (arguments, is_usage) in [
        (&["--bogus", "6080", "h:1"][..], true),
        (&["--timeout", "soon", "6080", "h:1"], true),
        (&["6080"], true),
        (&["--token-plugin", "NoSuchPlugin", "6080"], false),
        (&["--web", "/no/such/folder", "6080", "h:1"], false),
        (&["--log-file", "/no/such/folder/log", "6080", "h:1"], false),
        (&["192.0.2.1:6080", "h:1"], false),
        (&["--inetd", "h:1"], false),
    ] {
        let ended = serving().nowhere().by_link().with(arguments).run();
        let errors = ended.stderr.lines();
        let errors = errors.filter(|line| line.starts_with("websockify: error: "));
        assert_eq!(errors.count(), 1, "{}", ended.stderr);
        let help = ended.stderr.ends_with("\nTry websockify --help.\n");
        assert_eq!(help, is_usage, "{}", ended.stderr);
        assert!(!ended.stderr.contains("'-- "), "{}", ended.stderr);
        assert_ne!(ended.status, 0, "{}", ended.stderr);
    }
});

case!(values_that_are_wrong_are_named_with_their_option, || {
    each_is_wrong(&[
        (&["--timeout", "soon", "6080", "h:1"], "--timeout"),
        (&["--idle-timeout", "x", "6080", "h:1"], "--idle-timeout"),
        (&["--heartbeat", "x", "6080", "h:1"], "--heartbeat"),
        (&["--wrap-mode", "restart", "6080", "h:1"], "--wrap-mode"),
        (&["--ssl-version", "sslv3", "6080", "h:1"], "--ssl-version"),
        (&["6080", "h:1", "--record"], "--record"),
    ]);
});

case!(an_option_that_takes_no_value_refuses_one, || {
    each_is_wrong(&[(&["--ssl-only=yes", "6080", "h:1"], "--ssl-only")]);
});

case!(
    arguments_that_are_missing_or_too_many_are_wrong_usage,
    || {
        let wrong: [&[&str]; 6] = [
            &[],
            &["6080"],
            &["here", "h:1"],
            &["6080", "h"],
            &["6080", "h:port"],
            &["6080", "h:1", "more"],
        ];
        for arguments in wrong {
            let ended = serving().nowhere().with(arguments).run();
            assert_eq!(ended.status, 2, "{arguments:?}: {}", ended.stderr);
            assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        }
    }
);

case!(ssl_only_without_a_certificate_is_wrong_usage, || {
    each_is_wrong(&[(
        &["--ssl-only", "--cert", "/no/such.pem", "6080", "h:1"],
        "/no/such.pem",
    )]);
});

case!(a_mode_that_is_not_octal_is_wrong_usage, || {
    each_is_wrong(&[(
        &["--unix-listen", "/tmp/x", "--unix-listen-mode", "rw", "h:1"],
        "mode",
    )]);
});

case!(a_syslog_port_that_is_none_is_wrong_usage, || {
    each_is_wrong(&[(&["--syslog", "localhost:x", "6080", "h:1"], "syslog")]);
});

case!(
    a_plugin_that_does_not_exist_is_wrong_usage_and_named,
    || {
        each_is_wrong(&[
            (&["--token-plugin", "NoSuchPlugin", "6080"], "NoSuchPlugin"),
            (
                &["--auth-plugin", "NoSuchGate", "6080", "h:1"],
                "NoSuchGate",
            ),
        ]);
    }
);

case!(
    a_python_class_of_ones_own_is_refused_with_what_to_use_instead,
    || {
        each_is_wrong(&[(
            &[
                "--token-plugin",
                "mine.tokens.Desks",
                "--token-source",
                "x",
                "6080",
            ],
            "exec:",
        )]);
    }
);

case!(a_folder_for_the_web_that_is_not_there_is_named, || {
    let ended = serving()
        .nowhere()
        .with(&["--web", "/no/such/folder", "6080", "h:1"])
        .run();
    assert_ne!(ended.status, 0);
    assert!(ended.stderr.contains("/no/such/folder"), "{}", ended.stderr);
});

case!(options_may_be_shortened_and_joined_with_their_value, || {
    let target = Target::new();
    let subject = proxy(&target)
        .with(&["--verb", "--heart=60", "--idle-time=3600", "--log=log"])
        .start();
    exchange(&mut subject.open(), &mut target.accept());
    subject.file("log", |text| !text.is_empty());
});

case!(a_short_form_that_could_be_two_options_is_refused, || {
    each_is_wrong(&[(&["--ssl", "6080", "h:1"], "--ssl")]);
});

case!(options_may_follow_the_addresses, || {
    let target = Target::new();
    let port = crate::harness::free_port().to_string();
    let address = target.address();
    let dir = TempDir::new().unwrap();
    let log = dir.path().join("log");
    let arguments = [&*port, "-v", &*address, "--timeout", "1", "--log-file"];
    let ended = serving()
        .nowhere()
        .with(&arguments)
        .with(&[log.to_str().unwrap()])
        .run();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains(&address), "{text}");
});

case!(libserver_is_taken, || {
    let target = Target::new();
    let subject = proxy(&target).with(&["--libserver"]).start();
    exchange(&mut subject.open(), &mut target.accept());
});

case!(called_as_websockify_it_is_websockify, || {
    let target = Target::new();
    let subject = proxy(&target).by_link().start();
    exchange(&mut subject.open(), &mut target.accept());
});

case!(no_parent_is_taken, || {
    let target = Target::new();
    let subject = proxy(&target).with(&["--no-parent"]).start();
    exchange(&mut subject.open(), &mut target.accept());
});

case!(a_log_file_that_cannot_be_written_is_an_error, || {
    let ended = serving()
        .nowhere()
        .with(&["--log-file", "/no/such/folder/log", "6080", "h:1"])
        .run();
    assert_ne!(ended.status, 0);
    assert!(
        ended.stderr.contains("/no/such/folder/log"),
        "{}",
        ended.stderr
    );
});

case!(
    in_the_background_paths_are_of_the_directory_it_was_started_in,
    || {
        let target = Target::new();
        let mut subject = proxy(&target)
            .with(&["--record", "session", "--log-file", "log", "--web", "."])
            .in_background()
            .start();
        assert!(subject.process.ended().success());
        let mut client = subject.open();
        exchange(&mut client, &mut target.accept());
        client.leave();
        subject.file("session.1", |text| text.ends_with("'EOF'];\n"));
        subject.file("log", |text| !text.is_empty());
    }
);

case!(
    the_source_of_tokens_is_of_the_directory_it_was_started_in,
    || {
        let target = Target::new();
        let mut subject = serving()
            .with_file("tokens", &format!("one: {}\n", target.address()))
            .with(&["--token-plugin", "TokenFile", "--token-source", "tokens"])
            .in_background()
            .start();
        assert!(subject.process.ended().success());
        super::tokens::leads(&subject, "one", &target);
    }
);
