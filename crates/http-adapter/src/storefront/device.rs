//! What a browser says it runs on. A guess that chooses what is shown first, never what is allowed.

use appdepot_core::inspect::Platform;

/// The device that asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Device {
    /// Its system, if one is recognized.
    pub(super) platform: Option<Platform>,
    /// The version of that system, most significant part first; empty when it is not told.
    pub(super) version: Vec<u32>,
}

impl Device {
    /// Reads a `User-Agent` header.
    pub(super) fn of(user_agent: &str) -> Self {
        let version =
            |marker: &str| user_agent.split_once(marker).map(|(_, rest)| numbers(rest)).unwrap_or_default();
        let has = |word: &str| user_agent.contains(word);
        // Windows Phone called itself Android and iPhone too, and Android says Linux.
        if has("Windows") {
            Self { platform: Some(Platform::Windows), version: Vec::new() }
        } else if has("iPhone") || has("iPad") || has("iPod") {
            Self { platform: Some(Platform::Ios), version: version(" OS ") }
        } else if has("Android") {
            Self { platform: Some(Platform::Android), version: version("Android ") }
        } else if has("Macintosh") {
            Self { platform: Some(Platform::Macos), version: Vec::new() }
        } else if has("Linux") || has("CrOS") {
            Self { platform: Some(Platform::Linux), version: Vec::new() }
        } else {
            Self::default()
        }
    }

    /// Whether it is held in a hand.
    pub(super) fn is_mobile(&self) -> bool {
        matches!(self.platform, Some(Platform::Android | Platform::Ios))
    }

    /// Whether it may be an iPad, which says it is a Mac.
    pub(super) fn may_be_ipad(&self) -> bool {
        self.platform == Some(Platform::Macos)
    }

    /// Whether its system is older than `minimum`, where both are known.
    pub(super) fn is_older(&self, minimum: &[u32]) -> bool {
        !self.version.is_empty() && self.version.as_slice() < minimum
    }
}

/// The system that a package needs at least, as people call it, and as numbers to compare.
pub(super) fn minimum(platform: Platform, min_os: &str) -> (String, Vec<u32>) {
    match platform {
        Platform::Android => {
            let version = min_os.parse().ok().and_then(android);
            match version {
                Some(version) => (format!("Android {version}"), numbers(version)),
                None => (format!("Android (API {min_os})"), Vec::new()),
            }
        }
        other => (format!("{} {min_os}", name(other)), numbers(min_os)),
    }
}

/// What people call a system.
pub(super) const fn name(platform: Platform) -> &'static str {
    match platform {
        Platform::Android => "Android",
        Platform::Ios => "iOS",
        Platform::Macos => "macOS",
        Platform::Windows => "Windows",
        Platform::Linux => "Linux",
        Platform::Web => "Web",
    }
}

/// The version of Android with this API level (developer.android.com, `Build.VERSION_CODES`).
fn android(level: u32) -> Option<&'static str> {
    Some(match level {
        14 | 15 => "4.0",
        16 => "4.1",
        17 => "4.2",
        18 => "4.3",
        19 | 20 => "4.4",
        21 => "5.0",
        22 => "5.1",
        23 => "6",
        24 => "7.0",
        25 => "7.1",
        26 => "8.0",
        27 => "8.1",
        28 => "9",
        29 => "10",
        30 => "11",
        31 | 32 => "12",
        33 => "13",
        34 => "14",
        35 => "15",
        36 => "16",
        _ => return None,
    })
}

/// Leading numbers, separated by dots or underscores; zeros at the end do not count.
fn numbers(text: &str) -> Vec<u32> {
    /// The most parts of a version that are looked at.
    const PARTS: usize = 4;
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (version, _) = text.split_at(end);
    let mut numbers: Vec<u32> =
        version.split(['.', '_']).take(PARTS).map_while(|part| part.parse().ok()).collect();
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
                          Gecko) Version/17.4.1 Mobile/15E148 Safari/604.1";
    const PIXEL: &str = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) \
                         Chrome/124.0.0.0 Mobile Safari/537.36";
    const MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                       Version/17.4 Safari/605.1.15";

    #[test]
    fn devices_are_recognized() {
        let seen = |text: &str| (Device::of(text).platform, Device::of(text).version);
        assert_eq!(seen(IPHONE), (Some(Platform::Ios), vec![17, 4, 1]));
        assert_eq!(seen(PIXEL), (Some(Platform::Android), vec![14]));
        assert_eq!(seen(MAC), (Some(Platform::Macos), vec![]));
        assert!(Device::of(MAC).may_be_ipad() && !Device::of(MAC).is_mobile());
        assert_eq!(seen("Mozilla/5.0 (X11; Linux x86_64)").0, Some(Platform::Linux));
        assert_eq!(
            seen("Mozilla/5.0 (Windows Phone 8.1; Android 4.2; like iPhone)").0,
            Some(Platform::Windows)
        );
        for other in ["", "curl/8", "Android", "iPhone OS ", "Android 99999999999999999999"] {
            assert!(Device::of(other).version.is_empty(), "{other}");
        }
    }

    #[test]
    fn systems_compare() {
        let (name, android) = minimum(Platform::Android, "21");
        assert_eq!((name.as_str(), android.as_slice()), ("Android 5.0", &[5][..]));
        assert!(!Device::of(PIXEL).is_older(&android));
        assert!(Device::of("Android 4.4.2").is_older(&android));
        assert_eq!(minimum(Platform::Android, "99").0, "Android (API 99)");
        let (name, ios) = minimum(Platform::Ios, "17.4.2");
        assert_eq!(name, "iOS 17.4.2");
        assert!(Device::of(IPHONE).is_older(&ios));
        assert!(!Device::of(IPHONE).is_older(&minimum(Platform::Ios, "17.4").1));
        assert!(!Device::of("").is_older(&ios), "what is not known does not forbid");
    }
}
