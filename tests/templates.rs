//! Templates and the configurations of proxies as administrators use them: the real binary, its
//! output and exit status.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const DESKWAY: &str = env!("CARGO_BIN_EXE_deskway");
const DONE: Option<i32> = Some(0);
const FAILED: Option<i32> = Some(1);
const WRONG_USAGE: Option<i32> = Some(2);

#[test]
fn a_wrong_template_is_found_by_every_command_that_reads_it_with_file_and_line() {
    let place = Templates::new("sign-in.html", "<form>\n{{ brand.nmae }}\n");
    let config = text(&place.config);
    let run_dir = text(&place.folder.path().join("run"));
    let state_dir = text(&place.folder.path().join("state"));
    let expected = format!(
        "{}:2: `brand.nmae` is undefined",
        place.file("sign-in.html")
    );
    let commands: [&[&str]; 6] = [
        &["check-config", &config],
        &["render", "sign-in.html", "--config", &config],
        &["proxy-config", "nginx", "--config", &config],
        &[
            "up",
            "--config",
            &config,
            "--run-dir",
            &run_dir,
            "--state-dir",
            &state_dir,
        ],
        &[
            "serve",
            "--config",
            &config,
            "--run-dir",
            &run_dir,
            "--state-dir",
            &state_dir,
        ],
        &[
            "launcher",
            "--config",
            &config,
            "--run-dir",
            &run_dir,
            "--state-dir",
            &state_dir,
        ],
    ];
    for command in commands {
        let output = run(command);
        assert_eq!(output.status.code(), FAILED, "{command:?}");
        assert!(
            err(&output).contains(&expected),
            "{command:?}: {}",
            err(&output)
        );
        assert_eq!(out(&output), "", "{command:?}");
    }
    let doctor = run(&["doctor", "--json", "--config", &config]);
    let findings: Value = serde_json::from_str(&out(&doctor)).unwrap();
    let findings = findings.as_array().unwrap();
    let finding = findings
        .iter()
        .find(|it| it["check"] == "templates")
        .unwrap();
    assert_eq!(finding["state"], "wrong");
    assert!(
        finding["found"].as_str().unwrap().contains(&expected),
        "{finding}"
    );
}

#[test]
fn render_shows_a_template_and_lists_all_with_where_they_come_from() {
    let place = Templates::new("portal.html", "<h1>{{ brand.name }} at {{ base }}/</h1>");
    let config = text(&place.config);
    let shown = run(&[
        "render",
        "portal.html",
        "--config",
        &config,
        "--base-path",
        "/desk",
    ]);
    assert_eq!(
        out(&shown),
        "<h1>Deskway at &#x2f;desk/</h1>\n",
        "{}",
        err(&shown)
    );
    let set = run(&[
        "render",
        "portal.html",
        "--config",
        &config,
        "--set",
        "brand.name=The Lab",
    ]);
    assert_eq!(out(&set), "<h1>The Lab at /</h1>\n");
    for args in [
        &["render", "--config", &config][..],
        &["render", "--list", "--config", &config],
    ] {
        let list = out(&run(args));
        let row = |name: &str| {
            list.lines()
                .find(|line| line.starts_with(name))
                .unwrap()
                .to_owned()
        };
        assert!(
            row("portal.html").ends_with(&place.file("portal.html")),
            "{list}"
        );
        assert!(row("sign-in.html").ends_with("built in"), "{list}");
        assert!(row("proxy/nginx.conf").ends_with("built in"), "{list}");
    }
    let typo = run(&["render", "portl.html", "--config", &config]);
    assert_eq!(typo.status.code(), FAILED);
    assert!(
        err(&typo).contains("did you mean `portal.html`?"),
        "{}",
        err(&typo)
    );
    let nothing = run(&[
        "render",
        "portal.html",
        "--config",
        &config,
        "--set",
        "title",
    ]);
    assert_eq!(nothing.status.code(), WRONG_USAGE);
}

#[test]
fn proxy_config_prints_the_configuration_alone_and_says_besides_what_is_lacking() {
    let place = Templates::new(
        "proxy/haproxy.cfg",
        "to {{ upstream.address }} below {{ base }}/",
    );
    let config = text(&place.config);
    let nginx = run(&[
        "proxy-config",
        "nginx",
        "--config",
        &config,
        "--base-path",
        "/desk",
    ]);
    assert_eq!(nginx.status.code(), DONE, "{}", err(&nginx));
    assert!(out(&nginx).contains("    location /desk/ {\n        proxy_pass http://deskway;\n"));
    assert!(!out(&nginx).contains("trusted_proxies"));
    let lacking = "[server]\nbase_path = \"/desk\"\ntrusted_proxies = [\"127.0.0.1\"]\n";
    assert!(err(&nginx).contains(lacking), "{}", err(&nginx));
    let own = run(&["proxy-config", "haproxy", "--config", &config]);
    assert_eq!(out(&own), "to 127.0.0.1:6080 below /\n");
    let unknown = run(&["proxy-config", "squid"]);
    assert_eq!(unknown.status.code(), WRONG_USAGE);
    assert!(err(&unknown).contains("traefik"), "{}", err(&unknown));
    let half = run(&["proxy-config", "nginx", "--cert", "/c"]);
    assert_eq!(half.status.code(), WRONG_USAGE);
}

/// A configuration with a `templates_dir` in which one file stands.
struct Templates {
    folder: TempDir,
    config: PathBuf,
}

impl Templates {
    fn new(name: &str, template: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("templates/proxy")).unwrap();
        fs::write(folder.path().join("templates").join(name), template).unwrap();
        let config = folder.path().join("deskway.toml");
        let dir = folder.path().join("templates");
        fs::write(
            &config,
            format!("[paths]\ntemplates_dir = \"{}\"\n", dir.display()),
        )
        .unwrap();
        Self { folder, config }
    }

    fn file(&self, name: &str) -> String {
        text(&self.folder.path().join("templates").join(name))
    }
}

fn run(args: &[&str]) -> Output {
    Command::new(DESKWAY).args(args).output().unwrap()
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
