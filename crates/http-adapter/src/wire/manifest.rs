//! The manifest from which iOS installs an app over the air (Apple, "Distribute proprietary in-house apps to Apple
//! devices").

use appdepot_core::{Error, Result};
use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::deliver::guard;

/// A manifest for one app. The installer brings neither cookie nor header, so every address must carry its own
/// permission; all must be `https`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Template)]
#[template(path = "manifest.xml")]
pub(crate) struct Manifest {
    /// What the installer calls the app.
    pub(crate) title: String,
    /// The package's bundle identifier.
    pub(crate) bundle_id: String,
    /// The version people see (`CFBundleShortVersionString`).
    pub(crate) bundle_version: String,
    /// Where the package is.
    pub(crate) package: String,
    /// Where the icon of 57 pixels is, shown while it installs.
    pub(crate) display_image: Option<String>,
    /// Where the icon of 512 pixels is.
    pub(crate) full_size_image: Option<String>,
}

impl Manifest {
    /// The manifest as a property list in XML.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) fn to_xml(&self) -> Result<String> {
        self.render().map_err(Error::internal)
    }

    /// The manifest as an answer that nobody stores.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) fn answer(&self) -> Result<Response> {
        let mut response = Response::new(Body::from(self.to_xml()?));
        let headers = response.headers_mut();
        guard(headers);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        Ok(response)
    }

    fn assets(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let assets = [
            ("software-package", Some(self.package.as_str())),
            ("display-image", self.display_image.as_deref()),
            ("full-size-image", self.full_size_image.as_deref()),
        ];
        assets.into_iter().filter_map(|(kind, url)| url.map(|url| (kind, url)))
    }
}

/// The link that makes iOS read the manifest at `url`.
pub(crate) fn install_link(url: &str) -> String {
    let url = utf8_percent_encode(url, NON_ALPHANUMERIC);
    format!("itms-services://?action=download-manifest&url={url}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_reader_finds_what_was_written() {
        let manifest = Manifest {
            title: "<b>&amp; \u{202E}\"Notes\u{0}\u{FFFE} ]]> 手帳 'x'".to_owned(),
            bundle_id: "com.example.app</string>".to_owned(),
            bundle_version: "1.2 & 3".to_owned(),
            package: "https://depot.example/install/t?a=1&b=2".to_owned(),
            display_image: Some("https://depot.example/57.png".to_owned()),
            full_size_image: None,
        };
        let read = plist::Value::from_reader_xml(manifest.to_xml().unwrap().as_bytes()).unwrap();
        let item = &read.as_dictionary().unwrap()["items"].as_array().unwrap()[0].as_dictionary().unwrap();
        let text = |value: &plist::Value| value.as_string().unwrap().to_owned();
        let assets: Vec<(String, String)> = item["assets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|asset| asset.as_dictionary().unwrap())
            .map(|asset| (text(&asset["kind"]), text(&asset["url"])))
            .collect();
        let expected = [
            ("software-package", "https://depot.example/install/t?a=1&b=2"),
            ("display-image", "https://depot.example/57.png"),
        ];
        assert_eq!(assets, expected.map(|(kind, url)| (kind.to_owned(), url.to_owned())));
        let metadata = item["metadata"].as_dictionary().unwrap();
        let expected = [
            ("bundle-identifier", "com.example.app</string>"),
            ("bundle-version", "1.2 & 3"),
            ("kind", "software"),
            ("title", "<b>&amp; \"Notes ]]> 手帳 'x'"),
        ];
        let found: Vec<(&str, String)> =
            metadata.iter().map(|(key, value)| (key.as_str(), text(value))).collect();
        assert_eq!(found, expected.map(|(key, value)| (key, value.to_owned())));
    }

    #[test]
    fn the_address_in_the_link_is_encoded() {
        assert_eq!(
            install_link("https://a.example/m?x=1&y=2"),
            "itms-services://?action=download-manifest&url=https%3A%2F%2Fa%2Eexample%2Fm%3Fx%3D1%26y%3D2"
        );
    }
}
