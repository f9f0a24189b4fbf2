//! The languages of the pages, and how days and sizes are written in them.

use appdepot_core::domain::Timestamp;

use super::texts::Texts;

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    En,
    Es,
    Fr,
    De,
    It,
    Pt,
    Zh,
    Ru,
}

impl Language {
    pub(super) const ALL: [Self; 8] =
        [Self::En, Self::Es, Self::Fr, Self::De, Self::It, Self::Pt, Self::Zh, Self::Ru];

    /// The tag for `lang` and `Content-Language`.
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Es => "es",
            Self::Fr => "fr",
            Self::De => "de",
            Self::It => "it",
            Self::Pt => "pt",
            Self::Zh => "zh",
            Self::Ru => "ru",
        }
    }

    /// The one that an `Accept-Language` header (RFC 9110 §12.5.4) likes best; English when it likes none.
    pub(super) fn accepted(header: &str) -> Self {
        /// The most ranges looked at.
        const RANGES: usize = 32;
        let mut best = (0.0, Self::En);
        for range in header.split(',').take(RANGES) {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let weight: f32 = weight.trim().strip_prefix("q=").and_then(|q| q.parse().ok()).unwrap_or(0.0);
            let primary = tag.trim().split('-').next().unwrap_or_default();
            let known = Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary));
            if let Some(language) = known
                && weight > best.0
            {
                best = (weight, language);
            }
        }
        best.1
    }

    /// What is said in this language.
    pub(super) const fn texts(self) -> &'static Texts {
        match self {
            Self::En => &Texts::EN,
            Self::Es => &Texts::ES,
            Self::Fr => &Texts::FR,
            Self::De => &Texts::DE,
            Self::It => &Texts::IT,
            Self::Pt => &Texts::PT,
            Self::Zh => &Texts::ZH,
            Self::Ru => &Texts::RU,
        }
    }

    /// A day, as people write it.
    pub(super) fn day(self, time: Timestamp) -> String {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let text = time.to_string();
        let mut parts = text.split(['-', 'T']);
        let (Some(year), Some(month), Some(day)) = (parts.next(), parts.next(), parts.next()) else {
            return text;
        };
        let number = |text: &str| text.parse::<usize>().unwrap_or_default();
        match self {
            Self::En => {
                let name = MONTHS.get(number(month).wrapping_sub(1)).unwrap_or(&month);
                format!("{name} {}, {year}", number(day))
            }
            Self::De | Self::Ru => format!("{day}.{month}.{year}"),
            Self::Es | Self::Fr | Self::It | Self::Pt => format!("{day}/{month}/{year}"),
            Self::Zh => format!("{year}年{}月{}日", number(month), number(day)),
        }
    }

    /// A length, as people write it: powers of 1000.
    pub(super) fn size(self, bytes: u64) -> String {
        let units = match self {
            Self::Fr => ["o", "ko", "Mo", "Go", "To"],
            Self::Ru => ["Б", "КБ", "МБ", "ГБ", "ТБ"],
            _ => ["B", "kB", "MB", "GB", "TB"],
        };
        #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
        let mut amount = bytes as f64;
        let mut units = units.into_iter();
        let mut unit = units.next().unwrap_or_default();
        while amount >= 999.5
            && let Some(next) = units.next()
        {
            amount /= 1_000.0;
            unit = next;
        }
        let whole = bytes < 1_000 || amount >= 99.95;
        let number = if whole { format!("{amount:.0}") } else { format!("{amount:.1}") };
        match self {
            Self::En | Self::Zh => format!("{number}\u{a0}{unit}"),
            _ => format!("{}\u{a0}{unit}", number.replace('.', ",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_liked_language_is_spoken() {
        for (header, expected) in [
            ("", Language::En),
            ("de", Language::De),
            ("de-AT,de;q=0.9,en;q=0.8", Language::De),
            ("nl,fr;q=0.3,ru;q=0.7", Language::Ru),
            ("zh-Hant-TW", Language::Zh),
            ("PT-br", Language::Pt),
            ("es;q=0, it;q=0.1", Language::It),
            ("*", Language::En),
            ("de;q=x,,;;=,fr", Language::Fr),
        ] {
            assert_eq!(Language::accepted(header), expected, "{header}");
        }
    }

    #[test]
    fn days_and_sizes_as_people_write_them() {
        let day = Timestamp::parse("2026-03-09T23:00:00Z").unwrap();
        assert_eq!(Language::En.day(day), "Mar 9, 2026");
        assert_eq!(Language::De.day(day), "09.03.2026");
        assert_eq!(Language::Zh.day(day), "2026年3月9日");
        for (bytes, english, french) in [
            (0, "0\u{a0}B", "0\u{a0}o"),
            (999, "999\u{a0}B", "999\u{a0}o"),
            (1_000, "1.0\u{a0}kB", "1,0\u{a0}ko"),
            (17_262, "17.3\u{a0}kB", "17,3\u{a0}ko"),
            (999_999, "1.0\u{a0}MB", "1,0\u{a0}Mo"),
            (123_456_789, "123\u{a0}MB", "123\u{a0}Mo"),
            (u64::MAX, "18446744\u{a0}TB", "18446744\u{a0}To"),
        ] {
            assert_eq!(Language::En.size(bytes), english);
            assert_eq!(Language::Fr.size(bytes), french);
        }
    }
}
