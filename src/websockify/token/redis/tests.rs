//! Sources and values, and a real `redis-server`.

use super::*;

fn tcp(host: &str, port: u16) -> Target {
    Target::Tcp {
        host: host.to_owned(),
        port,
    }
}

#[test]
fn a_source_is_cut_at_colons_outside_of_quotes() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[""]),
        (":", &["", ""]),
        ("\"", &["\""]),
        ("\"\"", &["\"\""]),
        ("\"a\"", &["a"]),
        ("\"a\":", &["a", ""]),
        ("\"a:b\"", &["a:b"]),
        ("\"a:b:\"c\"", &["\"a", "b", "c"]),
        ("\"a\":\"b\"", &["a", "b"]),
        ("\"a\":b\"", &["a", "b\""]),
        ("h:1:2:p\"w:\"n:m\"", &["h", "1", "2", "p\"w", "n:m"]),
    ];
    for (source, parts) in cases {
        assert_eq!(split(source), *parts, "{source}");
    }
}

#[test]
fn what_a_source_leaves_empty_has_its_default() {
    for source in ["h", "h:", "h:::", "h::::"] {
        let redis = TokenRedis::new(source).unwrap();
        assert_eq!((redis.port, redis.database), (6379, 0), "{source}");
        assert!(redis.password.is_none() && redis.namespace.is_empty());
    }
    let redis = TokenRedis::new("\"::1\":6380:2:\"se:cret\":app").unwrap();
    assert_eq!(
        (redis.host.as_str(), redis.port, redis.database),
        ("::1", 6380, 2)
    );
    assert_eq!(redis.password.unwrap().expose(), "se:cret");
    assert_eq!(redis.namespace, "app:");
}

#[test]
fn a_bad_source_is_refused_without_repeating_the_password() {
    for (source, fault) in [
        (":6379", "no host"),
        ("h:vnc:0:hunter2", "port"),
        ("h:0:0:hunter2", "port"),
        ("h:1:x:hunter2", "db"),
        ("h:1:2:hunter2:n:m", "five"),
    ] {
        let said = TokenRedis::new(source).unwrap_err().to_string();
        assert!(said.contains(fault) && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_value_is_text_or_json() {
    for value in [" h:5900 \n", " {\"host\": \"h:5900\"} "] {
        assert_eq!(read_value(value.as_bytes()), Ok(tcp("h", 5900)));
    }
    assert_eq!(
        read_value(b"{\"host\": \"[::1]:1\", \"x\": 1}"),
        Ok(tcp("::1", 1))
    );
    for (value, fault) in [
        ("{\"host\": \"h:5900\"", BadTarget::Json),
        ("{\"ip\": \"h:5900\"}", BadTarget::Json),
        ("{\"host\": 5}", BadTarget::Json),
        ("h", BadTarget::NoPort),
        ("", BadTarget::NoPort),
    ] {
        assert_eq!(read_value(value.as_bytes()), Err(fault), "{value}");
    }
    assert_eq!(read_value(b"\xff:1"), Err(BadTarget::Encoding));
}

/// A Redis server of the machine's, which ends with the test.
struct Server {
    child: tokio::process::Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Server {
    /// Starts it on a port that was free a moment ago; when somebody else got that one, on another.
    async fn start(more: &[&str]) -> Self {
        for _ in 0..5 {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let dir = tempfile::tempdir().unwrap();
            let mut child = tokio::process::Command::new("redis-server")
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
                .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
                .arg("--dir")
                .arg(dir.path())
                .args(more)
                .stdout(std::process::Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .expect("the Debian package redis-server is installed");
            if is_up(child.stdout.take().unwrap()).await {
                return Self {
                    child,
                    port,
                    _dir: dir,
                };
            }
        }
        panic!("redis-server does not start");
    }

    /// Runs a command as `redis-cli` does, in the given database.
    async fn run(&self, arguments: &[&str]) {
        let status = tokio::process::Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(arguments)
            .stdout(std::process::Stdio::null())
            .status()
            .await
            .unwrap();
        assert!(status.success());
    }

    fn plugin(&self, rest: &str) -> TokenRedis {
        TokenRedis::new(&format!("127.0.0.1:{}{rest}", self.port)).unwrap()
    }
}

/// Whether the server says, within a time that is long for it, that it is ready.
async fn is_up(stdout: tokio::process::ChildStdout) -> bool {
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    let mut lines = BufReader::new(stdout).lines();
    let ready = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if line.contains("eady to accept connections") {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), ready)
        .await
        .unwrap_or(false)
}

#[tokio::test]
async fn a_token_is_a_key_in_the_database_and_the_namespace_of_the_source() {
    let mut server = Server::start(&[]).await;
    server.run(&["set", "vm1", "h:1"]).await;
    server.run(&["set", "app:vm1", "{\"host\": \"h:2\"}"]).await;
    server.run(&["-n", "3", "set", "a:b:vm 1", "h:3"]).await;
    server.run(&["lpush", "list", "h:4"]).await;
    server.run(&["set", "bad", "nonsense"]).await;
    server
        .run(&["set", "big", &format!("h:1{}", " ".repeat(100_000))])
        .await;
    for (source, token, port) in [
        ("", "vm1", 1),
        ("::", "vm1", 1),
        (":::app", "vm1", 2),
        (":3::\"a:b\"", "vm 1", 3),
    ] {
        let found = server.plugin(source).lookup(token).await.unwrap();
        assert_eq!(found, Some(tcp("h", port)), "{source}");
    }
    let plugin = server.plugin("");
    for token in ["none", "vm1 ", "*"] {
        assert_eq!(plugin.lookup(token).await.unwrap(), None, "{token}");
    }
    for token in ["list", "bad", "big"] {
        let said = plugin.lookup(token).await.unwrap_err().to_string();
        assert!(!said.contains(&format!("'{token}")), "{said}");
    }
    server.child.kill().await.unwrap();
    let said = plugin.lookup("vm1").await.unwrap_err().to_string();
    assert!(said.contains(&server.port.to_string()), "{said}");
}

#[tokio::test]
async fn a_password_opens_a_server_that_has_one() {
    let server = Server::start(&["--requirepass", "se:cret"]).await;
    let set = ["--no-auth-warning", "-a", "se:cret", "set", "vm1", "h:1"];
    server.run(&set).await;
    let opened = server.plugin("::\"se:cret\"").lookup("vm1").await.unwrap();
    assert_eq!(opened, Some(tcp("h", 1)));
    for source in ["", "::wrong"] {
        let said = server.plugin(source).lookup("vm1").await.unwrap_err();
        assert!(!said.to_string().contains("wrong pass"), "{said}");
    }
}
