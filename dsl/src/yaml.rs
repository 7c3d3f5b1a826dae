//! Where keys and values stand in a text of YAML: the reader of YAML gives values without places.
//!
//! In: the text. Out: stretches of it by the path of a key.
//! Always true: of a path that is not there, the place is that of its deepest known parent, because something that is
//! missing is told where it belongs; a text that is no YAML has no places at all.
//! Not here: what the values mean.

use std::collections::BTreeMap;
use std::ops::Range;

use saphyr::{LoadableYamlNode, MarkedYaml, Marker, YamlData};

/// The keys and values of a text, and where they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    top: Vec<Entry>,
}

/// One key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: String,
    key: Range<usize>,
    value: Range<usize>,
    inside: Vec<Entry>,
}

impl Places {
    /// Finds them in `text`; none in a text that is no YAML.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let documents = MarkedYaml::load_from_str(text).unwrap_or_default();
        let bytes = Bytes::of(text);
        Self { top: documents.first().map(|document| entries(document, text, &bytes)).unwrap_or_default() }
    }

    /// Where the key at the end of `path` stands, in bytes; empty at the start where nothing of the path is there.
    #[must_use]
    pub fn key(&self, path: &[&str]) -> Range<usize> {
        self.deepest(path).map_or(0..0, |entry| entry.key.clone())
    }

    /// Where the value of `path` stands, in bytes; its key where it is empty.
    #[must_use]
    pub fn value(&self, path: &[&str]) -> Range<usize> {
        match self.deepest(path) {
            Some(entry) if entry.value.is_empty() => entry.key.clone(),
            Some(entry) => entry.value.clone(),
            None => 0..0,
        }
    }

    /// The line of every key, from 1, by its path: `entities.User.fields.email`.
    #[must_use]
    pub fn lines(&self, text: &str) -> BTreeMap<String, usize> {
        let ends: Vec<usize> = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        let mut found = BTreeMap::new();
        let mut next: Vec<(String, &Entry)> = self.top.iter().map(|entry| (entry.name.clone(), entry)).collect();
        while let Some((path, entry)) = next.pop() {
            next.extend(entry.inside.iter().map(|inner| (format!("{path}.{}", inner.name), inner)));
            found.insert(path, ends.partition_point(|end| *end < entry.key.start) + 1);
        }
        found
    }

    fn deepest(&self, path: &[&str]) -> Option<&Entry> {
        let mut level = &self.top;
        let mut found = None;
        for name in path {
            let Some(entry) = level.iter().find(|entry| entry.name == *name) else { break };
            level = &entry.inside;
            found = Some(entry);
        }
        found
    }
}

/// The line of a byte, from 1.
#[must_use]
pub fn line(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

fn entries(node: &MarkedYaml<'_>, text: &str, bytes: &Bytes) -> Vec<Entry> {
    let YamlData::Mapping(mapping) = &node.data else { return Vec::new() };
    let entry = |(key, value): (&MarkedYaml<'_>, &MarkedYaml<'_>)| {
        let place = bytes.range(key);
        Entry {
            name: match key.data.as_str() {
                Some(name) => name.to_owned(),
                // A number, say: as it is written.
                None => text[place.clone()].to_owned(),
            },
            key: place,
            value: trimmed(text, bytes.range(value)),
            inside: entries(value, text, bytes),
        }
    };
    mapping.iter().map(entry).collect()
}

/// Without the blanks behind it, which the parser counts to what stands before them.
fn trimmed(text: &str, place: Range<usize>) -> Range<usize> {
    let length = text[place.clone()].trim_end().len();
    place.start..place.start + length
}

/// From characters, in which the parser counts, to bytes.
struct Bytes {
    /// The byte at which each character begins, and the length of the text.
    starts: Vec<usize>,
}

impl Bytes {
    fn of(text: &str) -> Self {
        Self { starts: text.char_indices().map(|(start, _)| start).chain([text.len()]).collect() }
    }

    fn at(&self, marker: Marker) -> usize {
        let last = self.starts.len() - 1;
        self.starts[marker.index().min(last)]
    }

    fn range(&self, node: &MarkedYaml<'_>) -> Range<usize> {
        let start = self.at(node.span.start);
        start..self.at(node.span.end).max(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# ä and ß\nrules: .\nadmin: { listen: 0.0.0.0:8081, \"to ken\": 'x y' }\nsystems:\n  crm:\n    \
                        connector: hubspot # the usual\n    empty:\n  8: [1, 2]\nurl: ${HOST}:80\n";

    #[track_caller]
    fn check(path: &[&str], key: &str, value: &str) {
        let places = Places::of(TEXT);
        assert_eq!((&TEXT[places.key(path)], &TEXT[places.value(path)]), (key, value), "{path:?}");
    }

    #[test]
    fn keys_and_values_are_found_in_blocks_and_in_braces() {
        check(&["rules"], "rules", ".");
        check(&["admin", "listen"], "listen", "0.0.0.0:8081");
        check(&["admin", "to ken"], "\"to ken\"", "'x y'");
        check(&["systems", "crm", "connector"], "connector", "hubspot");
        check(&["systems", "8"], "8", "[1, 2");
        check(&["url"], "url", "${HOST}:80");
    }

    #[test]
    fn what_is_missing_is_told_at_its_deepest_parent() {
        check(&["systems", "crm", "base_url", "host"], "crm", &TEXT[TEXT.find("connector").unwrap()..][..41]);
        check(&["systems", "crm", "empty"], "empty", "empty");
        assert_eq!(Places::of(TEXT).key(&["kafka"]), 0..0);
    }

    #[test]
    fn a_text_that_is_no_yaml_has_no_places() {
        for text in ["", "rules: [\n", "a: 1\na: 2\n", "just a text", &"[".repeat(100_000)] {
            assert_eq!(Places::of(text), Places::default());
        }
    }

    #[test]
    fn every_key_has_its_line() {
        let lines = Places::of(TEXT).lines(TEXT);
        let of = |path: &str| lines.get(path).copied();
        assert_eq!([of("rules"), of("admin.to ken"), of("systems.crm.empty"), of("url")], [2, 3, 7, 9].map(Some));
        assert_eq!(of("systems.url"), None);
    }

    #[test]
    fn lines_count_from_one() {
        assert_eq!([0, 8, 9, 10, 999].map(|byte| line("first ä\nsecond\n", byte)), [1, 1, 2, 2, 3]);
    }
}
