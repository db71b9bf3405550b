//! `deskway render`: what a template makes of the configuration at hand and of sample values.

use serde_json::Value as Json;

use super::proxy_config::default_values;
use super::{Error, Render, out};
use crate::config::Config;
use crate::templates::{Origin, Proxy, Serde, Templates, Value, merged, page_sample};

/// # Errors
/// When the configuration, a template or a value for it is wrong.
pub fn run(args: &Render) -> Result<(), Error> {
    let (config, _) = args.start.load()?;
    let templates = Templates::load(config.paths.templates_dir.as_deref())?;
    match &args.template {
        Some(name) if !args.list => {
            let mut text = rendered(&templates, &config, name, &args.set)?;
            if !text.ends_with('\n') {
                text.push('\n');
            }
            out::print(&text)
        }
        _ => out::print(&list(&templates)),
    }
}

fn list(templates: &Templates) -> String {
    let rows = templates.list().into_iter().map(|(name, origin)| {
        let origin = match origin {
            Origin::BuiltIn => "built in".to_owned(),
            Origin::File(path) => path.display().to_string(),
        };
        vec![name.to_owned(), origin]
    });
    out::table(&["TEMPLATE", "FROM"], rows)
}

fn rendered(
    templates: &Templates,
    config: &Config,
    name: &str,
    set: &[(String, String)],
) -> Result<String, Error> {
    templates.find(name).map_err(|hint| Error::NoTemplate {
        name: name.to_owned(),
        hint,
    })?;
    let mut values = values(config, name)?;
    for (variable, value) in set {
        values = with(values, name, variable, value)?;
    }
    Ok(templates.render(name, &values)?)
}

/// A piece of the administrator's own is shown with what the sign-in page has.
fn values(config: &Config, name: &str) -> Result<Value, Error> {
    if let Some(proxy) = Proxy::ALL.iter().find(|proxy| proxy.template() == name) {
        return default_values(*proxy, config);
    }
    let sample = |name| page_sample(name, &config.server.base_path, &config.brand);
    Ok(sample(name)
        .or_else(|| sample("sign-in.html"))
        .unwrap_or_default())
}

/// `values` with one of them changed. `variable` is the name, or `brand.notice`; `text` is JSON,
/// or a string as it is.
fn with(values: Value, template: &str, variable: &str, text: &str) -> Result<Value, Error> {
    let unknown = || Error::NoVariable {
        template: template.to_owned(),
        variable: variable.to_owned(),
        known: names(&values).join(", "),
    };
    let mut parts = variable.split('.');
    let first = parts.next().unwrap_or_default();
    let old = values
        .get_attr(first)
        .ok()
        .filter(|old| !old.is_undefined());
    let mut whole = serde_json::to_value(old.ok_or_else(unknown)?).map_err(|_| unknown())?;
    let mut place = &mut whole;
    for part in parts {
        place = place.get_mut(part).ok_or_else(unknown)?;
    }
    *place = serde_json::from_str(text).unwrap_or_else(|_| Json::from(text));
    let changed = Value::from_pairs([(first, Value::from(Serde(&whole)))]);
    Ok(merged(changed, values))
}

fn names(values: &Value) -> Vec<String> {
    let names = values.try_iter().into_iter().flatten();
    names.map(|name| name.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(name: &str, set: &[(&str, &str)]) -> Result<String, Error> {
        let mut config = Config::default_for(0);
        config.brand.name = "The Lab".to_owned();
        config.brand.links = vec![crate::config::Link {
            text: "Help".to_owned(),
            url: "https://example.org/help".to_owned(),
        }];
        config.server.base_path = "/desk".to_owned();
        let set: Vec<_> = set
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        rendered(&Templates::built_in()?, &config, name, &set)
    }

    #[test]
    fn a_page_is_shown_with_the_configuration_and_what_is_set() {
        let page = show("sign-in.html", &[]).unwrap();
        assert!(page.contains("<h1>The Lab</h1>"), "{page}");
        assert!(page.contains("action=\"&#x2f;desk/sign-in\""), "{page}");
        let set = [
            ("message", "Wait."),
            ("seconds", "30"),
            ("brand.notice", "Hello <b>"),
        ];
        let page = show("sign-in.html", &set).unwrap();
        assert!(page.contains("data-seconds=\"30\">Wait.<"), "{page}");
        assert!(page.contains("Hello &lt;b&gt;"), "{page}");
    }

    #[test]
    fn every_template_can_be_shown() {
        for (name, _) in Templates::built_in().unwrap().list() {
            let text = show(name, &[]).unwrap();
            assert!(text.len() > 100, "{name}: {text}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_told_with_those_that_are() {
        let said = show("signin.html", &[]).unwrap_err().to_string();
        assert!(said.contains("did you mean `sign-in.html`?"), "{said}");
        for variable in ["mesage", "brand.lego", "brand.name.first", ""] {
            let said = show("sign-in.html", &[(variable, "x")]).unwrap_err();
            let said = said.to_string();
            assert!(said.contains(&format!("`{variable}`")), "{said}");
            assert!(said.contains("message"), "{said}");
        }
    }
}
