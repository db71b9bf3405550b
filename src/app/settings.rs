//! What a role is started with: the configuration, and how to read it again.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::cli;
use crate::config::{self, Config, Overrides};
use crate::runtime::start_log;
use crate::templates::{TemplateError, Templates, Texts};

/// The checked configuration and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub config: Config,
    sources: Sources,
    path: Option<PathBuf>,
    overrides: Overrides,
    /// Those of the account that started this: a role that has dropped to another, and sees
    /// nothing of `/etc` any more, would come to different ones.
    defaults: Config,
}

/// What the files held when they were found sound.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sources {
    /// The configuration's.
    text: String,
    /// Those in `templates_dir`.
    texts: Texts,
}

impl Settings {
    /// Reads and checks everything, and starts the log. Nothing is bound or made yet.
    pub(super) fn load(start: &cli::Start) -> Result<Self> {
        let (config, text) = config::load(start.config.as_deref(), &start.overrides())?;
        let texts = sound_texts(&config)?;
        Self::of(start, config, Sources { text, texts })
    }

    /// As [`Settings::load`], from what [`Settings::packed`] gave in another process: the files may
    /// have been spoilt since.
    pub(super) fn load_packed(start: &cli::Start, packed: &[u8]) -> Result<Self> {
        let sources: Sources =
            postcard::from_bytes(packed).context("the checked configuration is garbled")?;
        let origin = "the checked configuration";
        let config = config::from_text(&sources.text, origin, &start.overrides())?;
        Self::of(start, config, sources)
    }

    /// What the files held, for another process with the same flags.
    pub(super) fn packed(&self) -> Result<Vec<u8>> {
        Ok(postcard::to_allocvec(&self.sources)?)
    }

    fn of(start: &cli::Start, config: Config, sources: Sources) -> Result<Self> {
        start_log(&config.log.filter, config.log.json).map_err(anyhow::Error::msg)?;
        let path = start
            .config
            .as_deref()
            .map(std::path::absolute)
            .transpose()?;
        Ok(Self {
            config,
            sources,
            path,
            overrides: start.overrides(),
            defaults: Config::default_for(deskway_osuser::own_uid()),
        })
    }

    /// With the places of the Deskway that is taken over.
    pub(super) fn at(mut self, run: &Path, state: &Path, base_path: &str) -> Self {
        run.clone_into(&mut self.config.paths.run);
        state.clone_into(&mut self.config.paths.state);
        base_path.clone_into(&mut self.config.server.base_path);
        self
    }

    /// For the process that talks to the network.
    pub(super) fn for_front(mut self) -> Self {
        self.config = self.config.for_front();
        self.sources.text.clear();
        self
    }

    /// The file as it is now, with the flags of the start.
    pub(super) fn reload(&self) -> Result<(Config, String), String> {
        config::load(self.path.as_deref(), &self.overrides).map_err(|error| error.to_string())
    }

    /// A file's text, which another process has read, with the flags of the start.
    pub(super) fn reread(&self, text: &str) -> Result<Config, config::Error> {
        let defaults = self.defaults.clone();
        config::over(defaults, text, "the new configuration", &self.overrides)
    }

    /// Ours with what stands in `templates_dir`.
    pub(super) fn templates(&self) -> Result<Templates, TemplateError> {
        Templates::new(self.sources.texts.clone())
    }

    /// For a role that is started again: the file as it is now, so that a configuration that was
    /// read again since counts; as it was when the file is wrong. Where we listen and keep our
    /// files stays as it was at the start.
    pub(super) fn now(&self, restarts: u64) -> Self {
        let mut settings = self.clone();
        if restarts == 0 {
            return settings;
        }
        let read = self.reload().and_then(|(config, text)| {
            let texts = sound_texts(&config).map_err(|error| error.to_string())?;
            Ok((config, Sources { text, texts }))
        });
        match read {
            Ok((mut config, sources)) => {
                settings.sources = sources;
                config.paths = self.config.paths.clone();
                config.server.listen.clone_from(&self.config.server.listen);
                config
                    .server
                    .base_path
                    .clone_from(&self.config.server.base_path);
                settings.config = config;
            }
            Err(error) => tracing::error!(%error, "the configuration is wrong; the old one stays"),
        }
        settings
    }
}

/// What stands in `templates_dir`, if pages can be made with it.
fn sound_texts(config: &Config) -> Result<Texts, TemplateError> {
    let texts = Texts::read(config.paths.templates_dir.as_deref())?;
    Templates::new(texts.clone())?;
    Ok(texts)
}
