//! Keys of a record to numbered slots: one look into a small table per key, and one comparison.
//!
//! Always true: slots of a link and of all that is nested in it are numbered in a row, the link's own slot first.

/// The keys that are read, with those of linked records below their link's key.
#[derive(Debug, Default)]
pub(super) struct Trie {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    /// By [`Node::place`]; at most half full where no better table was found.
    table: Vec<Option<(Box<str>, Child)>>,
    factors: [u32; 3],
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
    /// What stands below `key` of a node; the root is node 0.
    pub(super) fn child(&self, node: u16, key: &str) -> Option<Child> {
        let node = &self.nodes[usize::from(node)];
        let mut place = node.place(key);
        loop {
            match &node.table[place] {
                None => return None,
                Some((name, child)) if **name == *key => return Some(*child),
                Some(_) => place = (place + 1) & (node.table.len() - 1),
            }
        }
    }
}

impl Node {
    /// Looks for factors under which no two keys meet; where there are none, keys that meet stand one behind another.
    fn new(children: Vec<(String, Child)>) -> Self {
        let size = (children.len() * 4).next_power_of_two().max(8);
        let mut node = Self { table: vec![None; size], factors: [1, 3, 5] };
        for attempt in 0..512_u32 {
            let factors = [1 + attempt % 8, 3 + attempt / 8 % 8, 5 + attempt / 64];
            let trial = Self { table: vec![None; size], factors };
            let places: std::collections::BTreeSet<usize> = children.iter().map(|(key, _)| trial.place(key)).collect();
            if places.len() == children.len() {
                node = trial;
                break;
            }
        }
        for (key, child) in children {
            let mut place = node.place(&key);
            while node.table[place].is_some() {
                place = (place + 1) & (size - 1);
            }
            node.table[place] = Some((key.into_boxed_str(), child));
        }
        node
    }

    fn place(&self, key: &str) -> usize {
        let bytes = key.as_bytes();
        let (first, last) = (bytes.first().copied().unwrap_or(0), bytes.last().copied().unwrap_or(0));
        let [of_length, of_first, of_last] = self.factors;
        let sum = (key.len() as u32)
            .wrapping_mul(of_length)
            .wrapping_add(u32::from(first) * of_first)
            .wrapping_add(u32::from(last) * of_last);
        sum as usize & (self.table.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_and_no_other() {
        let mut paths = Paths::default();
        let names: Vec<String> = (0..40).map(|n| format!("k{}n", n % 10 + n / 10 * 100)).collect();
        for name in &names {
            paths.add(&[], name);
        }
        paths.add(&["link".to_owned(), "deeper".to_owned()], "x");
        let (trie, slots) = paths.number();
        for name in &names {
            let slot = u16::try_from(slots[&vec![name.clone()]]).expect("few slots");
            assert_eq!(trie.child(0, name), Some(Child::Field(slot)));
        }
        for other in ["", "k", "k50n", "links", "x", "\u{1f600}"] {
            assert_eq!(trie.child(0, other), None, "{other}");
        }
        let Some(Child::Link { slot, behind, node }) = trie.child(0, "link") else { panic!("no link") };
        assert_eq!(behind - slot, 3);
        assert!(matches!(trie.child(node, "deeper"), Some(Child::Link { .. })));
        assert_eq!(trie.child(node, "x"), None);
    }
}
