//! Icons in a form that every program shows.

mod png;

pub(crate) use self::png::paeth;
pub use self::png::plain_png;
