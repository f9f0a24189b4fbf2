//! From text to rule: first elements, then what they mean.

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::expression::{Attribute, Expression};
use super::function::{Function, Over, pattern};
use super::value::{Shape, Type, Value};
use super::{Effect, Rule};

/// The deepest nesting of elements.
const DEPTH: usize = 32;

/// Where, in characters from the start, and what.
type Refusal = (usize, String);
type Parsed<T> = Result<T, Refusal>;

pub(super) fn rule(text: &str) -> Parsed<Rule> {
    // The reader counts bytes.
    let in_characters = |(at, message)| (text.get(..at).map_or(at, |before| before.chars().count()), message);
    element(text).and_then(|root| root.rule()).map_err(in_characters)
}

/// An element; where it begins, in bytes.
struct Element {
    at: usize,
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    text: String,
}

fn element(text: &str) -> Parsed<Element> {
    let mut tokens = Reader::from_str(text);
    tokens.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let at = usize::try_from(tokens.buffer_position()).unwrap_or(usize::MAX);
        let refuse = |message: &str| (at, message.to_owned());
        let malformed = || refuse("XML that is not well formed");
        match tokens.read_event().map_err(|_| malformed())? {
            Event::Start(_) if root.is_some() => return Err(refuse("a second element")),
            Event::Start(_) if open.len() == DEPTH => return Err(refuse("nested too deep")),
            Event::Start(tag) => open.push(Element {
                at,
                name: tag.local_name().into_inner().to_owned(),
                attributes: attributes(&tag).ok_or_else(malformed)?,
                children: Vec::new(),
                text: String::new(),
            }),
            Event::End(_) => {
                let done = open.pop().ok_or_else(malformed)?;
                match open.last_mut() {
                    Some(outer) => outer.children.push(done),
                    None => root = Some(done),
                }
            }
            Event::DocType(_) => return Err(refuse("a document type definition")),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            Event::Eof if open.is_empty() => return root.ok_or_else(malformed),
            Event::Eof | Event::Empty(_) => return Err(malformed()),
            Event::Text(text) => match open.last_mut() {
                Some(inside) => inside.text.push_str(&text.xml10_content()),
                None if text.xml10_content().trim().is_empty() => {}
                None => return Err(malformed()),
            },
            Event::CData(text) => open.last_mut().ok_or_else(malformed)?.text.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let inside = &mut open.last_mut().ok_or_else(malformed)?.text;
                match reference.resolve_char_ref() {
                    Ok(Some(one)) => inside.push(one),
                    Ok(None) => inside.push_str(resolve_xml_entity(&reference).ok_or_else(malformed)?),
                    Err(_) => return Err(malformed()),
                }
            }
        }
    }
}

fn attributes(tag: &BytesStart<'_>) -> Option<Vec<(String, String)>> {
    let read = tag.attributes().map(|attribute| {
        let attribute = attribute.ok()?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
        Some((attribute.key.0.to_owned(), value.into_owned()))
    });
    read.collect()
}

impl Element {
    fn refuse<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err((self.at, message.into()))
    }

    fn attribute(&self, name: &str) -> Parsed<&str> {
        match self.attributes.iter().find(|(key, _)| key == name) {
            Some((_, value)) => Ok(value),
            None => self.refuse(format!("{} without {name}", self.name)),
        }
    }

    /// The children, which must be this many.
    fn only<const N: usize>(&self) -> Parsed<&[Self; N]> {
        match self.children.as_slice().try_into() {
            Ok(children) => Ok(children),
            Err(_) => self.refuse(format!("{} takes {N} elements", self.name)),
        }
    }

    fn rule(&self) -> Parsed<Rule> {
        match self.name.as_str() {
            "Condition" => Ok(Rule { effect: Effect::Permit, condition: Some(self.condition()?) }),
            "Rule" => {
                let effect = match self.attribute("Effect")? {
                    "Permit" => Effect::Permit,
                    "Deny" => Effect::Deny,
                    _ => return self.refuse("an Effect that is neither Permit nor Deny"),
                };
                let mut condition = None;
                for child in &self.children {
                    match child.name.as_str() {
                        "Description" => {}
                        "Condition" if condition.is_none() => condition = Some(child.condition()?),
                        other => return child.refuse(format!("{other} in a Rule")),
                    }
                }
                Ok(Rule { effect, condition })
            }
            other => self.refuse(format!("{other} instead of a Rule or a Condition")),
        }
    }

    fn condition(&self) -> Parsed<Expression> {
        let [test] = self.only()?;
        let (expression, shape) = test.expression()?;
        if shape != Type::Boolean.one() {
            return test.refuse("a Condition that is not a boolean");
        }
        Ok(expression)
    }

    /// An expression and what it comes to.
    fn expression(&self) -> Parsed<(Expression, Shape)> {
        match self.name.as_str() {
            "AttributeValue" => {
                let of = self.data_type()?;
                let [] = self.only()?;
                match of.read(&self.text) {
                    Some(value) => Ok((Expression::Value(value), of.one())),
                    None => self.refuse("a value that is not of its DataType"),
                }
            }
            "AttributeDesignator" => {
                let (category, id) = (self.attribute("Category")?, self.attribute("AttributeId")?);
                let Some(which) = Attribute::named(category, id) else {
                    return self.refuse(format!("the attribute {id} is not known in {category}"));
                };
                let of = self.data_type()?;
                if which.of() != of {
                    return self.refuse("another DataType than that of the attribute");
                }
                let required = match self.attribute("MustBePresent")? {
                    "true" | "1" => true,
                    "false" | "0" => false,
                    _ => return self.refuse("a MustBePresent that is neither true nor false"),
                };
                Ok((Expression::Attribute { which, required }, of.bag()))
            }
            "Apply" => self.apply(),
            other => self.refuse(format!("{other} instead of an expression")),
        }
    }

    fn apply(&self) -> Parsed<(Expression, Shape)> {
        let id = self.attribute("FunctionId")?;
        if let Some(over) = Over::named(id) {
            return self.over(over);
        }
        let function = self.function()?;
        let (arguments, shapes): (Vec<_>, Vec<_>) = parts(&self.children)?.into_iter().unzip();
        self.check_pattern(function, &arguments)?;
        match function.shape(&shapes) {
            Some(shape) => Ok((Expression::Apply(function, arguments), shape)),
            None => self.refuse(format!("arguments that {id} does not take")),
        }
    }

    /// A function of two, a value and a bag in either order.
    fn over(&self, over: Over) -> Parsed<(Expression, Shape)> {
        let [named, one, other] = self.only()?;
        if named.name != "Function" {
            return named.refuse(format!("{} instead of Function", named.name));
        }
        let function = named.function()?;
        let ((one, first), (other, second)) = (one.expression()?, other.expression()?);
        let members = [first.of.one(), second.of.one()];
        if first.bag == second.bag || function.shape(&members) != Some(Type::Boolean.one()) {
            return self.refuse("arguments that are not a value and a bag for the function");
        }
        let arguments = [one, other];
        self.check_pattern(function, &arguments)?;
        Ok((Expression::Over(over, function, Box::new(arguments)), Type::Boolean.one()))
    }

    fn function(&self) -> Parsed<Function> {
        let id = self.attribute("FunctionId")?;
        match Function::named(id) {
            Some(function) => Ok(function),
            None => self.refuse(format!("the function {id} is not known")),
        }
    }

    /// What will be a pattern must be a good one.
    fn check_pattern(&self, function: Function, arguments: &[Expression]) -> Parsed<()> {
        match (function, arguments) {
            (Function::Matches, [Expression::Value(Value::Text(text)), _]) if pattern(text).is_err() => {
                self.refuse("a pattern that is not understood")
            }
            _ => Ok(()),
        }
    }

    fn data_type(&self) -> Parsed<Type> {
        let id = self.attribute("DataType")?;
        match Type::parse(id) {
            Some(of) => Ok(of),
            None => self.refuse(format!("the DataType {id} is not known")),
        }
    }
}

fn parts(elements: &[Element]) -> Parsed<Vec<(Expression, Shape)>> {
    elements.iter().map(Element::expression).collect()
}
