//! Linear functions of decimals, whose factor is a fraction.

use crate::decimal;

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
        let written = decimal::shortest(x)?;
        let (digits, exponent) = match self.hundredths {
            0 => written,
            hundredths => decimal::sum(written, (hundredths.into(), -2))?,
        };
        let product = digits.checked_mul(self.numerator.into())?;
        let room = DIGITS.checked_sub(product.unsigned_abs().checked_ilog10().unwrap_or(0))?;
        let quotient = product.checked_mul(10_i128.checked_pow(room)?)? / i128::from(self.denominator);
        decimal::nearest((quotient, exponent - i32::try_from(room).ok()?))
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
