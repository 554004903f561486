// SPDX-License-Identifier: Apache-2.0
//! Did you mean …?

/// The candidate that differs least from `word`, if it differs by little.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(WORD_MAX.saturating_add(1)).collect();
    if word.len() > WORD_MAX {
        return None;
    }
    let tolerated = (word.len() / 3).max(1);
    candidates
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= tolerated)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// No key is longer; a longer word is not compared.
const WORD_MAX: usize = 32;

/// Insertions, deletions, replacements and swaps of neighbours that make one of the other
/// (optimal string alignment); `a` in any case.
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX);
    let mut last = None;
    for (i, x) in a.iter().map(char::to_ascii_lowercase).enumerate() {
        let mut next = vec![i.saturating_add(1)];
        for (j, y) in b.iter().enumerate() {
            let replaced = at(&row, j).saturating_add(usize::from(x != *y));
            let deleted = at(&row, j.saturating_add(1)).saturating_add(1);
            let inserted = at(&next, j).saturating_add(1);
            let previous = j.checked_sub(1);
            let swapped = match previous.and_then(|k| b.get(k).map(|z| (k, *z))) {
                Some((k, z)) if x == z && last == Some(*y) => at(&before, k).saturating_add(1),
                _ => usize::MAX,
            };
            next.push(replaced.min(deleted).min(inserted).min(swapped));
        }
        before = std::mem::replace(&mut row, next);
        last = Some(x);
    }
    row.last().copied().unwrap_or(usize::MAX)
}
