//! Form fields (`application/x-www-form-urlencoded`), and the aliases that stand for what is secret in them.

use event_model::{RecordedRequest, form, hex};
use sha2::{Digest as _, Sha256};

/// The names, in lower case, of what identifies a station towards its maker's cloud: it is the only secret of the
/// protocol (an MD5 of the MAC address, or the MAC address itself), so only its alias is ever kept.
const SECRET_IDS: [&str; 2] = ["passkey", "mac"];

/// The password of the Weather Underground variant of the protocol, in lower case; nothing of it is kept.
const PASSWORD: &str = "password";

/// What stands for the station with the given secret id: `ecowitt-0123456789abcdef`. The alias of an alias is itself.
pub fn alias(format: &str, secret_id: &str) -> String {
    if is_alias(format, secret_id) {
        return secret_id.to_owned();
    }
    let digest = Sha256::digest(secret_id.as_bytes());
    format!("{format}-{}", hex(&digest[..8]))
}

fn is_alias(format: &str, text: &str) -> bool {
    let hex = text.strip_prefix(format).and_then(|rest| rest.strip_prefix('-'));
    hex.is_some_and(|hex| {
        hex.len() == 16 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Replaces station ids by their aliases and takes passwords away, in the query and in the body.
pub(crate) fn redact(format: &str, request: &mut RecordedRequest) {
    request.query = redacted(format, &request.query);
    // A body that is no UTF-8 is no form; its fields are still redacted, and `inspect` refuses it afterwards.
    let body = String::from_utf8_lossy(&request.body);
    let clean = redacted(format, &body);
    if clean != body {
        request.body = clean.into();
    }
}

fn redacted(format: &str, text: &str) -> String {
    let redact_one = |field: form::Field<'_>| {
        let plain_name = field.name().trim().to_ascii_lowercase();
        if SECRET_IDS.contains(&plain_name.as_str()) {
            match field.value().trim() {
                // An alias of nothing would make one station of all that send none.
                "" => field.raw.to_owned(),
                secret_id => format!("{}={}", field.raw_name, alias(format, secret_id)),
            }
        } else if plain_name == PASSWORD {
            format!("{}=", field.raw_name)
        } else {
            field.raw.to_owned()
        }
    };
    form::fields(text).map(redact_one).collect::<Vec<_>>().join("&")
}

/// The fields of a form in their order, decoded; empty ones (`&&`) are left out.
pub(super) fn fields(text: &str) -> Vec<(String, String)> {
    form::fields(text)
        .filter(|field| !field.raw.trim().is_empty())
        .map(|field| (field.name().trim().to_owned(), field.value().trim().to_owned()))
        .collect()
}

/// The alias of the station that the fields name, else the id of the Weather Underground variant.
pub(super) fn station(format: &str, fields: &[(String, String)]) -> Option<String> {
    let find = |wanted: &str| {
        fields
            .iter()
            .find(|(name, value)| name.eq_ignore_ascii_case(wanted) && !value.is_empty())
            .map(|(_, value)| value)
    };
    SECRET_IDS.iter().find_map(|name| find(name)).map(|id| alias(format, id)).or_else(|| find("id").cloned())
}

#[cfg(test)]
mod tests {
    use event_model::RecordedRequest;

    use super::{alias, fields, redact, station};

    #[test]
    fn a_station_id_leaves_its_alias_in_query_and_body() {
        let mut request = RecordedRequest {
            query: "%50ASSKEY=AB%3ACD&tempf=70".into(),
            body: "stationtype=x&PASSKEY=AB:CD&PASSWORD=hunter2&tempf=70".into(),
            ..RecordedRequest::default()
        };
        redact("ecowitt", &mut request);
        let alias = alias("ecowitt", "AB:CD");
        assert_eq!(request.query, format!("%50ASSKEY={alias}&tempf=70"));
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        assert_eq!(body, format!("stationtype=x&PASSKEY={alias}&PASSWORD=&tempf=70"));
        assert_eq!(station("ecowitt", &fields(&body)), Some(alias));
    }

    #[test]
    fn an_empty_station_id_names_no_station() {
        let mut request = RecordedRequest { body: "PASSKEY=&tempf=70".into(), ..RecordedRequest::default() };
        redact("ecowitt", &mut request);
        assert_eq!(request.body, "PASSKEY=&tempf=70");
        assert_eq!(station("ecowitt", &fields("PASSKEY=&tempf=70")), None);
    }

    #[test]
    fn redacting_twice_is_redacting_once() {
        let mut request = RecordedRequest { body: "MAC=40:F5:20:3A".into(), ..RecordedRequest::default() };
        redact("ambient_weather", &mut request);
        let once = request.clone();
        redact("ambient_weather", &mut request);
        assert_eq!(request, once);
    }

    #[test]
    fn an_alias_has_the_first_sixteen_digits_of_the_hash() {
        // `printf abc | sha256sum`
        assert_eq!(alias("ecowitt", "abc"), "ecowitt-ba7816bf8f01cfea");
    }

    #[test]
    fn empty_fields_are_left_out_and_plus_is_a_space() {
        let expected = vec![("a".to_owned(), "1 2".to_owned()), ("b".to_owned(), String::new())];
        assert_eq!(fields("&a=1+2&&b"), expected);
    }
}
