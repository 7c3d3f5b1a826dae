//! Parts of lists: what a filter lets through, so many at once, and where the next part begins.
//!
//! Always true: parts that are asked for one behind the other are the whole list; for one answer a bounded number of
//! rows is looked at, because on a small machine a look at many takes the place of the loop.

use std::str::FromStr;

use super::Refusal;
use super::api::Filter;
use crate::ids::NotAnId;

/// Most items in a list that does not say how many it wants.
const LIST: usize = 1_000;

/// Most rows that are looked at for one answer.
const LOOKED_AT: usize = 10_000;

/// How many of `found` fit, and the first of them.
pub(super) fn first<T>(found: Vec<T>, filter: &Filter, fits: impl Fn(&T) -> bool) -> (usize, Vec<T>) {
    let mut fitting: Vec<T> = found.into_iter().filter(fits).collect();
    let total = fitting.len();
    fitting.truncate(limit(filter));
    (total, fitting)
}

/// How many a list may have.
pub(super) fn limit(filter: &Filter) -> usize {
    filter.limit.unwrap_or(LIST)
}

/// Behind which one a list begins.
pub(super) fn behind<I: FromStr<Err = NotAnId>>(filter: &Filter) -> Result<Option<I>, Refusal> {
    let after = filter.after.as_ref().map(|after| after.parse());
    after.transpose().map_err(|error: NotAnId| Refusal::Malformed(format!("`after`: {error}")))
}

/// A part of a list that may be long.
pub(super) struct Page<T> {
    /// How many fit of those that were looked at.
    pub(super) total: usize,
    pub(super) items: Vec<T>,
    /// Behind which one the next part begins; none at the end.
    pub(super) next: Option<String>,
}

impl<T> Page<T> {
    /// The first of `found` that fit.
    pub(super) fn of<E>(
        mut found: impl Iterator<Item = Result<T, E>>,
        filter: &Filter,
        fits: impl Fn(&T) -> bool,
        name: impl Fn(&T) -> &str,
    ) -> Result<Self, E> {
        let mut page = Self { total: 0, items: Vec::new(), next: None };
        let mut last = None;
        for item in found.by_ref().take(LOOKED_AT) {
            let item = item?;
            last = Some(name(&item).to_owned());
            if fits(&item) {
                page.total += 1;
                if page.items.len() < limit(filter) {
                    page.items.push(item);
                }
            }
        }
        if page.total > page.items.len() {
            page.next = page.items.last().map(|item| name(item).to_owned());
        } else if found.next().transpose()?.is_some() {
            page.next = last;
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{LinkId, RunId};

    fn page(all: usize, filter: &Filter, fits: impl Fn(usize) -> bool) -> (usize, Vec<usize>, Option<String>) {
        let names: Vec<String> = (0..all).map(|number| format!("r{number}")).collect();
        let number = |name: &str| name[1..].parse::<usize>().expect("a number");
        let begin = filter.after.as_ref().map_or(0, |after| number(after) + 1);
        let found = names[begin..].iter().map(Ok::<_, ()>);
        let page = Page::of(found, filter, |name| fits(number(name)), |name| name.as_str()).expect("readable");
        (page.total, page.items.iter().map(|name| number(name)).collect(), page.next)
    }

    fn filter(limit: usize, after: Option<&str>) -> Filter {
        Filter { limit: Some(limit), after: after.map(str::to_owned), ..Filter::default() }
    }

    #[test]
    fn parts_behind_one_another_are_the_whole_list_and_each_looks_at_a_bounded_part() {
        let lists = [(0, 3, 1), (3, 3, 1), (10, 3, 1), (10, 3, 2), (25_000, 100, 997), (25_000, 9_000, 1)];
        for (all, limit, every) in lists {
            let (mut seen, mut after, mut parts) = (Vec::new(), None::<String>, 0);
            loop {
                let (total, items, next) =
                    page(all, &filter(limit, after.as_deref()), |number| number.is_multiple_of(every));
                assert!(items.len() <= limit && total <= LOOKED_AT);
                seen.extend(items);
                parts += 1;
                after = next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, (0..all).step_by(every).collect::<Vec<_>>(), "{all} by {limit}");
            assert!(parts <= all / limit + all / LOOKED_AT + 1, "{parts} parts of {all}");
        }
    }

    #[test]
    fn a_short_list_is_counted_whole() {
        assert_eq!(page(10, &filter(3, None), |_| true), (10, vec![0, 1, 2], Some("r2".to_owned())));
        assert_eq!(page(10, &filter(20, Some("r7")), |_| true), (2, vec![8, 9], None));
    }

    #[test]
    fn a_list_begins_behind_an_id_of_its_own_kind() {
        assert_eq!(behind::<RunId>(&filter(1, Some("r7"))), Ok(Some(RunId(7))));
        assert!(matches!(behind::<RunId>(&filter(1, Some("l7"))), Err(Refusal::Malformed(_))));
        assert_eq!(behind::<LinkId>(&filter(1, None)), Ok(None));
    }
}
