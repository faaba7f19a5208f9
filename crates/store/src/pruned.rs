//! What a metric is called that was pruned, and its stream: the row of a metric keeps its place, which writers count.

/// Whether a metric is there still, for texts that are made of others at compile time: a condition on its row, of this alias in SQL.
macro_rules! is_not_pruned {
    ($metric:literal) => {
        concat!("(", $metric, ".name <> 'pruned ' || ", $metric, ".position)")
    };
}
pub(crate) use is_not_pruned;

/// The name of what was pruned, in SQL: of a metric's position, or of a stream's id.
macro_rules! pruned_name {
    ($number:literal) => {
        concat!("'pruned ' || ", $number)
    };
}
pub(crate) use pruned_name;

/// Whether a metric of this name was pruned.
pub(crate) fn is_pruned(name: &str) -> bool {
    name.strip_prefix("pruned ").is_some_and(|position| position.parse::<i16>().is_ok())
}

/// The name of a metric that was pruned at this position.
pub(crate) fn name_at(position: i16) -> String {
    format!("pruned {position}")
}
