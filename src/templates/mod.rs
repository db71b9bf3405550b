//! Jinja templates: the pages and the configurations of reverse proxies, each of which an
//! administrator can override with a file of the same name in `templates_dir`.
//!
//! [`Texts`] is what stands in that directory; [`Templates`] is it together with our own, read,
//! and tried with sample values, so that a typo is found before anybody sees it.

mod embedded;
mod error;
mod proxy;
mod samples;
mod set;
mod texts;
mod variables;

pub use error::TemplateError;
pub use minijinja::Value;
pub use minijinja::value::Serde;
pub use proxy::{Proxy, ProxyValues, Upstream};
pub use samples::page_sample;
pub use set::{Origin, Templates};
pub use texts::{MAX_BYTES, Texts};
pub use variables::{EveryPage, IndexRow, brand, error_page, index, merged, nothing, sign_in};
