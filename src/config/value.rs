//! Single values as they are written in the file and in flags.

use std::net::SocketAddr;

use tracing_subscriber::EnvFilter;

/// Reads an address to listen on.
///
/// # Errors
/// A sentence that says what would be right.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "`{text}` is no address: write IP:PORT such as 127.0.0.1:6080, 0.0.0.0:443 or [::]:443"
        )
    })
}

/// Reads the path below which everything is served: empty for `/`, else `/desk`, without a
/// slash at the end.
///
/// # Errors
/// A sentence that says what would be right.
pub fn parse_base_path(text: &str) -> Result<String, String> {
    let path = text.strip_suffix('/').unwrap_or(text);
    let segment = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~'))
    };
    let fits = path.len() <= 200
        && (path.is_empty()
            || path
                .strip_prefix('/')
                .is_some_and(|rest| rest.split('/').all(segment)));
    if fits {
        Ok(path.to_owned())
    } else {
        Err(format!(
            "`{text}` is no base path: write a path such as /desk, of letters, digits, `-`, `_`, `.` and `~`"
        ))
    }
}

/// Reads a filter of the log.
///
/// # Errors
/// A sentence that says what would be right.
pub fn parse_log_filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_owned()),
        _ => Err(format!(
            "`{text}` is no log filter: write a level (error, warn, info, debug, trace), or levels by module such as `info,deskway::bridge=debug`"
        )),
    }
}
