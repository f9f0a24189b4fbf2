//! From text to rule: first elements, then what they mean.

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::{Attribute, Bag, Compare, Effect, Rule, Test, Text, pattern};

/// The deepest nesting of elements.
const DEPTH: usize = 32;
const STRING: &str = "http://www.w3.org/2001/XMLSchema#string";
const SUBJECT: &str = "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject";

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

fn compare(name: &str) -> Option<Compare> {
    match name {
        "string-equal" => Some(Compare::Equal),
        "string-equal-ignore-case" => Some(Compare::EqualIgnoreCase),
        "string-regexp-match" => Some(Compare::Regexp),
        _ => None,
    }
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

    fn expect(&self, name: &str, value: &str) -> Parsed<()> {
        if self.attribute(name)? == value {
            return Ok(());
        }
        self.refuse(format!("another {name} than {value}"))
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

    fn condition(&self) -> Parsed<Test> {
        let [test] = self.only()?;
        test.test()
    }

    /// The function that an `Apply` or a `Function` names, without what all names begin with.
    fn function(&self, element: &str) -> Parsed<&str> {
        if self.name != element {
            return self.refuse(format!("{} instead of {element}", self.name));
        }
        let id = self.attribute("FunctionId")?;
        let of = |version| id.strip_prefix(version)?.strip_prefix(":function:");
        match (of("urn:oasis:names:tc:xacml:1.0"), of("urn:oasis:names:tc:xacml:3.0")) {
            // XACML 3.0 took these over under new names; the others kept theirs.
            (None, Some(name @ ("any-of" | "string-equal-ignore-case"))) | (Some(name), _) => Ok(name),
            _ => self.refuse(format!("the function {id} is not known")),
        }
    }

    /// Something that holds or does not.
    fn test(&self) -> Parsed<Test> {
        let name = self.function("Apply")?;
        let tests = || self.children.iter().map(Self::test).collect::<Parsed<Vec<_>>>();
        match name {
            "and" => Ok(Test::And(tests()?)),
            "or" => Ok(Test::Or(tests()?)),
            "not" => {
                let [test] = self.only()?;
                Ok(Test::Not(Box::new(test.test()?)))
            }
            "any-of" => {
                let [function, text, bag] = self.only()?;
                let Some(compare) = compare(function.function("Function")?) else {
                    return function.refuse("a function that does not compare two strings");
                };
                let text = text.pattern_for(compare)?;
                Ok(Test::AnyOf(compare, text, bag.bag()?))
            }
            "string-is-in" => {
                let [text, bag] = self.only()?;
                Ok(Test::AnyOf(Compare::Equal, text.text()?, bag.bag()?))
            }
            "string-at-least-one-member-of" => {
                let [one, other] = self.only()?;
                Ok(Test::Overlap(one.bag()?, other.bag()?))
            }
            other => match compare(other) {
                Some(compare) => {
                    let [one, two] = self.only()?;
                    Ok(Test::Compare(compare, one.pattern_for(compare)?, two.text()?))
                }
                None => self.refuse(format!("the function {other} is not known as a condition")),
            },
        }
    }

    /// A text, which must be a good pattern where it will be one.
    fn pattern_for(&self, compare: Compare) -> Parsed<Text> {
        let text = self.text()?;
        match (compare, &text) {
            (Compare::Regexp, Text::Literal(literal)) if pattern(literal).is_err() => {
                self.refuse("a pattern that is not understood")
            }
            _ => Ok(text),
        }
    }

    fn text(&self) -> Parsed<Text> {
        if self.name == "AttributeValue" {
            self.expect("DataType", STRING)?;
            let [] = self.only()?;
            return Ok(Text::Literal(self.text.clone()));
        }
        match self.function("Apply")? {
            "string-one-and-only" => {
                let [bag] = self.only()?;
                Ok(Text::Only(bag.bag()?))
            }
            other => self.refuse(format!("the function {other} is not known as a string")),
        }
    }

    fn bag(&self) -> Parsed<Bag> {
        if self.name != "AttributeDesignator" {
            return match self.function("Apply")? {
                "string-bag" => Ok(Bag::Of(self.children.iter().map(Self::text).collect::<Parsed<_>>()?)),
                other => self.refuse(format!("the function {other} is not known as a bag of strings")),
            };
        }
        self.expect("DataType", STRING)?;
        self.expect("Category", SUBJECT)?;
        let attribute = match self.attribute("AttributeId")? {
            "http://wso2.org/claims/role" => Attribute::Role,
            "http://wso2.org/claims/emailaddress" => Attribute::Email,
            "urn:oasis:names:tc:xacml:1.0:subject:subject-id" => Attribute::Subject,
            other => return self.refuse(format!("the attribute {other} is not known")),
        };
        let required = match self.attribute("MustBePresent")? {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return self.refuse("a MustBePresent that is neither true nor false"),
        };
        Ok(Bag::Attribute { attribute, required })
    }
}
