//! The query language of the record port: a conjunction of clauses, sort keys and a page.

mod clause;
mod field;
mod shared;
mod sort;

use std::cmp::Ordering;

use crate::domain::{Entity, Id, Kind, Organization};
use crate::error::{Error, Result};
use crate::records::Record;

pub use clause::{Clause, Condition, Op, Pattern, Value};
pub use field::{Field, Path};
pub use shared::Shared;
pub use sort::{Sort, SortKey, sort_key};

/// The most records one page may hold.
pub const PAGE_LIMIT: u32 = 1_000;
/// The most conditions one query may hold, in all its clauses.
pub const CONDITION_LIMIT: usize = 64;
/// The most values one `In` may hold.
pub const VALUE_LIMIT: usize = 10_000;
/// The longest regular expression, in bytes.
pub const PATTERN_LIMIT: usize = 512;

/// Which records of one kind of one organization, in which order, and which page of them.
///
/// A query without an organization cannot be written.
///
/// ```
/// use appdepot_core::domain::{Asset, Id};
/// use appdepot_core::query::{Field, Op, Query, Sort};
/// let query = Query::of::<Asset>(Id::generate())
///     .filter(Field::parse("name")?, Op::Eq("logo.png".into()))
///     .sort(Sort::descending(Field::CreatedAt))
///     .limit(25);
/// # Ok::<(), appdepot_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Query {
    /// The tenant; part of every query.
    pub organization: Id<Organization>,
    /// What is found of other tenants. Only the core itself can say so, where it has decided.
    pub shared: Option<Shared>,
    /// What is asked for.
    pub kind: Kind,
    /// All must match.
    pub clauses: Vec<Clause>,
    /// First key first; the id breaks ties, in the direction of the last key.
    pub sort: Vec<Sort>,
    /// Which part of the result.
    pub page: Paging,
    /// The most records to return, 1 to [`PAGE_LIMIT`].
    pub limit: u32,
    /// Whether to count all matches too.
    pub count: bool,
}

/// Which part of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paging {
    /// After skipping this many. Costs grow with the number; for pages that people turn.
    Skip(u64),
    /// After the record a [`Page::next`] cursor stands for. Costs the same at any depth.
    After(String),
}

/// A part of a result.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The records.
    pub items: Vec<T>,
    /// All matches, when the query asked to count.
    pub total: Option<u64>,
    /// Where the next page starts, when there may be one.
    pub next: Option<String>,
}

impl Query {
    /// All records of `T` in `organization`, newest first, the first 100.
    pub fn of<T: Entity>(organization: Id<Organization>) -> Self {
        Self {
            organization,
            shared: None,
            kind: T::KIND,
            clauses: Vec::new(),
            sort: Vec::new(),
            page: Paging::Skip(0),
            limit: 100,
            count: false,
        }
    }

    /// Adds a condition.
    #[must_use]
    pub fn filter(mut self, field: Field, op: Op) -> Self {
        self.clauses.push(Clause::of(field, op));
        self
    }

    /// Adds conditions of which at least one must hold. None at all: nothing is found.
    #[must_use]
    pub fn any_of(mut self, conditions: impl IntoIterator<Item = Condition>) -> Self {
        self.clauses.push(Clause::any_of(conditions));
        self
    }

    /// Adds a sort key after those already there.
    #[must_use]
    pub fn sort(mut self, sort: Sort) -> Self {
        self.sort.push(sort);
        self
    }

    /// Skips records.
    #[must_use]
    pub fn skip(mut self, count: u64) -> Self {
        self.page = Paging::Skip(count);
        self
    }

    /// Continues where a page ended.
    #[must_use]
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.page = Paging::After(cursor.into());
        self
    }

    /// Sets the page size.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Asks for the number of all matches.
    #[must_use]
    pub fn counted(mut self) -> Self {
        self.count = true;
        self
    }

    /// The sort keys with the defaults made explicit: newest first when none is given. What the keys leave equal is
    /// ordered by age and then by id, in the direction of the last key, so that every order is total.
    pub fn order(&self) -> Vec<Sort> {
        let mut order = self.sort.clone();
        let descending = order.last().is_none_or(|sort| sort.descending);
        for field in [Field::CreatedAt, Field::Id] {
            // Nothing is equal any more once the id has been compared.
            if !order.iter().any(|sort| sort.field == field || sort.field == Field::Id) {
                order.push(Sort { field, descending });
            }
        }
        order
    }

    /// Checks the sizes; every store calls it first.
    ///
    /// # Errors
    /// `Invalid`, naming the part that is too large.
    pub fn check(&self) -> Result<()> {
        if self.limit == 0 || self.limit > PAGE_LIMIT {
            return Err(Error::invalid("limit", format!("1 to {PAGE_LIMIT}")));
        }
        // A clause without conditions is one more thing to look at as well.
        let conditions = self.clauses.iter().map(|clause| clause.any.len().max(1)).sum::<usize>();
        if conditions > CONDITION_LIMIT {
            return Err(Error::invalid("filter", format!("at most {CONDITION_LIMIT} conditions")));
        }
        if self.sort.len() > 8 {
            return Err(Error::invalid("sort", "at most 8 keys"));
        }
        if matches!(self.page, Paging::Skip(count) if i64::try_from(count).is_err()) {
            return Err(Error::invalid("skip", "too large"));
        }
        let large = |op: &Op| matches!(op, Op::In(values) if values.len() > VALUE_LIMIT);
        if self.conditions().any(|condition| large(&condition.op)) {
            return Err(Error::invalid("filter", format!("at most {VALUE_LIMIT} values")));
        }
        Ok(())
    }

    /// The conditions of all clauses.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.clauses.iter().flat_map(|clause| &clause.any)
    }

    /// The tenant, and those that share with it.
    pub fn organizations(&self) -> impl Iterator<Item = Id<Organization>> {
        let others = self.shared.iter().flat_map(Shared::organizations).copied();
        std::iter::once(self.organization).chain(others)
    }

    /// Whether `record` is the tenant's or shared with it, and satisfies every clause. The definition that SQL stores
    /// must agree with.
    pub fn matches(&self, record: &Record) -> bool {
        let shared = || self.shared.as_ref().is_some_and(|shared| shared.matches(record));
        record.kind == self.kind
            && (record.organization == self.organization || shared())
            && self.clauses.iter().all(|clause| clause.matches(record))
    }

    /// How two records stand to each other in this query's order. The definition SQL stores must agree with.
    pub fn compare(&self, a: &Record, b: &Record) -> Ordering {
        for sort in self.order() {
            let ordering = sort_key(&sort.field, a).cmp(&sort_key(&sort.field, b));
            let ordering = if sort.descending { ordering.reverse() } else { ordering };
            if ordering != Ordering::Equal {
                return ordering;
            }
        }
        Ordering::Equal
    }
}

impl<T> Page<T> {
    /// The same page with its items turned into something else.
    ///
    /// # Errors
    /// The first error that `turn` returns.
    pub fn try_map<U>(self, turn: impl FnMut(T) -> Result<U>) -> Result<Page<U>> {
        let items = self.items.into_iter().map(turn).collect::<Result<_>>()?;
        Ok(Page { items, total: self.total, next: self.next })
    }
}
