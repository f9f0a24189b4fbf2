//! Where a value is found, and the SQL that reads it there.
//!
//! Both engines compare across types in their own ways, so a value is taken apart: its *rank* (the place of its
//! type in the order of [`SortKey`](appdepot_core::query::SortKey)) and its number and text, which are never
//! null. The same three expressions make up the indexes, the filters and the sort order.

use appdepot_core::query::Path;

use super::dialect::{Dialect, Fragment};

/// No value that can be compared: null, absent, an array or an object.
pub(super) const ABSENT: i64 = 0;
/// True or false.
pub(super) const BOOLEAN: i64 = 1;
/// A number.
pub(super) const NUMBER: i64 = 2;
/// A text.
pub(super) const TEXT: i64 = 3;

/// The SQL that reads one value of a JSON document.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// One of the ranks.
    pub(super) rank: Fragment,
    /// The number, or 0 and 1 for a boolean; 0 for others.
    pub(super) number: Fragment,
    /// The text; empty for others. On SQLite, which compares any two values, the same as `number`.
    pub(super) text: Fragment,
    /// The number as an integer, or null when it is not spelled as one that fits 64 bits.
    pub(super) integer: Fragment,
    /// Whether there is a value at all, null included.
    pub(super) present: Fragment,
    /// Whether there is a value other than null.
    pub(super) given: Fragment,
    /// Whether there is a value that is neither null nor empty.
    pub(super) filled: Fragment,
}

impl Place {
    /// A path that goes through no arrays, spelled with constants: the names are a declared field's.
    pub(super) fn declared(dialect: Dialect, path: &Path) -> Self {
        let names = path.names();
        match dialect {
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => {
                Self::sqlite(&Fragment::constant(dialect, &format!("'{}'", sqlite_path(names))))
            }
            #[cfg(feature = "postgres")]
            Dialect::Postgres => {
                let steps: String = names.iter().map(|name| format!(" -> '{name}'")).collect();
                Self::postgres(&Fragment::constant(dialect, &format!("(body{steps})")))
            }
        }
    }

    /// A path that goes through no arrays, with bound names.
    pub(super) fn bound(dialect: Dialect, path: &Path) -> Self {
        let names = path.names();
        match dialect {
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => Self::sqlite(&Fragment::new(dialect).bind(sqlite_path(names))),
            #[cfg(feature = "postgres")]
            Dialect::Postgres => {
                let start = Fragment::new(dialect).sql("(body");
                let steps = names.iter().fold(start, |json, name| json.sql(" -> ").bind(name.as_str()));
                Self::postgres(&steps.sql(")"))
            }
        }
    }

    /// A column that holds a text.
    pub(super) fn text_column(dialect: Dialect, column: &'static str) -> Self {
        let part = |sql| Fragment::constant(dialect, sql);
        Self {
            text: part(column),
            number: part("0"),
            integer: part("CAST(NULL AS bigint)"),
            ..Self::column(dialect, "3")
        }
    }

    /// A column that holds an integer.
    pub(super) fn integer_column(dialect: Dialect, column: &'static str) -> Self {
        let real = format!("CAST({column} AS double precision)");
        Self {
            number: Fragment::constant(dialect, &real),
            integer: Fragment::constant(dialect, column),
            ..Self::column(dialect, "2")
        }
    }

    fn column(dialect: Dialect, rank: &'static str) -> Self {
        let part = |sql| Fragment::constant(dialect, sql);
        Self {
            rank: part(rank),
            number: part("0"),
            text: part("''"),
            integer: part("0"),
            present: part("(1 = 1)"),
            given: part("(1 = 1)"),
            filled: part("(1 = 1)"),
        }
    }

    #[cfg(feature = "sqlite")]
    fn sqlite(path: &Fragment) -> Self {
        let start = || Fragment::new(path.dialect());
        let kind = start().sql("json_type(body, ").with(path).sql(")");
        let value = start().sql("json_extract(body, ").with(path).sql(")");
        Self::sqlite_parts(&kind, &value)
    }

    /// A row of `json_each`, named `e`.
    #[cfg(feature = "sqlite")]
    pub(super) fn sqlite_element(dialect: Dialect) -> Self {
        let part = |sql| Fragment::constant(dialect, sql);
        Self::sqlite_parts(&part("e.type"), &part("e.value"))
    }

    #[cfg(feature = "sqlite")]
    fn sqlite_parts(kind: &Fragment, value: &Fragment) -> Self {
        let start = || Fragment::new(kind.dialect());
        let case = || start().sql("(CASE ").with(kind);
        let scalar = case()
            .sql(" WHEN 'text' THEN ")
            .with(value)
            .sql(" WHEN 'integer' THEN CAST(")
            .with(value)
            .sql(" AS REAL) WHEN 'real' THEN ")
            .with(value)
            .sql(" WHEN 'true' THEN 1 ELSE 0 END)");
        Self {
            rank: case().sql(
                " WHEN 'text' THEN 3 WHEN 'integer' THEN 2 WHEN 'real' THEN 2 \
                 WHEN 'true' THEN 1 WHEN 'false' THEN 1 ELSE 0 END)",
            ),
            number: scalar.clone(),
            text: scalar,
            // An integer beyond 64 bits is read as a real number.
            integer: start()
                .sql("(CASE WHEN ")
                .with(kind)
                .sql(" = 'integer' AND typeof(")
                .with(value)
                .sql(") = 'integer' THEN ")
                .with(value)
                .sql(" END)"),
            present: start().sql("(").with(kind).sql(" IS NOT NULL)"),
            given: start().sql("(coalesce(").with(kind).sql(", 'null') <> 'null')"),
            filled: start()
                .sql("(CASE coalesce(")
                .with(kind)
                .sql(", 'null') WHEN 'null' THEN 0 WHEN 'text' THEN ")
                .with(value)
                .sql(" <> '' WHEN 'array' THEN ")
                .with(value)
                .sql(" <> '[]' WHEN 'object' THEN ")
                .with(value)
                .sql(" <> '{}' ELSE 1 END)"),
        }
    }

    /// A row of `jsonb_path_query`, named `e` with the column `j`.
    #[cfg(feature = "postgres")]
    pub(super) fn postgres_element(dialect: Dialect) -> Self {
        Self::postgres(&Fragment::constant(dialect, "e.j"))
    }

    #[cfg(feature = "postgres")]
    fn postgres(json: &Fragment) -> Self {
        let start = || Fragment::new(json.dialect());
        let case = || start().sql("(CASE jsonb_typeof(").with(json).sql(")");
        Self {
            rank: case().sql(" WHEN 'string' THEN 3 WHEN 'number' THEN 2 WHEN 'boolean' THEN 1 ELSE 0 END)"),
            number: case()
                .sql(" WHEN 'number' THEN ")
                .with(json)
                .sql("::float8 WHEN 'boolean' THEN ")
                .with(json)
                .sql("::boolean::int::float8 ELSE 0 END)"),
            text: case().sql(" WHEN 'string' THEN ").with(json).sql(" #>> '{}' ELSE '' END COLLATE \"C\")"),
            integer: start()
                .sql("(CASE WHEN jsonb_typeof(")
                .with(json)
                .sql(") = 'number' THEN CASE WHEN ")
                .with(json)
                .sql("::text NOT LIKE '%.%' THEN CASE WHEN ")
                .with(json)
                .sql("::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN ")
                .with(json)
                .sql("::bigint END END END)"),
            present: start().sql("(").with(json).sql(" IS NOT NULL)"),
            given: start().sql("(coalesce(jsonb_typeof(").with(json).sql("), 'null') <> 'null')"),
            filled: start()
                .sql("(coalesce(")
                .with(json)
                .sql(", 'null'::jsonb) NOT IN ('null'::jsonb, '\"\"'::jsonb, '[]'::jsonb, '{}'::jsonb))"),
        }
    }

    /// What records are sorted by, most significant first.
    pub(super) fn sort_columns(self) -> Vec<Fragment> {
        match self.rank.dialect() {
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => vec![self.rank, self.number],
            #[cfg(feature = "postgres")]
            Dialect::Postgres => vec![self.rank, self.number, self.text],
        }
    }
}

/// A path in SQLite's spelling. Quoted names are always keys of objects, never positions in arrays.
#[cfg(feature = "sqlite")]
pub(super) fn sqlite_path(names: &[String]) -> String {
    names.iter().fold("$".to_owned(), |path, name| format!("{path}.\"{name}\""))
}
