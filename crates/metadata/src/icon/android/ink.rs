//! Colours and gradients.

use appdepot_core::inspect::Problem;
use futures::future::{BoxFuture, FutureExt};
use tiny_skia::SpreadMode;

use super::super::paint::Ink;
use super::{ELEMENTS, Loader, attribute};
use crate::error::Code;
use crate::formats::apk::drawable::{Node, Value};

/// What stands for a colour that a theme decides.
const THEMED: u32 = 0xff80_8080;

impl Loader<'_, '_> {
    pub(super) async fn ink_of(
        &mut self,
        node: &Node,
        name: attribute::Name,
    ) -> Result<Option<Ink>, Problem> {
        match node.get(name) {
            Some(value) => self.ink(value).await,
            None => Ok(None),
        }
    }

    /// What a value stands for where a colour is expected.
    pub(super) fn ink<'f>(&'f mut self, value: &'f Value) -> BoxFuture<'f, Result<Option<Ink>, Problem>> {
        async move {
            self.hops += 1;
            if self.hops > ELEMENTS {
                return Err(Code::LimitEntries.problem("the icon has more colours than are looked up"));
            }
            Ok(match self.resolve(value).await? {
                Some(Value::Color(color)) => Some(Ink::Solid(color)),
                Some(Value::Number(color)) => Some(Ink::Solid(color.cast_unsigned())),
                Some(Value::Theme) => Some(Ink::Solid(THEMED)),
                Some(Value::Text(text)) => match text.strip_prefix('#') {
                    Some(digits) => literal(digits).map(Ink::Solid),
                    None => self.ink_file(&text).await?,
                },
                _ => None,
            })
        }
        .boxed()
    }

    /// A colour in a file of its own: a list of states or a gradient.
    async fn ink_file(&mut self, path: &str) -> Result<Option<Ink>, Problem> {
        if self.open.iter().any(|open| open == path) {
            return Err(Code::Cycle.problem("the icon contains itself"));
        }
        let Some((_, Some(tree))) = self.document(path).await? else { return Ok(None) };
        self.open.push(path.to_owned());
        let ink = match tree.name.as_str() {
            "gradient" => self.gradient(&tree).await,
            // the last is the one without conditions
            "selector" => match tree.children.last() {
                Some(item) => self.ink_of(item, attribute::COLOR).await,
                None => Ok(None),
            },
            _ => Ok(None),
        };
        self.open.pop();
        ink
    }

    async fn stops(&mut self, node: &Node) -> Result<Vec<(f32, u32)>, Problem> {
        /// Colours of one gradient.
        const MOST: usize = 64;
        let mut stops = Vec::new();
        for item in node.children.iter().filter(|child| child.name == "item").take(MOST) {
            let at = self.number(item, attribute::OFFSET, 0.0).await?;
            if let Some(Ink::Solid(color)) = self.ink_of(item, attribute::COLOR).await? {
                stops.push((at, color));
            }
        }
        if stops.is_empty() {
            let ends =
                [(0.0, attribute::START_COLOR), (0.5, attribute::CENTER_COLOR), (1.0, attribute::END_COLOR)];
            for (at, name) in ends {
                if let Some(Ink::Solid(color)) = self.ink_of(node, name).await? {
                    stops.push((at, color));
                }
            }
        }
        Ok(stops)
    }

    /// A gradient in the coordinates of the path it fills.
    async fn gradient(&mut self, node: &Node) -> Result<Option<Ink>, Problem> {
        let stops = self.stops(node).await?;
        if stops.is_empty() {
            return Ok(None);
        }
        let spread = match self.number(node, attribute::TILE_MODE, 0.0).await? as i32 {
            1 => SpreadMode::Repeat,
            2 => SpreadMode::Reflect,
            _ => SpreadMode::Pad,
        };
        let mut at = [0.0; 7];
        let names = [
            attribute::START_X,
            attribute::START_Y,
            attribute::END_X,
            attribute::END_Y,
            attribute::CENTER_X,
            attribute::CENTER_Y,
            attribute::GRADIENT_RADIUS,
        ];
        for (value, name) in at.iter_mut().zip(names) {
            *value = self.number(node, name, 0.0).await?;
        }
        let [start_x, start_y, end_x, end_y, x, y, radius] = at;
        Ok(Some(match self.number(node, attribute::TYPE, 0.0).await? as i32 {
            1 => Ink::Radial { centre: (x, y), radius, stops, spread },
            2 => Ink::Sweep { centre: (x, y), stops },
            _ => Ink::Linear { from: (start_x, start_y), to: (end_x, end_y), stops, spread },
        }))
    }

    /// A gradient over the unit square.
    pub(super) async fn shape_gradient(&mut self, node: &Node) -> Result<Option<Ink>, Problem> {
        let stops = self.stops(node).await?;
        let centre = (
            self.number(node, attribute::CENTER_X, 0.5).await?,
            self.number(node, attribute::CENTER_Y, 0.5).await?,
        );
        let spread = SpreadMode::Pad;
        let angle = self.number(node, attribute::ANGLE, 0.0).await?;
        Ok(match self.number(node, attribute::TYPE, 0.0).await? as i32 {
            _ if stops.is_empty() => None,
            1 => Some(Ink::Radial { centre, radius: 0.5, stops, spread }),
            2 => Some(Ink::Sweep { centre, stops }),
            _ => {
                // in steps of 45 degrees, counted counterclockwise from the right
                let (sin, cos) = angle.to_radians().sin_cos();
                let (dx, dy) = (cos.round() / 2.0, sin.round() / 2.0);
                let (from, to) = ((0.5 - dx, 0.5 + dy), (0.5 + dx, 0.5 - dy));
                Some(Ink::Linear { from, to, stops, spread })
            }
        })
    }
}

/// Colours of the platform that icons use (AOSP `public-final.xml`, `colors.xml`).
pub(super) fn platform_color(resource: u32) -> Option<u32> {
    Some(match resource {
        0x0106_000b => 0xffff_ffff,
        0x0106_000c => 0xff00_0000,
        0x0106_000d => 0x0000_0000,
        0x0106_0012 => 0xff33_b5e5,
        0x0106_0013 => 0xff00_99cc,
        0x0106_0014 => 0xff99_cc00,
        0x0106_0015 => 0xff66_9900,
        0x0106_0016 => 0xffff_4444,
        0x0106_0017 => 0xffcc_0000,
        0x0106_0018 => 0xffff_bb33,
        0x0106_0019 => 0xffff_8800,
        0x0106_001a => 0xffaa_66cc,
        0x0106_001b => 0xff00_ddff,
        0x0106_0000 => 0xffaa_aaaa,
        _ if resource >> 24 == 1 => THEMED,
        _ => return None,
    })
}

/// A colour in digits: `rgb`, `argb`, `rrggbb` or `aarrggbb`.
fn literal(digits: &str) -> Option<u32> {
    let number = u32::from_str_radix(digits, 16).ok()?;
    let wide = |number: u32| {
        [12, 8, 4, 0].iter().fold(0, |wide, shift| (wide << 8) | ((number >> shift & 0xf) * 0x11))
    };
    match digits.len() {
        3 => Some(wide(number) | 0xff00_0000),
        4 => Some(wide(number)),
        6 => Some(number | 0xff00_0000),
        8 => Some(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_three_four_six_or_eight_digits() {
        assert_eq!(literal("fff"), Some(0xffff_ffff));
        assert_eq!(literal("8abc"), Some(0x88aa_bbcc));
        assert_eq!(literal("102030"), Some(0xff10_2030));
        assert_eq!(literal("40102030"), Some(0x4010_2030));
        assert_eq!(literal("12345"), None);
    }
}
