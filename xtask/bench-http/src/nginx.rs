//! NGINX with two workers, the same certificate, and files with the same bodies and headers.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::page::Page;
use crate::{Ports, free_port, retried};

const START_WITHIN: Duration = Duration::from_secs(10);

pub(crate) struct Nginx {
    process: Child,
    pub(crate) ports: Ports,
}

impl Nginx {
    pub(crate) fn start(folder: &Path, pages: &[&Page]) -> Result<Self> {
        retried(|| Self::try_once(folder, pages))
    }

    fn try_once(folder: &Path, pages: &[&Page]) -> Result<Self> {
        let ports = Ports {
            http: free_port()?,
            https: free_port()?,
        };
        let mut locations = String::new();
        for (number, page) in pages.iter().enumerate() {
            let file = folder.join(format!("page-{number}"));
            fs::write(&file, &page.body)?;
            writeln!(
                locations,
                "location = {} {{ alias {}; types {{ }} default_type \"{}\"; etag off;",
                page.path,
                file.display(),
                page.kind
            )?;
            for (name, value) in &page.headers {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"");
                writeln!(locations, "add_header {name} \"{value}\";")?;
            }
            locations += "}\n";
        }
        // Tuned as its makers do for static files: all else is as it comes.
        let text = format!(
            "daemon off; worker_processes 2; pid {0}/nginx.pid; error_log stderr notice;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;\n\
             open_file_cache max=100;\n\
             client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f;\n\
             uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;\n\
             ssl_certificate {0}/cert.pem; ssl_certificate_key {0}/key.pem;\n\
             ssl_protocols TLSv1.2 TLSv1.3;\n\
             server {{ listen 127.0.0.1:{1} backlog=4096; listen 127.0.0.1:{2} ssl backlog=4096;\n\
             {locations} }} }}\n",
            folder.display(),
            ports.http,
            ports.https
        );
        // Its workers are another user, who reads the pages.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder, mode)?;
        let file = folder.join("nginx.conf");
        fs::write(&file, text)?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder).arg("-c").arg(file);
        command.arg("-e").arg("stderr").stderr(Stdio::piped());
        let mut process = command.spawn().context("cannot start nginx")?;
        if let Err(error) = until_ready(&mut process) {
            end(&mut process);
            return Err(error);
        }
        Ok(Self { process, ports })
    }
}

/// Waits until this very process has its ports and starts its workers. Its log is read on after
/// that, so that it is never held up.
fn until_ready(process: &mut Child) -> Result<()> {
    let output = process.stderr.take().context("no standard error")?;
    let (sender, log) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody may listen any more.
            drop(sender.send(line));
        }
    });
    let deadline = Instant::now() + START_WITHIN;
    let mut said = String::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match log.recv_timeout(left) {
            Ok(line) if line.contains("start worker process ") => return Ok(()),
            Ok(line) => said = said + &line + "\n",
            Err(_) => bail!("nginx does not start: {said}"),
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Asks a process to end, and waits.
pub(crate) fn end(process: &mut Child) {
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself.
        _ = kill_process(pid, Signal::TERM);
    }
    // There is nothing to learn from how it ended.
    drop(process.wait());
}
