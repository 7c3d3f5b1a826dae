//! Keys of a record to numbered slots: one look into a small table per key, and one comparison.
//!
//! Always true: slots of a link and of all that is nested in it are numbered in a row, the link's own slot first.

use std::num::NonZeroU16;

use wide::u8x16;

use super::scan::ShortKey;

/// The keys that are read, with those of linked records below their link's key.
#[derive(Debug, Default)]
pub(super) struct Trie {
    nodes: Vec<Node>,
}

/// The keys of one object.
#[derive(Debug)]
pub(super) struct Node {
    /// By [`Node::place`]; at most a quarter full.
    table: Vec<Entry>,
    factors: [u32; 3],
}

#[derive(Debug, Clone)]
struct Entry {
    /// Nothing where no key stands here.
    child: Option<Child>,
    key: Box<[u8]>,
    /// Its first sixteen bytes, with the quote behind it if there is room. Where no key stands, what no text is.
    head: [u8; 16],
    /// A bit for each byte of `head` that is neither the key's nor the quote, the first one lowest; and all higher bits.
    rest: u32,
}

/// What stands below a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Child {
    /// Its own slot.
    pub(super) slot: u16,
    /// The first slot behind everything nested in it.
    pub(super) behind: u16,
    /// The node of a link; nothing for a field.
    pub(super) node: Option<NonZeroU16>,
}

/// A trie under construction: paths in, numbers out.
#[derive(Debug, Default)]
pub(super) struct Paths {
    keys: std::collections::BTreeMap<String, Branch>,
}

#[derive(Debug, Default)]
struct Branch {
    /// Something is nested in it.
    link: bool,
    below: Paths,
}

impl Paths {
    /// The field or, with `link`, the link that is reached over `links` is read.
    pub(super) fn add(&mut self, links: &[String], name: &str) {
        match links {
            [] => {
                self.keys.entry(name.to_owned()).or_default();
            }
            [link, rest @ ..] => self.link(link).add(rest, name),
        }
    }

    fn link(&mut self, name: &str) -> &mut Self {
        let branch = self.keys.entry(name.to_owned()).or_default();
        branch.link = true;
        &mut branch.below
    }

    /// Numbers the slots; gives the trie, and a slot for each path of keys.
    pub(super) fn number(&self) -> (Trie, std::collections::BTreeMap<Vec<String>, usize>) {
        let mut trie = Trie::default();
        let mut slots = std::collections::BTreeMap::new();
        self.node(&mut Vec::new(), &mut trie, &mut slots);
        (trie, slots)
    }

    fn node(
        &self,
        path: &mut Vec<String>,
        trie: &mut Trie,
        slots: &mut std::collections::BTreeMap<Vec<String>, usize>,
    ) -> u16 {
        let number = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        let at = trie.nodes.len();
        trie.nodes.push(Node { table: Vec::new(), factors: [0; 3] });
        let mut children = Vec::new();
        for (key, branch) in &self.keys {
            path.push(key.clone());
            let slot = number(slots.len());
            slots.insert(path.clone(), slots.len());
            // The root comes first, so no link's node is number zero.
            let node = branch.link.then(|| branch.below.node(path, trie, slots)).and_then(NonZeroU16::new);
            children.push((key.clone(), Child { slot, behind: number(slots.len()), node }));
            path.pop();
        }
        trie.nodes[at] = Node::new(children);
        number(at)
    }
}

impl Trie {
    /// A node by its number; the root is node 0.
    #[inline]
    pub(super) fn node(&self, number: u16) -> &Node {
        &self.nodes[usize::from(number)]
    }
}

impl Node {
    /// What stands below a short key, as it stands in a record.
    #[inline(always)]
    pub(super) fn short(&self, key: ShortKey<'_>) -> Option<Child> {
        let ShortKey { text, length } = key;
        let head = u8x16::new(*key.head());
        let mut place = self.place(length, text[1], text[length]);
        loop {
            let entry = &self.table[place];
            // No key has a quote in it, so whatever agrees with a key and its quote is that key.
            if head.simd_eq(u8x16::new(entry.head)).to_bitmask() | entry.rest == u32::MAX {
                return entry.child;
            }
            entry.child?;
            place = (place + 1) & (self.table.len() - 1);
        }
    }

    /// What stands below any key.
    pub(super) fn child(&self, key: &[u8]) -> Option<Child> {
        let mut place = self.place_of(key);
        loop {
            let entry = &self.table[place];
            if entry.child.is_none() || *entry.key == *key {
                return entry.child;
            }
            place = (place + 1) & (self.table.len() - 1);
        }
    }

    /// Looks for factors under which no two keys meet; where there are none, keys that meet stand one behind another.
    fn new(children: Vec<(String, Child)>) -> Self {
        let size = (children.len() * 4).next_power_of_two().max(8);
        let vacant = Entry { child: None, key: Box::new([]), head: [u8::MAX; 16], rest: u32::MAX << 16 };
        let mut node = Self { table: vec![vacant; size], factors: [1, 3, 5] };
        for attempt in 0..512_u32 {
            node.factors = [1 + attempt % 8, 3 + attempt / 8 % 8, 5 + attempt / 64];
            let places: std::collections::BTreeSet<usize> =
                children.iter().map(|(key, _)| node.place_of(key.as_bytes())).collect();
            if places.len() == children.len() {
                break;
            }
        }
        for (key, child) in children {
            let mut place = node.place_of(key.as_bytes());
            while node.table[place].child.is_some() {
                place = (place + 1) & (size - 1);
            }
            let mut head = [0; 16];
            let mut counts = 0;
            for (to, from) in head.iter_mut().zip(key.bytes().chain([b'"'])) {
                *to = from;
                counts += 1;
            }
            node.table[place] =
                Entry { child: Some(child), key: key.into_bytes().into(), head, rest: u32::MAX << counts };
        }
        node
    }

    fn place_of(&self, key: &[u8]) -> usize {
        let byte = |byte: Option<&u8>| byte.copied().unwrap_or(b'"');
        self.place(key.len(), byte(key.first()), byte(key.last()))
    }

    #[inline(always)]
    fn place(&self, length: usize, first: u8, last: u8) -> usize {
        let [of_length, of_first, of_last] = self.factors;
        let sum = (length as u32)
            .wrapping_mul(of_length)
            .wrapping_add(u32::from(first) * of_first)
            .wrapping_add(u32::from(last) * of_last);
        sum as usize & (self.table.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scan::Scan;
    use super::*;

    #[test]
    fn every_key_is_found_and_no_other() {
        let mut paths = Paths::default();
        let mut names: Vec<String> = (0..40).map(|n| format!("k{}n", n % 10 + n / 10 * 100)).collect();
        // Of sixteen bytes, of more, and of more with the same beginning.
        names.extend(["sixteen_letters_", "sixteen_letters_and_a", "sixteen_letters_and_b"].map(str::to_owned));
        for name in &names {
            paths.add(&[], name);
        }
        paths.add(&["link".to_owned(), "deeper".to_owned()], "x");
        let (trie, slots) = paths.number();
        let child = |node, key: &str| {
            let found = trie.node(node).child(key.as_bytes());
            let record = format!("\"{key}\":1,\"more\":\"long enough for it\"}}");
            if let Some(short) = (Scan { text: &record }).short_key(0) {
                assert_eq!(short.length, key.len());
                assert_eq!(trie.node(node).short(short), found, "{key}");
            } else {
                assert!(key.len() > 15, "{key}");
            }
            found
        };
        for name in &names {
            let slot = u16::try_from(slots[&vec![name.clone()]]).expect("few slots");
            assert_eq!(child(0, name), Some(Child { slot, behind: slot + 1, node: None }));
        }
        for other in [
            "",
            "k",
            "k50n",
            "links",
            "x",
            "\u{1f600}",
            "sixteen_letters",
            "sixteen_letters_and_",
            "sixteen_letters_and_c",
            "fifteen_letters",
        ] {
            assert_eq!(child(0, other), None, "{other}");
        }
        let link = child(0, "link").expect("a link");
        assert_eq!(link.behind - link.slot, 3);
        let node = link.node.expect("a link's node").get();
        assert!(child(node, "deeper").is_some_and(|deeper| deeper.node.is_some()));
        assert_eq!(child(node, "x"), None);
    }
}
