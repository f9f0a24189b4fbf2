//! The indexes by age and of declared fields, made of the same expressions that the query compiler emits.

use appdepot_core::domain::{Declared, Holds, Kind};
use appdepot_core::query::Path;
use appdepot_core::records::Record;
use appdepot_core::{Error, Result};
use serde_json::Value as Json;

use super::commit::TEXT_LIMIT;
use super::dialect::Dialect;
use super::members;
use super::place::Place;

/// How this field of this kind is declared.
pub(super) fn find(kind: Kind, path: &Path) -> Option<Declared> {
    let spelled = path.to_string();
    kind.declared().iter().copied().find(|declared| declared.path == spelled)
}

/// The statements that make the index by age of each kind, every declared field's, and on PostgreSQL its
/// statistics. They may be run again: the name of an index ends in a digest of its definition, so a changed
/// definition is a new index; what [`members`] keeps is made anew.
///
/// # Errors
/// `Internal` when a declared path is none.
pub(super) fn statements(dialect: Dialect) -> Result<Vec<String>> {
    let mut statements = Vec::new();
    #[cfg(feature = "sqlite")]
    if dialect == Dialect::Sqlite {
        statements.push("ANALYZE sqlite_schema".to_owned());
        statements.push("DELETE FROM sqlite_stat1 WHERE tbl = 'records'".to_owned());
        statements.push(statistics("sqlite_autoindex_records_1", "1000000 200000 100000 1"));
    }
    for kind in Kind::ALL {
        // One for each kind, not one for all: what a planner knows of an index are means, and kinds differ by magnitudes.
        let definition =
            format!("ON records (organization, created_at, id) WHERE kind = '{}'", kind.as_str());
        let name = name(kind, "created at", &definition);
        statements.push(format!("CREATE INDEX IF NOT EXISTS {name} {definition}"));
        #[cfg(feature = "sqlite")]
        if dialect == Dialect::Sqlite {
            statements.push(statistics(&name, "1000000 100000 1 1"));
        }
        for declared in kind.declared() {
            let path =
                Path::parse(declared.path).map_err(|_| Error::internal("a declared path is malformed"))?;
            index(dialect, kind, *declared, &path, &mut statements);
        }
    }
    #[cfg(feature = "sqlite")]
    if dialect == Dialect::Sqlite {
        statements.push("ANALYZE sqlite_schema".to_owned());
    }
    Ok(statements)
}

/// Tells SQLite's planner how many records there are, and how many of them share the first column of an index, the first
/// two, and so on. What it would find out itself are means, and the records that lack a field make its rarest value look
/// common; so it goes by what is said here: organizations have many records, and the value of a field few.
#[cfg(feature = "sqlite")]
fn statistics(index: &str, figures: &str) -> String {
    format!("INSERT INTO sqlite_stat1 VALUES ('records', '{index}', '{figures}')")
}

fn index(dialect: Dialect, kind: Kind, declared: Declared, path: &Path, into: &mut Vec<String>) {
    if declared.holds == Holds::Many {
        for statement in members::statements(dialect, kind, path) {
            if !into.contains(&statement) {
                into.push(statement);
            }
        }
        return;
    }
    let word = kind.as_str();
    let columns = Place::declared(dialect, path).sort_columns();
    let list: Vec<&str> = columns.iter().map(super::dialect::Fragment::as_sql).collect();
    // Both the order by this field and, among those with one value, the order by age.
    let definition =
        format!("ON records (organization, {}, created_at, id) WHERE kind = '{word}'", list.join(", "));
    let index = name(kind, declared.path, &definition);
    into.push(format!("CREATE INDEX IF NOT EXISTS {index} {definition}"));
    match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => into.push(statistics(
            &index,
            match declared.holds {
                Holds::Number => "1000000 100000 100000 100000 1000 1 1",
                Holds::Word => "1000000 100000 100000 20000 20000 1 1",
                Holds::Text | Holds::Many => "1000000 100000 100000 100 100 1 1",
            },
        )),
        // Without them the planner takes every comparison with an expression to select half a percent.
        #[cfg(feature = "postgres")]
        Dialect::Postgres => {
            let definition = format!("ON kind, {} FROM records", list.join(", "));
            into.push(format!(
                "CREATE STATISTICS IF NOT EXISTS {}_s {definition}",
                name(kind, declared.path, &definition)
            ));
        }
    }
}

/// What an index of this kind with this definition is called.
pub(super) fn name(kind: Kind, path: &str, definition: &str) -> String {
    let digest = super::cursor::digest(definition.as_bytes());
    let readable = path.replace(['.', '-', ' '], "_").to_ascii_lowercase();
    format!("declared_{}_{readable:.32}_{digest:.8}", kind.as_str())
}

/// The query for what was made on the table of records, by this definition or an earlier one: the name of each, and
/// the statement that drops it. What others keep in the same database is none of ours, whatever it is called.
pub(super) fn made(dialect: Dialect) -> &'static str {
    match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => {
            r#"SELECT name, printf('DROP %s "%w"', type, name) FROM sqlite_schema WHERE tbl_name = 'records'
               AND (type = 'index' AND name GLOB 'declared_*' OR type = 'trigger' AND name GLOB 'members_*')
               UNION ALL
               SELECT name, printf('DROP TABLE IF EXISTS "%w"', substr(name, 1, length(name) - length('_insert')))
               FROM sqlite_schema WHERE tbl_name = 'records' AND type = 'trigger' AND name GLOB 'members_*_insert'"#
        }
        #[cfg(feature = "postgres")]
        Dialect::Postgres => {
            "SELECT relname::text, format('DROP INDEX %s', oid::regclass) FROM pg_class JOIN pg_index \
             ON indexrelid = oid WHERE indrelid = 'records'::regclass AND starts_with(relname, 'declared_') \
             UNION ALL \
             SELECT stxname::text, format('DROP STATISTICS %s.%I', stxnamespace::regnamespace, stxname) \
             FROM pg_statistic_ext \
             WHERE stxrelid = 'records'::regclass AND starts_with(stxname, 'declared_')"
        }
    }
}

/// Checks that the declared fields of a record hold what they are declared to hold, so far as indexes and filters
/// rely on it.
///
/// # Errors
/// `Internal` when there is a list where a single value is declared, `Invalid` for a text that is too long.
pub(super) fn check(record: &Record) -> Result<()> {
    for declared in record.kind.declared().iter().filter(|declared| declared.holds != Holds::Many) {
        let mut json = Some(&record.body);
        for name in declared.path.split('.') {
            json = json.and_then(|json| json.get(name));
            if json.is_some_and(Json::is_array) {
                return Err(Error::internal("a list where a single value is declared"));
            }
        }
        if json.and_then(Json::as_str).is_some_and(|text| text.len() > TEXT_LIMIT) {
            return Err(Error::invalid(declared.path, format!("longer than {TEXT_LIMIT} bytes")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(feature = "sqlite", feature = "postgres"))]
    fn names_are_distinct_and_short_enough() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let statements = statements(dialect).unwrap();
            let made = statements.iter().filter_map(|statement| statement.strip_prefix("CREATE "));
            let named = |made: &'_ str| {
                let after = made.split_once("EXISTS ").map_or(made, |(_, name)| name);
                after
                    .trim_start_matches("TABLE ")
                    .trim_start_matches("TRIGGER ")
                    .split(' ')
                    .next()
                    .map(str::to_owned)
            };
            let mut names: Vec<String> = made.filter_map(named).collect();
            assert!(names.iter().all(|name| name.len() <= 63), "{names:?}");
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }
}
