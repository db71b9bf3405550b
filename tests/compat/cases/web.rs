//! `--web`: files beside the WebSocket.

use std::fs;
use std::os::unix::fs::{lchown, symlink};

use tempfile::TempDir;

use crate::harness::{Answer, Subject, Target, exchange, get, proxy, upgrade};
use crate::ledger::case;

/// A folder of files, within another one that must not be seen.
struct Site {
    dir: TempDir,
    subject: Subject,
    target: Target,
}

impl Site {
    fn with(options: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let root = dir.path().join("site");
        fs::create_dir_all(root.join("app/images")).unwrap();
        fs::create_dir(root.join("empty")).unwrap();
        let files = [
            ("site/index.html", "the index"),
            ("site/app/rfb.js", "export default 1;"),
            ("site/app/a b&c.txt", "odd name"),
            ("site/app/.hidden", "hidden"),
            ("site/app/images/icon.svg", "<svg/>"),
            ("secret", "not for you"),
            ("site-of-others", "nor this"),
        ];
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let target = Target::new();
        let subject = proxy(&target)
            .with_path("--web", &root)
            .with(options)
            .start();
        Self {
            dir,
            subject,
            target,
        }
    }

    fn new() -> Self {
        Self::with(&[])
    }

    fn get(&self, path: &str) -> Answer {
        self.subject.ask(&get(path, &[]))
    }
}

case!(a_file_comes_with_its_type_and_length, || {
    let site = Site::new();
    let expected = [
        ("/app/rfb.js", "javascript", "export default 1;"),
        ("/index.html", "text/html", "the index"),
        ("/app/images/icon.svg", "image/svg+xml", "<svg/>"),
    ];
    for (path, kind, text) in expected {
        let answer = site.get(path).is(200);
        let told = answer.header("Content-Type").unwrap();
        assert!(told.contains(kind), "{path}: {told}");
        let len = text.len().to_string();
        assert_eq!(answer.header("Content-Length"), Some(&*len));
        assert_eq!(answer.text(), text);
    }
});

case!(a_directory_comes_as_its_index, || {
    let site = Site::new();
    for path in ["/", "/?autoconnect=1"] {
        assert_eq!(site.get(path).is(200).text(), "the index", "{path}");
    }
});

case!(a_directory_without_its_slash_is_sent_there, || {
    let site = Site::new();
    let answer = site.get("/app").is(301);
    let location = answer.header("Location").unwrap();
    assert!(location.ends_with("/app/"), "{location}");
});

case!(a_redirect_to_a_directory_stays_on_this_host, || {
    let site = Site::new();
    let answer = site.get("//app");
    let location = answer.header("Location").unwrap_or_default();
    assert!(!location.starts_with("//"), "{location}");
});

case!(a_directory_without_an_index_is_listed, || {
    let site = Site::new();
    let answer = site.get("/app/").is(200);
    assert!(answer.header("Content-Type").unwrap().contains("text/html"));
    let page = answer.text();
    for part in ["rfb.js", "images/", "a%20b%26c.txt", "a b&amp;c.txt"] {
        assert!(page.contains(part), "no {part} in {page}");
    }
});

case!(file_only_lists_no_directory, || {
    let site = Site::with(&["--file-only"]);
    site.get("/app/").is(404);
    site.get("/empty/").is(404);
    assert_eq!(site.get("/").is(200).text(), "the index");
    assert_eq!(site.get("/app/rfb.js").is(200).text(), "export default 1;");
});

case!(head_tells_about_a_file_and_sends_none, || {
    let site = Site::new();
    let request = get("/app/rfb.js", &["Connection: close"]).replace("GET", "HEAD");
    let answer = site.subject.ask(&request).is(200);
    assert_eq!(answer.header("Content-Length"), Some("17"));
    assert_eq!(answer.into_wire().read_rest(), b"");
});

case!(an_escaped_name_is_found, || {
    let site = Site::new();
    let answer = site.get("/app/a%20b%26c.txt").is(200);
    assert_eq!(answer.text(), "odd name");
});

case!(what_is_not_there_is_404, || {
    let site = Site::new();
    for path in ["/nothing", "/app/nothing/", "/index.html/", "/index.html/x"] {
        site.get(path).is(404);
    }
});

case!(no_path_leaves_the_folder, || {
    let site = Site::new();
    let secret = site.dir.path().join("secret");
    let paths = [
        "/../secret".to_owned(),
        "/app/../../secret".to_owned(),
        "/%2e%2e/secret".to_owned(),
        "/..%2fsecret".to_owned(),
        "/%2e%2e%2fsecret".to_owned(),
        "/app/..%5c..%5csecret".to_owned(),
        "/../site-of-others".to_owned(),
        "/....//secret".to_owned(),
        "/%252e%252e/secret".to_owned(),
        format!("/{}", secret.display()),
        format!("//{}", secret.display()),
    ];
    for path in paths {
        let answer = site.get(&path);
        assert_ne!(answer.status, 200, "{path}");
        let page = answer.text();
        assert!(
            !page.contains("for you") && !page.contains("nor this"),
            "{path}"
        );
    }
});

case!(a_strangers_link_out_of_the_folder_is_not_followed, || {
    let site = Site::new();
    let link = site.dir.path().join("site/link");
    symlink("../secret", &link).unwrap();
    let nobody = Some(65_534);
    lchown(&link, nobody, nobody).expect("only root can give a link away: run this as root");
    let answer = site.get("/link");
    assert_ne!(answer.status, 200);
    assert!(!answer.text().contains("for you"));
});

case!(a_link_of_ones_own_out_of_the_folder_is_followed, || {
    let site = Site::new();
    symlink("../secret", site.dir.path().join("site/link")).unwrap();
    assert_eq!(site.get("/link").is(200).text(), "not for you");
});

case!(a_link_within_the_folder_is_followed, || {
    let site = Site::new();
    symlink("app/rfb.js", site.dir.path().join("site/link.js")).unwrap();
    assert_eq!(site.get("/link.js").is(200).text(), "export default 1;");
});

case!(a_name_with_nul_is_refused, || {
    let site = Site::new();
    site.get("/index.html%00.js").refused();
    site.get("/%00").refused();
});

case!(a_part_of_a_file_can_be_asked_for, || {
    let site = Site::new();
    let request = get("/app/rfb.js", &["Range: bytes=7-13"]);
    let answer = site.subject.ask(&request).is(206);
    assert_eq!(answer.header("Content-Range"), Some("bytes 7-13/17"));
    assert_eq!(answer.text(), "default");
});

case!(a_file_that_has_not_changed_is_not_sent_again, || {
    let site = Site::new();
    let answer = site.get("/app/rfb.js").is(200);
    let since = format!(
        "If-Modified-Since: {}",
        answer.header("Last-Modified").unwrap()
    );
    let answer = site.subject.ask(&get("/app/rfb.js", &[&since])).is(304);
    assert_eq!(answer.header("Content-Length").unwrap_or("0"), "0");
});

case!(several_files_come_over_one_connection, || {
    let site = Site::new();
    let mut wire = site.subject.connect();
    for _ in 0..3 {
        wire.send(get("/app/rfb.js", &[]).as_bytes());
        let answer = Answer::read(wire).is(200);
        assert_eq!(answer.header("Content-Length"), Some("17"));
        wire = answer.into_wire();
        assert_eq!(wire.read_bytes(17), b"export default 1;");
    }
});

case!(nothing_is_written_to_files, || {
    let site = Site::new();
    for method in ["POST", "PUT", "DELETE"] {
        let request = get("/app/rfb.js", &["Content-Length: 0"]).replace("GET", method);
        site.subject.ask(&request).refused();
    }
    assert_eq!(site.get("/app/rfb.js").is(200).text(), "export default 1;");
});

case!(a_websocket_opens_beside_the_files, || {
    let site = Site::new();
    for path in ["/", "/app/rfb.js", "/websockify"] {
        let mut client = site.subject.ask(&upgrade(path, &[])).websocket();
        exchange(&mut client, &mut site.target.accept());
    }
});

case!(
    a_websocket_opens_on_a_connection_that_brought_a_file,
    || {
        let site = Site::new();
        let mut wire = site.subject.connect();
        wire.send(get("/app/rfb.js", &[]).as_bytes());
        let mut wire = Answer::read(wire).is(200).into_wire();
        assert_eq!(wire.read_bytes(17), b"export default 1;");
        wire.send(upgrade("/", &[]).as_bytes());
        let mut client = Answer::read(wire).websocket();
        exchange(&mut client, &mut site.target.accept());
    }
);
