//! Targets by token, from files and directories.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::harness::{Start, Subject, Target, exchange, serving, upgrade};
use crate::ledger::case;
use crate::script::write_script;

/// With a token plugin and its source.
pub(super) fn by(plugin: &str, source: &Path) -> Start {
    serving()
        .with(&["--token-plugin", plugin])
        .with_path("--token-source", source)
}

/// Whether a token leads to a target.
pub(super) fn leads(subject: &Subject, token: &str, target: &Target) {
    let path = format!("/websockify?token={token}");
    let mut client = subject.ask(&upgrade(&path, &[])).websocket();
    exchange(&mut client, &mut target.accept());
}

/// A token that leads nowhere opens no WebSocket: it is refused, or the connection just ends.
pub(super) fn leads_nowhere(subject: &Subject, path: &str) {
    let status = subject.try_to_open(path, &[]);
    assert!(status.is_none_or(|status| status >= 400), "{status:?}");
}

fn token_file(dir: &TempDir, name: &str, text: &str) {
    fs::write(dir.path().join(name), text).unwrap();
}

case!(token_file_leads_each_token_to_its_target, || {
    let dir = TempDir::new().unwrap();
    let (one, two) = (Target::new(), Target::new());
    let text = format!(
        "# two desktops\n\none: {}\n  two:\t{}  \n",
        one.address(),
        two.address()
    );
    token_file(&dir, "tokens", &text);
    let subject = by("TokenFile", &dir.path().join("tokens")).start();
    leads(&subject, "one", &one);
    leads(&subject, "two", &two);
});

case!(
    a_token_that_is_unknown_missing_or_empty_opens_nothing,
    || {
        let dir = TempDir::new().unwrap();
        let target = Target::new();
        token_file(&dir, "tokens", &format!("one: {}\n", target.address()));
        let subject = by("TokenFile", &dir.path().join("tokens")).start();
        let wrong = [
            "/",
            "/?token=",
            "/?token=two",
            "/?token=%23",
            "/?tokens=one",
            "/one",
        ];
        for path in wrong {
            leads_nowhere(&subject, path);
        }
        assert!(!target.is_asked());
        leads(&subject, "one", &target);
    }
);

case!(a_refused_token_is_told_with_a_status, || {
    let dir = TempDir::new().unwrap();
    token_file(&dir, "tokens", "one: 127.0.0.1:5901\n");
    let subject = by("TokenFile", &dir.path().join("tokens")).start();
    for path in ["/", "/?token=two"] {
        let status = subject.try_to_open(path, &[]);
        assert!(matches!(status, Some(400..500)), "{status:?}");
    }
});

case!(a_token_is_read_out_of_its_percent_signs, || {
    let dir = TempDir::new().unwrap();
    let target = Target::new();
    token_file(&dir, "tokens", &format!("a b+c: {}\n", target.address()));
    let subject = by("TokenFile", &dir.path().join("tokens")).start();
    leads(&subject, "a%20b%2Bc&other=1", &target);
    leads(&subject, "a+b%2bc", &target);
});

case!(a_line_without_a_target_spoils_no_other, || {
    let dir = TempDir::new().unwrap();
    let target = Target::new();
    let text = format!("nonsense\n\u{fc}:\none: {}\n", target.address());
    token_file(&dir, "tokens", &text);
    let subject = by("TokenFile", &dir.path().join("tokens")).start();
    leads(&subject, "one", &target);
});

case!(a_changed_token_file_counts_at_once, || {
    let dir = TempDir::new().unwrap();
    let (one, two) = (Target::new(), Target::new());
    token_file(&dir, "tokens", &format!("desk: {}\n", one.address()));
    let subject = by("TokenFile", &dir.path().join("tokens")).start();
    leads(&subject, "desk", &one);
    token_file(&dir, "tokens", &format!("desk: {}\n", two.address()));
    leads(&subject, "desk", &two);
    token_file(&dir, "tokens", "");
    leads_nowhere(&subject, "/?token=desk");
});

case!(token_file_reads_all_files_of_a_directory, || {
    let dir = TempDir::new().unwrap();
    let (one, two) = (Target::new(), Target::new());
    token_file(&dir, "a.cfg", &format!("one: {}\n", one.address()));
    token_file(&dir, "b.cfg", &format!("two: {}\n", two.address()));
    let subject = by("TokenFile", dir.path()).start();
    leads(&subject, "one", &one);
    leads(&subject, "two", &two);
    leads_nowhere(&subject, "/?token=a.cfg");
});

case!(target_config_is_token_file_by_its_old_name, || {
    let dir = TempDir::new().unwrap();
    let target = Target::new();
    token_file(&dir, "tokens", &format!("one: {}\n", target.address()));
    let path = dir.path().join("tokens");
    let subject = serving().with_path("--target-config", &path).start();
    leads(&subject, "one", &target);
    leads_nowhere(&subject, "/?token=two");
});

case!(read_only_token_file_leads_to_targets, || {
    let dir = TempDir::new().unwrap();
    let target = Target::new();
    token_file(&dir, "tokens", &format!("one: {}\n", target.address()));
    let subject = by("ReadOnlyTokenFile", &dir.path().join("tokens")).start();
    leads(&subject, "one", &target);
    leads_nowhere(&subject, "/?token=two");
});

case!(read_only_token_file_is_read_once, || {
    let dir = TempDir::new().unwrap();
    let target = Target::new();
    token_file(&dir, "tokens", &format!("one: {}\n", target.address()));
    let subject = by("ReadOnlyTokenFile", &dir.path().join("tokens")).start();
    leads(&subject, "one", &target);
    token_file(&dir, "tokens", "");
    leads(&subject, "one", &target);
});

case!(a_token_in_a_file_may_lead_to_a_unix_socket, || {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("desk");
    let target = Target::unix(&path);
    let text = format!("one: unix_socket:{}\n", path.display());
    token_file(&dir, "tokens", &text);
    let subject = by("TokenFile", &dir.path().join("tokens")).start();
    leads(&subject, "one", &target);
});

case!(plugins_go_by_their_dotted_names_too, || {
    let dir = TempDir::new().unwrap();
    let target = Target::new();
    token_file(&dir, "tokens", &format!("one: {}\n", target.address()));
    let name = "websockify.token_plugins.TokenFile";
    let subject = by(name, &dir.path().join("tokens")).start();
    leads(&subject, "one", &target);
});

case!(token_file_name_reads_the_file_of_the_tokens_name, || {
    let dir = TempDir::new().unwrap();
    let target = Target::new();
    token_file(&dir, "one", &format!("{}\n", target.address()));
    let subject = by("TokenFileName", dir.path()).start();
    leads(&subject, "one", &target);
    leads_nowhere(&subject, "/?token=two");
});

case!(token_file_name_does_not_leave_its_directory, || {
    let dir = TempDir::new().unwrap();
    let target = Target::new();
    token_file(&dir, "outside", &target.address());
    let inside = dir.path().join("inside");
    fs::create_dir(&inside).unwrap();
    let subject = by("TokenFileName", &inside).start();
    for token in ["../outside", "..%2Foutside", "/etc/hostname", ".", ".."] {
        leads_nowhere(&subject, &format!("/?token={token}"));
    }
    assert!(!target.is_asked());
});

case!(host_token_takes_the_token_from_the_host, || {
    let dir = TempDir::new().unwrap();
    let target = Target::new();
    let text = format!("desk.example: {}\n", target.address());
    token_file(&dir, "tokens", &text);
    let subject = by("TokenFile", &dir.path().join("tokens"))
        .with(&["--host-token"])
        .start();
    for host in ["desk.example", "desk.example:6080"] {
        let host = format!("Host: {host}");
        let request = upgrade("/?token=unused", &[]).replace("Host: localhost", &host);
        let mut client = subject.ask(&request).websocket();
        exchange(&mut client, &mut target.accept());
    }
    leads_nowhere(&subject, "/?token=desk.example");
});

case!(unix_domain_socket_directory_leads_to_its_sockets, || {
    let dir = TempDir::new().unwrap();
    let target = Target::unix(&dir.path().join("desk"));
    token_file(&dir, "file", "no socket");
    let subject = by("UnixDomainSocketDirectory", dir.path()).start();
    leads(&subject, "desk", &target);
    for token in ["file", "none", "", "."] {
        leads_nowhere(&subject, &format!("/?token={token}"));
    }
});

case!(a_token_does_not_leave_the_socket_directory, || {
    let dir = TempDir::new().unwrap();
    let inside = dir.path().join("desks");
    // Its name begins like the directory's, which is all that the original looks at.
    let beside = dir.path().join("desks-of-others");
    fs::create_dir(&inside).unwrap();
    fs::create_dir(&beside).unwrap();
    let _outside = Target::unix(&dir.path().join("outside"));
    let _others = Target::unix(&beside.join("x"));
    let subject = by("UnixDomainSocketDirectory", &inside).start();
    let absolute = dir.path().join("outside").display().to_string();
    let tokens = [
        "../outside",
        "..%2Foutside",
        "../desks-of-others/x",
        &absolute,
    ];
    for token in tokens {
        leads_nowhere(&subject, &format!("/?token={token}"));
    }
});

case!(exec_asks_a_program_of_ones_own, || {
    let dir = TempDir::new().unwrap();
    let target = Target::new();
    let body = format!("[ \"$token\" = 'one two' ] && echo {}", target.address());
    let subject = by_program(&dir, &body).start();
    leads(&subject, "one%20two", &target);
    leads_nowhere(&subject, "/?token=two");
});

case!(a_program_of_ones_own_may_name_a_unix_socket, || {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("desk");
    let target = Target::unix(&path);
    let body = format!("echo unix_socket:{}", path.display());
    let subject = by_program(&dir, &body).start();
    leads(&subject, "one", &target);
});

case!(a_program_of_ones_own_that_fails_opens_nothing, || {
    let dir = TempDir::new().unwrap();
    let target = Target::new();
    let address = target.address();
    let body =
        format!("case $token in failing) echo {address}; exit 1;; nonsense) echo no target;; esac");
    let subject = by_program(&dir, &body).start();
    for token in ["failing", "nonsense", "silent"] {
        leads_nowhere(&subject, &format!("/?token={token}"));
    }
    assert!(!target.is_asked());
});

/// With a program that has the token in `$token`.
fn by_program(dir: &TempDir, body: &str) -> Start {
    let program = dir.path().join("lookup");
    write_script(&program, &format!("#!/bin/sh\nread -r token\n{body}"));
    let plugin = format!("exec:{}", program.display());
    serving().with(&["--token-plugin", &plugin])
}
