//! Drawings, references resolved, and how they come onto a canvas.

use appdepot_core::inspect::Problem;
use tiny_skia::{
    BlendMode, Color, FillRule, FilterQuality, GradientStop, LineCap, LineJoin, LinearGradient, Mask, Paint,
    Path, PathBuilder, Pixmap, PixmapPaint, Point, PremultipliedColorU8, RadialGradient, Rect, Shader,
    SpreadMode, Stroke, SweepGradient, Transform,
};

use super::package::{Picture, broken};
use crate::reader::Reader;

/// Device coordinates beyond this are not drawn.
const FARTHEST: f32 = 1e5;

/// Something that fills a rectangle.
#[derive(Debug)]
pub(super) enum Drawing {
    /// Nothing at all.
    Nothing,
    /// All of it in one ink.
    Fill(Ink),
    /// A picture, stretched.
    Bitmap(Pixmap),
    /// A vector drawable, stretched.
    Vector(Vector),
    /// A rectangle or oval.
    Shape(Shape),
    /// Drawings above each other.
    Layers(Vec<Layer>),
    /// Layers of 108 units, of which the 72 in the middle are seen.
    Adaptive(Vec<Drawing>),
    /// A drawing in another opacity or colour.
    Effect(Box<Drawing>, Effect),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Effect {
    pub(super) alpha: f32,
    pub(super) tint: Option<u32>,
}

impl Effect {
    pub(super) fn on(self, drawing: Drawing) -> Drawing {
        if self.alpha >= 1.0 && self.tint.is_none() {
            return drawing;
        }
        Drawing::Effect(Box::new(drawing), self)
    }
}

/// A length of a layer's edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Edge {
    /// Density-independent pixels.
    Dips(f32),
    /// A part of the whole.
    Part(f32),
}

impl Edge {
    fn pixels(self, dip: f32, whole: f32) -> f32 {
        match self {
            Self::Dips(dips) => dips * dip,
            Self::Part(part) => part * whole,
        }
    }
}

/// A drawing within another's bounds.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) drawing: Drawing,
    /// Left, top, right, bottom.
    pub(super) insets: [Edge; 4],
    /// Its own width and height, kept in the middle.
    pub(super) size: [Option<Edge>; 2],
}

/// What a surface is coloured with.
#[derive(Debug, Clone)]
pub(super) enum Ink {
    Solid(u32),
    Linear { from: (f32, f32), to: (f32, f32), stops: Vec<(f32, u32)>, spread: SpreadMode },
    Radial { centre: (f32, f32), radius: f32, stops: Vec<(f32, u32)>, spread: SpreadMode },
    Sweep { centre: (f32, f32), stops: Vec<(f32, u32)> },
}

impl Ink {
    fn paint(&self, alpha: f32, transform: Transform) -> Option<Paint<'static>> {
        let list = |stops: &[(f32, u32)]| -> Vec<GradientStop> {
            stops.iter().map(|(at, argb)| GradientStop::new(*at, color(*argb, alpha))).collect()
        };
        let point = |(x, y): (f32, f32)| Point::from_xy(x, y);
        let shader = match self {
            Self::Solid(argb) => Shader::SolidColor(color(*argb, alpha)),
            Self::Linear { from, to, stops, spread } => {
                LinearGradient::new(point(*from), point(*to), list(stops), *spread, transform)
                    .or_else(|| last(stops, alpha))?
            }
            Self::Radial { centre, radius, stops, spread } => {
                let centre = point(*centre);
                RadialGradient::new(centre, 0.0, centre, *radius, list(stops), *spread, transform)
                    .or_else(|| last(stops, alpha))?
            }
            Self::Sweep { centre, stops } => {
                SweepGradient::new(point(*centre), 0.0, 360.0, list(stops), SpreadMode::Pad, transform)
                    .or_else(|| last(stops, alpha))?
            }
        };
        Some(Paint { shader, ..Paint::default() })
    }
}

/// What is left of a gradient without extent.
fn last(stops: &[(f32, u32)], alpha: f32) -> Option<Shader<'static>> {
    stops.last().map(|(_, argb)| Shader::SolidColor(color(*argb, alpha)))
}

fn color(argb: u32, alpha: f32) -> Color {
    let [a, r, g, b] = argb.to_be_bytes();
    let mut color = Color::from_rgba8(r, g, b, a);
    color.apply_opacity(alpha.clamp(0.0, 1.0));
    color
}

/// A vector drawable.
#[derive(Debug)]
pub(super) struct Vector {
    /// The size of its own coordinates.
    pub(super) viewport: (f32, f32),
    /// The size it asks for, in density-independent pixels.
    pub(super) size: (f32, f32),
    pub(super) pieces: Vec<Piece>,
}

#[derive(Debug)]
pub(super) enum Piece {
    Group(Transform, Vec<Piece>),
    /// What follows in its group is seen within it only.
    Clip(Path),
    Outline(Box<Outline>),
}

#[derive(Debug)]
pub(super) struct Outline {
    pub(super) path: Path,
    pub(super) even_odd: bool,
    pub(super) fill: Option<(Ink, f32)>,
    pub(super) stroke: Option<(Ink, f32, Pen)>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Pen {
    pub(super) width: f32,
    pub(super) cap: i32,
    pub(super) join: i32,
    pub(super) miter: f32,
}

/// A rectangle or oval over all of the bounds, or a line across their middle.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) form: Form,
    /// Of the corners from the upper left clockwise, in density-independent pixels.
    pub(super) radii: [f32; 4],
    /// Gradients in it run from 0 to 1 in both directions.
    pub(super) fill: Option<Ink>,
    pub(super) stroke: Option<(Ink, f32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Rectangle,
    Oval,
    Line,
}

/// A drawing on a canvas of its own.
pub(super) fn render(reader: &Reader<'_>, drawing: &Drawing, size: u32) -> Result<Option<Picture>, Problem> {
    /// The size of a launcher's icon.
    const LAUNCHER: f32 = 48.0;
    let mut canvas = Pixmap::new(size, size).ok_or_else(broken)?;
    let edge = size as f32;
    let bounds = match natural(drawing) {
        Some((width, height)) if width > 0.0 && height > 0.0 => {
            let scale = edge / width.max(height);
            centred(0.0, 0.0, edge, edge, width * scale, height * scale)
        }
        _ => Rect::from_xywh(0.0, 0.0, edge, edge),
    };
    let bounds = bounds.ok_or_else(broken)?;
    Painter { reader }.draw(&mut canvas, drawing, bounds, edge / LAUNCHER)?;
    let seen = canvas.pixels().iter().any(|pixel| pixel.alpha() > 0);
    Ok(seen.then(|| Picture { width: size, height: size, pixels: canvas.take_demultiplied() }))
}

/// The proportions a drawing has by itself.
fn natural(drawing: &Drawing) -> Option<(f32, f32)> {
    match drawing {
        Drawing::Bitmap(pixmap) => Some((pixmap.width() as f32, pixmap.height() as f32)),
        Drawing::Vector(vector) => Some(vector.size),
        Drawing::Effect(inner, _) => natural(inner),
        _ => None,
    }
}

fn centred(x: f32, y: f32, w: f32, h: f32, width: f32, height: f32) -> Option<Rect> {
    Rect::from_xywh(x + (w - width) / 2.0, y + (h - height) / 2.0, width, height)
}

/// The pixels of a picture as they are drawn, in a handy size.
pub(super) fn pixmap(picture: &Picture) -> Option<Pixmap> {
    /// More is never seen on a canvas of 512, of which an adaptive icon shows two thirds.
    const LARGEST: u32 = 1_024;
    let mut pixmap = Pixmap::new(picture.width, picture.height)?;
    for (to, from) in pixmap.pixels_mut().iter_mut().zip(picture.pixels.as_chunks::<4>().0) {
        let [red, green, blue, alpha] = *from;
        *to = tiny_skia::ColorU8::from_rgba(red, green, blue, alpha).premultiply();
    }
    while pixmap.width() > LARGEST || pixmap.height() > LARGEST {
        pixmap = halved(&pixmap)?;
    }
    Some(pixmap)
}

/// A picture in the middle of a square, as large as it fits.
pub(super) fn fitted(reader: &Reader<'_>, picture: &Picture, edge: u32) -> Result<Option<Picture>, Problem> {
    let mut pixmap = pixmap(picture).ok_or_else(broken)?;
    while pixmap.width().max(pixmap.height()) >= 2 * edge {
        pixmap = halved(&pixmap).ok_or_else(broken)?;
    }
    render(reader, &Drawing::Bitmap(pixmap), edge)
}

/// Half as wide and high, each pixel the mean of four.
fn halved(from: &Pixmap) -> Option<Pixmap> {
    let (width, height) = ((from.width() / 2).max(1), (from.height() / 2).max(1));
    let mut to = Pixmap::new(width, height)?;
    for (at, pixel) in (0_u32..).zip(to.pixels_mut()) {
        let (x, y) = (at % width * 2, at / width * 2);
        let four = [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)].map(|(x, y)| {
            from.pixel(x.min(from.width() - 1), y.min(from.height() - 1))
                .unwrap_or(PremultipliedColorU8::TRANSPARENT)
        });
        let mean = |part: fn(PremultipliedColorU8) -> u8| {
            ((four.iter().map(|one| u32::from(part(*one))).sum::<u32>() + 2) / 4) as u8
        };
        let alpha = mean(PremultipliedColorU8::alpha);
        let [red, green, blue] =
            [PremultipliedColorU8::red, PremultipliedColorU8::green, PremultipliedColorU8::blue]
                .map(|part| mean(part as fn(PremultipliedColorU8) -> u8).min(alpha));
        *pixel = PremultipliedColorU8::from_rgba(red, green, blue, alpha)?;
    }
    Some(to)
}

struct Painter<'r, 's> {
    reader: &'r Reader<'s>,
}

impl Painter<'_, '_> {
    fn draw(&self, canvas: &mut Pixmap, drawing: &Drawing, bounds: Rect, dip: f32) -> Result<(), Problem> {
        self.reader.check_time()?;
        match drawing {
            Drawing::Nothing => {}
            Drawing::Fill(ink) => {
                if let Some(paint) = ink.paint(1.0, stretch(bounds, 1.0, 1.0)) {
                    canvas.fill_rect(bounds, &paint, Transform::identity(), None);
                }
            }
            Drawing::Bitmap(pixmap) => bitmap(canvas, pixmap, bounds),
            Drawing::Vector(vector) => {
                let transform = stretch(bounds, vector.viewport.0, vector.viewport.1);
                self.pieces(canvas, &vector.pieces, transform, None)?;
            }
            Drawing::Shape(shape) => self.shape(canvas, shape, bounds, dip),
            Drawing::Layers(layers) => {
                for layer in layers {
                    if let Some(bounds) = layer.bounds(bounds, dip) {
                        self.draw(canvas, &layer.drawing, bounds, dip)?;
                    }
                }
            }
            Drawing::Adaptive(layers) => {
                const WHOLE: f32 = 108.0;
                const SEEN: f32 = 72.0;
                let (width, height) = (bounds.width() * WHOLE / SEEN, bounds.height() * WHOLE / SEEN);
                let around = centred(bounds.x(), bounds.y(), bounds.width(), bounds.height(), width, height);
                for layer in layers {
                    if let Some(around) = around {
                        self.draw(canvas, layer, around, width / WHOLE)?;
                    }
                }
            }
            Drawing::Effect(inner, effect) => {
                let Some(mut other) = Pixmap::new(canvas.width(), canvas.height()) else { return Ok(()) };
                self.draw(&mut other, inner, bounds, dip)?;
                if let Some(tint) = effect.tint
                    && let Some(all) =
                        Rect::from_xywh(0.0, 0.0, canvas.width() as f32, canvas.height() as f32)
                {
                    let shader = Shader::SolidColor(color(tint, 1.0));
                    let paint = Paint { shader, blend_mode: BlendMode::SourceIn, ..Paint::default() };
                    other.fill_rect(all, &paint, Transform::identity(), None);
                }
                let paint = PixmapPaint { opacity: effect.alpha.clamp(0.0, 1.0), ..PixmapPaint::default() };
                canvas.draw_pixmap(0, 0, other.as_ref(), &paint, Transform::identity(), None);
            }
        }
        Ok(())
    }

    fn pieces(
        &self,
        canvas: &mut Pixmap,
        pieces: &[Piece],
        transform: Transform,
        mask: Option<&Mask>,
    ) -> Result<(), Problem> {
        let mut own: Option<Mask> = None;
        for piece in pieces {
            self.reader.check_time()?;
            let mask = own.as_ref().or(mask);
            match piece {
                Piece::Group(inner, pieces) => {
                    self.pieces(canvas, pieces, transform.pre_concat(*inner), mask)?;
                }
                Piece::Clip(path) => {
                    let mut next = match mask {
                        Some(mask) => mask.clone(),
                        None => {
                            let Some(mut all) = Mask::new(canvas.width(), canvas.height()) else { continue };
                            all.invert();
                            all
                        }
                    };
                    match placed(path, transform, 0.0) {
                        Some(path) => {
                            next.intersect_path(&path, FillRule::Winding, true, Transform::identity());
                        }
                        None => next.clear(),
                    }
                    own = Some(next);
                }
                Piece::Outline(outline) => outline.draw(canvas, transform, mask),
            }
        }
        Ok(())
    }

    fn shape(&self, canvas: &mut Pixmap, shape: &Shape, bounds: Rect, dip: f32) {
        let path = match shape.form {
            Form::Rectangle => rounded(bounds, shape.radii, dip),
            Form::Oval => PathBuilder::from_oval(bounds),
            Form::Line => {
                let mut line = PathBuilder::new();
                let middle = (bounds.top() + bounds.bottom()) / 2.0;
                line.move_to(bounds.left(), middle);
                line.line_to(bounds.right(), middle);
                line.finish()
            }
        };
        let Some(path) = path.and_then(|path| placed(&path, Transform::identity(), 0.0)) else { return };
        let unit = stretch(bounds, 1.0, 1.0);
        if let Some(paint) = shape.fill.as_ref().and_then(|ink| ink.paint(1.0, unit)) {
            canvas.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        }
        if let Some((ink, width)) = &shape.stroke
            && let Some(paint) = ink.paint(1.0, unit)
            && let width = width * dip
            && width > 0.0
            && width < FARTHEST
        {
            let stroke = Stroke { width, ..Stroke::default() };
            canvas.stroke_path(&path, &paint, &stroke, Transform::identity(), None);
        }
    }
}

impl Layer {
    fn bounds(&self, around: Rect, dip: f32) -> Option<Rect> {
        let [left, top, right, bottom] = self.insets;
        let (x, y) =
            (around.x() + left.pixels(dip, around.width()), around.y() + top.pixels(dip, around.height()));
        let (w, h) = (
            around.right() - right.pixels(dip, around.width()) - x,
            around.bottom() - bottom.pixels(dip, around.height()) - y,
        );
        let [width, height] = self.size;
        let width = width.map_or(w, |width| width.pixels(dip, around.width()));
        let height = height.map_or(h, |height| height.pixels(dip, around.height()));
        let near = |value: f32| value.abs() < FARTHEST;
        (near(x) && near(y) && near(width) && near(height) && width > 0.0 && height > 0.0)
            .then(|| centred(x, y, w, h, width, height))?
    }
}

impl Outline {
    fn draw(&self, canvas: &mut Pixmap, transform: Transform, mask: Option<&Mask>) {
        if let Some((ink, alpha)) = &self.fill
            && let Some(path) = placed(&self.path, transform, 0.0)
            && let Some(paint) = ink.paint(*alpha, transform)
        {
            let rule = if self.even_odd { FillRule::EvenOdd } else { FillRule::Winding };
            canvas.fill_path(&path, &paint, rule, Transform::identity(), mask);
        }
        if let Some((ink, alpha, pen)) = &self.stroke
            && pen.width > 0.0
            && placed(&self.path, transform, pen.width * pen.miter.max(1.0)).is_some()
            && let Some(paint) = ink.paint(*alpha, Transform::identity())
        {
            canvas.stroke_path(&self.path, &paint, &pen.stroke(), transform, mask);
        }
    }
}

impl Pen {
    fn stroke(self) -> Stroke {
        Stroke {
            width: self.width,
            line_cap: match self.cap {
                1 => LineCap::Round,
                2 => LineCap::Square,
                _ => LineCap::Butt,
            },
            line_join: match self.join {
                1 => LineJoin::Round,
                2 => LineJoin::Bevel,
                _ => LineJoin::Miter,
            },
            miter_limit: self.miter.max(1.0),
            dash: None,
        }
    }
}

/// The path where it comes to stand, `None` if that is too far away to be sensible.
fn placed(path: &Path, transform: Transform, around: f32) -> Option<Path> {
    if !transform.is_finite() || !transform.is_valid() || !around.is_finite() {
        return None;
    }
    let path = path.clone().transform(transform)?;
    let (scale_x, scale_y) = transform.get_scale();
    let around = around * scale_x.max(scale_y);
    let bounds = path.bounds();
    let edges = [bounds.left(), bounds.top(), bounds.right(), bounds.bottom(), around];
    edges.iter().all(|edge| edge.abs() < FARTHEST).then_some(path)
}

/// From a space of this size to the bounds.
fn stretch(bounds: Rect, width: f32, height: f32) -> Transform {
    Transform::from_row(bounds.width() / width, 0.0, 0.0, bounds.height() / height, bounds.x(), bounds.y())
}

fn bitmap(canvas: &mut Pixmap, pixmap: &Pixmap, bounds: Rect) {
    let mut smaller: Option<Pixmap> = None;
    loop {
        let now = smaller.as_ref().unwrap_or(pixmap);
        let (width, height) = (now.width() as f32, now.height() as f32);
        // a filter looks at four pixels only
        if (width >= bounds.width() * 2.0 || height >= bounds.height() * 2.0)
            && now.width().min(now.height()) > 1
            && let Some(half) = halved(now)
        {
            smaller = Some(half);
            continue;
        }
        let paint = PixmapPaint { quality: FilterQuality::Bicubic, ..PixmapPaint::default() };
        canvas.draw_pixmap(0, 0, now.as_ref(), &paint, stretch(bounds, width, height), None);
        return;
    }
}

/// A rectangle with round corners.
fn rounded(bounds: Rect, radii: [f32; 4], dip: f32) -> Option<Path> {
    /// How far control points stand off for a quarter of a circle.
    const REACH: f32 = 0.552_284_8;
    let most = bounds.width().min(bounds.height()) / 2.0;
    let [a, b, c, d] = radii.map(|radius| (radius * dip).clamp(0.0, most));
    if a + b + c + d <= 0.0 {
        return Some(PathBuilder::from_rect(bounds));
    }
    let (l, t, r, bottom) = (bounds.left(), bounds.top(), bounds.right(), bounds.bottom());
    let off = 1.0 - REACH;
    let mut path = PathBuilder::new();
    path.move_to(l + a, t);
    path.line_to(r - b, t);
    path.cubic_to(r - b * off, t, r, t + b * off, r, t + b);
    path.line_to(r, bottom - c);
    path.cubic_to(r, bottom - c * off, r - c * off, bottom, r - c, bottom);
    path.line_to(l + d, bottom);
    path.cubic_to(l + d * off, bottom, l, bottom - d * off, l, bottom - d);
    path.line_to(l, t + a);
    path.cubic_to(l, t + a * off, l + a * off, t, l + a, t);
    path.close();
    path.finish()
}
