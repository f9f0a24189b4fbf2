//! What the templates show: texts that are ready to be escaped, addresses, and nothing else.

use appdepot_core::domain::{Listing, Store, Stored, Timestamp};
use appdepot_core::inspect::Platform;
use askama::Template;

use super::device;
use super::language::Language;
use super::qr::Code;
use super::style::SHEET_NAME;
use super::texts::{Texts, fill};
use crate::wire::text::visible;

/// What every page has.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) language: Language,
    /// The path below which the pages are reached, without a final slash.
    pub(super) base: String,
    pub(super) title: String,
    pub(super) store: Option<Link>,
    pub(super) person: Option<Person>,
    pub(super) contact: Option<String>,
    /// Six hexadecimal digits.
    pub(super) brand: Option<String>,
}

/// Somewhere to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) href: String,
}

/// Who is signed in.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) sign_out: String,
}

impl Page {
    /// A page outside of any store.
    pub(super) fn plain(language: Language, base: &str, title: &str) -> Self {
        Self {
            language,
            base: base.to_owned(),
            title: visible(title),
            store: None,
            person: None,
            contact: None,
            brand: None,
        }
    }

    /// The same inside a store.
    pub(super) fn inside(mut self, store: &Store, organization: &str) -> Self {
        let name = visible(&store.name);
        self.title = if self.title.is_empty() { name.clone() } else { format!("{} – {name}", self.title) };
        self.store = Some(Link { name, href: home(&self.base, organization) });
        self.contact = store.contact.as_deref().map(visible);
        self.brand = store.brand.clone();
        self
    }

    fn style(&self) -> &'static str {
        &SHEET_NAME
    }

    fn contact_parts(&self) -> Option<(&'static str, &str, &'static str)> {
        let (before, after) = self.language.texts().contact.split_once("{}")?;
        self.contact.as_deref().map(|address| (before, address, after))
    }
}

/// The address of a store.
pub(super) fn home(base: &str, organization: &str) -> String {
    format!("{base}/store/{organization}")
}

impl Texts {
    fn version_of(&self, version: &str) -> String {
        fill(self.version, version)
    }

    fn screenshot_of(&self, number: &usize) -> String {
        fill(self.screenshot, &number.to_string())
    }
}

/// A release in short.
#[derive(Debug, Clone)]
pub(super) struct Offered {
    pub(super) platform: &'static str,
    pub(super) version: String,
    pub(super) size: String,
}

/// The list of a store.
#[derive(Debug, Template)]
#[template(path = "store.html")]
pub(super) struct StorePage {
    pub(super) page: Page,
    pub(super) t: &'static Texts,
    pub(super) words: String,
    pub(super) platforms: Vec<Choice>,
    pub(super) apps: Vec<Entry>,
    /// Whether words or a device narrow the list.
    pub(super) narrowed: bool,
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
}

/// One device to choose.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) label: String,
    pub(super) chosen: bool,
}

/// One app of the list.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) href: String,
    /// Where its picture is.
    pub(super) icon: String,
    pub(super) name: String,
    pub(super) offers: Vec<Offered>,
    pub(super) updated: String,
    pub(super) updated_at: Timestamp,
}

impl Entry {
    /// A listing, its offers for `platform` first.
    pub(super) fn of(
        listing: &Stored<Listing>,
        language: Language,
        home: &str,
        platform: Option<Platform>,
    ) -> Self {
        let mut offers: Vec<_> = listing.offers.iter().collect();
        offers.sort_by_key(|offer| Some(offer.platform) != platform);
        let since = offers.iter().map(|offer| offer.since).max().unwrap_or(listing.updated_at);
        Self {
            href: format!("{home}/{}", listing.slug),
            icon: format!("{home}/{}/icon", listing.slug),
            name: visible(&listing.name),
            offers: offers
                .into_iter()
                .map(|offer| Offered {
                    platform: device::name(offer.platform),
                    version: visible(&offer.version),
                    size: language.size(offer.length),
                })
                .collect(),
            updated: fill(language.texts().updated, &language.day(since)),
            updated_at: since,
        }
    }
}

/// The page of an app.
#[derive(Debug, Template)]
#[template(path = "app.html")]
pub(super) struct AppPage {
    pub(super) page: Page,
    pub(super) t: &'static Texts,
    pub(super) back: String,
    /// The address of this page, for a phone.
    pub(super) address: String,
    /// Where an installation is asked for.
    pub(super) install: String,
    /// Where its picture is.
    pub(super) icon: String,
    pub(super) name: String,
    pub(super) offer: Option<Offered>,
    pub(super) updated: String,
    pub(super) updated_at: Timestamp,
    pub(super) action: Action,
    /// What has to be agreed to.
    pub(super) terms: Option<String>,
    pub(super) others: Vec<Other>,
    pub(super) description: String,
    pub(super) tags: Vec<String>,
    /// Where its pictures are.
    pub(super) screenshots: Vec<String>,
    pub(super) versions: Vec<Past>,
    pub(super) facts: Vec<(&'static str, String)>,
    /// With whether the version before asked for it too.
    pub(super) permissions: Vec<(String, bool)>,
    pub(super) trust: Option<Trust>,
    pub(super) help: Option<&'static str>,
}

/// What the one large button does.
#[derive(Debug)]
pub(super) enum Action {
    /// Asks for a ticket.
    Install { label: &'static str, release: String },
    /// Nothing, and says why.
    Disabled { label: &'static str, why: String },
    /// Sends people to their phone; what they can do here comes second.
    Phone { code: Option<Code>, here: Option<(&'static str, String)> },
}

/// The same app for another device.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) platform: &'static str,
    pub(super) href: String,
}

/// A version in the history.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) version: String,
    pub(super) size: String,
    pub(super) at: Timestamp,
    pub(super) day: String,
    pub(super) offered: bool,
    /// What the button says that installs it all the same, and the release.
    pub(super) install: Option<(String, String)>,
    /// Harmless HTML.
    pub(super) notes: String,
}

/// Why to trust a package.
#[derive(Debug)]
pub(super) struct Trust {
    /// The certificates that the package names, with whether the version before named others only.
    pub(super) signers: Vec<(String, bool)>,
    pub(super) valid_until: Option<String>,
    pub(super) sha256: String,
}

impl Trust {
    /// Nobody signed it, and nobody gave leave to run it.
    fn is_unsigned(&self) -> bool {
        self.signers.is_empty() && self.valid_until.is_none()
    }
}

/// The page of an install ticket.
#[derive(Debug, Template)]
#[template(path = "install.html")]
pub(super) struct InstallPage {
    pub(super) page: Page,
    pub(super) t: &'static Texts,
    /// Where its picture is.
    pub(super) icon: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) size: String,
    pub(super) lead: &'static str,
    pub(super) label: &'static str,
    pub(super) link: String,
    pub(super) until: String,
    pub(super) help: Option<&'static str>,
}

/// The page to sign in.
#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignInPage {
    pub(super) page: Page,
    pub(super) t: &'static Texts,
    pub(super) to: String,
    pub(super) name: String,
    pub(super) problem: Option<&'static str>,
    /// Whether anybody can sign in on this page.
    pub(super) here: bool,
    /// The names and kinds of the policies by which nobody can.
    pub(super) elsewhere: Vec<(String, &'static str)>,
}

/// The page that asks for a publication's password.
#[derive(Debug, Template)]
#[template(path = "password.html")]
pub(super) struct PasswordPage {
    pub(super) page: Page,
    pub(super) t: &'static Texts,
    /// Where it is sent.
    pub(super) unlock: String,
    pub(super) problem: Option<&'static str>,
}

/// A page that says one thing.
#[derive(Debug, Template)]
#[template(path = "message.html")]
pub(super) struct MessagePage {
    pub(super) page: Page,
    pub(super) t: &'static Texts,
    pub(super) heading: &'static str,
    pub(super) text: &'static str,
}
