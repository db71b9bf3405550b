//! `deskway people list|end`: who is signed in, asked of the launcher on this machine.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::json;

use super::{Error, People, out};
use crate::launcher::client::Client;
use crate::model::{SignInReport, span};
use crate::runtime::Clock;

/// # Errors
/// When the launcher cannot be asked, or refuses: all this is root's and the launcher's user's.
pub fn run(args: &People) -> Result<(), Error> {
    match args {
        People::List { json, place } => {
            let sign_ins = Client::connect(&place.run_dir()?)?.people()?;
            out::print(&if *json {
                out::json(&sign_ins.iter().map(Row::new).collect::<Vec<_>>())?
            } else {
                as_table(&sign_ins, Clock::System.unix())
            })
        }
        People::End { name, json, place } => {
            let mut launcher = Client::connect(&place.run_dir()?)?;
            let sign_ins = launcher.people()?;
            let ended = sign_ins.iter().filter(|it| it.account == *name).count();
            launcher.forget(name.clone())?;
            out::print(&if *json {
                out::json(&json!({"account": name, "ended": ended}))?
            } else {
                format!("`{name}` is signed out everywhere\n")
            })
        }
    }
}

/// A sign-in as `people list --json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    account: &'a str,
    full_name: &'a str,
    is_admin: bool,
    /// `null` where a proxy hides it.
    address: Option<IpAddr>,
    /// Seconds since 1970.
    since: u64,
    until: u64,
}

impl<'a> Row<'a> {
    fn new(report: &'a SignInReport) -> Self {
        Self {
            account: report.account.as_str(),
            full_name: &report.full_name,
            is_admin: report.is_admin,
            address: Some(report.peer).filter(|peer| !peer.is_unspecified()),
            since: report.since,
            until: report.until,
        }
    }
}

fn as_table(sign_ins: &[SignInReport], now: u64) -> String {
    if sign_ins.is_empty() {
        return "nobody is signed in\n".to_owned();
    }
    let row = |report: &SignInReport| {
        let row = Row::new(report);
        let seconds = now.saturating_sub(row.since);
        let told = if seconds < 60 {
            seconds
        } else {
            seconds / 60 * 60
        };
        vec![
            row.account.to_owned(),
            if row.is_admin { "admin" } else { "" }.to_owned(),
            row.address
                .map_or_else(|| "unknown".to_owned(), |it| it.to_string()),
            span(told),
        ]
    };
    let header = ["NAME", "ROLE", "ADDRESS", "SIGNED IN FOR"];
    out::table(&header, sign_ins.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sign_in_has_its_line() {
        let sign_in = |account: &str, is_admin, peer: &str| SignInReport {
            account: account.parse().unwrap(),
            full_name: account.to_owned(),
            is_admin,
            peer: peer.parse().unwrap(),
            since: 1000,
            until: 9000,
        };
        let sign_ins = [
            sign_in("alice", true, "192.0.2.7"),
            sign_in("bob", false, "0.0.0.0"),
        ];
        let table = as_table(&sign_ins, 1000 + 130);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[1], "alice  admin  192.0.2.7  2 minutes");
        assert_eq!(lines[2], "bob           unknown    2 minutes");
        let table = as_table(&sign_ins[1..], 1000 + 25);
        assert!(table.contains("25 seconds"), "{table}");
        assert_eq!(as_table(&[], 1), "nobody is signed in\n");
        let json = serde_json::to_value(Row::new(&sign_ins[1])).unwrap();
        assert_eq!(json["address"], serde_json::Value::Null);
        assert_eq!(json["since"], 1000);
    }
}
