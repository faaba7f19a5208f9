//! Doubles as the decimals that people write: what a sender wrote as 82.4 is 82.4, and not the double beside it.

/// Digits, and the power of ten by which they are multiplied.
pub(crate) type Decimal = (i128, i32);

/// The decimal with as few digits as tell `x` from its neighbours; `None` of what is no number.
pub(crate) fn shortest(x: f64) -> Option<Decimal> {
    let text = format!("{x:e}");
    let (digits, exponent) = text.split_once('e')?;
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let exponent = exponent.parse::<i32>().ok()? - i32::try_from(decimals).ok()?;
    Some((digits.replacen('.', "", 1).parse().ok()?, exponent))
}

/// The sum; `None` where its digits are too many.
pub(crate) fn sum(a: Decimal, b: Decimal) -> Option<Decimal> {
    let common = a.1.min(b.1);
    let at_common =
        |(digits, exponent): Decimal| digits.checked_mul(10_i128.checked_pow(exponent.abs_diff(common))?);
    Some((at_common(a)?.checked_add(at_common(b)?)?, common))
}

/// The double nearest to it.
pub(crate) fn nearest((digits, exponent): Decimal) -> Option<f64> {
    format!("{digits}e{exponent}").parse().ok()
}

/// `value` * `factor` + `offset`: the double nearest to the exact result of the three as decimals, so that 20.1 - 0.4 is 19.7. Of
/// quantities that nothing has it is near enough, and infinite where it is larger than a double can be.
pub fn linear(value: f64, factor: f64, offset: f64) -> f64 {
    let exact = || {
        let ((value, one), (factor, other)) = (shortest(value)?, shortest(factor)?);
        let product = (value.checked_mul(factor)?, one.checked_add(other)?);
        nearest(sum(product, shortest(offset)?)?)
    };
    exact().unwrap_or(value * factor + offset)
}

#[cfg(test)]
mod tests {
    use super::linear;

    #[test]
    fn a_decimal_stays_the_decimal_that_people_expect() {
        assert_eq!(linear(20.1, 1.0, -0.4), 19.7);
        assert_eq!(linear(21.5, 1.02, -0.4), 21.53);
        assert_eq!(linear(0.1, 3.0, 0.0), 0.3);
        assert_eq!(linear(1013.25, 1.0, 0.0), 1013.25);
        assert!(linear(-0.0, 1.0, 0.0).is_sign_positive());
    }

    #[test]
    fn what_has_too_many_digits_is_near_enough() {
        for value in [1e300, -1e300, 1e-300, f64::MIN_POSITIVE, 0.123_456_789_012_345_68] {
            let factor = 1.234_567_890_123_456_7;
            let expected = value * factor + 0.5;
            let found = linear(value, factor, 0.5);
            assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{value}: {found}");
        }
        assert_eq!(linear(f64::MAX, 2.0, 0.0), f64::INFINITY);
        assert!(linear(f64::NAN, 1.0, 0.0).is_nan());
    }
}
