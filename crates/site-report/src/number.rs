//! Numbers as people read them.

use crate::words::Words;

/// How numbers are written: the language's decimal character, and the form's minus sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberStyle {
    /// What stands before the decimals.
    pub(crate) decimal: char,
    /// What stands before a number below 0.
    pub(crate) minus: char,
}

/// How many decimals the numbers of a column have, so that they can be compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Precision {
    decimals: usize,
    largest: f64,
}

/// The least that is written without an exponent, and the least above that is again written with one.
const PLAIN: std::ops::Range<f64> = 0.001..1e6;

/// What is less than this share of the largest number of its column is 0: sums of binary fractions leave such.
const NOISE: f64 = 1e-9;

impl Precision {
    /// For these numbers: at most four digits that count of the largest, and no decimals that none of them has.
    pub(crate) fn of(numbers: impl Iterator<Item = f64> + Clone) -> Self {
        let largest = numbers.clone().fold(0.0_f64, |largest, number| largest.max(number.abs()));
        let most = decimals_for(largest, 4);
        let plain = numbers.filter(|number| PLAIN.contains(&number.abs()));
        let decimals = plain.map(|number| decimals_of(&format!("{number:.most$}"))).max().unwrap_or(0);
        Self { decimals, largest }
    }
}

impl NumberStyle {
    /// In a language, with the minus sign of typesetters.
    pub(crate) fn typeset(words: &Words) -> Self {
        Self { decimal: words.decimal, minus: '\u{2212}' }
    }

    /// In a language, with the minus sign of keyboards.
    pub(crate) fn plain(words: &Words) -> Self {
        Self { decimal: words.decimal, minus: '-' }
    }

    /// A number by itself.
    pub(crate) fn number(self, number: f64) -> String {
        self.in_column(number, Precision::of([number].into_iter()))
    }

    /// A number of a column. It has more decimals than the column where it would lose all its digits but one. Digits before
    /// the decimals are never left out: the count of a meter is not rounded.
    pub(crate) fn in_column(self, number: f64, precision: Precision) -> String {
        let size = number.abs();
        let number = if size <= precision.largest * NOISE { 0.0 } else { number };
        if number != 0.0 && !PLAIN.contains(&size) {
            return self.with_exponent(number);
        }
        let own = decimals_for(size, 2);
        let own = if number == 0.0 { 0 } else { decimals_of(&format!("{number:.own$}")) };
        self.with_decimals(number, own.max(precision.decimals))
    }

    /// A difference of two numbers of a column, with its sign.
    pub(crate) fn difference(self, difference: f64, precision: Precision) -> String {
        let size = difference.abs();
        if size >= PLAIN.end || (precision.largest < PLAIN.start && size > 0.0) {
            let sign = if difference > 0.0 { "+" } else { "" };
            return sign.to_owned() + &self.with_exponent(difference);
        }
        let decimals = precision.decimals;
        let text = format!("{difference:+.decimals$}");
        if text.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
            self.styled(&text)
        } else {
            "±0".to_owned()
        }
    }

    /// A number with so many decimals; 0 has no sign.
    pub(crate) fn with_decimals(self, number: f64, decimals: usize) -> String {
        let text = format!("{number:.decimals$}");
        let is_zero = text.bytes().all(|byte| !matches!(byte, b'1'..=b'9'));
        self.styled(if is_zero { text.trim_start_matches('-') } else { &text })
    }

    /// A number with an exponent of ten, and four digits at most.
    pub(crate) fn with_exponent(self, number: f64) -> String {
        let text = format!("{number:.3e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        self.styled(&format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.')))
    }

    fn styled(self, text: &str) -> String {
        let styled = |character| match character {
            '.' => self.decimal,
            '-' => self.minus,
            other => other,
        };
        text.chars().map(styled).collect()
    }
}

/// How many decimals show `digits` digits that count of a number of this size.
fn decimals_for(size: f64, digits: usize) -> usize {
    let whole = [1e3, 1e2, 1e1, 1.0, 1e-1, 1e-2].iter().position(|least| size >= *least).unwrap_or(6);
    (whole + digits).saturating_sub(4)
}

/// How many decimals a number has, without the zeros at its end.
fn decimals_of(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, decimals)| decimals.trim_end_matches('0').len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::{NumberStyle, Precision};

    const STYLE: NumberStyle = NumberStyle { decimal: ',', minus: '-' };

    #[test]
    fn a_number_has_the_digits_that_people_read() {
        for (number, text) in [
            (0.1 + 0.2, "0,3"),
            (21.4567, "21,46"),
            (1013.25, "1013"),
            (12_345.6, "12346"),
            (999_999.0, "999999"),
            (1_234_567.0, "1,235e6"),
            (0.001_234, "0,001234"),
            (-0.000_123_4, "-1,234e-4"),
            (-0.0, "0"),
            (5.0, "5"),
            (1e300, "1e300"),
        ] {
            assert_eq!(STYLE.number(number), text);
        }
    }

    #[test]
    fn the_numbers_of_a_column_have_the_same_decimals() {
        let column = [21.4, 9.876, 0.0, 1e-14];
        let precision = Precision::of(column.into_iter());
        let texts = column.map(|number| STYLE.in_column(number, precision));
        assert_eq!(texts, ["21,40", "9,88", "0,00", "0,00"]);
        let small = [1200.0, 0.04];
        let precision = Precision::of(small.into_iter());
        assert_eq!(small.map(|number| STYLE.in_column(number, precision)), ["1200", "0,04"]);
    }

    #[test]
    fn a_difference_says_its_sign() {
        let precision = Precision::of([21.43, 20.9].into_iter());
        let texts = [0.53, -1.2, 0.001, -0.004, 0.0].map(|number| STYLE.difference(number, precision));
        assert_eq!(texts, ["+0,53", "-1,20", "±0", "±0", "±0"]);
    }

    proptest! {
        #[test]
        fn a_number_is_short_whatever_it_is(number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            prop_assert!(STYLE.number(number).len() <= 12);
            let precision = Precision::of([number, 20.0].into_iter());
            prop_assert!(STYLE.in_column(number, precision).len() <= 12);
        }
    }

    use proptest::strategy::Strategy as _;
}
