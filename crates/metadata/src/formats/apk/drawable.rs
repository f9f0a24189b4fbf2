//! Compiled XML files as trees, and resources by number: what drawing an icon needs of a package.

use appdepot_core::inspect::Problem;

use super::arsc::{Found, Table};
use super::axml::{Attribute, Document, Element, Event, Value as Raw};
use crate::containers::zip::Archive;
use crate::error::Code;
use crate::reader::Reader;

/// A value in a document or a resource table, references unresolved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Text; a path where a drawing is expected.
    Text(String),
    /// A number, a boolean, a choice.
    Number(i32),
    /// A floating point number.
    Float(f32),
    /// A length in density-independent pixels.
    Length(f32),
    /// A part of something, 1 for all of it.
    Fraction(f32),
    /// Alpha, red, green, blue.
    Color(u32),
    /// A resource.
    Resource(u32),
    /// What a theme decides.
    Theme,
}

/// An element of a document.
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// Its name.
    pub(crate) name: String,
    attributes: Vec<(u32, String, Value)>,
    /// The elements in it.
    pub(crate) children: Vec<Node>,
}

impl Node {
    /// The value of an attribute. Android goes by number; names count only where there is none.
    pub(crate) fn get(&self, (wanted, name): (u32, &str)) -> Option<&Value> {
        let found = self.attributes.iter().find(|(id, ..)| *id == wanted);
        let found = found.or_else(|| self.attributes.iter().find(|(id, own, _)| *id == 0 && own == name));
        found.map(|(.., value)| value)
    }
}

/// One of the values of a resource.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    /// Whether any device may use it.
    pub(crate) general: bool,
    /// The density it is made for, 0 for none in particular.
    pub(crate) density: u16,
    /// The oldest platform it is for.
    pub(crate) sdk: u16,
    /// The value.
    pub(crate) value: Value,
}

/// The files and resources of a package.
#[derive(Debug)]
pub(crate) struct Assets<'a> {
    archive: &'a Archive,
    table: Option<Table>,
}

impl<'a> Assets<'a> {
    /// Opens the resource table, if the package has one that can be read.
    ///
    /// # Errors
    /// `E_UNAVAILABLE`, `E_LIMIT_TIME`.
    pub(crate) async fn open(reader: &mut Reader<'_>, archive: &'a Archive) -> Result<Self, Problem> {
        let table = match super::try_open_resources(reader, archive).await {
            Err(problem) if Code::Unavailable.is(&problem) || Code::LimitTime.is(&problem) => {
                return Err(problem);
            }
            other => other.unwrap_or_default(),
        };
        Ok(Self { archive, table })
    }

    /// The archive.
    pub(crate) fn archive(&self) -> &'a Archive {
        self.archive
    }

    /// The values of a resource in every configuration.
    ///
    /// # Errors
    /// Limits and errors of reading.
    pub(crate) async fn choices(
        &mut self,
        reader: &mut Reader<'_>,
        resource: u32,
    ) -> Result<Vec<Choice>, Problem> {
        let Some(table) = &mut self.table else { return Ok(Vec::new()) };
        let mut choices = Vec::new();
        for Found { config, value } in table.values(reader, resource).await? {
            let text = match value.kind {
                Raw::STRING => table.string(reader, value.data).await?,
                _ => None,
            };
            if let Some(value) = text.map(Value::Text).or_else(|| typed(value)) {
                let general = config.locale.is_default() && !config.special;
                choices.push(Choice { general, density: config.density, sdk: config.sdk, value });
            }
        }
        Ok(choices)
    }

    /// A compiled XML document as a tree of at most `most` elements; `most` is counted down.
    ///
    /// # Errors
    /// `E_LIMIT_ENTRIES` past `most`; `E_MANIFEST_INVALID` when it is no such document; limits.
    pub(crate) fn tree(
        &self,
        reader: &mut Reader<'_>,
        data: &[u8],
        most: &mut usize,
    ) -> Result<Node, Problem> {
        /// Attributes of one element; a drawing's have a dozen.
        const ATTRIBUTES: usize = 64;
        let mut document = Document::new(data, reader.limits().depth)?;
        let mut open = vec![Node::default()];
        while let Some(event) = document.next()? {
            match event {
                Event::Start(element) => {
                    *most = most.checked_sub(1).ok_or_else(|| {
                        Code::LimitEntries.problem("the icon has more elements than are drawn")
                    })?;
                    if most.is_multiple_of(256) {
                        reader.check_time()?;
                    }
                    let mut node = Node { name: name(reader, &document, &element)?, ..Node::default() };
                    for attribute in element.attributes().take(ATTRIBUTES) {
                        node.attributes.extend(read(reader, &document, &attribute)?);
                    }
                    open.push(node);
                }
                Event::End => close(&mut open),
            }
        }
        while open.len() > 1 {
            close(&mut open);
        }
        open.pop()
            .and_then(|mut outside| outside.children.pop())
            .ok_or_else(|| Code::ManifestInvalid.problem("the icon is an empty document"))
    }
}

fn close(open: &mut Vec<Node>) {
    if open.len() > 1
        && let Some(node) = open.pop()
        && let Some(parent) = open.last_mut()
    {
        parent.children.push(node);
    }
}

fn name(reader: &mut Reader<'_>, document: &Document<'_>, element: &Element<'_>) -> Result<String, Problem> {
    let name = document.string(element.name)?;
    reader.charge_string(name.len())?;
    Ok(name.into_owned())
}

fn read(
    reader: &mut Reader<'_>,
    document: &Document<'_>,
    attribute: &Attribute,
) -> Result<Option<(u32, String, Value)>, Problem> {
    let id = document.resource(attribute);
    let name = if id == 0 { document.string(attribute.name)?.into_owned() } else { String::new() };
    let text = match attribute.value.kind {
        Raw::STRING => Some(attribute.value.data),
        _ => None,
    };
    let value = match text {
        Some(index) => Some(Value::Text(document.string(index)?.into_owned())),
        None => typed(attribute.value),
    };
    let len = if let Some(Value::Text(text)) = &value { text.len() } else { 0 };
    reader.charge_string(name.len() + len)?;
    Ok(value.map(|value| (id, name, value)))
}

/// Anything but text.
fn typed(value: Raw) -> Option<Value> {
    const THEME: u8 = 0x02;
    const LENGTH: u8 = 0x05;
    const FRACTION: u8 = 0x06;
    const DYNAMIC_THEME: u8 = 0x08;
    const FIRST_COLOR: u8 = 0x1c;
    const LAST_COLOR: u8 = 0x1f;
    Some(match value.kind {
        Raw::REFERENCE | Raw::DYNAMIC_REFERENCE => Value::Resource(value.reference()?),
        THEME | DYNAMIC_THEME => Value::Theme,
        Raw::FLOAT => Value::Float(f32::from_bits(value.data)),
        LENGTH => Value::Length(mantissa(value.data) * dips(value.data)),
        FRACTION => Value::Fraction(mantissa(value.data)),
        FIRST_COLOR..=LAST_COLOR => Value::Color(value.data),
        _ => Value::Number(value.integer()?),
    })
}

/// The number of a length or fraction (AOSP `TypedValue.complexToFloat`): 24 bits with one of four points.
fn mantissa(data: u32) -> f32 {
    let point = [0, 7, 15, 23].get((data >> 4 & 3) as usize).copied().unwrap_or(0);
    let number = (data.cast_signed() >> 8) as f32;
    number / (1_u32 << point) as f32
}

/// Density-independent pixels in the unit of a length.
fn dips(data: u32) -> f32 {
    match data & 0xf {
        3 => 160.0 / 72.0,
        4 => 160.0,
        5 => 160.0 / 25.4,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_a_point_and_a_unit() {
        let length = |data| typed(Raw { kind: 5, data });
        assert_eq!(length(0x0000_6c01), Some(Value::Length(108.0)));
        assert_eq!(length(0xffff_ff01), Some(Value::Length(-1.0)));
        assert_eq!(length(0x0000_0104), Some(Value::Length(160.0)));
        // a quarter: 2^5 with seven binary places
        assert_eq!(typed(Raw { kind: 6, data: 0x0000_2010 }), Some(Value::Fraction(0.25)));
        assert_eq!(typed(Raw { kind: 1, data: 0 }), None);
    }
}
