//! Icons of Android packages: pictures by density, and drawings in XML brought together from files and resources.

use appdepot_core::inspect::{Package, Problem};
use futures::future::{BoxFuture, FutureExt};
use serde_json::Value as Json;
use tiny_skia::{SpreadMode, Transform};

use super::package::{Icon, file, is_picture, picture, pixels};
use super::paint::{
    Drawing, Edge, Effect, Form, Ink, Layer, Outline, Pen, Piece, Shape, Vector, pixmap, render,
};
use super::{path, raster};
use crate::containers::zip::Archive;
use crate::error::Code;
use crate::formats::apk::drawable::{Assets, Choice, Node, Value};
use crate::reader::Reader;

/// Files read for one icon.
const FILES: usize = 48;
/// Elements in all of them.
const ELEMENTS: usize = 8_192;
/// Bytes of path data in all of them.
const PATH_BYTES: usize = 256 << 10;
/// Pictures and drawings tried before giving up.
const TRIES: usize = 4;
/// Densities that are none: a file that scales, a file for all.
const SCALABLE: u64 = 0xfffe;
/// How compiled XML starts.
const COMPILED: &[u8] = &[3, 0, 8, 0];
/// What stands for a colour that a theme decides.
const THEMED: u32 = 0xff80_8080;

/// Attributes by number (AOSP `public-final.xml`) and name.
mod attribute {
    pub(super) type Name = (u32, &'static str);
    pub(super) const GRAVITY: Name = (0x0101_00af, "gravity");
    pub(super) const SRC: Name = (0x0101_0119, "src");
    pub(super) const TINT: Name = (0x0101_0121, "tint");
    pub(super) const HEIGHT: Name = (0x0101_0155, "height");
    pub(super) const WIDTH: Name = (0x0101_0159, "width");
    pub(super) const DRAWABLE: Name = (0x0101_0199, "drawable");
    pub(super) const SHAPE: Name = (0x0101_019a, "shape");
    pub(super) const START_COLOR: Name = (0x0101_019d, "startColor");
    pub(super) const END_COLOR: Name = (0x0101_019e, "endColor");
    pub(super) const ANGLE: Name = (0x0101_01a0, "angle");
    pub(super) const TYPE: Name = (0x0101_01a1, "type");
    pub(super) const CENTER_X: Name = (0x0101_01a2, "centerX");
    pub(super) const CENTER_Y: Name = (0x0101_01a3, "centerY");
    pub(super) const GRADIENT_RADIUS: Name = (0x0101_01a4, "gradientRadius");
    pub(super) const COLOR: Name = (0x0101_01a5, "color");
    pub(super) const RADIUS: Name = (0x0101_01a8, "radius");
    pub(super) const CORNERS: [Name; 4] = [
        (0x0101_01a9, "topLeftRadius"),
        (0x0101_01aa, "topRightRadius"),
        (0x0101_01ac, "bottomRightRadius"),
        (0x0101_01ab, "bottomLeftRadius"),
    ];
    pub(super) const EDGES: [Name; 4] =
        [(0x0101_01ad, "left"), (0x0101_01ae, "top"), (0x0101_01af, "right"), (0x0101_01b0, "bottom")];
    pub(super) const PIVOT_X: Name = (0x0101_01b5, "pivotX");
    pub(super) const PIVOT_Y: Name = (0x0101_01b6, "pivotY");
    pub(super) const INSET: Name = (0x0101_04b5, "inset");
    pub(super) const INSETS: [Name; 4] = [
        (0x0101_01b7, "insetLeft"),
        (0x0101_01b9, "insetTop"),
        (0x0101_01b8, "insetRight"),
        (0x0101_01ba, "insetBottom"),
    ];
    pub(super) const TILE_MODE: Name = (0x0101_0201, "tileMode");
    pub(super) const CENTER_COLOR: Name = (0x0101_020b, "centerColor");
    pub(super) const ALPHA: Name = (0x0101_031f, "alpha");
    pub(super) const SCALE_X: Name = (0x0101_0324, "scaleX");
    pub(super) const SCALE_Y: Name = (0x0101_0325, "scaleY");
    pub(super) const ROTATION: Name = (0x0101_0326, "rotation");
    pub(super) const VIEWPORT_WIDTH: Name = (0x0101_0402, "viewportWidth");
    pub(super) const VIEWPORT_HEIGHT: Name = (0x0101_0403, "viewportHeight");
    pub(super) const FILL_COLOR: Name = (0x0101_0404, "fillColor");
    pub(super) const PATH_DATA: Name = (0x0101_0405, "pathData");
    pub(super) const STROKE_COLOR: Name = (0x0101_0406, "strokeColor");
    pub(super) const STROKE_WIDTH: Name = (0x0101_0407, "strokeWidth");
    pub(super) const STROKE_CAP: Name = (0x0101_040b, "strokeLineCap");
    pub(super) const STROKE_JOIN: Name = (0x0101_040c, "strokeLineJoin");
    pub(super) const STROKE_MITER: Name = (0x0101_040d, "strokeMiterLimit");
    pub(super) const TRANSLATE_X: Name = (0x0101_045a, "translateX");
    pub(super) const TRANSLATE_Y: Name = (0x0101_045b, "translateY");
    pub(super) const STROKE_ALPHA: Name = (0x0101_04cb, "strokeAlpha");
    pub(super) const FILL_ALPHA: Name = (0x0101_04cc, "fillAlpha");
    pub(super) const START_X: Name = (0x0101_0510, "startX");
    pub(super) const START_Y: Name = (0x0101_0511, "startY");
    pub(super) const END_X: Name = (0x0101_0512, "endX");
    pub(super) const END_Y: Name = (0x0101_0513, "endY");
    pub(super) const OFFSET: Name = (0x0101_0514, "offset");
    pub(super) const FILL_TYPE: Name = (0x0101_051e, "fillType");
}

/// The best icon there is: the densest picture, unless it is less than half of what is asked for and there is a
/// drawing.
pub(super) async fn icon(
    reader: &mut Reader<'_>,
    archive: &Archive,
    package: &Package,
    size: u32,
) -> Result<Option<Icon>, Problem> {
    let mut candidates: Vec<(u64, &str)> = Vec::new();
    if let Some(icons) = package.details.get("iconsByDensity").and_then(Json::as_object) {
        for (density, path) in icons {
            let density = density.parse().ok().filter(|density| *density < SCALABLE).unwrap_or(0);
            candidates.extend(path.as_str().map(|path| (density, path)));
        }
    }
    candidates.sort_by_key(|(density, path)| (path.ends_with(".xml"), std::cmp::Reverse(*density)));
    let (mut drawings, mut small, mut first) = (Vec::new(), None, None);
    for (_, path) in candidates.iter().filter(|(_, path)| !path.ends_with(".xml")).take(TRIES) {
        let found = match file(reader, archive, path).await {
            Ok(Some(data)) if data.starts_with(COMPILED) => {
                drawings.push(*path);
                continue;
            }
            Ok(Some(data)) => picture(reader, &data, path),
            Ok(None) => continue,
            Err(problem) => Err(problem),
        };
        match found {
            Ok(icon) if icon.width >= size.div_ceil(2) => return Ok(Some(icon)),
            Ok(icon) => {
                small = Some(icon);
                break;
            }
            Err(problem) => note(&mut first, problem)?,
        }
    }
    drawings.extend(candidates.iter().map(|(_, path)| *path).filter(|path| path.ends_with(".xml")));
    if let Some(icon) = draw_first(reader, archive, &drawings, size, &mut first).await? {
        return Ok(Some(icon));
    }
    match (small, first) {
        (None, Some(problem)) => Err(problem),
        (small, _) => Ok(small),
    }
}

async fn draw_first(
    reader: &mut Reader<'_>,
    archive: &Archive,
    paths: &[&str],
    size: u32,
    first: &mut Option<Problem>,
) -> Result<Option<Icon>, Problem> {
    if paths.is_empty() {
        return Ok(None);
    }
    let assets = Assets::open(reader, archive).await?;
    let mut loader = Loader {
        reader,
        assets,
        open: Vec::new(),
        files: FILES,
        elements: ELEMENTS,
        path_bytes: PATH_BYTES,
        hops: 0,
    };
    for path in paths.iter().take(TRIES) {
        loader.open.clear();
        loader.hops = 0;
        let drawn = match loader.file(path).await {
            Ok(drawing) => render(loader.reader, &drawing, size),
            Err(problem) => Err(problem),
        };
        match drawn {
            Ok(Some(pixels)) => {
                let (png, width, height) = raster::write(&pixels)?;
                return Ok(Some(Icon { png, width, height, path: (*path).to_owned() }));
            }
            Ok(None) => note(first, Code::Unsupported.problem("nothing of the icon could be drawn"))?,
            Err(problem) => note(first, problem)?,
        }
    }
    Ok(None)
}

/// Keeps the first problem; some end everything.
fn note(first: &mut Option<Problem>, problem: Problem) -> Result<(), Problem> {
    if Code::Unavailable.is(&problem) || Code::LimitTime.is(&problem) {
        return Err(problem);
    }
    first.get_or_insert(problem);
    Ok(())
}

/// Brings a drawing together.
struct Loader<'l, 's> {
    reader: &'l mut Reader<'s>,
    assets: Assets<'l>,
    /// The documents being read, outermost first.
    open: Vec<String>,
    files: usize,
    elements: usize,
    path_bytes: usize,
    hops: usize,
}

impl Loader<'_, '_> {
    /// What a value stands for where a drawing is expected.
    fn drawing<'f>(&'f mut self, value: &'f Value) -> BoxFuture<'f, Result<Drawing, Problem>> {
        async move {
            match self.resolve(value).await? {
                Some(Value::Text(path)) if !path.starts_with('#') => self.file(&path).await,
                Some(other) => Ok(self.ink(&other).await?.map_or(Drawing::Nothing, Drawing::Fill)),
                None => Ok(Drawing::Nothing),
            }
        }
        .boxed()
    }

    /// Follows references to the value to use.
    async fn resolve(&mut self, value: &Value) -> Result<Option<Value>, Problem> {
        let mut value = value.clone();
        for _ in 0..self.reader.limits().hops {
            let Value::Resource(resource) = value else { return Ok(Some(value)) };
            if let Some(color) = platform_color(resource) {
                return Ok(Some(Value::Color(color)));
            }
            match best(self.assets.choices(self.reader, resource).await?) {
                Some(next) => value = next,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// A file of the archive as a drawing.
    async fn file(&mut self, path: &str) -> Result<Drawing, Problem> {
        if self.open.iter().any(|open| open == path) {
            return Err(Code::Cycle.problem("the icon contains itself"));
        }
        let Some((data, tree)) = self.document(path).await? else { return Ok(Drawing::Nothing) };
        let Some(tree) = tree else {
            let pixels = pixels(self.reader, &data)?;
            return Ok(pixmap(&pixels).map_or(Drawing::Nothing, Drawing::Bitmap));
        };
        self.open.push(path.to_owned());
        let drawing = self.element(&tree).await;
        self.open.pop();
        drawing
    }

    /// A file and, if it is XML, what stands in it.
    async fn document(&mut self, path: &str) -> Result<Option<(bytes::Bytes, Option<Node>)>, Problem> {
        self.files = self
            .files
            .checked_sub(1)
            .ok_or_else(|| Code::LimitEntries.problem("the icon is made of more files than are read"))?;
        let Some(data) = file(self.reader, self.assets.archive(), path).await? else { return Ok(None) };
        if is_picture(&data) {
            return Ok(Some((data, None)));
        }
        let tree = self.assets.tree(self.reader, &data, &mut self.elements)?;
        Ok(Some((data, Some(tree))))
    }

    /// An element that is a drawing.
    fn element<'f>(&'f mut self, node: &'f Node) -> BoxFuture<'f, Result<Drawing, Problem>> {
        async move {
            Ok(match node.name.as_str() {
                "adaptive-icon" => {
                    let mut layers = Vec::new();
                    for wanted in ["background", "foreground"] {
                        if let Some(layer) = node.children.iter().find(|child| child.name == wanted) {
                            layers.push(self.inner(layer, attribute::DRAWABLE).await?);
                        }
                    }
                    Drawing::Adaptive(layers)
                }
                "vector" => self.vector(node).await?,
                "bitmap" | "nine-patch" => {
                    let drawing = self.inner(node, attribute::SRC).await?;
                    self.effect(node).await?.on(drawing)
                }
                "color" => {
                    let ink = self.ink_of(node, attribute::COLOR).await?;
                    ink.map_or(Drawing::Nothing, Drawing::Fill)
                }
                "shape" => self.shape(node).await?,
                "inset" => {
                    let drawing = self.inner(node, attribute::DRAWABLE).await?;
                    let all = self.edge(node, attribute::INSET).await?.unwrap_or(Edge::Dips(0.0));
                    let insets = self.edges(node, attribute::INSETS, all).await?;
                    Drawing::Layers(vec![Layer { drawing, insets, size: [None; 2] }])
                }
                "layer-list" | "transition" | "ripple" => {
                    let mut layers = Vec::new();
                    for item in node.children.iter().filter(|child| child.name == "item") {
                        layers.push(self.layer(item).await?);
                    }
                    Drawing::Layers(layers)
                }
                "selector" | "animated-selector" => match node.children.last() {
                    Some(item) => self.inner(item, attribute::DRAWABLE).await?,
                    None => Drawing::Nothing,
                },
                "level-list" | "animation-list" => match node.children.first() {
                    Some(item) => self.inner(item, attribute::DRAWABLE).await?,
                    None => Drawing::Nothing,
                },
                "animated-vector" | "animated-image" | "rotate" | "animated-rotate" | "scale" | "clip"
                | "drawable" => self.inner(node, attribute::DRAWABLE).await?,
                _ => return Err(Code::Unsupported.problem("the icon is drawn with an unknown element")),
            })
        }
        .boxed()
    }

    /// The drawing an attribute names, else the one inside.
    async fn inner(&mut self, node: &Node, name: attribute::Name) -> Result<Drawing, Problem> {
        match (node.get(name), node.children.first()) {
            (Some(value), _) => self.drawing(value).await,
            (None, Some(child)) => self.element(child).await,
            (None, None) => Ok(Drawing::Nothing),
        }
    }

    async fn layer(&mut self, item: &Node) -> Result<Layer, Problem> {
        let drawing = self.inner(item, attribute::DRAWABLE).await?;
        let insets = self.edges(item, attribute::EDGES, Edge::Dips(0.0)).await?;
        let mut size = [self.edge(item, attribute::WIDTH).await?, self.edge(item, attribute::HEIGHT).await?];
        // with a gravity drawings keep their size instead of filling the layer
        if let (Drawing::Vector(vector), Some(Value::Number(gravity))) =
            (&drawing, item.get(attribute::GRAVITY))
        {
            const FILL_HORIZONTAL: i32 = 0x07;
            const FILL_VERTICAL: i32 = 0x70;
            if size == [None; 2] && gravity & FILL_HORIZONTAL != FILL_HORIZONTAL {
                size[0] = Some(Edge::Dips(vector.size.0));
            }
            if size[1].is_none() && gravity & FILL_VERTICAL != FILL_VERTICAL {
                size[1] = Some(Edge::Dips(vector.size.1));
            }
        }
        Ok(Layer { drawing, insets, size })
    }

    async fn edges(
        &mut self,
        node: &Node,
        names: [attribute::Name; 4],
        otherwise: Edge,
    ) -> Result<[Edge; 4], Problem> {
        let mut edges = [otherwise; 4];
        for (edge, name) in edges.iter_mut().zip(names) {
            *edge = self.edge(node, name).await?.unwrap_or(otherwise);
        }
        Ok(edges)
    }

    async fn edge(&mut self, node: &Node, name: attribute::Name) -> Result<Option<Edge>, Problem> {
        let Some(value) = node.get(name) else { return Ok(None) };
        let value = self.resolve(value).await?;
        Ok(match value {
            Some(Value::Fraction(part)) => Some(Edge::Part(part)),
            other => other.as_ref().and_then(plain).map(Edge::Dips),
        })
    }

    async fn number(&mut self, node: &Node, name: attribute::Name, otherwise: f32) -> Result<f32, Problem> {
        let Some(value) = node.get(name) else { return Ok(otherwise) };
        let value = self.resolve(value).await?;
        Ok(value.as_ref().and_then(plain).unwrap_or(otherwise))
    }

    async fn effect(&mut self, node: &Node) -> Result<Effect, Problem> {
        let alpha = self.number(node, attribute::ALPHA, 1.0).await?;
        let tint = match self.ink_of(node, attribute::TINT).await? {
            Some(Ink::Solid(color)) => Some(color),
            _ => None,
        };
        Ok(Effect { alpha, tint })
    }

    async fn ink_of(&mut self, node: &Node, name: attribute::Name) -> Result<Option<Ink>, Problem> {
        match node.get(name) {
            Some(value) => self.ink(value).await,
            None => Ok(None),
        }
    }

    /// What a value stands for where a colour is expected.
    fn ink<'f>(&'f mut self, value: &'f Value) -> BoxFuture<'f, Result<Option<Ink>, Problem>> {
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

    async fn shape(&mut self, node: &Node) -> Result<Drawing, Problem> {
        let kind = self.number(node, attribute::SHAPE, 0.0).await? as i32;
        let form = match kind {
            1 | 3 => Form::Oval,
            2 => Form::Line,
            _ => Form::Rectangle,
        };
        let mut shape = Shape { form, radii: [0.0; 4], fill: None, stroke: None };
        for child in &node.children {
            match child.name.as_str() {
                "solid" => shape.fill = self.ink_of(child, attribute::COLOR).await?,
                "gradient" => shape.fill = self.shape_gradient(child).await?,
                "corners" => {
                    let all = self.number(child, attribute::RADIUS, 0.0).await?;
                    for (radius, name) in shape.radii.iter_mut().zip(attribute::CORNERS) {
                        *radius = self.number(child, name, all).await?;
                    }
                }
                "stroke" => {
                    let width = self.number(child, attribute::WIDTH, 0.0).await?;
                    shape.stroke = self.ink_of(child, attribute::COLOR).await?.map(|ink| (ink, width));
                }
                _ => {}
            }
        }
        Ok(Drawing::Shape(shape))
    }

    /// A gradient over the unit square.
    async fn shape_gradient(&mut self, node: &Node) -> Result<Option<Ink>, Problem> {
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

    async fn vector(&mut self, node: &Node) -> Result<Drawing, Problem> {
        let viewport = (
            self.number(node, attribute::VIEWPORT_WIDTH, 0.0).await?,
            self.number(node, attribute::VIEWPORT_HEIGHT, 0.0).await?,
        );
        if !(viewport.0 > 0.0 && viewport.1 > 0.0) {
            return Err(Code::Unsupported.problem("the icon is a vector without extent"));
        }
        let size = (
            self.number(node, attribute::WIDTH, viewport.0).await?,
            self.number(node, attribute::HEIGHT, viewport.1).await?,
        );
        let pieces = self.pieces(node).await?;
        Ok(self.effect(node).await?.on(Drawing::Vector(Vector { viewport, size, pieces })))
    }

    fn pieces<'f>(&'f mut self, node: &'f Node) -> BoxFuture<'f, Result<Vec<Piece>, Problem>> {
        async move {
            let mut pieces = Vec::new();
            for child in &node.children {
                self.reader.check_time()?;
                match child.name.as_str() {
                    "group" => {
                        let transform = self.transform(child).await?;
                        pieces.push(Piece::Group(transform, self.pieces(child).await?));
                    }
                    "clip-path" => pieces.extend(self.path(child).await?.map(Piece::Clip)),
                    "path" => pieces.extend(self.outline(child).await?),
                    _ => {}
                }
            }
            Ok(pieces)
        }
        .boxed()
    }

    async fn transform(&mut self, node: &Node) -> Result<Transform, Problem> {
        let pivot = (
            self.number(node, attribute::PIVOT_X, 0.0).await?,
            self.number(node, attribute::PIVOT_Y, 0.0).await?,
        );
        let scale = (
            self.number(node, attribute::SCALE_X, 1.0).await?,
            self.number(node, attribute::SCALE_Y, 1.0).await?,
        );
        let translate = (
            self.number(node, attribute::TRANSLATE_X, 0.0).await?,
            self.number(node, attribute::TRANSLATE_Y, 0.0).await?,
        );
        let rotation = self.number(node, attribute::ROTATION, 0.0).await?;
        // to the pivot, scaled, turned, back and moved
        Ok(Transform::from_translate(translate.0 + pivot.0, translate.1 + pivot.1)
            .pre_concat(Transform::from_rotate(rotation))
            .pre_scale(scale.0, scale.1)
            .pre_translate(-pivot.0, -pivot.1))
    }

    async fn path(&mut self, node: &Node) -> Result<Option<tiny_skia::Path>, Problem> {
        let Some(value) = node.get(attribute::PATH_DATA) else { return Ok(None) };
        let Some(Value::Text(data)) = self.resolve(value).await? else { return Ok(None) };
        self.path_bytes = self
            .path_bytes
            .checked_sub(data.len())
            .ok_or_else(|| Code::LimitString.problem("the icon has longer paths than are drawn"))?;
        Ok(path::parse(&data))
    }

    async fn outline(&mut self, node: &Node) -> Result<Option<Piece>, Problem> {
        let Some(path) = self.path(node).await? else { return Ok(None) };
        let mut outline = Outline {
            path,
            even_odd: self.number(node, attribute::FILL_TYPE, 0.0).await? as i32 == 1,
            fill: None,
            stroke: None,
        };
        if let Some(ink) = self.ink_of(node, attribute::FILL_COLOR).await? {
            outline.fill = Some((ink, self.number(node, attribute::FILL_ALPHA, 1.0).await?));
        }
        let width = self.number(node, attribute::STROKE_WIDTH, 0.0).await?;
        if width > 0.0
            && let Some(ink) = self.ink_of(node, attribute::STROKE_COLOR).await?
        {
            let pen = Pen {
                width,
                cap: self.number(node, attribute::STROKE_CAP, 0.0).await? as i32,
                join: self.number(node, attribute::STROKE_JOIN, 0.0).await? as i32,
                miter: self.number(node, attribute::STROKE_MITER, 4.0).await?,
            };
            outline.stroke = Some((ink, self.number(node, attribute::STROKE_ALPHA, 1.0).await?, pen));
        }
        Ok(Some(Piece::Outline(Box::new(outline))))
    }
}

/// A number without regard to its unit.
fn plain(value: &Value) -> Option<f32> {
    match value {
        Value::Float(number) | Value::Length(number) | Value::Fraction(number) => Some(*number),
        Value::Number(number) => Some(*number as f32),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|number| number.is_finite())
}

/// The value for any device: a scalable one before the densest, then the one for the latest platform.
fn best(choices: Vec<Choice>) -> Option<Value> {
    let rank = |choice: &Choice| {
        let density = u64::from(choice.density);
        (choice.general, if density == 0 { 160 } else { density }, choice.sdk)
    };
    choices.into_iter().max_by_key(rank).map(|choice| choice.value)
}

/// Colours of the platform that icons use (AOSP `public-final.xml`, `colors.xml`).
fn platform_color(resource: u32) -> Option<u32> {
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

    #[test]
    fn scalable_values_come_first() {
        let choice =
            |general, density, sdk, number| Choice { general, density, sdk, value: Value::Number(number) };
        let choices = vec![
            choice(true, 640, 0, 1),
            choice(true, 0xfffe, 26, 2),
            choice(true, 0xfffe, 21, 3),
            choice(false, 0xfffe, 33, 4),
        ];
        assert_eq!(best(choices), Some(Value::Number(2)));
    }
}
