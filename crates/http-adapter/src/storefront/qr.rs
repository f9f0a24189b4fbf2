//! QR codes as SVG, drawn by the server so that no script and no other host is needed.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code (ISO/IEC 18004 §6.3.8).
const QUIET: usize = 4;

/// A code as one path of squares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Code {
    /// Modules from edge to edge, the quiet zone included.
    pub(super) width: usize,
    /// SVG path data of the dark modules.
    pub(super) path: String,
}

/// The code for an address; `None` when it is too long for one.
pub(super) fn code(address: &str) -> Option<Code> {
    let code = QrCode::with_error_correction_level(address, EcLevel::M).ok()?;
    let size = code.width();
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            // Writing to a string cannot fail.
            let _ = write!(path, "M{} {}h1v1h-1z", at % size + QUIET, at / size + QUIET);
        }
    }
    Some(Code { width: size + 2 * QUIET, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_corners_inside_the_quiet_zone() {
        let code = code("https://depot.example/store/acme").unwrap();
        assert!(code.width >= 21 + 8);
        assert!(code.path.starts_with("M4 4h1v1h-1z"));
        assert_eq!(super::code(&"x".repeat(5_000)), None);
    }
}
