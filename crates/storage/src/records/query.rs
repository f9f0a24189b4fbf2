//! From the query language to SQL. The definition of what a query selects is core's
//! [`Query::matches`](appdepot_core::query::Query::matches); the tests compare the two.
//!
//! Whatever comes from a caller, names in paths included, becomes a value of the statement. Names of declared
//! fields are constants of core, and appear in the text so that the planner can match them with an index.

use std::ops::Bound;

use appdepot_core::domain::{EventFilter, Holds};
use appdepot_core::query::{Condition, Field, Op, Paging, Path, Query, Sort, Value};
use appdepot_core::{Error, Result};
use sea_query::{Cond, Expr, Order, Query as Sql, SelectStatement};
use serde_json::Value as Json;

use super::dialect::{Dialect, Fragment};
use super::engine::Statement;
#[cfg(feature = "sqlite")]
use super::members::Members;
use super::place::{self, Place};
use super::{cursor, declared, members};

/// Refuses texts that PostgreSQL cannot take, on every engine.
///
/// # Errors
/// `Invalid` for a text with a NUL character.
pub(super) fn check_texts(query: &Query) -> Result<()> {
    let value = |value: &Value| matches!(value, Value::Text(text) if text.contains('\0'));
    let bound = |bound: &Bound<Value>| match bound {
        Bound::Included(v) | Bound::Excluded(v) => value(v),
        Bound::Unbounded => false,
    };
    let bad = query.conditions().any(|condition| match &condition.op {
        Op::Eq(v) => value(v),
        Op::In(values) => values.iter().any(value),
        Op::Contains(text) => text.contains('\0'),
        Op::Matches(pattern) => pattern.as_str().contains('\0'),
        Op::Range(low, high) => bound(low) || bound(high),
        Op::Null | Op::Exists | Op::Missing => false,
    });
    if bad { Err(Error::invalid("filter", "a text holds a NUL character")) } else { Ok(()) }
}

/// The records of one page, at most `limit` of them.
///
/// # Errors
/// `Invalid` for a cursor that is not one of this query's.
pub(super) fn select(dialect: Dialect, query: &Query, limit: u32) -> Result<Statement> {
    let mut select = Sql::select();
    for column in
        ["organization", "id", "revision", "created_at", "updated_at", "batch", "schema", dialect.body()]
    {
        select.expr(Expr::cust(column));
    }
    match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite if let Some(members) = Members::of(query) => {
            members.select(query, &mut select);
            Members::join(query, &mut select);
        }
        _ => matching(dialect, query, &mut select),
    }
    let order = order(dialect, query);
    let skip = match &query.page {
        Paging::Skip(count) => *count,
        Paging::After(cursor) => {
            let values = cursor::read(query, cursor)?;
            select.and_where(after(dialect, query, &order, &values)?.into_expr());
            0
        }
    };
    for (column, descending) in order {
        select.order_by_expr(column.into_expr(), if descending { Order::Desc } else { Order::Asc });
    }
    Ok(dialect.build_page(&select, limit, skip))
}

/// Whether the number of all matches is known without counting records one by one on its own.
pub(super) fn is_counted(dialect: Dialect, query: &Query) -> bool {
    let all = query.clauses.is_empty() && query.shared.is_none();
    match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => all || Members::of(query).is_some(),
        #[cfg(feature = "postgres")]
        Dialect::Postgres => all,
    }
}

/// The number of all matches. None is counted as well, by no row.
pub(super) fn count(dialect: Dialect, query: &Query) -> Statement {
    let mut select = Sql::select();
    if query.clauses.is_empty() && query.shared.is_none() {
        let tenant = Fragment::new(dialect).sql("organization = ").bind(query.organization.to_string());
        let kind = Fragment::new(dialect).sql("kind = ").bind(query.kind.as_str());
        select.expr(Expr::cust("records")).from("counts");
        select.and_where(tenant.into_expr()).and_where(kind.into_expr());
        return dialect.build(&select);
    }
    select.expr(Expr::cust("count(*)"));
    match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite if let Some(members) = Members::of(query) => members.select(query, &mut select),
        _ => matching(dialect, query, &mut select),
    }
    dialect.build(&select)
}

/// Events as sequence and body.
///
/// # Errors
/// `Invalid` for a limit out of bounds or a text with a NUL character.
pub(super) fn events(dialect: Dialect, filter: &EventFilter) -> Result<Statement> {
    filter.check()?;
    let texts = [&filter.action, &filter.actor];
    if texts.into_iter().flatten().any(|text| text.contains('\0')) {
        return Err(Error::invalid("filter", "a text holds a NUL character"));
    }
    let start = || Fragment::new(dialect);
    let mut select = Sql::select();
    select.expr(Expr::cust("sequence")).expr(Expr::cust("body")).from("events");
    select.and_where(start().sql("organization = ").bind(filter.organization.to_string()).into_expr());
    if filter.after > 0 {
        let after = i64::try_from(filter.after).unwrap_or(i64::MAX);
        let side = if filter.newest_first { "sequence < " } else { "sequence > " };
        select.and_where(start().sql(side).bind(after).into_expr());
    }
    let subject = filter.subject.map(|id| id.to_string());
    for (column, text) in
        [("subject = ", &subject), ("action = ", &filter.action), ("actor = ", &filter.actor)]
    {
        if let Some(text) = text {
            select.and_where(start().sql(column).bind(text.as_str()).into_expr());
        }
    }
    let order = if filter.newest_first { Order::Desc } else { Order::Asc };
    select.order_by_expr(Expr::cust("sequence"), order);
    Ok(dialect.build_page(&select, filter.limit, 0))
}

fn matching(dialect: Dialect, query: &Query, select: &mut SelectStatement) {
    let own = Fragment::new(dialect).sql("organization = ").bind(query.organization.to_string());
    let tenants = match &query.shared {
        None => own,
        Some(shared) => {
            let all = query.organizations().map(|organization| organization.to_string());
            let all = Fragment::new(dialect).sql("organization IN (").bind_all(all).sql(") AND (");
            all.with(&own).sql(" OR ").with(&condition(dialect, query, shared.condition())).sql(")")
        }
    };
    // The kind is a constant, not a value, so that the partial indexes apply.
    let kind = Fragment::new(dialect).sql("kind = '").sql(query.kind.as_str()).sql("'");
    let clauses = query.clauses.iter().map(|clause| match clause.any.as_slice() {
        [one] => condition(dialect, query, one),
        // Each alternative says the kind again: SQLite looks only there for what a partial index asks for.
        many => {
            let one = |one| kind.clone().sql(" AND (").with(&condition(dialect, query, one)).sql(")");
            Fragment::join(dialect, &many.iter().map(one).collect::<Vec<_>>(), " OR ", "1 = 0")
        }
    });
    let all = [tenants, kind.clone()].into_iter().chain(clauses);
    select.from("records").cond_where(all.fold(Cond::all(), |all, one| all.add(one.into_expr())));
}

/// What a query is ordered by: columns and expressions, none of them ever null, with their directions.
fn order(dialect: Dialect, query: &Query) -> Vec<(Fragment, bool)> {
    let (age, id) = match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite if Members::of(query).is_some() => (Members::MADE_AT, Members::RECORD),
        _ => ("created_at", "id"),
    };
    let columns = |sort: &Sort| match &sort.field {
        Field::Id => vec![Fragment::constant(dialect, id)],
        Field::Revision => vec![Fragment::constant(dialect, "revision")],
        Field::CreatedAt => vec![Fragment::constant(dialect, age)],
        Field::UpdatedAt => vec![Fragment::constant(dialect, "updated_at")],
        Field::Body(path) => match declared::find(query.kind, path) {
            Some(_) => Place::declared(dialect, path).sort_columns(),
            None => Place::bound(dialect, path).sort_columns(),
        },
    };
    let keys = query.order();
    keys.iter().flat_map(|sort| columns(sort).into_iter().map(|column| (column, sort.descending))).collect()
}

/// Whether a record comes after the one whose sort values these are.
fn after(dialect: Dialect, query: &Query, order: &[(Fragment, bool)], keys: &[Json]) -> Result<Fragment> {
    let mut values = Vec::new();
    for (sort, key) in query.order().iter().zip(keys) {
        values.extend(sort_values(dialect, &sort.field, key)?);
    }
    let first = order.first().is_some_and(|(_, descending)| *descending);
    let start = || Fragment::new(dialect);
    if order.iter().all(|(_, descending)| *descending == first) {
        // One comparison of rows, which an index can answer.
        let mut row = start().sql("(");
        for (at, (column, _)) in order.iter().enumerate() {
            row = row.sql(if at == 0 { "" } else { ", " }).with(column);
        }
        row = row.sql(if first { ") < (" } else { ") > (" });
        for (at, value) in values.into_iter().enumerate() {
            row = row.sql(if at == 0 { "" } else { ", " }).bind(value);
        }
        return Ok(row.sql(")"));
    }
    let mut equal: Vec<Fragment> = Vec::new();
    let mut ways = Vec::new();
    for ((column, descending), value) in order.iter().zip(values) {
        let side = if *descending { " < " } else { " > " };
        let beyond = start().with(column).sql(side).bind(value.clone());
        let way: Vec<Fragment> = equal.iter().cloned().chain([beyond]).collect();
        ways.push(Fragment::join(dialect, &way, " AND ", "1 = 1"));
        equal.push(start().with(column).sql(" = ").bind(value));
    }
    Ok(start().sql("(").with(&Fragment::join(dialect, &ways, " OR ", "1 = 0")).sql(")"))
}

/// One value per column that [`order`] makes of a field.
fn sort_values(dialect: Dialect, field: &Field, key: &Json) -> Result<Vec<sea_query::Value>> {
    let fail = || Error::invalid("cursor", "not a cursor of this query");
    match field {
        Field::Id => Ok(vec![key.as_str().ok_or_else(fail)?.into()]),
        Field::Revision | Field::CreatedAt | Field::UpdatedAt => {
            Ok(vec![key.as_i64().ok_or_else(fail)?.into()])
        }
        Field::Body(_) => {
            let (rank, number, text) = match key {
                Json::Null => (place::ABSENT, 0.0, None),
                Json::Bool(value) => (place::BOOLEAN, f64::from(u8::from(*value)), None),
                Json::Number(value) => (place::NUMBER, value.as_f64().ok_or_else(fail)?, None),
                Json::String(value) => (place::TEXT, 0.0, Some(value.as_str())),
                Json::Array(_) | Json::Object(_) => return Err(fail()),
            };
            Ok(match dialect {
                #[cfg(feature = "sqlite")]
                Dialect::Sqlite => vec![rank.into(), text.map_or_else(|| number.into(), Into::into)],
                #[cfg(feature = "postgres")]
                Dialect::Postgres => vec![rank.into(), number.into(), text.unwrap_or_default().into()],
            })
        }
    }
}

fn condition(dialect: Dialect, query: &Query, condition: &Condition) -> Fragment {
    let op = &condition.op;
    let column = |place: Place| negatable(op, |op| found(op, &place, false));
    match &condition.field {
        Field::Id => column(Place::text_column(dialect, "id")),
        Field::Revision => column(Place::integer_column(dialect, "revision")),
        Field::CreatedAt => column(Place::integer_column(dialect, "created_at")),
        Field::UpdatedAt => column(Place::integer_column(dialect, "updated_at")),
        Field::Body(path) => match declared::find(query.kind, path).map(|declared| declared.holds) {
            Some(Holds::Text | Holds::Word | Holds::Number) => {
                let place = Place::declared(dialect, path);
                negatable(op, |op| found(op, &place, true))
            }
            holds => negatable(op, |op| {
                let member = member(dialect, path, op);
                match holds.and_then(|_| members::indexed(dialect, query, path, op)) {
                    Some(narrow) => narrow.sql(" AND ").with(&member),
                    None => member,
                }
            }),
        },
    }
}

/// What must be found for a value to satisfy an operation, and whether that is then negated.
fn negatable(op: &Op, any: impl Fn(&Op) -> Fragment) -> Fragment {
    match op {
        Op::Null | Op::Missing => {
            let found = any(op);
            Fragment::new(found.dialect()).sql("NOT (").with(&found).sql(")")
        }
        _ => any(op),
    }
}

/// Whether any of the values at a path satisfies `op`; arrays on the way stand for their members.
fn member(dialect: Dialect, path: &Path, op: &Op) -> Fragment {
    let start = || Fragment::new(dialect);
    let (rows, place) = match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => (members::sqlite_rows("body", path, true), Place::sqlite_element(dialect)),
        #[cfg(feature = "postgres")]
        Dialect::Postgres => {
            let steps: String = path.names().iter().map(|name| format!(".\"{name}\"")).collect();
            // Lax mode, the default, opens arrays on the way as core does: one level per step.
            let rows = start()
                .sql("jsonb_path_query(body, ")
                .bind(format!("${steps}[*]"))
                .sql("::jsonpath) AS e(j)");
            (rows, Place::postgres_element(dialect))
        }
    };
    let any = start().sql("EXISTS (SELECT 1 FROM ").with(&rows).sql(" WHERE ");
    let any = any.with(&found(op, &place, false)).sql(")");
    match dialect {
        // SQLite 3.51 turns a bare EXISTS into a join, and then an OFFSET counts a record once per member that
        // matches. It does not look into a CASE.
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => start().sql("(CASE WHEN ").with(&any).sql(" THEN 1 ELSE 0 END)"),
        #[cfg(feature = "postgres")]
        Dialect::Postgres => any,
    }
}

/// Whether the value at `place` satisfies `op`; for `Null` and `Missing`, whether it satisfies the opposite.
/// `indexed` adds what is needed to walk all columns of the field's index.
fn found(op: &Op, place: &Place, indexed: bool) -> Fragment {
    let dialect = place.rank.dialect();
    let start = || Fragment::new(dialect);
    match op {
        Op::Eq(value) => compare(place, value, "=", indexed),
        Op::In(values) => one_of(place, values, indexed),
        Op::Contains(text) => {
            let text = text.to_ascii_lowercase();
            let (before, middle, after) = match dialect {
                #[cfg(feature = "sqlite")]
                Dialect::Sqlite => ("instr(lower(", "), ", ") > 0"),
                #[cfg(feature = "postgres")]
                Dialect::Postgres => ("strpos(lower(", "), ", ") > 0"),
            };
            of_rank(place, place::TEXT).sql(before).with(&place.text).sql(middle).bind(text).sql(after)
        }
        // The case keeps the function away from values that are not text. Core has compiled the expression.
        Op::Matches(pattern) => {
            let rank = place::TEXT.to_string();
            let case = start().sql("(CASE WHEN ").with(&place.rank).sql(" = ").sql(&rank).sql(" THEN ");
            case.with(&place.text).sql(" REGEXP ").bind(pattern.as_str()).sql(" ELSE 0 END)")
        }
        Op::Range(low, high) => {
            let side = |bound: &Bound<Value>, open: &str, closed: &str| match bound {
                Bound::Unbounded => place.present.clone(),
                Bound::Included(value) => compare(place, value, closed, indexed),
                Bound::Excluded(value) => compare(place, value, open, indexed),
            };
            start().with(&side(low, ">", ">=")).sql(" AND ").with(&side(high, "<", "<="))
        }
        Op::Null => place.given.clone(),
        Op::Exists | Op::Missing => place.filled.clone(),
    }
}

/// The start of a conjunction: the value has this rank.
fn of_rank(place: &Place, rank: i64) -> Fragment {
    Fragment::new(place.rank.dialect()).with(&place.rank).sql(&format!(" = {rank} AND "))
}

fn compare(place: &Place, value: &Value, sign: &str, indexed: bool) -> Fragment {
    let sign = format!(" {sign} ");
    match value {
        Value::Text(text) => of_text(place, indexed).with(&place.text).sql(&sign).bind(text.as_str()),
        // Not a number stands in no relation to any.
        Value::Number(number) if number.is_nan() => Fragment::constant(place.rank.dialect(), "1 = 0"),
        Value::Number(number) => of_rank(place, place::NUMBER).with(&place.number).sql(&sign).bind(*number),
        Value::Boolean(value) => {
            let value = f64::from(u8::from(*value));
            of_rank(place, place::BOOLEAN).with(&place.number).sql(&sign).bind(value)
        }
        Value::Time(time) => {
            let exact =
                Fragment::new(place.rank.dialect()).with(&place.integer).sql(&sign).bind(time.millis());
            if !indexed {
                return exact;
            }
            // The index holds floating-point numbers; rounding keeps the order but not strictness.
            let wide = match sign.trim() {
                "<" => " <= ",
                ">" => " >= ",
                _ => &sign,
            };
            #[allow(clippy::cast_precision_loss)]
            let near = time.millis() as f64;
            of_rank(place, place::NUMBER).with(&place.number).sql(wide).bind(near).sql(" AND ").with(&exact)
        }
    }
}

fn of_text(place: &Place, indexed: bool) -> Fragment {
    let start = of_rank(place, place::TEXT);
    match place.rank.dialect() {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => {
            let _ = indexed;
            start
        }
        #[cfg(feature = "postgres")]
        Dialect::Postgres if !indexed => start,
        #[cfg(feature = "postgres")]
        Dialect::Postgres => start.with(&place.number).sql(" = 0 AND "),
    }
}

/// Whether the value equals one of `values`. Each type's values travel as one JSON array, so that the statement
/// is the same for any number of them.
fn one_of(place: &Place, values: &[Value], indexed: bool) -> Fragment {
    let dialect = place.rank.dialect();
    let (mut texts, mut numbers, mut booleans, mut times) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for value in values {
        match value {
            Value::Text(text) => texts.push(Json::from(text.as_str())),
            // No stored number is infinite or not a number.
            Value::Number(number) if !number.is_finite() => {}
            Value::Number(number) => numbers.push(Json::from(*number)),
            Value::Boolean(value) => booleans.push(compare(place, &Value::Boolean(*value), "=", indexed)),
            Value::Time(time) => times.push(Json::from(time.millis())),
        }
    }
    let within = |start: Fragment, what: &Fragment, list: Vec<Json>, kind: &str| {
        let list = Json::from(list).to_string();
        match dialect {
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => {
                let _ = kind;
                start.with(what).sql(" IN (SELECT value FROM json_each(").bind(list).sql("))")
            }
            #[cfg(feature = "postgres")]
            Dialect::Postgres => start
                .with(what)
                .sql(" = ANY (ARRAY(SELECT v::")
                .sql(kind)
                .sql(" FROM jsonb_array_elements_text(")
                .bind(list)
                .sql("::jsonb) AS t(v)))"),
        }
    };
    let mut ways = booleans;
    if !texts.is_empty() {
        ways.push(within(of_text(place, indexed), &place.text, texts, "text"));
    }
    if !numbers.is_empty() {
        ways.push(within(of_rank(place, place::NUMBER), &place.number, numbers, "float8"));
    }
    if !times.is_empty() {
        ways.push(within(Fragment::new(dialect), &place.integer, times, "bigint"));
    }
    Fragment::new(dialect).sql("(").with(&Fragment::join(dialect, &ways, " OR ", "1 = 0")).sql(")")
}
