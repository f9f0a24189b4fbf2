//! The style sheets: one for all, and a small one per brand colour, which keeps its texts readable.

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// The style sheet of all pages.
pub(super) const SHEET: &str = include_str!("../../templates/style.css");
/// The picture in the tab.
pub(super) const MARK: &str = include_str!("../../templates/mark.svg");
/// What texts need against their ground (WCAG 2.2, 1.4.3).
const CONTRAST: f64 = 4.5;
/// The grounds of the two themes that are hardest to stand out from: `--tint` of the style sheet.
const GROUNDS: [Color; 2] = [Color([0xea, 0xf0, 0xfb]), Color([0x1f, 0x2a, 0x3d])];
const BLACK: Color = Color([0, 0, 0]);
const WHITE: Color = Color([255, 255, 255]);

/// The name under which the style sheet is served; another one when it changes, so that it can be kept for ever.
pub(super) static SHEET_NAME: LazyLock<String> = LazyLock::new(|| {
    let mut name = "style-".to_owned();
    for byte in Sha256::digest(SHEET).iter().take(8) {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name + ".css"
});

/// Red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Color([u8; 3]);

impl Color {
    /// Reads six hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let good = text.len() == 6 && text.bytes().all(|c| c.is_ascii_hexdigit());
        let number = u32::from_str_radix(text, 16).ok().filter(|_| good)?;
        let [_, red, green, blue] = number.to_be_bytes();
        Some(Self([red, green, blue]))
    }

    /// A style sheet that makes this the colour of buttons and links, as far as they stay readable.
    pub(super) fn sheet(self) -> String {
        let [light, dark] = GROUNDS.map(|ground| {
            let accent = self.readable_on(ground);
            format!(":root{{--accent:{};--on-accent:{}}}", accent.css(), accent.text().css())
        });
        format!("{light}\n@media (prefers-color-scheme:dark){{{dark}}}\n")
    }

    /// The nearest colour towards black or white that is readable on `ground`.
    fn readable_on(self, ground: Self) -> Self {
        /// How many shades are tried.
        const SHADES: u32 = 64;
        let towards = if ground.luminance() > 0.18 { BLACK } else { WHITE };
        let shade = |step: u32| self.mix(towards, f64::from(step) / f64::from(SHADES));
        (0..=SHADES).map(shade).find(|shade| shade.contrast(ground) >= CONTRAST).unwrap_or(towards)
    }

    /// Black or white, whichever is better read on this.
    fn text(self) -> Self {
        if self.contrast(WHITE) >= self.contrast(BLACK) { WHITE } else { BLACK }
    }

    fn mix(self, other: Self, share: f64) -> Self {
        let mut mixed = [0; 3];
        for ((to, from), with) in mixed.iter_mut().zip(self.0).zip(other.0) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two bytes")]
            {
                *to = (f64::from(from) + (f64::from(with) - f64::from(from)) * share).round() as u8;
            }
        }
        Self(mixed)
    }

    /// WCAG 2.2, "contrast ratio".
    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// WCAG 2.2, "relative luminance".
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    fn css(self) -> String {
        let [red, green, blue] = self.0;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A colour of the sheet by name; the light theme's comes first.
    fn colors(sheet: &str, name: &str) -> Vec<Color> {
        let marker = format!("--{name}:");
        let found = sheet.split(&marker).skip(1);
        found.map(|rest| Color::parse(rest.trim_start().get(1..7).unwrap()).unwrap()).collect()
    }

    #[test]
    fn the_sheet_itself_is_readable() {
        let of = |name| colors(SHEET, name);
        for theme in 0..2 {
            for ground in ["ground", "surface", "tint"] {
                let ground = of(ground)[theme];
                for text in ["text", "accent"] {
                    assert!(of(text)[theme].contrast(ground) >= CONTRAST, "{text} on {ground:?}");
                }
            }
            for ground in ["ground", "surface"] {
                assert!(of("muted")[theme].contrast(of(ground)[theme]) >= CONTRAST, "muted on {ground}");
            }
            assert!(of("problem")[theme].contrast(of("surface")[theme]) >= CONTRAST);
            assert!(of("on-accent")[theme].contrast(of("accent")[theme]) >= CONTRAST);
            assert!(of("edge")[theme].contrast(of("surface")[theme]) >= 3.0, "edges of controls");
        }
        let [light, dark] = GROUNDS;
        assert_eq!(of("tint"), [light, dark]);
    }

    #[test]
    fn every_brand_is_readable() {
        for red in (0..=255).step_by(17) {
            for green in (0..=255).step_by(17) {
                for blue in (0..=255).step_by(17) {
                    let sheet = Color([red, green, blue]).sheet();
                    let (accents, texts) = (colors(&sheet, "accent"), colors(&sheet, "on-accent"));
                    assert_eq!(accents.len(), 2);
                    for ((accent, text), ground) in accents.into_iter().zip(texts).zip(GROUNDS) {
                        assert!(accent.contrast(ground) >= CONTRAST, "{accent:?} on {ground:?}");
                        assert!(accent.contrast(text) >= CONTRAST, "{text:?} on {accent:?}");
                    }
                }
            }
        }
        let readable = Color::parse("1d5fd1").unwrap();
        assert!(readable.sheet().starts_with(":root{--accent:#1d5fd1;--on-accent:#ffffff}"), "kept as it is");
    }

    #[test]
    fn only_colours_are_colours() {
        for bad in ["", "12345", "1234567", "+12345", "gggggg", "é12345", "#12345"] {
            assert_eq!(Color::parse(bad), None, "{bad}");
        }
    }
}
