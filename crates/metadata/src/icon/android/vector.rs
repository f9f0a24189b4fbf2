//! Vector drawings.

use appdepot_core::inspect::Problem;
use futures::future::{BoxFuture, FutureExt};
use tiny_skia::Transform;

use super::super::paint::{Drawing, Outline, Pen, Piece, Vector};
use super::super::path;
use super::{Loader, attribute};
use crate::error::Code;
use crate::formats::apk::drawable::{Node, Value};

impl Loader<'_, '_> {
    pub(super) async fn vector(&mut self, node: &Node) -> Result<Drawing, Problem> {
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
