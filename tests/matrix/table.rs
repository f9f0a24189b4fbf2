//! The tables of routes: one line each, with method and path, who may, what the owner is answered, and a body.

use std::collections::BTreeMap;
use std::fmt;

use super::world::package;

/// What stands for the variable parts of a request, by name.
pub(crate) type Values = BTreeMap<&'static str, String>;

/// A line. Variable parts are `{name}` in the path, or `{name=value}` where the route calls it otherwise than the
/// world, and `<value>` in the query and the body.
pub(crate) struct Row {
    pub(crate) method: &'static str,
    /// As the router has it.
    pub(crate) template: String,
    /// With everything in angle brackets.
    target: String,
    pub(crate) class: Class,
    /// What the owner is answered.
    pub(crate) status: u16,
    body: &'static str,
}

/// Who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Everyone.
    Public,
    /// Whoever has the secret that is in the request.
    Bytes,
    /// Whose credential is good, and who has some role.
    Standing,
    /// People, for what is their own.
    User,
    /// Tokens of an app, for that app.
    AppToken,
    /// Who has this permission.
    Permission(&'static str),
}

pub(crate) fn rows() -> Vec<Row> {
    let tables = [
        include_str!("applivery.txt"),
        include_str!("emporix.txt"),
        include_str!("redhat.txt"),
        include_str!("storefront.txt"),
        include_str!("wso2.txt"),
    ];
    tables.into_iter().flat_map(str::lines).map(Row::read).collect()
}

impl Row {
    fn read(line: &'static str) -> Self {
        let mut columns = line.splitn(4, '|').map(str::trim);
        let (method, asked) = columns.next().unwrap().split_once(' ').unwrap();
        let class = match columns.next().unwrap() {
            "public" => Class::Public,
            "bytes" => Class::Bytes,
            "standing" => Class::Standing,
            "a user" => Class::User,
            "app token" => Class::AppToken,
            permission => Class::Permission(permission),
        };
        let status = columns.next().unwrap().parse().unwrap();
        let body = columns.next().unwrap_or_default();
        let (path, query) = asked.trim().split_once('?').unwrap_or((asked.trim(), ""));
        let (mut template, mut target) = (String::new(), String::new());
        for part in path.split_inclusive('/') {
            let (part, slash) = part.strip_suffix('/').map_or((part, ""), |part| (part, "/"));
            match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(named) => {
                    let (name, value) = named.split_once('=').unwrap_or((named, named));
                    template += &format!("{{{name}}}{slash}");
                    target += &format!("<{value}>{slash}");
                }
                None => (template, target) = (template + part + slash, target + part + slash),
            }
        }
        if !query.is_empty() {
            target = format!("{target}?{query}");
        }
        Self { method, template, target, class, status, body }
    }

    /// The variable parts of the path, the query and the body.
    pub(crate) fn holes<'a>(&self, values: &'a Values) -> impl Iterator<Item = &'a str> {
        let text = format!("{} {}", self.target, self.body);
        values.keys().copied().filter(move |name| text.contains(&format!("<{name}>")))
    }

    /// Whether the path says in which organization.
    pub(crate) fn names_organization(&self) -> bool {
        self.target.contains("<organization>") && !self.template.contains("/ide/{domain}")
    }

    /// Whether an organization that is not the caller's is not there for them. What everyone may know of a store is
    /// what it is called and how to sign in to it; and the domain in some paths means nothing.
    pub(crate) fn hides_organization(&self) -> bool {
        self.class != Class::Public && self.names_organization() && !self.template.starts_with("/store/")
    }

    pub(crate) fn target(&self, values: &Values) -> String {
        fill(&self.target, values)
    }

    /// The content type and the bytes.
    pub(crate) fn body(&self, values: &Values) -> Option<(&'static str, Vec<u8>)> {
        let body = fill(self.body, values);
        match body.split_once(' ').unwrap_or((&body, "")) {
            ("", _) => None,
            ("form", pairs) => Some(("application/x-www-form-urlencoded", pairs.as_bytes().to_vec())),
            ("upload", parts) => Some(("multipart/form-data; boundary=X", multipart(parts))),
            _ => Some(("application/json", body.into_bytes())),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.template)
    }
}

fn fill(text: &str, values: &Values) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("<{name}>"), value))
}

/// A form of `name=value` parts; `file` and `build` are files.
pub(crate) fn multipart(parts: &str) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, value) in parts.split(' ').map(|part| part.split_once('=').unwrap()) {
        form.extend(format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"").bytes());
        if ["file", "build"].contains(&name) {
            form.extend(format!("; filename=\"{value}\"").bytes());
            let kind = if value.ends_with(".png") { "image/png" } else { "application/octet-stream" };
            form.extend(format!("\r\nContent-Type: {kind}\r\n\r\n").bytes());
            form.extend(package(value));
        } else {
            form.extend(format!("\r\n\r\n{value}").bytes());
        }
        form.extend(b"\r\n");
    }
    form.extend(b"--X--\r\n");
    form
}
