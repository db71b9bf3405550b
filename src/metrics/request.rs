//! Requests in few classes, however many addresses there are.

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteClass {
    Page,
    SignIn,
    Api,
    Events,
    WebSocket,
    Asset,
    Probe,
    Other,
}

/// How it went: the first digit of the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome(u16);

impl RouteClass {
    /// Of a path below the base path.
    pub fn of(path: &str) -> Self {
        let begins = |with: &[&str]| with.iter().any(|it| path.starts_with(it));
        if path.ends_with("/websockify") {
            Self::WebSocket
        } else if path.starts_with("/api/") && path.ends_with("/events") {
            Self::Events
        } else if begins(&["/api/"]) {
            Self::Api
        } else if begins(&["/sign-in", "/sign-out", "/set-up"]) {
            Self::SignIn
        } else if begins(&["/assets/", "/brand/"]) {
            Self::Asset
        } else if matches!(path, "/healthz" | "/readyz" | "/metrics") || begins(&["/doctor/"]) {
            Self::Probe
        } else if path == "/" || begins(&["/d/", "/novnc/", "/admin"]) {
            Self::Page
        } else {
            Self::Other
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::SignIn => "sign_in",
            Self::Api => "api",
            Self::Events => "events",
            Self::WebSocket => "websocket",
            Self::Asset => "asset",
            Self::Probe => "probe",
            Self::Other => "other",
        }
    }
}

impl Outcome {
    pub fn of(status: u16) -> Self {
        Self(status / 100)
    }

    pub(super) fn word(self) -> &'static str {
        match self.0 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        }
    }
}
