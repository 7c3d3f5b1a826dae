//! The nearest of several names, where one is near enough to be meant.

/// The candidate with the smallest edit distance to `word`; none where it is further than a third of the word.
/// Words over 64 characters and lists over 2,000 are not looked at.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    within(word, candidates).min().map(|(_, candidate)| candidate)
}

/// All candidates that are near enough, with their distances, nearest first.
#[must_use]
pub fn all_near<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<(usize, &'a str)> {
    let mut found: Vec<_> = within(word, candidates).collect();
    found.sort_unstable();
    found
}

fn within<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = (usize, &'a str)> {
    let limit = (word.chars().count() / 3).max(1);
    let looked_at = if word.is_empty() || word.len() > 64 { 0 } else { 2_000 };
    candidates
        .into_iter()
        .take(looked_at)
        .filter(|candidate| candidate.len() <= 64)
        .map(move |candidate| (distance(word, candidate), candidate))
        .filter(move |(distance, _)| *distance <= limit)
}

/// Edits (insert, delete, replace, swap of neighbours), without regard to case.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}
