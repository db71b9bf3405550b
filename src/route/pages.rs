//! HTML pages: each template with its values.

use std::sync::{Arc, PoisonError, RwLock};

use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use serde_json::json;
use tracing::error;

use super::assets::Assets;
use super::index::Shown;
use super::looks::Look;
use crate::launcher::protocol::Account;
use crate::model::DesktopId;
use crate::templates::{
    EveryPage, Templates, Value, brand, error_page, index, merged, nothing, sign_in,
};

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

    pub(super) fn templates(&self) -> Arc<Templates> {
        let templates = self.templates.read();
        Arc::clone(&templates.unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn sign_in(&self, look: &Look, form: &SignInForm) -> Response {
        let boot = self.boot(look, None, None);
        let more = sign_in(
            &form.next,
            &form.name,
            &form.message,
            form.kind,
            form.seconds,
        );
        self.built("sign-in", "Sign in", look, &boot, more)
    }

    pub(super) fn index(&self, look: &Look, shown: &Shown) -> Response {
        let boot = self.boot(look, None, None);
        let more = index(
            &shown.desktops,
            &shown.search,
            shown.has_search,
            shown.known,
            shown.more,
        );
        self.built("index", "Desktops", look, &boot, more)
    }

    pub(super) fn portal(&self, look: &Look, account: &Account) -> Response {
        let boot = self.boot(look, Some(account), None);
        self.built("portal", "Desktops", look, &boot, nothing())
    }

    pub(super) fn admin(&self, look: &Look, account: &Account) -> Response {
        let boot = self.boot(look, Some(account), None);
        self.built("admin", "Admin", look, &boot, nothing())
    }

    pub(super) fn viewer(&self, look: &Look, account: &Account, desktop: &DesktopId) -> Response {
        let boot = self.boot(look, Some(account), Some(desktop));
        self.built("viewer", &desktop.to_string(), look, &boot, nothing())
    }

    pub(super) fn set_up(&self, look: &Look) -> Response {
        let boot = self.boot(look, None, None);
        self.built("set-up", "Set up", look, &boot, nothing())
    }

    pub(super) fn error(
        &self,
        look: &Look,
        status: StatusCode,
        heading: &str,
        message: &str,
    ) -> Response {
        let boot = self.boot(look, None, None);
        let way_on = (&*format!("{}/", self.base), "To your desktops");
        let more = error_page(status.as_u16(), heading, message, way_on);
        self.render("error.html", "error", heading, look, &boot, more)
    }

    /// A page that is nothing without the files that `npm run build` makes.
    fn built(&self, entry: &str, title: &str, look: &Look, boot: &str, more: Value) -> Response {
        if self.assets.are_built() {
            self.render(&format!("{entry}.html"), entry, title, look, boot, more)
        } else {
            self.render("unbuilt.html", "error", "Not built", look, boot, more)
        }
    }

    fn render(
        &self,
        template: &str,
        entry: &str,
        title: &str,
        look: &Look,
        boot: &str,
        more: Value,
    ) -> Response {
        let files = self.assets.entry(entry);
        let url = |file: &String| format!("{}/{file}", self.base);
        let mut css: Vec<String> = files.css.iter().map(url).collect();
        css.extend(look.style_sheet.iter().map(|path| self.below(path)));
        let js: Vec<String> = files.js.iter().map(url).collect();
        let brand = self.brand(look);
        let every_page = EveryPage {
            base: &self.base,
            version: self.assets.version(),
            brand: &brand,
            boot,
            css: &css,
            js: &js,
            title,
        };
        match self
            .templates()
            .page(template, &merged(more, every_page.values()))
        {
            Ok(page) => Html(page).into_response(),
            Err(error) => {
                error!(%template, %error, "a page cannot be made");
                (StatusCode::INTERNAL_SERVER_ERROR, NO_PAGE).into_response()
            }
        }
    }

    fn brand(&self, look: &Look) -> serde_json::Value {
        let logo = look.logo.as_ref().map(|path| self.below(path));
        brand(&self.base, &look.brand, logo.as_deref())
    }

    fn below(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// What the page's script starts from, as JSON that can stand inside a `script` element.
    fn boot(&self, look: &Look, account: Option<&Account>, desktop: Option<&DesktopId>) -> String {
        let account =
            account.map(|account| json!({"name": account.name, "full_name": account.full_name, "is_admin": account.is_admin}));
        json!({
            "base": self.base,
            "version": self.assets.version(),
            "brand": self.brand(look),
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
        let mut config = crate::config::Config::default_for(1000);
        hostile.clone_into(&mut config.brand.name);
        config.brand.notice = Some(hostile.to_owned());
        config.brand.links = vec![crate::config::Link {
            text: hostile.to_owned(),
            url: format!("https://example.org/\"{hostile}"),
        }];
        let look = Look {
            brand: config.brand,
            style_sheet: None,
            logo: None,
        };
        let account = Account {
            is_admin: false,
            name: "alice".parse().unwrap(),
            full_name: hostile.to_owned(),
            group: None,
            until: 0,
        };
        let shown = Shown {
            desktops: Vec::new(),
            search: hostile.to_owned(),
            has_search: true,
            known: 0,
            more: false,
        };
        let form = SignInForm {
            name: hostile.to_owned(),
            message: hostile.to_owned(),
            next: hostile.to_owned(),
            ..SignInForm::default()
        };
        for page in [
            pages.portal(&look, &account),
            pages.admin(&look, &account),
            pages.index(&look, &shown),
            pages.sign_in(&look, &form),
            pages.error(&look, StatusCode::NOT_FOUND, hostile, hostile),
        ] {
            let body = page.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(!text.contains("<script>alert"), "{text}");
        }
    }
}
