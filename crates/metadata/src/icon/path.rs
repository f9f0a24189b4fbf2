//! Path data of vector drawables.
//!
//! The language is that of SVG 1.1 (8.3.2) with Android's leniency: letters may repeat, numbers may run together,
//! and what cannot be read ends the path where it stands.

use tiny_skia::{Path, PathBuilder};

/// Curves and lines in one path at most. Filling takes longer than linear in them.
const SEGMENTS: usize = 8_192;
/// Coordinates are kept within this, far outside of any viewport.
const FARTHEST: f32 = 1e6;

/// Reads path data; `None` when nothing of it can be drawn.
pub(super) fn parse(data: &str) -> Option<Path> {
    let mut pen = Pen::default();
    let mut numbers = Numbers(data.as_bytes());
    let mut command = None;
    while pen.segments < SEGMENTS {
        numbers.space();
        if let Some(letter) = numbers.letter() {
            command = Some(letter);
            if letter.eq_ignore_ascii_case(&b'z') {
                pen.close();
                command = None;
                continue;
            }
        } else if numbers.0.is_empty() {
            break;
        }
        let Some(letter) = command else { break };
        if pen.draw(letter, &mut numbers).is_none() {
            break;
        }
        // more pairs behind a move are lines
        command = match letter {
            b'M' => Some(b'L'),
            b'm' => Some(b'l'),
            other => Some(other),
        };
    }
    pen.builder.finish()
}

/// The text not yet read.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn space(&mut self) {
        let at = self.0.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != b',');
        self.0 = self.0.get(at.unwrap_or(self.0.len())..).unwrap_or_default();
    }

    fn letter(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        first.is_ascii_alphabetic().then(|| {
            self.0 = rest;
            *first
        })
    }

    fn number(&mut self) -> Option<f32> {
        self.space();
        let (mut len, mut point, mut exponent) = (0, false, false);
        for (at, byte) in self.0.iter().enumerate() {
            let sign_allowed =
                at == 0 || matches!(self.0.get(at.wrapping_sub(1)), Some(b'e' | b'E')) && exponent;
            match byte {
                b'0'..=b'9' => {}
                b'-' | b'+' if sign_allowed => {}
                b'.' if !point && !exponent => point = true,
                b'e' | b'E' if at > 0 && !exponent => exponent = true,
                _ => break,
            }
            len = at + 1;
        }
        let (number, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        let number: f32 = std::str::from_utf8(number).ok()?.parse().ok()?;
        number.is_finite().then(|| number.clamp(-FARTHEST, FARTHEST))
    }

    /// A flag of an arc: `0` or `1`, possibly without a space behind it.
    fn flag(&mut self) -> Option<bool> {
        self.space();
        match self.0 {
            [flag @ (b'0' | b'1'), rest @ ..] if rest.first() != Some(&b'.') => {
                self.0 = rest;
                Some(*flag == b'1')
            }
            _ => self.number().map(|number| number != 0.0),
        }
    }
}

#[derive(Default)]
struct Pen {
    builder: PathBuilder,
    segments: usize,
    x: f32,
    y: f32,
    start: (f32, f32),
    /// The last control point, and whether it is one of a cubic or of a quadratic curve.
    control: Option<(f32, f32, bool)>,
}

impl Pen {
    fn close(&mut self) {
        self.builder.close();
        (self.x, self.y) = self.start;
        self.control = None;
        self.segments += 1;
    }

    /// Draws one piece; `None` when its numbers are missing.
    fn draw(&mut self, letter: u8, numbers: &mut Numbers<'_>) -> Option<()> {
        let relative = letter.is_ascii_lowercase();
        let (x0, y0) = if relative { (self.x, self.y) } else { (0.0, 0.0) };
        let keep = |value: f32| value.clamp(-FARTHEST, FARTHEST);
        let point =
            |numbers: &mut Numbers<'_>| Some((keep(numbers.number()? + x0), keep(numbers.number()? + y0)));
        self.segments += 1;
        let mut control = None;
        match letter.to_ascii_uppercase() {
            b'M' => {
                let (x, y) = point(numbers)?;
                self.builder.move_to(x, y);
                self.start = (x, y);
                (self.x, self.y) = (x, y);
            }
            b'L' => {
                let (x, y) = point(numbers)?;
                self.line(x, y);
            }
            b'H' => {
                let x = keep(numbers.number()? + x0);
                self.line(x, self.y);
            }
            b'V' => {
                let y = keep(numbers.number()? + y0);
                self.line(self.x, y);
            }
            b'C' | b'S' => {
                let first = match (letter.to_ascii_uppercase(), self.control) {
                    (b'C', _) => point(numbers)?,
                    (_, Some((x, y, true))) => (2.0 * self.x - x, 2.0 * self.y - y),
                    _ => (self.x, self.y),
                };
                let (second, end) = (point(numbers)?, point(numbers)?);
                self.begin();
                self.builder.cubic_to(first.0, first.1, second.0, second.1, end.0, end.1);
                (self.x, self.y) = end;
                control = Some((second.0, second.1, true));
            }
            b'Q' | b'T' => {
                let first = match (letter.to_ascii_uppercase(), self.control) {
                    (b'Q', _) => point(numbers)?,
                    (_, Some((x, y, false))) => (keep(2.0 * self.x - x), keep(2.0 * self.y - y)),
                    _ => (self.x, self.y),
                };
                let end = point(numbers)?;
                self.begin();
                self.builder.quad_to(first.0, first.1, end.0, end.1);
                (self.x, self.y) = end;
                control = Some((first.0, first.1, false));
            }
            b'A' => {
                let (rx, ry, turn) = (numbers.number()?, numbers.number()?, numbers.number()?);
                let (large, sweep) = (numbers.flag()?, numbers.flag()?);
                let end = point(numbers)?;
                self.arc((rx.abs(), ry.abs()), turn, large, sweep, end);
            }
            _ => return None,
        }
        self.control = control;
        Some(())
    }

    fn begin(&mut self) {
        if self.builder.is_empty() {
            self.builder.move_to(self.x, self.y);
        }
    }

    fn line(&mut self, x: f32, y: f32) {
        self.begin();
        self.builder.line_to(x, y);
        (self.x, self.y) = (x, y);
    }

    /// An elliptical arc as cubic curves, each at most a quarter (SVG 1.1, F.6.5).
    fn arc(&mut self, (rx, ry): (f32, f32), turn: f32, large: bool, sweep: bool, end: (f32, f32)) {
        let (x1, y1, x2, y2) = (f64::from(self.x), f64::from(self.y), f64::from(end.0), f64::from(end.1));
        let (mut rx, mut ry) = (f64::from(rx), f64::from(ry));
        if rx < 1e-6 || ry < 1e-6 || (x1 - x2).abs() + (y1 - y2).abs() < 1e-9 {
            return self.line(end.0, end.1);
        }
        let (sin, cos) = f64::from(turn).to_radians().sin_cos();
        let (dx, dy) = ((x1 - x2) / 2.0, (y1 - y2) / 2.0);
        let (px, py) = (cos * dx + sin * dy, cos * dy - sin * dx);
        let stretch = (px / rx).powi(2) + (py / ry).powi(2);
        if stretch > 1.0 {
            rx *= stretch.sqrt();
            ry *= stretch.sqrt();
        }
        let denominator = (rx * py).powi(2) + (ry * px).powi(2);
        let root = (((rx * ry).powi(2) - denominator) / denominator).max(0.0).sqrt();
        let root = if large == sweep { -root } else { root };
        let (cx, cy) = (root * rx * py / ry, -root * ry * px / rx);
        let centre = (cos * cx - sin * cy + (x1 + x2) / 2.0, sin * cx + cos * cy + (y1 + y2) / 2.0);
        let from = ((py - cy) / ry).atan2((px - cx) / rx);
        let to = ((-py - cy) / ry).atan2((-px - cx) / rx);
        let mut angle = to - from;
        let whole = std::f64::consts::TAU;
        if sweep && angle < 0.0 {
            angle += whole;
        } else if !sweep && angle > 0.0 {
            angle -= whole;
        }
        let pieces = (angle.abs() / std::f64::consts::FRAC_PI_2 - 1e-9).ceil().clamp(1.0, 4.0);
        let step = angle / pieces;
        let reach = 4.0 / 3.0 * (step / 4.0).tan();
        let point = |x: f64, y: f64| {
            let (x, y) = (x * rx, y * ry);
            ((centre.0 + cos * x - sin * y) as f32, (centre.1 + sin * x + cos * y) as f32)
        };
        self.begin();
        for piece in 0..pieces as u32 {
            let (sin_from, cos_from) = (from + step * f64::from(piece)).sin_cos();
            let (sin_to, cos_to) = (from + step * f64::from(piece + 1)).sin_cos();
            let first = point(cos_from - reach * sin_from, sin_from + reach * cos_from);
            let second = point(cos_to + reach * sin_to, sin_to - reach * cos_to);
            let last = if f64::from(piece + 1) >= pieces { end } else { point(cos_to, sin_to) };
            if [first, second, last].iter().all(|(x, y)| x.is_finite() && y.is_finite()) {
                self.builder.cubic_to(first.0, first.1, second.0, second.1, last.0, last.1);
            }
            self.segments += 1;
        }
        (self.x, self.y) = end;
    }
}

#[cfg(test)]
mod tests {
    use tiny_skia::PathSegment;

    use super::*;

    fn bounds(data: &str) -> Option<[i32; 4]> {
        let bounds = parse(data)?.compute_tight_bounds()?;
        let round = |value: f32| value.round() as i32;
        Some([round(bounds.left()), round(bounds.top()), round(bounds.right()), round(bounds.bottom())])
    }

    #[test]
    fn letters_repeat_and_numbers_run_together() {
        assert_eq!(bounds("M10,10 20,10 20,20z"), Some([10, 10, 20, 20]));
        assert_eq!(bounds("m10 10h10v10h-10z"), Some([10, 10, 20, 20]));
        assert_eq!(bounds("M.5.5l9.5-.5-1e1+10Z"), bounds("M 0.5 0.5 L 10 0 L 0 10 Z"));
        assert_eq!(bounds("M0 0c0 10 10 10 10 0s10-10 10 0"), Some([0, -8, 20, 8]));
        assert_eq!(bounds("M0 0q5 10 10 0t10 0"), Some([0, -5, 20, 5]));
    }

    #[test]
    fn arcs_are_circles() {
        assert_eq!(bounds("M54,24a30,30 0 1,1 0,60a30,30 0 1,1 0,-60z"), Some([24, 24, 84, 84]));
        // flags without spaces, as some tools write them
        assert_eq!(bounds("M54 24a30 30 0 110 60 30 30 0 110-60z"), Some([24, 24, 84, 84]));
        assert_eq!(bounds("M0 0A10 10 0 0 1 20 0"), Some([0, -10, 20, 0]));
        assert_eq!(bounds("M0 0A1 1 0 0 1 20 0"), Some([0, -10, 20, 0]));
    }

    #[test]
    fn what_cannot_be_read_ends_the_path() {
        for nothing in ["", "z", "L", "1 2", "M", "M1", "x1 2", "é", "M 1 2"] {
            assert!(parse(nothing).is_none_or(|path| path.len() < 2), "{nothing}");
        }
        assert_eq!(bounds("M0 0L10 10 x 99 99"), Some([0, 0, 10, 10]));
        let many = "M0 0".to_owned() + &"l1 1".repeat(100_000);
        let lines = parse(&many)
            .map(|path| path.segments().filter(|segment| matches!(segment, PathSegment::LineTo(_))).count());
        assert_eq!(lines, Some(SEGMENTS - 1));
    }
}
