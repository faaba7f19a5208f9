pub(crate) fn canonical(value: f64, _unit: &str, _metric: &str) -> Option<(f64, &'static str)> {
    Some((value, ""))
}
