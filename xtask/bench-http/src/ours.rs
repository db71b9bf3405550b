//! Deskway as it is delivered: the whole of `deskway up`, with an http and an https address.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

use crate::nginx::end;
use crate::{Ports, free_port, retried};

pub(crate) struct Ours {
    process: Child,
    config: PathBuf,
    text: String,
    pub(crate) ports: Ports,
}

impl Ours {
    pub(crate) fn start(program: &Path, folder: &Path) -> Result<Self> {
        retried(|| Self::try_once(program, folder))
    }

    fn try_once(program: &Path, folder: &Path) -> Result<Self> {
        let ports = Ports {
            http: free_port()?,
            https: free_port()?,
        };
        let text = format!(
            "[server]\ntls_cert = \"{0}/cert.pem\"\ntls_key = \"{0}/key.pem\"\n\
             [paths]\nrun = \"{0}/run\"\nstate = \"{0}/state\"\n\
             [[listen]]\naddress = \"127.0.0.1:{1}\"\nprotocol = \"http\"\n\
             [[listen]]\naddress = \"127.0.0.1:{2}\"\nprotocol = \"https\"\n",
            folder.display(),
            ports.http,
            ports.https
        );
        let config = folder.join("deskway.toml");
        fs::write(&config, &text)?;
        let mut up = Command::new(program);
        up.arg("up").arg("--config").arg(&config);
        let log = fs::File::create(folder.join("deskway.log"))?;
        let mut process = up.stdout(Stdio::piped()).stderr(log).spawn()?;
        let output = process.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        if !lines.any(|line| line.starts_with("Deskway is at ")) {
            end(&mut process);
            let log = fs::read_to_string(folder.join("deskway.log")).unwrap_or_default();
            return Err(anyhow::anyhow!("Deskway does not start: {log}"));
        }
        Ok(Self {
            process,
            config,
            text,
            ports,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Writes the configuration with another name for the pages.
    pub(crate) fn rename(&self, name: &str) -> Result<()> {
        let new = self.config.with_extension("new");
        fs::write(&new, format!("{}[brand]\nname = \"{name}\"\n", self.text))?;
        Ok(fs::rename(new, &self.config)?)
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}
