//! Kubernetes' quantities: `250m`, `2`, `512Mi`, `1e3`.

/// A quantity in thousandths; `None` where the text is none.
pub fn thousandths(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-')).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let number: f64 = digits.parse().ok()?;
    let factor = match suffix {
        "" => 1_000.0,
        "m" => 1.0,
        "k" => 1e6,
        "M" => 1e9,
        "G" => 1e12,
        "T" => 1e15,
        "Ki" => 1_024_000.0,
        "Mi" => 1_048_576_000.0,
        "Gi" => 1_073_741_824_000.0,
        "Ti" => 1_099_511_627_776_000.0,
        exponent => 1_000.0 * 10_f64.powi(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    let value = number * factor;
    (value >= 0.0 && value.is_finite()).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::thousandths;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, value) in [
            ("25m", 25),
            ("2", 2_000),
            ("0.5", 500),
            ("32Mi", 33_554_432_000),
            ("1k", 1_000_000),
            ("2e3", 2_000_000),
        ] {
            assert_eq!(thousandths(text), Some(value), "{text}");
        }
        for text in ["", "m", "Mi", "-1", "1x"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }
}
