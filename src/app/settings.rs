//! What a role is started with: the configuration, and how to read it again.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cli;
use crate::config::{self, Config, Overrides};
use crate::runtime::start_log;
use crate::templates::{TemplateError, Templates, Texts};

/// The checked configuration and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub config: Config,
    /// What stands in `templates_dir`, found sound.
    texts: Texts,
    path: Option<PathBuf>,
    overrides: Overrides,
    /// Those of the account that started this: a role that has dropped to another, and sees
    /// nothing of `/etc` any more, would come to different ones.
    defaults: Config,
}

impl Settings {
    /// Reads and checks everything, and starts the log. Nothing is bound or made yet.
    pub(super) fn load(start: &cli::Start) -> Result<Self> {
        let overrides = start.overrides();
        let (config, _) = config::load(start.config.as_deref(), &overrides)?;
        let texts = sound_texts(&config)?;
        start_log(&config.log.filter, config.log.json).map_err(anyhow::Error::msg)?;
        let path = start
            .config
            .as_deref()
            .map(std::path::absolute)
            .transpose()?;
        Ok(Self {
            config,
            texts,
            path,
            overrides,
            defaults: Config::default_for(deskway_osuser::own_uid()),
        })
    }

    /// As [`Settings::load`], for a program that takes over what runs and has to go on: where the
    /// file is wrong, the built-in configuration is taken until it is right and a role starts
    /// again.
    pub(super) fn load_or_default(start: &cli::Start) -> Result<Self> {
        Self::load(start).or_else(|error| {
            let without_file = cli::Start {
                config: Some("/dev/null".into()),
                ..start.clone()
            };
            let mut settings = Self::load(&without_file)?;
            tracing::error!("the configuration is wrong: {error:#}");
            settings.path.clone_from(&start.config);
            Ok(settings)
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
        Templates::new(self.texts.clone())
    }

    /// For a role that is started again: the file as it is now, so that a configuration that was
    /// read again since counts; as it was when the file is wrong. Where we listen and keep our
    /// files stays as it was at the start.
    pub(super) fn now(&self, restarts: u64) -> Self {
        let mut settings = self.clone();
        if restarts == 0 {
            return settings;
        }
        let read = self.reload().and_then(|(config, _)| {
            let texts = sound_texts(&config).map_err(|error| error.to_string())?;
            Ok((config, texts))
        });
        match read {
            Ok((mut config, texts)) => {
                settings.texts = texts;
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
