//! The demo's throwaway accounts.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::run;

/// Marks an account as the demo's own, so that nobody else's is touched: in its GECOS field after
/// the full name, where the office would stand.
const MARK: &str = "Deskway demo account";

/// A person of the demo.
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) password: String,
}

/// Alice and Bob as accounts of this machine, with new passwords. Needs root. A name that is
/// somebody's already gets another name beside it.
pub(crate) fn make_os_accounts() -> Result<Vec<Person>> {
    ["alice", "bob"].into_iter().map(make_os_account).collect()
}

/// Takes all accounts away that the demo made, with their homes. Needs root.
pub(crate) fn remove_os_accounts() -> Result<()> {
    for name in demo_accounts()? {
        run::note(&format!("Removing the account {name} and its home"));
        run::finish(Command::new("userdel").args(["--remove", &name]))?;
    }
    Ok(())
}

/// Alice and Bob for an ordinary user: names and passwords only.
pub(crate) fn made_up() -> Result<Vec<Person>> {
    ["alice", "bob"]
        .into_iter()
        .map(|name| {
            Ok(Person {
                name: name.to_owned(),
                password: new_password()?,
            })
        })
        .collect()
}

fn make_os_account(wanted: &str) -> Result<Person> {
    let ours = demo_accounts()?;
    let candidates = [wanted.to_owned(), format!("{wanted}-demo")];
    let known = candidates.iter().find(|name| ours.contains(name));
    let free = || candidates.iter().find(|name| !exists(name));
    let name = known
        .or_else(free)
        .with_context(|| format!("{wanted} and {wanted}-demo are taken"))?;
    if known.is_none() {
        make(name, wanted)?;
    }
    let password = new_password()?;
    run::feed(
        &mut Command::new("chpasswd"),
        &format!("{name}:{password}\n"),
    )?;
    Ok(Person {
        name: name.clone(),
        password,
    })
}

fn make(name: &str, wanted: &str) -> Result<()> {
    run::note(&format!(
        "Making the throwaway account {name} (`cargo xtask demo --clean` removes it)"
    ));
    let full_name = if wanted == "alice" { "Alice" } else { "Bob" };
    let gecos = format!("{full_name},{MARK}");
    let arguments = [
        "--create-home",
        "--shell",
        "/bin/bash",
        "--comment",
        &gecos,
        name,
    ];
    run::finish(Command::new("useradd").args(arguments))?;
    // Debian makes homes that everybody may list.
    run::finish(
        Command::new("chmod")
            .arg("0700")
            .arg(Path::new("/home").join(name)),
    )
}

fn exists(name: &str) -> bool {
    run::output(Command::new("getent").args(["passwd", name])).is_some()
}

fn demo_accounts() -> Result<Vec<String>> {
    let passwd = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    let fields = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let ours = fields.filter(|fields| fields.get(4).is_some_and(|gecos| gecos.contains(MARK)));
    Ok(ours
        .filter_map(|fields| fields.first().map(|name| (*name).to_owned()))
        .collect())
}

/// Fifteen letters and digits that are not mistaken for each other: 75 random bits.
fn new_password() -> Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0u8; 15];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let letter = |byte: &u8| char::from(LETTERS[usize::from(byte % 32)]);
    Ok(random.iter().map(letter).collect())
}
