//! Linear functions of decimals: what a sender wrote as 82.4 is 82.4, and not the double beside it.

/// (x + `hundredths` / 100) * `numerator` / `denominator`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) hundredths: i64,
    pub(super) numerator: i64,
    pub(super) denominator: i64,
}

/// The digits that an `i128` has room for.
const DIGITS: u32 = 37;

impl Line {
    /// The double nearest to the exact result, `x` being the shortest decimal that reads as its double.
    pub(super) fn at(self, x: f64) -> f64 {
        if self.hundredths == 0 && self.numerator == self.denominator {
            return x;
        }
        self.exact(x).unwrap_or_else(|| {
            (x + self.hundredths as f64 / 100.0) * (self.numerator as f64 / self.denominator as f64)
        })
    }

    /// `None` where the digits are too many: of what is no number, and of quantities that nothing has.
    fn exact(self, x: f64) -> Option<f64> {
        // `8.24e1`, with as few digits as tell the double from its neighbours.
        let text = format!("{x:e}");
        let (digits, exponent) = text.split_once('e')?;
        let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let mut sum: i128 = digits.replacen('.', "", 1).parse().ok()?;
        let mut exponent = exponent.parse::<i32>().ok()? - i32::try_from(decimals).ok()?;
        if self.hundredths != 0 {
            let common = exponent.min(-2);
            let at_common = |number: i128, exponent: i32| {
                number.checked_mul(10_i128.checked_pow(exponent.abs_diff(common))?)
            };
            sum = at_common(sum, exponent)?.checked_add(at_common(self.hundredths.into(), -2)?)?;
            exponent = common;
        }
        let product = sum.checked_mul(self.numerator.into())?;
        let room = DIGITS.checked_sub(product.unsigned_abs().checked_ilog10().unwrap_or(0))?;
        let quotient = product.checked_mul(10_i128.checked_pow(room)?)? / i128::from(self.denominator);
        format!("{quotient}e{}", exponent - i32::try_from(room).ok()?).parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    const FAHRENHEIT: Line = Line { hundredths: -3200, numerator: 5, denominator: 9 };

    #[test]
    fn the_result_is_the_double_nearest_to_the_exact_one() {
        assert_eq!(FAHRENHEIT.at(82.4), 28.0);
        assert_eq!(FAHRENHEIT.at(33.0), 5.0 / 9.0);
        assert_eq!(FAHRENHEIT.at(-40.0), -40.0);
        assert_eq!(FAHRENHEIT.at(32.0), 0.0);
        assert_eq!(Line { hundredths: 0, numerator: 1, denominator: 1000 }.at(0.3), 0.0003);
    }

    #[test]
    fn what_has_too_many_digits_is_near_enough() {
        for x in [1e300, -1e300, 1e-300, f64::MAX, f64::MIN_POSITIVE, 0.0] {
            let expected = (x - 32.0) / 1.8;
            assert!((FAHRENHEIT.at(x) - expected).abs() <= 1e-12 * expected.abs(), "{x}");
        }
        assert!(FAHRENHEIT.at(f64::NAN).is_nan());
        assert_eq!(FAHRENHEIT.at(f64::INFINITY), f64::INFINITY);
    }

    #[test]
    fn zero_has_no_sign() {
        assert!(Line { hundredths: 0, numerator: 1, denominator: 1000 }.at(-0.0).is_sign_positive());
    }
}
