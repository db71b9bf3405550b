//! `cargo xtask`: everything that is done with this repository, each with its own set-up.

mod accounts;
mod announce;
mod api;
mod bench;
mod conformance;
mod demo;
mod guest;
mod lane;
mod machine;
mod run;
mod test;
mod web;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

  demo [--port N] [--json]  two people's desktops in the browser, on this machine
  demo --clean              take the demo's accounts and files away
  test                      everything that must pass, as CI runs it
  check                     format, lints and the repository's own rules alone
  e2e [PLAYWRIGHT ARGS]     the browser tests alone
  machine [WORD]            the tests in a machine that systemd runs alone
  machine --make            what that machine boots, alone
  web                       build the pages alone
  bench start               from click to desktop, beside the same thing done by hand
  bench bridge [--quick] [--rounds N] [--only FIGURE] [--ours PATH]
                            the bridge beside Websockify, NGINX + Websockify and HAProxy
  bench http [--quick] [--rounds N] [--ours PATH]
                            pages and TLS handshakes a second beside NGINX, and reloads under load
  bench scale [--quick] [--ours PATH]
                            50 real desktops and 2,000 fake ones behind one gateway
  bench conformance         the whole Autobahn|Testsuite (needs Python 2.7)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["demo", "--clean"] => demo::clean(),
        ["demo", flags @ ..] => demo::Options::read(flags).and_then(|options| demo::run(&options)),
        ["announce", facts] => announce::run(facts),
        ["test"] => test::everything(),
        ["check"] => test::check(),
        ["e2e", rest @ ..] => test::e2e_alone(rest),
        ["machine", "--make"] => guest::make(),
        ["machine", words @ ..] => guest::run(words),
        ["web"] => web::build(),
        ["bench", "start"] => bench::start(),
        ["bench", "bridge", flags @ ..] => bench::bridge(flags),
        ["bench", "http", flags @ ..] => bench::http(flags),
        ["bench", "scale", flags @ ..] => bench::scale(flags),
        ["bench", "conformance"] => conformance::everything(),
        [] | ["help" | "--help" | "-h"] => {
            run::say(USAGE);
            return ExitCode::SUCCESS;
        }
        _ => Err(anyhow::anyhow!(
            "unknown command `{}`\n\n{USAGE}",
            words.join(" ")
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
