//! Our own templates, by name.

/// Name and text of each. What has no samples of its own is a piece that others include.
pub(super) const ALL: [(&str, &str); 16] = [
    ("admin.html", include_str!("pages/admin.html")),
    ("error.html", include_str!("pages/error.html")),
    ("head.html", include_str!("pages/head.html")),
    ("index.html", include_str!("pages/index.html")),
    ("links.html", include_str!("pages/links.html")),
    ("mark.html", include_str!("pages/mark.html")),
    ("portal.html", include_str!("pages/portal.html")),
    ("proxy/Caddyfile", include_str!("proxy/Caddyfile")),
    ("proxy/apache.conf", include_str!("proxy/apache.conf")),
    ("proxy/haproxy.cfg", include_str!("proxy/haproxy.cfg")),
    ("proxy/nginx.conf", include_str!("proxy/nginx.conf")),
    ("proxy/traefik.yml", include_str!("proxy/traefik.yml")),
    ("set-up.html", include_str!("pages/set-up.html")),
    ("sign-in.html", include_str!("pages/sign-in.html")),
    ("unbuilt.html", include_str!("pages/unbuilt.html")),
    ("viewer.html", include_str!("pages/viewer.html")),
];

/// The one folder of them.
pub(super) const FOLDER: &str = "proxy";

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}
