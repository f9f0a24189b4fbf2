//! References of a manifest followed into the resource table.

use appdepot_core::inspect::Problem;

use super::arsc::{Found, Table};
use super::axml::Value;
use super::config::Locale;
use super::manifest::Declared;
use crate::error::{Anomaly, Code};
use crate::fields::Fields;
use crate::reader::Reader;

/// A text in the default language and where it differs in others.
#[derive(Debug, Default)]
pub(super) struct Localized {
    pub(super) default: Option<String>,
    /// Tag and text for every locale the table knows.
    pub(super) others: Vec<(String, String)>,
}

/// The resource table of a package, if it has one that can be read.
#[derive(Debug, Default)]
pub(super) struct Resources {
    pub(super) table: Option<Table>,
}

impl Resources {
    /// The text of a declared value.
    ///
    /// # Errors
    /// Limits and errors of reading.
    pub(super) async fn text(
        &mut self,
        reader: &mut Reader<'_>,
        declared: &Option<Declared<'_>>,
    ) -> Result<Option<String>, Problem> {
        Ok(match declared {
            None => None,
            Some(Declared::Text(text)) => Some(reader.label(text)),
            Some(Declared::Number(number)) => Some(number.to_string()),
            Some(Declared::Float(bits)) => Some(f32::from_bits(*bits).to_string()),
            Some(Declared::Reference(resource)) => {
                let text = self.default_text(reader, *resource, Locale::default()).await?;
                if text.is_none() {
                    reader.note(Anomaly::UnresolvedReference);
                }
                text.map(|text| reader.label(&text))
            }
        })
    }

    /// The number of a declared value.
    ///
    /// # Errors
    /// Limits and errors of reading.
    pub(super) async fn number(
        &mut self,
        reader: &mut Reader<'_>,
        declared: &Option<Declared<'_>>,
    ) -> Result<Option<i32>, Problem> {
        Ok(match declared {
            Some(Declared::Number(number)) => Some(*number),
            Some(Declared::Text(text)) => text.parse().ok(),
            Some(Declared::Reference(resource)) => {
                let value = self.resolve(reader, *resource, Locale::default()).await?;
                match value.map(|value| (value.integer(), value)) {
                    Some((Some(number), _)) => Some(number),
                    Some((None, value)) => {
                        self.value_text(reader, value).await?.and_then(|text| text.parse().ok())
                    }
                    None => None,
                }
            }
            Some(Declared::Float(_)) | None => None,
        })
    }

    /// The truth of a declared value, as Android takes it: any number but zero, and `1`, `true`, `TRUE`.
    ///
    /// # Errors
    /// Limits and errors of reading.
    pub(super) async fn boolean(
        &mut self,
        reader: &mut Reader<'_>,
        declared: &Option<Declared<'_>>,
    ) -> Result<bool, Problem> {
        let is_true = |text: &str| matches!(text, "1" | "true" | "TRUE");
        Ok(match declared {
            Some(Declared::Number(number)) => *number != 0,
            Some(Declared::Text(text)) => is_true(text),
            Some(Declared::Reference(resource)) => {
                match self.resolve(reader, *resource, Locale::default()).await? {
                    Some(value) if value.kind == Value::STRING => {
                        self.value_text(reader, value).await?.is_some_and(|text| is_true(&text))
                    }
                    value => value.and_then(Value::integer).is_some_and(|number| number != 0),
                }
            }
            Some(Declared::Float(_)) | None => false,
        })
    }

    /// The text of a declared value in every language.
    ///
    /// # Errors
    /// Limits and errors of reading.
    pub(super) async fn localized(
        &mut self,
        reader: &mut Reader<'_>,
        declared: &Option<Declared<'_>>,
    ) -> Result<Localized, Problem> {
        let mut result = Localized { default: self.text(reader, declared).await?, others: Vec::new() };
        if !reader.wants(Fields::TRANSLATIONS) {
            return Ok(result);
        }
        let Some(Declared::Reference(resource)) = declared else { return Ok(result) };
        let Some(locales) = self.table.as_ref().map(Table::locales) else { return Ok(result) };
        let mut resource = *resource;
        let mut values = Vec::new();
        for _ in 0..reader.limits().hops {
            values = self.values(reader, resource).await?;
            // a plain alias for one resource: the languages are there
            match values.as_slice() {
                [Found { value, .. }] if value.reference().is_some_and(|next| next != resource) => {
                    resource = value.reference().unwrap_or(resource);
                }
                _ => break,
            }
        }
        // most languages share the default or have one text for all their regions
        let mut known: Vec<(Value, Option<String>)> = Vec::new();
        for locale in locales.into_iter().filter(|locale| !locale.is_default()).take(reader.limits().values) {
            let Some(value) = best(&values, locale) else { continue };
            let text = match known.iter().find(|(seen, _)| *seen == value && value.reference().is_none()) {
                Some((_, text)) => text.clone(),
                None => {
                    let text = match value.reference() {
                        Some(next) => self.default_text(reader, next, locale).await?,
                        None => self.value_text(reader, value).await?,
                    };
                    let text = text.map(|text| reader.text(&text));
                    known.push((value, text.clone()));
                    text
                }
            };
            if let Some(text) = text {
                reader.charge_string(text.len())?;
                result.others.push((locale.tag(), text));
            }
        }
        Ok(result)
    }

    /// The values of a declared file by density, in the order of the table; see [`value_text`](Self::value_text).
    ///
    /// # Errors
    /// Limits and errors of reading.
    pub(super) async fn files(
        &mut self,
        reader: &mut Reader<'_>,
        mut resource: u32,
    ) -> Result<Vec<(u16, Value)>, Problem> {
        let mut files = Vec::new();
        for _ in 0..reader.limits().hops {
            let mut next = None;
            for Found { config, value } in self.values(reader, resource).await? {
                if let Some(reference) = value.reference() {
                    next = next.or(Some(reference));
                } else if value.kind == Value::STRING || value.integer().is_some() {
                    files.push((config.density, value));
                }
            }
            match next {
                Some(next) if files.is_empty() => resource = next,
                _ => break,
            }
        }
        Ok(files)
    }

    async fn default_text(
        &mut self,
        reader: &mut Reader<'_>,
        resource: u32,
        locale: Locale,
    ) -> Result<Option<String>, Problem> {
        match self.resolve(reader, resource, locale).await? {
            Some(value) => self.value_text(reader, value).await,
            None => Ok(None),
        }
    }

    /// The value a resource comes to; at most [`Limits::hops`](crate::Limits::hops) references are followed, so a
    /// cycle comes to nothing.
    async fn resolve(
        &mut self,
        reader: &mut Reader<'_>,
        mut resource: u32,
        locale: Locale,
    ) -> Result<Option<Value>, Problem> {
        for _ in 0..reader.limits().hops {
            let Some(value) = self.best(reader, resource, locale).await? else { return Ok(None) };
            match value.reference() {
                Some(next) => resource = next,
                None => return Ok(Some(value)),
            }
        }
        Ok(None)
    }

    async fn values(&mut self, reader: &mut Reader<'_>, resource: u32) -> Result<Vec<Found>, Problem> {
        let Some(table) = &mut self.table else { return Ok(Vec::new()) };
        let values = table.values(reader, resource).await;
        self.within_patience(reader, values)
    }

    async fn best(
        &mut self,
        reader: &mut Reader<'_>,
        resource: u32,
        locale: Locale,
    ) -> Result<Option<Value>, Problem> {
        let Some(table) = &mut self.table else { return Ok(None) };
        let value = table.best(reader, resource, locale).await;
        self.within_patience(reader, value)
    }

    /// A table too large to search gives no label; it is no reason to refuse the package.
    fn within_patience<T: Default>(
        &mut self,
        reader: &mut Reader<'_>,
        result: Result<T, Problem>,
    ) -> Result<T, Problem> {
        match result {
            Err(problem) if Code::LimitEntries.is(&problem) => {
                reader.note(Anomaly::ResourcesInvalid);
                self.table = None;
                Ok(T::default())
            }
            other => other,
        }
    }

    /// The text of a value that is no reference.
    ///
    /// # Errors
    /// Limits and errors of reading.
    pub(super) async fn value_text(
        &self,
        reader: &mut Reader<'_>,
        value: Value,
    ) -> Result<Option<String>, Problem> {
        if value.kind == Value::STRING {
            return match &self.table {
                Some(table) => table.string(reader, value.data).await,
                None => Ok(None),
            };
        }
        Ok(value.integer().map(|number| number.to_string()))
    }
}

/// The value that fits a locale best; of equals the first.
fn best(values: &[Found], locale: Locale) -> Option<Value> {
    values.iter().rev().max_by_key(|found| found.config.fit(locale)).map(|found| found.value)
}
