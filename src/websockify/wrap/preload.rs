//! The older way: a library of websockify that replaces bind(3), by way of LD_PRELOAD (ld.so(8)).
//! It does not reach programs that are linked statically.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::orders::Orders;

/// Where distributions and `make install` put it.
const PLACES: [&str; 3] = [
    "/usr/lib/websockify/rebind.so",
    "/usr/local/lib/websockify/rebind.so",
    "/usr/local/lib/rebind.so",
];

/// The library, if it is installed.
pub(super) fn library() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|path| path.exists())
}

/// Has `command` use the library, before others that are to be loaded first.
pub(super) fn preload(command: &mut Command, library: &Path, orders: &Orders) {
    let mut libraries = OsString::from(library);
    if let Some(others) = env::var_os("LD_PRELOAD").filter(|others| !others.is_empty()) {
        libraries.push(":");
        libraries.push(others);
    }
    command
        .env("LD_PRELOAD", libraries)
        .env("REBIND_OLD_PORT", orders.old_port.to_string())
        .env("REBIND_NEW_PORT", orders.new_port.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websockify::wrap::WrapMode;

    #[test]
    fn the_library_and_both_ports_reach_the_program() {
        let orders = Orders {
            command: Vec::new(),
            old_port: 5901,
            new_port: 40001,
            ignored: Vec::new(),
            library: None,
            mode: WrapMode::Exit,
        };
        let mut command = Command::new("sh");
        preload(&mut command, Path::new("/opt/rebind.so"), &orders);
        let given: Vec<_> = command.get_envs().collect();
        let value = |name: &str| {
            let found = given.iter().find(|(key, _)| *key == name);
            found.unwrap().1.unwrap().to_str().unwrap().to_owned()
        };
        assert!(value("LD_PRELOAD").starts_with("/opt/rebind.so"));
        assert_eq!(value("REBIND_OLD_PORT"), "5901");
        assert_eq!(value("REBIND_NEW_PORT"), "40001");
    }
}
