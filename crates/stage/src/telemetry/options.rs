//! What telemetry reads from the environment: the variables of the OpenTelemetry specification, "environment variable
//! specification" and "OTLP exporter configuration".

use reqwest::Url;
use runtime::Env;
use tracing_subscriber::EnvFilter;

/// The only protocol that is spoken.
const PROTOCOL: &str = "http/protobuf";

/// What telemetry needs from the environment.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The service as the code names it.
    pub(super) name: &'static str,
    /// `OTEL_SERVICE_NAME`: its name to the collector; that of the code.
    pub(super) service_name: String,
    /// `RUST_LOG`: a filter in the syntax of `tracing_subscriber`; `info`.
    pub(super) filter: String,
    /// Where traces go: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, else `v1/traces` below `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(super) traces: Option<Url>,
    /// Where metrics go, in the same way.
    pub(super) metrics: Option<Url>,
    /// `K_REVISION`: the revision, as Knative sets it.
    pub(super) revision: Option<String>,
    /// `K_SERVICE`: the Knative Service.
    pub(super) knative_service: Option<String>,
}

impl Options {
    pub(crate) fn from_env(name: &'static str, env: &mut Env) -> Self {
        let filter = env.text_or("RUST_LOG", "info");
        if EnvFilter::builder().parse(&filter).is_err() {
            env.mistake("RUST_LOG", "is no filter such as `info` or `warn,transform=debug`");
        }
        protocol(env, "OTEL_EXPORTER_OTLP_PROTOCOL");
        let base = env.http_url("OTEL_EXPORTER_OTLP_ENDPOINT");
        let traces = endpoint(env, "TRACES", base.as_ref());
        let metrics = endpoint(env, "METRICS", base.as_ref());
        // Any other value is false.
        let disabled = env.text("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Self {
            name,
            service_name: env.text_or("OTEL_SERVICE_NAME", name),
            filter,
            traces: traces.filter(|_| !disabled),
            metrics: metrics.filter(|_| !disabled),
            revision: env.text("K_REVISION"),
            knative_service: env.text("K_SERVICE"),
        }
    }
}

/// Where one signal goes: to an address of its own, used as it is, or below the general one.
fn endpoint(env: &mut Env, signal: &str, base: Option<&Url>) -> Option<Url> {
    protocol(env, &format!("OTEL_EXPORTER_OTLP_{signal}_PROTOCOL"));
    let own = env.http_url(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"));
    let below = || {
        let base = base?.as_str().trim_end_matches('/');
        format!("{base}/v1/{}", signal.to_ascii_lowercase()).parse().ok()
    };
    let exporter = format!("OTEL_{signal}_EXPORTER");
    match env.text(&exporter).as_deref() {
        None | Some("otlp") => own.or_else(below),
        Some("none") => None,
        Some(_) => {
            env.mistake(exporter, "is none of otlp and none");
            None
        }
    }
}

fn protocol(env: &mut Env, name: &str) {
    if env.text(name).is_some_and(|protocol| protocol != PROTOCOL) {
        env.mistake(
            name,
            format!("is not {PROTOCOL}, which is all that is spoken (its port is usually 4318)"),
        );
    }
}

#[cfg(test)]
mod tests {
    use runtime::Env;

    use super::Options;

    fn read(pairs: &[(&str, &str)]) -> (Option<String>, Option<String>, Vec<String>) {
        let mut env = Env::from_pairs(pairs);
        let options = Options::from_env("alert", &mut env);
        let text = |url: Option<reqwest::Url>| url.map(String::from);
        let mistakes = env.mistakes().iter().map(|mistake| mistake.place.clone()).collect();
        (text(options.traces), text(options.metrics), mistakes)
    }

    #[test]
    fn a_signal_goes_to_its_own_address_or_below_the_general_one() {
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t/in");
        let (below, metrics) = ("http://c:4318/v1/traces", "http://c:4318/v1/metrics");
        let none = ("OTEL_METRICS_EXPORTER", "none");
        for (pairs, traces, expected) in [
            (&[base][..], Some(below), Some(metrics)),
            (&[own], Some("https://t/in"), None),
            (&[base, own], Some("https://t/in"), Some(metrics)),
            (&[base, none], Some(below), None),
            (
                &[base, ("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_SDK_DISABLED", "false")],
                Some(below),
                Some(metrics),
            ),
            (&[base, own, ("OTEL_SDK_DISABLED", "True")], None, None),
            (&[base, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")], Some(below), Some(metrics)),
            (&[], None, None),
        ] {
            assert_eq!(read(pairs), (traces.map(Into::into), expected.map(Into::into), vec![]), "{pairs:?}");
        }
    }

    #[test]
    fn what_is_not_spoken_is_a_mistake_and_not_passed_over() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json"),
            ("OTEL_TRACES_EXPORTER", "console"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4317"),
        ] {
            assert_eq!(read(&[(name, value)]).2, [name], "{value}");
        }
    }

    #[test]
    fn the_operator_may_name_the_service() {
        let name =
            |pairs: &[(&str, &str)]| Options::from_env("alert", &mut Env::from_pairs(pairs)).service_name;
        assert_eq!(name(&[]), "alert");
        assert_eq!(name(&[("OTEL_SERVICE_NAME", "plant-alert")]), "plant-alert");
    }
}
