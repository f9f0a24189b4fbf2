//! The indexes over the members of declared lists.
//!
//! PostgreSQL indexes the members of a JSON list itself. SQLite cannot, so there they are kept in a table of their
//! own, one per declared list, which triggers keep in step with the records.

#[cfg(feature = "sqlite")]
use appdepot_core::domain::Holds;
use appdepot_core::domain::Kind;
#[cfg(feature = "sqlite")]
use appdepot_core::query::{Condition, Field};
use appdepot_core::query::{Op, Path, Query, Value};
#[cfg(feature = "sqlite")]
use sea_query::{Expr, SelectStatement};
use serde_json::Value as Json;

use super::dialect::{Dialect, Fragment};
#[cfg(feature = "sqlite")]
use super::{declared, place};

/// Where SQLite keeps the members of a declared list. Its columns have other names than those of `records`, so that
/// neither has to be qualified.
#[cfg(feature = "sqlite")]
pub(super) struct Members {
    table: String,
    value: String,
}

#[cfg(feature = "sqlite")]
impl Members {
    /// What the age and the id of the record are called.
    pub(super) const MADE_AT: &str = "made_at";
    pub(super) const RECORD: &str = "record";

    /// Where the records are found that `query` selects, when all it asks for is one member of a declared list. They
    /// come out by age without being sorted, however many there are.
    pub(super) fn of(query: &Query) -> Option<Self> {
        let ([clause], None) = (query.clauses.as_slice(), &query.shared) else { return None };
        let [Condition { field: Field::Body(path), op: Op::Eq(Value::Text(value)) }] = clause.any.as_slice()
        else {
            return None;
        };
        let listed = declared::find(query.kind, path).is_some_and(|declared| declared.holds == Holds::Many);
        listed.then(|| Self { table: table(query.kind, path), value: value.clone() })
    }

    /// Reads the members in question.
    pub(super) fn select(&self, query: &Query, select: &mut SelectStatement) {
        let tenant = Fragment::new(Dialect::Sqlite).sql("tenant = ").bind(query.organization.to_string());
        let value = Fragment::new(Dialect::Sqlite).sql("value = ").bind(self.value.as_str());
        select.from(self.table.clone()).and_where(tenant.into_expr()).and_where(value.into_expr());
    }

    /// Adds the record that each belongs to. A cross join keeps the order in which they are read.
    pub(super) fn join(query: &Query, select: &mut SelectStatement) {
        let on =
            format!("organization = tenant AND kind = '{}' AND id = {}", query.kind.as_str(), Self::RECORD);
        select.cross_join("records").and_where(Expr::cust(on));
    }
}

/// A condition that the index of a declared list answers, and that every record with such a member satisfies;
/// `None` when the index is of no use.
pub(super) fn indexed(dialect: Dialect, query: &Query, path: &Path, op: &Op) -> Option<Fragment> {
    let values = match op {
        Op::Eq(value) => std::slice::from_ref(value),
        Op::In(values) if !values.is_empty() => values,
        _ => return None,
    };
    let texts: Option<Vec<Json>> = values
        .iter()
        .map(|value| match value {
            Value::Text(text) => Some(Json::from(text.as_str())),
            _ => None,
        })
        .collect();
    let (texts, start) = (texts?, Fragment::new(dialect));
    match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => Some(
            start
                .sql("id IN (SELECT record FROM ")
                .sql(&table(query.kind, path))
                .sql(" WHERE tenant IN (")
                .bind_all(query.organizations().map(|organization| organization.to_string()))
                .sql(") AND value IN (SELECT value FROM json_each(")
                .bind(Json::from(texts).to_string())
                .sql(")))"),
        ),
        #[cfg(feature = "postgres")]
        Dialect::Postgres => {
            let tests: Vec<String> = texts.iter().map(|text| format!("@ == {text}")).collect();
            let (first, rest) = path.names().split_first()?;
            let steps: String = rest.iter().map(|name| format!(".\"{name}\"")).collect();
            let filter = format!("${steps} ? ({})", tests.join(" || "));
            // The name is a declared field's, a constant of core.
            Some(start.sql("(body -> '").sql(first).sql("') @? ").bind(filter).sql("::jsonpath"))
        }
    }
}

/// The statements that make the index of a declared list anew.
pub(super) fn statements(dialect: Dialect, kind: Kind, path: &Path) -> Vec<String> {
    match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => {
            let (table, kind) = (table(kind, path), kind.as_str());
            let members = |record: &str| {
                let rows = sqlite_rows(&format!("{record}.body"), path, false);
                format!("FROM {} WHERE e.type = 'text'", rows.as_sql())
            };
            let insert = |record: &str| {
                format!(
                    "INSERT OR IGNORE INTO {table} \
                     SELECT {record}.organization, e.value, {record}.created_at, {record}.id"
                )
            };
            let delete = format!(
                "DELETE FROM {table} WHERE tenant = old.organization AND made_at = old.created_at \
                 AND record = old.id AND value IN (SELECT e.value {})",
                members("old")
            );
            let trigger = |event: &str, when: &str, on: &str, action: &str| {
                format!(
                    "CREATE TRIGGER {table}_{event} AFTER {on} ON records WHEN {when}.kind = '{kind}' \
                     BEGIN {action}; END"
                )
            };
            let add = format!("{} {}", insert("new"), members("new"));
            let existing = members("records").replacen("FROM ", "FROM records, ", 1);
            vec![
                format!("DROP TRIGGER IF EXISTS {table}_insert"),
                format!("DROP TRIGGER IF EXISTS {table}_update"),
                format!("DROP TRIGGER IF EXISTS {table}_delete"),
                format!("DROP TABLE IF EXISTS {table}"),
                format!(
                    "CREATE TABLE {table} (tenant TEXT NOT NULL, value TEXT NOT NULL, made_at INTEGER NOT NULL, \
                     record TEXT NOT NULL, PRIMARY KEY (tenant, value, made_at, record)) STRICT, WITHOUT ROWID"
                ),
                format!("{} {existing} AND records.kind = '{kind}'", insert("records")),
                trigger("insert", "new", "INSERT", &add),
                trigger("update", "new", "UPDATE OF body, created_at", &format!("{delete}; {add}")),
                trigger("delete", "old", "DELETE", &delete),
            ]
        }
        // One for all paths that start alike.
        #[cfg(feature = "postgres")]
        Dialect::Postgres => {
            let (first, word) = (path.names().first().map_or("", String::as_str), kind.as_str());
            let definition =
                format!("ON records USING gin ((body -> '{first}') jsonb_path_ops) WHERE kind = '{word}'");
            let name = super::declared::name(kind, first, &definition);
            vec![format!("CREATE INDEX IF NOT EXISTS {name} {definition}")]
        }
    }
}

#[cfg(feature = "sqlite")]
fn table(kind: Kind, path: &Path) -> String {
    format!("members_{}_{}", kind.as_str(), path.names().join("_").replace('-', "_")).to_ascii_lowercase()
}

/// The values at a path of the JSON column `body` as rows `e`: an array is opened before each step and at the end,
/// one level each. Names are bound, unless they are a declared field's and the place takes no values.
#[cfg(feature = "sqlite")]
pub(super) fn sqlite_rows(body: &str, path: &Path, bind: bool) -> Fragment {
    let start = || Fragment::new(Dialect::Sqlite);
    let mut rows = start();
    for (at, name) in path.names().iter().enumerate() {
        let step = place::sqlite_path(std::slice::from_ref(name));
        let step = match bind {
            true => start().bind(step),
            false => start().sql(&format!("'{step}'")),
        };
        let value = match at {
            0 => start().sql(body).sql(" -> ").with(&step),
            _ => {
                let before = format!("e{at}");
                let value = start().sql("CASE WHEN ").sql(&before).sql(".type = 'object' THEN ");
                value.sql(&before).sql(".value -> ").with(&step).sql(" END")
            }
        };
        let last = at + 1 == path.names().len();
        rows = rows.sql(if at == 0 { "" } else { ", " }).sql("json_each(CASE json_type(").with(&value);
        rows = rows.sql(") WHEN 'array' THEN ").with(&value).sql(" ELSE '[' || (").with(&value);
        rows = rows.sql(") || ']' END) AS e").sql(&if last { String::new() } else { (at + 1).to_string() });
    }
    rows
}
