//! A site: a place where devices are, and the people there.

use std::collections::{BTreeMap, BTreeSet};

use event_model::units;
use jiff::tz::TimeZone;
use settings::{Fields, Keyed, Named, Object, Parsed, Shape};

use crate::receiver::Receiver;
use crate::reference;

/// The longest tag of a language (RFC 5646, section 4.4.1, asks for 35 characters at least).
const MAX_LANGUAGE: usize = 35;

/// One entry of `sites`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Site {
    /// The time zone of its days; `None`: that of a device's source.
    pub zone: Option<TimeZone>,
    /// The language of its people, a tag of BCP 47 as the file spells it.
    pub language: Option<String>,
    /// In which unit its people see values: by the unit in which readings are kept, one into which that is converted without
    /// knowing the metric.
    pub units: BTreeMap<String, String>,
    /// The receivers of what is for its people, each once.
    pub recipients: Vec<String>,
}

/// A site, in a file that declares these receivers.
pub(crate) fn shape(receivers: &BTreeSet<&str>) -> impl Shape<Value = Site> {
    Object::new("Site", "A place where devices are.", move |fields: &Fields<'_>| {
        let zone = fields.optional(
            "zone",
            "The IANA time zone of its days; that of a device's source where absent.",
            Parsed::new(zone),
        );
        let language = fields.optional(
            "language",
            "The language of its people, a tag of BCP 47 such as `de` or `pt-BR`.",
            Parsed::like("^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", language),
        );
        let people = |kept: &str| {
            let kept = kept.to_owned();
            Parsed::new(move |unit| unit_for_people(&kept, unit))
        };
        let units = fields.optional(
            "units",
            "In which unit its people see values, by the unit in which readings are kept.",
            Keyed::new(kept_unit, people),
        );
        let recipients = fields.optional(
            "recipients",
            "The receivers of what is for its people.",
            reference::receivers(receivers),
        );
        let units = units.unwrap_or_default().into_iter().map(|Named { name, value, .. }| (name, value));
        let (units, recipients) = (units.collect(), recipients.unwrap_or_default());
        Some(Site { zone, language, units, recipients })
    })
}

/// The time zone of this name.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name)
        .map_err(|_| format!("no time zone is named `{name}`: expected a name like `Europe/Berlin`"))
}

/// Warns of sites whose people hear of no report, and of recipients that no report goes to: these are mails.
pub(crate) fn warn_of_recipients(fields: &Fields<'_>, sites: &[Named<Site>], receivers: &[Named<Receiver>]) {
    let is_mail = |name: &String| {
        receivers.iter().any(|receiver| receiver.name == *name && receiver.value.mail_account().is_some())
    };
    if sites.is_empty() {
        fields.report.warn(fields.place_of("reports"), "there are no `sites`: nothing is reported on");
    }
    for site in sites {
        let name = &site.name;
        if !site.value.recipients.iter().any(is_mail) {
            let text = format!(
                "site `{name}` has no recipient of e-mail: its reports are kept, and nobody is sent one"
            );
            fields.report.warn(site.place, text);
        }
        for other in site.value.recipients.iter().filter(|recipient| !is_mail(recipient)) {
            let text =
                format!("recipient `{other}` of site `{name}` is no mail account: no report is sent there");
            fields.report.warn(site.place, text);
        }
    }
}

fn language(tag: &str) -> Result<String, &'static str> {
    let mut subtags = tag.split('-');
    let is_language = |subtag: &str| {
        (2..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    let is_subtag = |subtag: &str| {
        (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if tag.len() <= MAX_LANGUAGE && subtags.next().is_some_and(is_language) && subtags.all(is_subtag) {
        return Ok(tag.to_owned());
    }
    Err("expected the tag of a language like `en`, `de` or `pt-BR`")
}

/// A unit in which readings are kept.
fn kept_unit(unit: &str) -> Result<String, String> {
    if units::is_canonical(unit) {
        return Ok(unit.to_owned());
    }
    units::known(unit, "").map_err(|error| error.to_string())?;
    let kept = units::canonical(0.0, unit, "").map(|(_, kept)| kept).unwrap_or_default();
    Err(format!("no reading is kept in `{unit}`: they are kept in `{kept}`"))
}

/// A unit for what is kept in `kept`.
fn unit_for_people(kept: &str, unit: &str) -> Result<String, String> {
    let unit = units::known(unit, "").map_err(|error| error.to_string())?;
    let symbol_of = |unit| units::canonical(0.0, unit, "").map(|(_, symbol)| symbol);
    match symbol_of(&unit) {
        // What is wrong with `kept` itself is noted at its key.
        own if own == symbol_of(kept) || !units::is_canonical(kept) => Ok(unit),
        _ => Err(format!("`{unit}` is no unit of what is kept in `{kept}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::{kept_unit, language, unit_for_people};

    #[test]
    fn a_language_is_a_well_formed_tag() {
        for tag in ["de", "en-GB", "zh-Hant-TW", "sr-Latn-RS", "de-CH-1996"] {
            assert_eq!(language(tag), Ok(tag.to_owned()), "{tag}");
        }
        for tag in ["", "d", "de_CH", "de-", "-de", "1de", "deutschland", "de-123456789", "\u{fc}b"] {
            assert!(language(tag).is_err(), "{tag}");
        }
    }

    #[test]
    fn people_see_a_unit_of_the_same_quantity() {
        for (kept, unit) in [("Cel", "[degF]"), ("hPa", "inHg"), ("m/s", "kn"), ("l", "m3"), ("Wh", "kWh")] {
            assert_eq!(kept_unit(kept), Ok(kept.to_owned()));
            assert_eq!(unit_for_people(kept, unit), Ok(unit.to_owned()), "{kept} {unit}");
        }
        for (kept, unit, part) in [
            ("Cel", "hPa", "no unit of what is kept in `Cel`"),
            ("mm", "m", "no unit of what is kept in `mm`"),
            ("Cel", "furlong", "no unit is known as `furlong`"),
        ] {
            assert!(unit_for_people(kept, unit).unwrap_err().contains(part), "{kept} {unit}");
        }
        assert!(kept_unit("\u{b0}F").unwrap_err().contains("kept in `Cel`"));
        assert!(kept_unit("furlong").unwrap_err().contains("no unit is known"));
    }
}
