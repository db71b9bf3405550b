//! HTML pages: each template with its values.

use std::sync::{Arc, PoisonError, RwLock};

use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use serde_json::json;
use tracing::error;

use super::assets::Assets;
use crate::config::Brand;
use crate::launcher::protocol::Account;
use crate::model::DesktopId;
use crate::templates::{EveryPage, Templates, Value, error_page, merged, nothing, sign_in};

/// What somebody reads when even a built-in template fails.
const NO_PAGE: &str = "Something went wrong on the server. Its log says more.";

/// Makes pages.
#[derive(Debug)]
pub(super) struct Pages {
    base: String,
    templates: RwLock<Arc<Templates>>,
    pub(super) assets: Assets,
}

/// The state of the sign-in form.
#[derive(Clone, Debug, Default)]
pub(super) struct SignInForm {
    /// Where to go afterwards.
    pub(super) next: String,
    pub(super) name: String,
    pub(super) message: String,
    /// `wrong`, `slow`, `denied`, `busy`, or empty.
    pub(super) kind: &'static str,
    /// With `slow`: how long to wait.
    pub(super) seconds: u32,
}

impl Pages {
    pub(super) fn new(base: &str, assets: Assets, templates: Templates) -> Self {
        Self {
            base: base.to_owned(),
            templates: RwLock::new(Arc::new(templates)),
            assets,
        }
    }

    /// Other templates from now on.
    pub(super) fn set_templates(&self, templates: Templates) {
        let mut current = self
            .templates
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(templates);
    }

    pub(super) fn sign_in(&self, brand: &Brand, form: &SignInForm) -> Response {
        let boot = self.boot(brand, None, None);
        let more = sign_in(
            &form.next,
            &form.name,
            &form.message,
            form.kind,
            form.seconds,
        );
        self.built("sign-in", "Sign in", brand, &boot, more)
    }

    pub(super) fn portal(&self, brand: &Brand, account: &Account) -> Response {
        let boot = self.boot(brand, Some(account), None);
        self.built("portal", "Desktops", brand, &boot, nothing())
    }

    pub(super) fn viewer(&self, brand: &Brand, account: &Account, desktop: &DesktopId) -> Response {
        let boot = self.boot(brand, Some(account), Some(desktop));
        self.built("viewer", &desktop.to_string(), brand, &boot, nothing())
    }

    pub(super) fn set_up(&self, brand: &Brand) -> Response {
        let boot = self.boot(brand, None, None);
        self.built("set-up", "Set up", brand, &boot, nothing())
    }

    pub(super) fn error(
        &self,
        brand: &Brand,
        status: StatusCode,
        heading: &str,
        message: &str,
    ) -> Response {
        let boot = self.boot(brand, None, None);
        let way_on = (&*format!("{}/", self.base), "To your desktops");
        let more = error_page(status.as_u16(), heading, message, way_on);
        self.render("error.html", "error", heading, brand, &boot, more)
    }

    /// A page that is nothing without the files that `npm run build` makes.
    fn built(&self, entry: &str, title: &str, brand: &Brand, boot: &str, more: Value) -> Response {
        if self.assets.are_built() {
            self.render(&format!("{entry}.html"), entry, title, brand, boot, more)
        } else {
            self.render("unbuilt.html", "error", "Not built", brand, boot, more)
        }
    }

    fn render(
        &self,
        template: &str,
        entry: &str,
        title: &str,
        brand: &Brand,
        boot: &str,
        more: Value,
    ) -> Response {
        let files = self.assets.entry(entry);
        let url = |file: &String| format!("{}/{file}", self.base);
        let mut css: Vec<String> = files.css.iter().map(url).collect();
        if brand.accent.is_some() {
            css.push(format!("{}/brand.css", self.base));
        }
        let js: Vec<String> = files.js.iter().map(url).collect();
        let every_page = EveryPage {
            base: &self.base,
            brand,
            boot,
            css: &css,
            js: &js,
            title,
        };
        let templates = self.templates.read();
        let templates = Arc::clone(&templates.unwrap_or_else(PoisonError::into_inner));
        match templates.page(template, &merged(more, every_page.values())) {
            Ok(page) => Html(page).into_response(),
            Err(error) => {
                error!(%template, %error, "a page cannot be made");
                (StatusCode::INTERNAL_SERVER_ERROR, NO_PAGE).into_response()
            }
        }
    }

    /// What the page's script starts from, as JSON that can stand inside a `script` element.
    fn boot(
        &self,
        brand: &Brand,
        account: Option<&Account>,
        desktop: Option<&DesktopId>,
    ) -> String {
        let account =
            account.map(|account| json!({"name": account.name, "full_name": account.full_name}));
        json!({
            "base": self.base,
            "version": env!("CARGO_PKG_VERSION"),
            "brand": {"name": brand.name, "accent": brand.accent, "notice": brand.notice},
            "account": account,
            "desktop": desktop,
        })
        .to_string()
        .replace('<', "\\u003c")
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_hostile_name_stays_text() {
        let pages = Pages::new("", Assets::given([]), Templates::built_in().unwrap());
        let hostile = "</script><script>alert(1)</script>";
        let brand = Brand {
            name: hostile.to_owned(),
            accent: None,
            notice: Some(hostile.to_owned()),
        };
        let account = Account {
            name: "alice".parse().unwrap(),
            full_name: hostile.to_owned(),
            until: 0,
        };
        let form = SignInForm {
            name: hostile.to_owned(),
            message: hostile.to_owned(),
            next: hostile.to_owned(),
            ..SignInForm::default()
        };
        for page in [
            pages.portal(&brand, &account),
            pages.sign_in(&brand, &form),
            pages.error(&brand, StatusCode::NOT_FOUND, hostile, hostile),
        ] {
            let body = page.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(!text.contains("<script>alert"), "{text}");
        }
    }
}
