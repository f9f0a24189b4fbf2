//! Icons of Android packages: pictures by density, and drawings in XML brought together from files and resources.

use appdepot_core::inspect::{Package, Problem};
use futures::future::{BoxFuture, FutureExt};
use serde_json::Value as Json;

mod attribute;
mod ink;
mod vector;

use self::ink::platform_color;
use super::package::{Icon, file, is_picture, picture, pixels};
use super::paint::{Drawing, Edge, Effect, Form, Ink, Layer, Shape, pixmap, render};
use super::raster;
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
        nested: 0,
    };
    for path in paths.iter().take(TRIES) {
        loader.open.clear();
        loader.hops = 0;
        loader.nested = 0;
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
    /// Elements around the one being read, in all open documents.
    nested: usize,
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

    /// An element that is a drawing. Each level takes a piece of the stack, here and when it is drawn, so that the limit
    /// holds for all documents together.
    fn element<'f>(&'f mut self, node: &'f Node) -> BoxFuture<'f, Result<Drawing, Problem>> {
        async move {
            if self.nested >= self.reader.limits().depth {
                return Err(Code::LimitDepth.problem("the icon nests deeper than is drawn"));
            }
            self.nested += 1;
            let drawing = self.drawn(node).await;
            self.nested -= 1;
            drawing
        }
        .boxed()
    }

    async fn drawn(&mut self, node: &Node) -> Result<Drawing, Problem> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
