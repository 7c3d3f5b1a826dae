//! Promises that are known to be broken: how often each kind may be in a series.
//!
//! A line for each kind: how often, then its name. What is not listed may not be broken at all. A `#` begins a comment.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::oracle::Kind;

/// How often each kind of promise may be broken, by the kind's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known(BTreeMap<String, usize>);

impl FromStr for Known {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut known = BTreeMap::new();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let wrong = || format!("`{line}` is no count and kind");
            let (count, kind) = line.split_once(' ').ok_or_else(wrong)?;
            known.insert(kind.trim().to_owned(), count.parse().map_err(|_| wrong())?);
        }
        Ok(Self(known))
    }
}

impl Known {
    /// A sentence for each kind that is broken more often than is known.
    #[must_use]
    pub fn exceeded(&self, found: &BTreeMap<Kind, usize>) -> Vec<String> {
        let more = found.iter().filter_map(|(kind, count)| {
            let most = self.0.get(&kind.to_string()).copied().unwrap_or(0);
            (*count > most).then(|| format!("{count} histories with `{kind}`, where {most} are known"))
        });
        more.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_is_known_is_told() {
        let known: Known = "# so far\n3 lost value\n1 twin\n".parse().expect("understood");
        assert_eq!(known.exceeded(&BTreeMap::from([(Kind::LostValue, 3), (Kind::Twin, 1)])), Vec::<String>::new());
        let found = BTreeMap::from([(Kind::LostValue, 4), (Kind::Diverged, 1)]);
        assert_eq!(
            known.exceeded(&found),
            ["4 histories with `lost value`, where 3 are known", "1 histories with `diverged`, where 0 are known"]
        );
    }
}
