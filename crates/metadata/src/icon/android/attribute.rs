//! Attributes by number (AOSP `public-final.xml`) and name.

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
