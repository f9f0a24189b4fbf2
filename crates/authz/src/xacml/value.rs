//! Types and values.

/// A primitive type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Boolean,
    Integer,
    Time,
}

/// What an expression is: a value of a type, or a bag of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) of: Type,
    pub(super) bag: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Text(String),
    Boolean(bool),
    Integer(i64),
    /// Milliseconds since midnight, UTC.
    Time(i64),
    Bag(Vec<Value>),
}

/// What cannot be decided: XACML's `Indeterminate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Indeterminate;

const MINUTE: i64 = 60_000;
pub(super) const DAY: i64 = 24 * 60 * MINUTE;

impl Type {
    /// By the URI of XML Schema.
    pub(super) fn parse(uri: &str) -> Option<Self> {
        Self::named(uri.strip_prefix("http://www.w3.org/2001/XMLSchema#")?)
    }

    /// By the word that functions begin with.
    pub(super) fn named(word: &str) -> Option<Self> {
        Some(match word {
            "string" => Self::Text,
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "time" => Self::Time,
            _ => return None,
        })
    }

    pub(super) fn one(self) -> Shape {
        Shape { of: self, bag: false }
    }

    pub(super) fn bag(self) -> Shape {
        Shape { of: self, bag: true }
    }

    /// The value that `text` spells.
    pub(super) fn read(self, text: &str) -> Option<Value> {
        Some(match self {
            Self::Text => Value::Text(text.to_owned()),
            Self::Boolean => Value::Boolean(match text.trim() {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return None,
            }),
            Self::Integer => Value::Integer(text.trim().parse().ok()?),
            Self::Time => Value::Time(time(text.trim())?),
        })
    }
}

/// `hh:mm:ss`, a fraction if need be, and a zone, UTC unless said.
fn time(text: &str) -> Option<i64> {
    let number = |digits: &str, below: i64| {
        let good = digits.len() == 2 && digits.bytes().all(|c| c.is_ascii_digit());
        digits.parse().ok().filter(|value: &i64| good && *value < below)
    };
    let (clock, rest) = text.split_at_checked(8)?;
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let mut millis = (number(hours, 24)? * 60 + number(minutes, 60)?) * MINUTE + number(seconds, 60)? * 1_000;
    let mut zone = rest;
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
        let (digits, after) = fraction.split_at(end);
        let mut padded: String = digits.chars().take(3).collect();
        if padded.is_empty() {
            return None;
        }
        while padded.len() < 3 {
            padded.push('0');
        }
        millis += padded.parse::<i64>().ok()?;
        zone = after;
    }
    let offset = match zone.split_at_checked(1) {
        None => 0,
        Some(("Z", "")) => 0,
        Some((sign @ ("+" | "-"), offset)) => {
            let (hours, minutes) = offset.split_once(':')?;
            let minutes = number(hours, 15)? * 60 + number(minutes, 60)?;
            if sign == "+" { minutes } else { -minutes }
        }
        Some(_) => return None,
    };
    Some((millis - offset * MINUTE).rem_euclid(DAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_zone() {
        assert_eq!(time("00:00:00"), Some(0));
        assert_eq!(time("23:59:59.999Z"), Some(DAY - 1));
        assert_eq!(time("01:30:00+02:00"), Some(23 * 60 * MINUTE + 30 * MINUTE));
        assert_eq!(time("12:00:00.5-01:00"), Some(13 * 60 * MINUTE + 500));
        for bad in [
            "",
            "1:00:00",
            "24:00:00",
            "00:60:00",
            "00:00:00.",
            "00:00:00X",
            "00:00:00+2",
            "00:00:+1",
            "é0:00:00",
        ] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}
