//! What every [`Conditions`] does. Each has a language of its own, so whoever runs the cases says a few things in it.

use std::sync::Arc;

use super::{Outcome, cases, holds, refused};
use crate::ErrorKind;
use crate::authorize::{Person, Subject};
use crate::conditions::{Conditions, Facts};
use crate::domain::Timestamp;

/// Conditions, and how some things are said in their language.
#[derive(Debug, Clone)]
pub struct Language {
    /// Who reads it.
    pub conditions: Arc<dyn Conditions>,
    /// Permits everyone.
    pub everyone: String,
    /// Permits who is in the group [`NAME`].
    pub group: String,
    /// Permits who was given the role [`NAME`].
    pub role: String,
    /// Nothing that is understood.
    pub nonsense: String,
}

/// What both a group and a role are called.
pub const NAME: &str = "org.viewer";

cases! { Language:
    what_is_for_everyone_permits_anyone
    a_group_is_no_role_and_a_role_no_group
    what_is_not_understood_is_refused_and_permits_nobody
    what_breaks_off_permits_nobody_unless_it_is_understood
    what_is_endless_is_answered
}

fn facts(groups: &[&str], roles: &[&str]) -> crate::Result<Facts> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Ok(Facts {
        subject: Subject::user("ada")?,
        person: Person::default(),
        groups: names(groups),
        roles: names(roles),
        at: Timestamp::now(),
    })
}

async fn what_is_for_everyone_permits_anyone(language: Language) -> Outcome {
    language.conditions.check(&language.everyone)?;
    let permitted = language.conditions.permits(&language.everyone, &facts(&[], &[])?);
    holds("somebody without groups and roles is permitted", permitted)
}

async fn a_group_is_no_role_and_a_role_no_group(language: Language) -> Outcome {
    for (text, by_group, by_role) in [(&language.group, true, false), (&language.role, false, true)] {
        language.conditions.check(text)?;
        let permits = |groups: &[&str], roles: &[&str]| {
            Ok::<_, crate::Error>(language.conditions.permits(text, &facts(groups, roles)?))
        };
        holds("by the group", permits(&[NAME], &["other"])? == by_group)?;
        holds("by the role", permits(&["other"], &[NAME])? == by_role)?;
        holds("by neither", !permits(&["other"], &["other"])?)?;
        holds("by both", permits(&[NAME], &[NAME])?)?;
    }
    Ok(())
}

async fn what_is_not_understood_is_refused_and_permits_nobody(language: Language) -> Outcome {
    refused("the check", language.conditions.check(&language.nonsense), ErrorKind::Invalid)?;
    holds("nobody is permitted", !language.conditions.permits(&language.nonsense, &facts(&[NAME], &[NAME])?))
}

async fn what_breaks_off_permits_nobody_unless_it_is_understood(language: Language) -> Outcome {
    let ada = facts(&[NAME], &[NAME])?;
    for text in [&language.everyone, &language.group, &language.role] {
        for (end, _) in text.char_indices() {
            let part = text.get(..end).unwrap_or_default();
            let permitted = language.conditions.permits(part, &ada);
            holds(part, !permitted || language.conditions.check(part).is_ok())?;
        }
    }
    Ok(())
}

async fn what_is_endless_is_answered(language: Language) -> Outcome {
    let ada = facts(&[NAME], &[NAME])?;
    for text in [language.nonsense.repeat(10_000), language.group.repeat(1_000)] {
        let understood = language.conditions.check(&text).is_ok();
        holds("what is refused permits nobody", understood || !language.conditions.permits(&text, &ada))?;
    }
    Ok(())
}
