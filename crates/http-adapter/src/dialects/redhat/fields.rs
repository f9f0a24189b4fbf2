//! What a request says, whichever way it says it.

use appdepot_core::domain::Id;
use appdepot_core::{Error, Result};
use serde_json::{Map, Value};

use super::fault::Fault;
use super::words::{self, Target};
use crate::wire::{form, json};

/// The members of a request: of its query string and, over those, of its body.
///
/// Clients send numbers where a text looks like one, truths as texts, and members nobody asked for: scalars stand for
/// each other, and what is unknown is ignored.
#[derive(Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a query string and a body; an empty body says nothing.
    ///
    /// # Errors
    /// `Invalid` for a body that is not a JSON object.
    pub(super) fn read(query: Option<&str>, body: &[u8]) -> Result<Self> {
        let pairs = form::pairs(query.unwrap_or_default())?;
        let mut members: Map<String, Value> =
            pairs.into_iter().map(|(name, value)| (name, value.into())).collect();
        if !body.trim_ascii().is_empty() {
            let body: Map<String, Value> = json::parse(body)?;
            // An older client wraps what it says.
            let said = match body.get("payload") {
                Some(Value::Object(payload)) if body.len() == 1 => payload.clone(),
                _ => body,
            };
            members.extend(said);
        }
        Ok(Self(members))
    }

    /// These members and no others.
    pub(super) fn of<const N: usize>(members: [(&str, String); N]) -> Self {
        Self(members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
    }

    /// A text; `None` when it is absent or null.
    ///
    /// # Errors
    /// `Invalid` for a list or an object.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>> {
        self.0.get(name).map_or(Ok(None), |value| scalar(name, value))
    }

    /// The first of these names that is there; an empty text counts as absent.
    pub(super) fn any(&self, names: &[&'static str]) -> Result<Option<String>> {
        for name in names {
            if let Some(text) = self.text(name)?.filter(|text| !text.is_empty()) {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// A text that must be there.
    pub(super) fn required(&self, name: &'static str) -> Result<String> {
        self.any(&[name])?.ok_or_else(|| Error::invalid(name, "is required"))
    }

    /// Yes or no; `None` when it is absent, null or empty.
    pub(super) fn flag(&self, name: &'static str) -> Result<Option<bool>> {
        match self.text(name)?.as_deref() {
            None | Some("") => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(Error::invalid(name, "must be true or false")),
        }
    }

    /// A list of texts; a lone scalar is a list of one.
    pub(super) fn list(&self, name: &'static str) -> Result<Option<Vec<String>>> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(members)) => {
                let texts = members.iter().map(|member| scalar(name, member));
                Ok(Some(texts.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect()))
            }
            Some(one) => Ok(scalar(name, one)?.filter(|text| !text.is_empty()).map(|text| vec![text])),
        }
    }

    /// An object; `None` when it is absent or null.
    pub(super) fn object(&self, name: &'static str) -> Result<Option<Map<String, Value>>> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members.clone())),
            Some(_) => Err(Error::invalid(name, "must be an object")),
        }
    }

    /// The id that the guid under this name spells.
    pub(super) fn id<K>(&self, name: &'static str) -> Result<Id<K>, Fault> {
        let guid = self.text(name)?.unwrap_or_default();
        words::id(&guid).ok_or_else(Fault::guid)
    }

    /// The ids under this name.
    pub(super) fn ids<K>(&self, name: &'static str) -> Result<Option<Vec<Id<K>>>, Fault> {
        let Some(guids) = self.list(name)? else { return Ok(None) };
        let ids = guids.iter().map(|guid| words::id(guid).ok_or_else(Fault::guid));
        Ok(Some(ids.collect::<Result<_, _>>()?))
    }

    /// The binary type under this name.
    pub(super) fn target(&self, name: &'static str) -> Result<Target, Fault> {
        let word = self.text(name)?.unwrap_or_default();
        Target::parse(&word).ok_or_else(Fault::binary_type)
    }
}

impl From<Map<String, Value>> for Fields {
    fn from(members: Map<String, Value>) -> Self {
        Self(members)
    }
}

fn scalar(name: &'static str, value: &Value) -> Result<Option<String>> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(truth) => Ok(Some(truth.to_string())),
        Value::Array(_) | Value::Object(_) => Err(Error::invalid(name, "must be a text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_stand_for_each_other() {
        let fields = Fields::read(
            Some("a=1&guid=x"),
            br#"{"p":12345,"t":"true","f":false,"n":null,"l":[1,"b"],"one":"c","a":"2"}"#,
        )
        .unwrap();
        assert_eq!(fields.text("p").unwrap().as_deref(), Some("12345"));
        assert_eq!((fields.flag("t").unwrap(), fields.flag("f").unwrap()), (Some(true), Some(false)));
        assert_eq!(fields.text("n").unwrap(), None);
        assert_eq!(fields.list("l").unwrap().unwrap(), ["1", "b"]);
        assert_eq!(fields.list("one").unwrap().unwrap(), ["c"]);
        assert_eq!(fields.text("a").unwrap().as_deref(), Some("2"), "the body counts");
        assert_eq!(fields.text("guid").unwrap().as_deref(), Some("x"));
        assert!(fields.text("l").is_err() && fields.flag("p").is_err());
    }

    #[test]
    fn bodies_may_be_empty_or_wrapped_and_must_be_objects() {
        assert_eq!(Fields::read(None, b" \n").unwrap().0.len(), 0);
        let wrapped = Fields::read(None, br#"{"payload":{"guid":"g"}}"#).unwrap();
        assert_eq!(wrapped.text("guid").unwrap().as_deref(), Some("g"));
        for bad in ["[]", "1", "{", "{\"a\":1,}", "{'a':1}"] {
            assert!(Fields::read(None, bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
