//! "Did you mean ...?"

/// How many words of a like length are compared: a file may hold thousands, and as many mistakes.
const MAX_CANDIDATES: usize = 200;

/// The candidate that is closest to `word`, if it is close enough to have been meant.
fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(64).collect();
    let limit = if word.len() <= 3 { 1 } else { 1 + word.len() / 4 };
    let length = word.len();
    candidates
        .into_iter()
        .filter(|candidate| candidate.chars().take(128).count().abs_diff(length) <= limit)
        .take(MAX_CANDIDATES)
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean ...?`, or nothing.
pub fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    closest(word, candidates).map(|candidate| format!("; did you mean `{candidate}`?")).unwrap_or_default()
}

/// Edits (insert, delete, replace, swap of neighbours) from one word to the other, without regard to case.
fn distance(word: &[char], candidate: &str) -> usize {
    let other: Vec<char> = candidate.chars().collect();
    let same = |a: char, b: char| a.eq_ignore_ascii_case(&b);
    let mut before = vec![0; other.len() + 1];
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, &own) in word.iter().enumerate() {
        let mut row = vec![i + 1; other.len() + 1];
        for (j, &target) in other.iter().enumerate() {
            let replaced = last[j] + usize::from(!same(own, target));
            row[j + 1] = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && same(own, other[j - 1]) && same(word[i - 1], target);
            if swapped {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::{MAX_CANDIDATES, closest};

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        for (typed, meant) in
            [("fromat", "format"), ("credential", "credentials"), ("Rules", "rules"), ("clera", "clear")]
        {
            assert_eq!(closest(typed, ["format", "credentials", "rules", "clear"]), Some(meant), "{typed}");
        }
    }

    #[test]
    fn of_thousands_of_words_the_first_of_a_like_length_are_compared() {
        let others = vec!["source"; MAX_CANDIDATES];
        let long = vec!["a-source-of-another-length"; 8000];
        let with = |others: &[&'static str]| closest("format", others.iter().copied().chain(["fromat"]));
        assert_eq!(with(&long), Some("fromat"));
        assert_eq!(with(&others[1..]), Some("fromat"));
        assert_eq!(with(&others), None);
    }

    #[test]
    fn another_word_is_not() {
        assert_eq!(closest("colour", ["format", "rules"]), None);
        assert_eq!(closest("to", ["unit"]), None);
    }
}
