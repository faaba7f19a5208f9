//! Resolution of a pack (RFC 8428, section 4.6): every record gets the base fields that are in force where it stands.

use jiff::{SignedDuration, Timestamp};

use crate::device::MAX_NAME_BYTES;

use super::record::{BaseFields, Record, RecordValue};
use crate::value::{self, Scalar};

/// Below this, a time is relative to now (section 4.5.3): 2^28 seconds.
const RELATIVE_BELOW: f64 = 268_435_456.0;

/// The base fields in force.
#[derive(Debug, Clone, Default)]
pub(super) struct Base<'a> {
    fields: BaseFields<'a>,
}

/// A record with its base fields added.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Resolved<'a> {
    /// The base name as written, and the record's own name; the full name is one after the other.
    pub(super) base_name: &'a str,
    pub(super) own_name: &'a str,
    pub(super) unit: Option<&'a str>,
    pub(super) value: Option<RecordValue<'a>>,
    pub(super) sum: Option<f64>,
    /// Seconds, absolute or relative; `None` is now.
    pub(super) time: Option<f64>,
}

/// What a record comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Resolution<'a> {
    Measured(Resolved<'a>),
    /// It only sets base fields, or its value is `null`.
    Silent,
    /// It has neither a value nor a sum.
    NoValue,
    /// Its name is longer than any is.
    LongName,
    /// It has no name, or one with characters that section 4.5.1 does not allow.
    BadName,
}

impl<'a> Base<'a> {
    /// Adopts the base fields of the next record.
    pub(super) fn update(&mut self, new: BaseFields<'a>) {
        let old = self.fields;
        self.fields = BaseFields {
            name: new.name.or(old.name),
            time: new.time.or(old.time),
            unit: new.unit.or(old.unit),
            value: new.value.or(old.value),
            sum: new.sum.or(old.sum),
        };
    }

    /// Resolves one record against the base fields in force.
    pub(super) fn resolve(&self, record: &Record<'a>) -> Resolution<'a> {
        let base = &self.fields;
        let says_nothing = record.value.is_none() && record.sum.is_none();
        if record.is_null && says_nothing {
            return Resolution::Silent;
        }
        if says_nothing && record.name.is_none() && record.time.is_none() && record.unit.is_none() {
            return Resolution::Silent;
        }
        // What is missing counts as zero where the other summand is there (section 4.5.4).
        let value = match record.value {
            Some(RecordValue::Number(number)) => {
                Some(RecordValue::Number(number + base.value.unwrap_or(0.0)))
            }
            None if record.sum.is_none() => base.value.map(RecordValue::Number),
            other => other,
        };
        let sum = match (record.sum, base.sum) {
            (None, None) => None,
            (own, base) => Some(own.unwrap_or(0.0) + base.unwrap_or(0.0)),
        };
        if value.is_none() && sum.is_none() {
            return Resolution::NoValue;
        }
        let (base_name, own_name) = (base.name.unwrap_or_default(), record.name.unwrap_or_default());
        if base_name.len() + own_name.len() > MAX_NAME_BYTES + 1 {
            return Resolution::LongName;
        }
        if !is_name(base_name, own_name) {
            return Resolution::BadName;
        }
        let time = match (base.time, record.time) {
            (None, None) => None,
            (base, own) => Some(base.unwrap_or(0.0) + own.unwrap_or(0.0)),
        };
        let base_unit = base.unit.filter(|_| takes_base_unit(value));
        Resolution::Measured(Resolved {
            base_name,
            own_name,
            unit: record.unit.or(base_unit),
            value,
            sum,
            time,
        })
    }
}

/// A label or a switch in a pack of temperatures has no unit. A quantity in a text (KPN's `"vs": "32.0"`) has.
fn takes_base_unit(value: Option<RecordValue<'_>>) -> bool {
    match value {
        Some(RecordValue::Flag(_) | RecordValue::Data(_)) => false,
        Some(RecordValue::Text(text)) => !matches!(value::of_text(text, &[]), Scalar::Text(_)),
        Some(RecordValue::Number(_)) | None => true,
    }
}

/// Whether the two make a name: letters, digits and `-:./_`, of which a letter or a digit comes first, or the `/` with
/// which LwM2M 1.1 begins its base names (`/3303/0/`).
fn is_name(base: &str, own: &str) -> bool {
    let mut bytes = base.bytes().chain(own.bytes());
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric() || first == b'/')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-:./_".contains(&byte))
}

/// A time in SenML seconds as an instant, to the microsecond; `None` beyond the years that can be kept.
///
/// A double holds a time of this century to a quarter of a microsecond, so the nearest microsecond is the one that
/// was written.
pub(super) fn instant(seconds: f64, now: Timestamp) -> Option<Timestamp> {
    let micros = (seconds * 1e6).round();
    // 2^63 microseconds are 292,000 years; the cast is exact below.
    if !micros.is_finite() || micros.abs() > 9.2e18 {
        return None;
    }
    let duration = SignedDuration::from_micros(micros as i64);
    if seconds < RELATIVE_BELOW {
        now.checked_add(duration).ok()
    } else {
        Timestamp::UNIX_EPOCH.checked_add(duration).ok()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Base, BaseFields, Record, RecordValue, Resolution, instant};

    fn resolve<'a>(base: BaseFields<'a>, record: &Record<'a>) -> Resolution<'a> {
        let mut state = Base::default();
        state.update(base);
        state.resolve(record)
    }

    #[test]
    fn base_value_and_base_sum_are_added() {
        let base =
            BaseFields { name: Some("a"), value: Some(20.0), sum: Some(100.0), ..BaseFields::default() };
        let record = Record { value: Some(RecordValue::Number(1.5)), sum: Some(3.0), ..Record::default() };
        let Resolution::Measured(resolved) = resolve(base, &record) else { panic!("measured") };
        assert_eq!((resolved.value, resolved.sum), (Some(RecordValue::Number(21.5)), Some(103.0)));
    }

    #[test]
    fn a_sum_alone_is_enough() {
        let base = BaseFields { name: Some("meter"), ..BaseFields::default() };
        let record = Record { sum: Some(7.0), ..Record::default() };
        let Resolution::Measured(resolved) = resolve(base, &record) else { panic!("measured") };
        assert_eq!((resolved.value, resolved.sum), (None, Some(7.0)));
    }

    #[test]
    fn a_record_of_base_fields_only_is_silent() {
        let base = BaseFields { name: Some("a:"), value: Some(3.0), ..BaseFields::default() };
        assert_eq!(resolve(base, &Record::default()), Resolution::Silent);
    }

    #[test]
    fn a_named_record_without_a_value_is_a_mistake() {
        let record = Record { name: Some("a"), ..Record::default() };
        assert_eq!(resolve(BaseFields::default(), &record), Resolution::NoValue);
    }

    #[test]
    fn names_begin_with_a_letter_or_a_digit() {
        for name in ["", "-a", "a b", "ü"] {
            let record =
                Record { name: Some(name), value: Some(RecordValue::Flag(true)), ..Record::default() };
            assert_eq!(resolve(BaseFields::default(), &record), Resolution::BadName, "{name:?}");
        }
    }

    #[test]
    fn small_times_are_relative_to_now() {
        let now: Timestamp = "2026-01-15T12:00:00Z".parse().unwrap();
        let at = |seconds| instant(seconds, now).map(|time| time.to_string());
        assert_eq!(at(-90.5).as_deref(), Some("2026-01-15T11:58:29.5Z"));
        assert_eq!(at(0.0).as_deref(), Some("2026-01-15T12:00:00Z"));
        assert_eq!(at(268_435_456.0).as_deref(), Some("1978-07-04T21:24:16Z"));
        assert_eq!(at(1.276_020_076_001e9 - 5.0).as_deref(), Some("2010-06-08T18:01:11.001Z"));
        assert_eq!(at(f64::MAX), None);
    }
}
