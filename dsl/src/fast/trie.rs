//! Keys of a record to numbered slots: one look into a small table per key, and one comparison.
//!
//! Always true: slots of a link and of all that is nested in it are numbered in a row, the link's own slot first.

use wide::u8x16;

/// The keys that are read, with those of linked records below their link's key.
#[derive(Debug, Default)]
pub(super) struct Trie {
    nodes: Vec<Node>,
}

/// The keys of one object.
#[derive(Debug)]
pub(super) struct Node {
    /// By [`Node::place`]; at most half full where no better table was found.
    table: Vec<Option<Entry>>,
    factors: [u32; 3],
}

#[derive(Debug, Clone)]
struct Entry {
    key: Box<[u8]>,
    /// Its first sixteen bytes, or all of it and zeros.
    head: [u8; 16],
    child: Child,
}

/// What stands below a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Child {
    /// A field.
    Field(u16),
    /// A link: its own slot, the first slot behind everything nested in it, and its node.
    Link { slot: u16, behind: u16, node: u16 },
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
            let child = if branch.link {
                let node = branch.below.node(path, trie, slots);
                Child::Link { slot, behind: number(slots.len()), node }
            } else {
                Child::Field(slot)
            };
            children.push((key.clone(), child));
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
    /// What stands below `key`, which begins with `head`; behind a shorter key, anything may follow in it.
    #[inline(always)]
    pub(super) fn child(&self, key: &[u8], head: [u8; 16]) -> Option<Child> {
        let mut place = self.place(key);
        loop {
            let entry = self.table[place].as_ref()?;
            if entry.key.len() == key.len() {
                let same = u8x16::new(head).simd_eq(u8x16::new(entry.head)).to_bitmask();
                if same | u32::MAX << key.len().min(16) == u32::MAX && (key.len() <= 16 || key[16..] == entry.key[16..])
                {
                    return Some(entry.child);
                }
            }
            place = (place + 1) & (self.table.len() - 1);
        }
    }

    /// Looks for factors under which no two keys meet; where there are none, keys that meet stand one behind another.
    fn new(children: Vec<(String, Child)>) -> Self {
        let size = (children.len() * 4).next_power_of_two().max(8);
        let mut node = Self { table: vec![None; size], factors: [1, 3, 5] };
        for attempt in 0..512_u32 {
            let factors = [1 + attempt % 8, 3 + attempt / 8 % 8, 5 + attempt / 64];
            let trial = Self { table: vec![None; size], factors };
            let places: std::collections::BTreeSet<usize> =
                children.iter().map(|(key, _)| trial.place(key.as_bytes())).collect();
            if places.len() == children.len() {
                node = trial;
                break;
            }
        }
        for (key, child) in children {
            let mut place = node.place(key.as_bytes());
            while node.table[place].is_some() {
                place = (place + 1) & (size - 1);
            }
            let head = head(key.as_bytes());
            node.table[place] = Some(Entry { key: key.into_bytes().into(), head, child });
        }
        node
    }

    #[inline]
    fn place(&self, key: &[u8]) -> usize {
        let (first, last) = (key.first().copied().unwrap_or(0), key.last().copied().unwrap_or(0));
        let [of_length, of_first, of_last] = self.factors;
        let sum = (key.len() as u32)
            .wrapping_mul(of_length)
            .wrapping_add(u32::from(first) * of_first)
            .wrapping_add(u32::from(last) * of_last);
        sum as usize & (self.table.len() - 1)
    }
}

/// The first sixteen bytes of a text, or all of it and zeros.
pub(super) fn head(text: &[u8]) -> [u8; 16] {
    let mut head = [0; 16];
    let length = text.len().min(16);
    head[..length].copy_from_slice(&text[..length]);
    head
}

#[cfg(test)]
mod tests {
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
        // In a record, something follows behind a key.
        let child = |node, key: &str| trie.node(node).child(key.as_bytes(), head(format!("{key}\": 1}}").as_bytes()));
        for name in &names {
            let slot = u16::try_from(slots[&vec![name.clone()]]).expect("few slots");
            assert_eq!(child(0, name), Some(Child::Field(slot)));
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
        ] {
            assert_eq!(child(0, other), None, "{other}");
        }
        let Some(Child::Link { slot, behind, node }) = child(0, "link") else { panic!("no link") };
        assert_eq!(behind - slot, 3);
        assert!(matches!(child(node, "deeper"), Some(Child::Link { .. })));
        assert_eq!(child(node, "x"), None);
    }
}
