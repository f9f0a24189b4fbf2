//! Spellings: the vendor's words on one side, the core's on the other.

use appdepot_core::domain::{App, AuthMethod, Id, Timestamp};
use appdepot_core::inspect::Platform;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// The guid of a record: the 24 digits of its id, with the letters `a` to `p` for the digits `0` to `f`.
///
/// The command line client turns whatever reads as a number into one: `--id=0x12ab` is sent as 4779, and an id such
/// as `019e21…` can be all digits but one `e`. Letters never are a number.
pub(super) fn guid<K>(id: Id<K>) -> String {
    let letter = |nibble: u8| char::from(b'a' + nibble);
    id.to_bytes().into_iter().flat_map(|byte| [letter(byte >> 4), letter(byte & 15)]).collect()
}

/// The id that a guid spells.
pub(super) fn id<K>(guid: &str) -> Option<Id<K>> {
    let mut bytes = [0; 12];
    if guid.len() != 24 {
        return None;
    }
    let nibble = |letter: u8| letter.checked_sub(b'a').filter(|nibble| *nibble < 16);
    for (byte, pair) in bytes.iter_mut().zip(guid.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(Id::from_bytes(bytes))
}

/// What a binary is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Android,
    Ios,
    Iphone,
    Ipad,
}

impl Target {
    pub(super) const ALL: [Self; 4] = [Self::Android, Self::Ios, Self::Iphone, Self::Ipad];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Android => "android",
            Self::Ios => "ios",
            Self::Iphone => "iphone",
            Self::Ipad => "ipad",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.as_str() == word)
    }

    pub(super) const fn platform(self) -> Platform {
        match self {
            Self::Android => Platform::Android,
            Self::Ios | Self::Iphone | Self::Ipad => Platform::Ios,
        }
    }

    /// The part of the platform it is for; empty for all of it.
    pub(super) const fn variant(self) -> &'static str {
        match self {
            Self::Android | Self::Ios => "",
            Self::Iphone => "iphone",
            Self::Ipad => "ipad",
        }
    }

    pub(super) fn of(platform: Platform, variant: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| (target.platform(), target.variant()) == (platform, variant))
    }
}

/// The guid of an item's binary of one type: it stays the same whatever is uploaded.
pub(super) fn binary_guid(app: Id<App>, target: Target) -> String {
    format!("{}-{}", guid(app), target.as_str())
}

/// Which item and type such a guid names.
pub(super) fn binary(guid: &str) -> Option<(Id<App>, Target)> {
    let (app, target) = guid.split_once('-')?;
    Some((id(app)?, Target::parse(target)?))
}

/// `policyType`, as clients compare it.
pub(super) const fn policy_type(method: AuthMethod) -> &'static str {
    match method {
        AuthMethod::Password => "FEEDHENRY",
        AuthMethod::Service => "MBAAS",
        AuthMethod::Ldap => "LDAP",
        AuthMethod::OAuth1 => "OAUTH1",
        AuthMethod::OAuth2 => "OAUTH2",
        AuthMethod::OpenId => "OPENID",
    }
}

/// The method that `policyType` names, in any letter case.
pub(super) fn auth_method(word: &str) -> Option<AuthMethod> {
    use AuthMethod::{Ldap, OAuth1, OAuth2, OpenId, Password, Service};
    let all = [Password, Service, Ldap, OAuth1, OAuth2, OpenId];
    all.into_iter().find(|method| policy_type(*method).eq_ignore_ascii_case(word))
}

/// A date of a binary: `Fri Nov 02 10:06:48 GMT 2012`.
pub(super) fn date(time: Timestamp) -> String {
    spell(
        time,
        format_description!(
            "[weekday repr:short] [month repr:short] [day] [hour]:[minute]:[second] GMT [year]"
        ),
    )
}

/// A date of the audit log: `2017-07-07 10:03:28:117`.
pub(super) fn audit_date(time: Timestamp) -> String {
    spell(time, format_description!("[year]-[month]-[day] [hour]:[minute]:[second]:[subsecond digits:3]"))
}

fn spell(time: Timestamp, format: &[BorrowedFormatItem<'_>]) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.millis()) * 1_000_000).ok();
    time.and_then(|time| time.format(format).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_read_back_and_never_a_number() {
        for text in ["0123456789abcdef01234567", "012345678901234567890123", "01e234567890123456789012"] {
            let one: Id<App> = Id::parse(text).unwrap();
            let spelled = guid(one);
            assert!(spelled.len() == 24 && spelled.bytes().all(|c| (b'a'..=b'p').contains(&c)), "{spelled}");
            assert_eq!(id(&spelled), Some(one));
            for target in Target::ALL {
                assert_eq!(binary(&binary_guid(one, target)), Some((one, target)));
                assert_eq!(Target::of(target.platform(), target.variant()), Some(target));
            }
        }
        for bad in
            ["", "a", "0123456789abcdef01234567", "abcdefghijklmnopqrstuvwx", "abcdefghijklmnopabcdefgé"]
        {
            assert_eq!(id::<App>(bad), None, "{bad}");
            assert_eq!(binary(&format!("{bad}-ios")), None, "{bad}");
        }
    }

    #[test]
    fn dates_are_spelled_as_documented() {
        let time = Timestamp::parse("2012-11-02T10:06:48.117Z").unwrap();
        assert_eq!(date(time), "Fri Nov 02 10:06:48 GMT 2012");
        assert_eq!(audit_date(time), "2012-11-02 10:06:48:117");
    }

    #[test]
    fn policy_types_are_read_in_any_case() {
        for word in ["FEEDHENRY", "MBAAS", "LDAP", "OAUTH1", "OAUTH2", "OPENID"] {
            assert_eq!(auth_method(&word.to_lowercase()).map(policy_type), Some(word));
        }
        assert_eq!(auth_method("saml"), None);
    }
}
