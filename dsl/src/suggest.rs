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

/// Those that are near enough, by edits (insert, delete, replace, swap of neighbours) and without regard to case.
fn within<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = (usize, &'a str)> {
    let limit = (word.chars().count() / 3).max(1);
    let looked_at = if word.is_empty() || word.len() > 64 { 0 } else { 2_000 };
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .take(looked_at)
        .filter(|candidate| candidate.len() <= 64)
        .map(move |candidate| (strsim::osa_distance(&word, &candidate.to_lowercase()), candidate))
        .filter(move |(distance, _)| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_of_neighbours_is_one_edit_and_case_is_none() {
        assert_eq!(all_near("Emial", ["email", "emil", "domain"]), [(1, "email"), (1, "emil")]);
        assert_eq!(nearest("EMAIL", ["email"]), Some("email"));
        assert_eq!(nearest("größe", ["GRÖSSE", "Größen"]), Some("Größen"));
    }

    #[test]
    fn what_is_further_than_a_third_of_the_word_is_not_meant() {
        assert_eq!(nearest("id", ["email", "ids", "di"]), Some("di"));
        assert_eq!([nearest("phone", ["photos"]), nearest("", ["a"]), nearest(&"a".repeat(65), ["a"])], [None; 3]);
    }
}
