//! The format of `deskway.toml`, as close to the file as serde gets. `check` makes a
//! [`Config`](super::Config) of it, `keys` says in words what each key may be.
//!
//! Everything may be absent. Numbers are read wide, so that one that is too large is refused
//! with the bounds of its key and not with those of a machine's integer.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// A value with its place in the file, when it is there.
pub(super) type Value<T> = Option<Spanned<T>>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    pub server: Server,
    pub listen: Vec<Spanned<Listen>>,
    pub tls: Tls,
    pub sign_in: SignIn,
    pub access: Access,
    pub admin: Admin,
    pub desktops: Desktops,
    pub limits: Limits,
    pub idle: Idle,
    pub profile: Vec<Spanned<Profile>>,
    pub attach: Vec<Spanned<Attach>>,
    pub brand: Brand,
    pub group: Vec<Spanned<Group>>,
    pub portal: Portal,
    pub paths: Paths,
    pub log: Log,
    pub metrics: Metrics,
    pub audit: Audit,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Server {
    pub listen: Value<OneOrMore>,
    pub base_path: Value<String>,
    pub hosts: Vec<Spanned<String>>,
    pub trusted_proxies: Vec<Spanned<String>>,
    pub tls_cert: Value<String>,
    pub tls_key: Value<String>,
    pub max_connections: Value<i64>,
    pub max_connections_per_address: Value<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Listen {
    pub address: Value<String>,
    pub protocol: Value<String>,
    pub proxy_protocol: Value<bool>,
    pub socket_mode: Value<String>,
    pub socket_group: Value<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tls {
    pub certificates: Vec<Spanned<Pair>>,
    pub acme: Value<Acme>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Pair {
    pub cert: Value<String>,
    pub key: Value<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Acme {
    pub domains: Vec<Spanned<String>>,
    pub contact: Vec<Spanned<String>>,
    pub directory: Value<String>,
    pub ca_file: Value<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SignIn {
    pub pam: Value<bool>,
    pub pam_service: Value<String>,
    pub pam_dir: Value<String>,
    pub local: Value<bool>,
    pub lifetime: Value<String>,
    pub recheck: Value<String>,
    pub tries_per_minute: Value<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Access {
    pub min_uid: Value<i64>,
    pub groups: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Admin {
    pub users: Vec<Spanned<String>>,
    pub groups: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Desktops {
    pub x_server: Value<String>,
    pub geometry: Value<String>,
    pub depth: Value<i64>,
    pub dpi: Value<i64>,
    pub private_tmp: Value<bool>,
    pub env: BTreeMap<Spanned<String>, Spanned<String>>,
    pub x_args: Vec<Spanned<String>>,
    pub default_profile: Value<String>,
    pub xsessions: Value<String>,
    pub xstartup: Value<bool>,
    pub max_per_person: Value<i64>,
    pub screen_timeout: Value<String>,
    pub session_timeout: Value<String>,
    pub restart: Value<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub memory_high: Value<String>,
    pub memory_max: Value<String>,
    pub cpu_weight: Value<i64>,
    pub cpu_quota: Value<i64>,
    pub processes: Value<i64>,
    pub disk_warning: Value<String>,
    pub desktops: Value<i64>,
    pub hours_per_day: Value<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Idle {
    pub warn_after: Value<String>,
    pub freeze_after: Value<String>,
    pub stop_after: Value<String>,
    pub busy_cpu: Value<i64>,
    pub grace: Value<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Profile {
    pub id: Value<String>,
    pub name: Value<String>,
    pub command: Value<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Attach {
    pub desktop: Value<String>,
    pub target: Value<String>,
    pub ca_file: Value<String>,
    pub password_file: Value<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Brand {
    pub name: Value<String>,
    pub logo: Value<String>,
    pub accent: Value<String>,
    pub accent_dark: Value<String>,
    pub background: Value<String>,
    pub background_dark: Value<String>,
    pub notice: Value<String>,
    pub links: Option<Vec<Spanned<Link>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    pub text: String,
    pub url: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Group {
    pub name: Value<String>,
    pub hosts: Vec<Spanned<String>>,
    pub title: Value<String>,
    pub logo: Value<String>,
    pub accent: Value<String>,
    pub accent_dark: Value<String>,
    pub background: Value<String>,
    pub background_dark: Value<String>,
    pub notice: Value<String>,
    pub links: Option<Vec<Spanned<Link>>>,
    pub limits: Limits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Portal {
    pub public_index: Value<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Paths {
    pub run: Value<String>,
    pub state: Value<String>,
    pub templates_dir: Value<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Metrics {
    pub allow: Value<Vec<Spanned<String>>>,
    pub token_file: Value<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub filter: Value<String>,
    pub json: Value<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Audit {
    pub keep: Value<String>,
    pub max_size: Value<String>,
    pub syslog: Value<bool>,
}

/// A string or a list of strings. Written out, because `untagged` would not say what is wrong.
pub(super) struct OneOrMore(pub Vec<String>);

/// As it is written in the file.
impl fmt::Debug for OneOrMore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => one.fmt(f),
            list => list.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;

        impl<'de> Visitor<'de> for Strings {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E>(self, text: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMore, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMore(texts))
            }
        }

        deserializer.deserialize_any(Strings)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::de::value::Error;
    use serde::de::{Deserialize, Deserializer, Error as _, Visitor};

    use super::*;
    use crate::config::keys::SECTIONS;

    /// Learns the fields of a struct from what its `Deserialize` asks for.
    struct Fields<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Fields<'_> {
        type Error = Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            *self.0 = fields;
            Err(Error::custom("the fields are known now"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("no struct"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    fn fields<'de, T: Deserialize<'de>>() -> Vec<&'static str> {
        let mut fields: &[_] = &[];
        assert!(T::deserialize(Fields(&mut fields)).is_err());
        fields.to_vec()
    }

    #[test]
    fn the_table_of_keys_is_the_format() {
        let format = [
            ("server", fields::<Server>()),
            ("listen", fields::<Listen>()),
            ("tls", fields::<Tls>()),
            ("sign_in", fields::<SignIn>()),
            ("access", fields::<Access>()),
            ("admin", fields::<Admin>()),
            ("desktops", fields::<Desktops>()),
            ("limits", fields::<Limits>()),
            ("idle", fields::<Idle>()),
            ("profile", fields::<Profile>()),
            ("attach", fields::<Attach>()),
            ("brand", fields::<Brand>()),
            ("group", fields::<Group>()),
            ("portal", fields::<Portal>()),
            ("paths", fields::<Paths>()),
            ("log", fields::<Log>()),
            ("metrics", fields::<Metrics>()),
            ("audit", fields::<Audit>()),
        ];
        let names: Vec<_> = format.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, fields::<Raw>());
        let table: BTreeMap<_, Vec<_>> = SECTIONS
            .iter()
            .map(|section| {
                let keys = section.keys.iter().map(|key| key.name);
                (section.name, keys.collect())
            })
            .collect();
        assert_eq!(table, BTreeMap::from(format));
    }
}
