//! Settings → what they name, found and made ready: plugins, certificates, the web directory.

use super::dial::Dialer;
use super::gate;
use super::gate::Gate;
use super::settings::{Destination, Settings};
use super::tls;
use super::tls::TlsError;
use super::token;
use super::token::Tokens;
use super::web::{Web, WebError};
use crate::listen::Tls;

/// What is there before the first socket is.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// `None`: there is no TLS.
    pub(crate) tls: Option<Tls>,
    pub(super) dialer: Dialer,
    /// `None`: there are no tokens.
    pub(super) tokens: Option<Tokens>,
    /// `None`: everybody may come in.
    pub(super) gate: Option<Gate>,
    /// `None`: no files are served.
    pub(super) web: Option<Web>,
}

/// Something that the command line names and that cannot be used: the admin's to mend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PreparedError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Tokens(#[from] token::PluginError),
    #[error(transparent)]
    Gate(#[from] gate::PluginError),
    #[error(transparent)]
    Web(#[from] WebError),
}

impl Prepared {
    pub(crate) fn check(settings: &Settings) -> Result<Self, PreparedError> {
        let tokens = match &settings.to {
            Destination::Tokens { plugin, source, .. } => {
                Some(Tokens::new(plugin, source.as_deref())?)
            }
            Destination::Fixed(_) | Destination::Wrapped => None,
        };
        let gate = settings.auth.as_ref().map(|auth| {
            let source = auth.source.as_ref().map(|source| source.expose().as_str());
            Gate::new(&auth.plugin, source)
        });
        let web = settings.web.as_ref();
        let web = web.map(|web| Web::new(&web.dir, web.listing));
        Ok(Self {
            tls: settings.tls.as_ref().map(tls::server).transpose()?,
            dialer: Dialer::new(settings.ssl_target)?,
            tokens,
            gate: gate.transpose()?,
            web: web.transpose()?,
        })
    }
}
