//! How each program is started.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

/// `PROGRAM SOURCE TARGET`, both on loopback.
pub(super) fn websockify(program: &Path, port: u16, target: u16) -> Command {
    websockify_arguments(Command::new(program), port, target)
}

pub(super) fn websockify_arguments(mut command: Command, port: u16, target: u16) -> Command {
    command
        .arg(format!("127.0.0.1:{port}"))
        .arg(format!("127.0.0.1:{target}"));
    command
}

pub(super) fn with_certificate(mut command: Command, certificate: Option<&Path>) -> Command {
    if let Some(certificate) = certificate {
        command.arg("--cert").arg(certificate);
    }
    command
}

/// NGINX as it is set up in front of Websockify, with its stock settings otherwise.
pub(super) fn nginx(
    folder: &Path,
    port: u16,
    behind: u16,
    certificate: Option<&Path>,
) -> Result<Command> {
    let folder = folder.display();
    let tls = certificate.map_or(String::new(), |pem| {
        let pem = pem.display();
        format!("ssl_certificate {pem}; ssl_certificate_key {pem};")
    });
    let ssl = if tls.is_empty() { "" } else { " ssl" };
    let text = format!(
        "daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;\n\
         events {{ }}\n\
         http {{\n\
         access_log {folder}/nginx.access;\n\
         client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;\n\
         fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
         server {{\n\
         listen 127.0.0.1:{port}{ssl}; {tls}\n\
         location /novnc/websockify {{\n\
         proxy_pass http://127.0.0.1:{behind}/;\n\
         proxy_http_version 1.1;\n\
         proxy_set_header Upgrade $http_upgrade;\n\
         proxy_set_header Connection \"Upgrade\";\n\
         proxy_set_header Host $host;\n\
         }} }} }}\n"
    );
    let file = format!("{folder}/nginx.conf");
    fs::write(&file, text)?;
    let mut command = Command::new("nginx");
    command.args(["-p", &folder.to_string(), "-c", &file]);
    command.args(["-e", &format!("{folder}/nginx.log")]);
    Ok(command)
}

/// HAProxy with its own number of threads.
pub(super) fn haproxy(
    folder: &Path,
    port: u16,
    target: u16,
    certificate: Option<&Path>,
    splice: bool,
) -> Result<Command> {
    let tls = certificate.map_or(String::new(), |pem| format!(" ssl crt {}", pem.display()));
    let splice = if splice {
        " option splice-auto\n option splice-request\n option splice-response\n"
    } else {
        ""
    };
    let text = format!(
        "defaults\n mode tcp\n{splice} timeout connect 10s\n timeout client 1h\n \
         timeout server 1h\n\
         listen bench\n bind 127.0.0.1:{port}{tls}\n server target 127.0.0.1:{target}\n"
    );
    let file = folder.join("haproxy.cfg");
    fs::write(&file, text)?;
    let mut command = Command::new("haproxy");
    command.args(["-db", "-f"]).arg(file);
    Ok(command)
}
