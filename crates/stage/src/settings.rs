//! The settings that every service has.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use runtime::Env;

/// Of a delivery's time-out, what passes before its stage has it and after its stage has answered.
const START_AND_ANSWER: Duration = Duration::from_secs(10);

/// Of one request to a stage, unless set.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(60);
/// For one delivery of this time-out.
pub(crate) const DELIVERY_BUDGET: Duration = budget_of(DELIVERY_TIMEOUT);

/// The shell's settings. Each field names its variable and default.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `PORT`: where to listen; 8080. 0 takes any free port.
    pub port: u16,
    /// `LISTEN_ADDRESS`: on which address; all of them.
    pub listen_address: IpAddr,
    /// `SHUTDOWN_TIMEOUT_MS`: for finishing what is in flight after SIGTERM, and again for flushing; 20 s.
    pub shutdown_timeout: Duration,
    /// `DELIVERY_TIMEOUT_MS`: the time-out of one request to this stage (Knative's `timeoutSeconds`); 60 s.
    pub delivery_timeout: Duration,
    /// `MAX_IN_FLIGHT`: requests at once, above which the answer is 429 but to probes; 512.
    pub max_in_flight: usize,
    /// `MAX_EVENT_BYTES`: the largest event; 1 MiB, which is what a Kafka record holds.
    pub max_event_bytes: usize,
    /// `BODY_TIMEOUT_MS`: for a whole request body to arrive; 10 s.
    pub body_timeout: Duration,
    /// `SERVER_THREADS`: threads that serve requests; one for each core, at most 4.
    pub server_threads: usize,
    /// `SCRATCH_DIR`: a folder that outlives the process, where it is counted which events end it; none.
    pub scratch: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 8080,
            listen_address: IpAddr::from([0, 0, 0, 0]),
            shutdown_timeout: Duration::from_secs(20),
            delivery_timeout: DELIVERY_TIMEOUT,
            max_in_flight: 512,
            max_event_bytes: 1024 * 1024,
            body_timeout: Duration::from_secs(10),
            server_threads: std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4)),
            scratch: None,
        }
    }
}

impl Settings {
    /// For one delivery from its arrival on: the time-out without a margin for a cold start, which the time-out includes, and
    /// for the answer to travel.
    pub fn delivery_budget(&self) -> Duration {
        budget_of(self.delivery_timeout)
    }

    /// Reads them; mistakes are noted in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let default = Self::default();
        Self {
            port: env.number_or("PORT", default.port, 0..=u16::MAX),
            listen_address: env.parsed("LISTEN_ADDRESS", "an IP address").unwrap_or(default.listen_address),
            shutdown_timeout: env.millis_or("SHUTDOWN_TIMEOUT_MS", default.shutdown_timeout),
            delivery_timeout: env.millis_or("DELIVERY_TIMEOUT_MS", default.delivery_timeout),
            max_in_flight: env.number_or("MAX_IN_FLIGHT", default.max_in_flight, 1..=100_000),
            max_event_bytes: env.number_or(
                "MAX_EVENT_BYTES",
                default.max_event_bytes,
                1024..=64 * 1024 * 1024,
            ),
            body_timeout: env.millis_or("BODY_TIMEOUT_MS", default.body_timeout),
            server_threads: env.number_or("SERVER_THREADS", default.server_threads, 1..=64),
            scratch: env.text("SCRATCH_DIR").map(PathBuf::from),
        }
    }
}

const fn budget_of(timeout: Duration) -> Duration {
    let half = timeout.checked_div(2).expect("two is not zero");
    let rest = timeout.saturating_sub(START_AND_ANSWER);
    if rest.as_nanos() > half.as_nanos() { rest } else { half }
}

#[cfg(test)]
mod tests {
    use topology::STAGES;

    use super::Settings;

    #[test]
    fn the_default_time_out_is_that_of_every_stage_and_leaves_most_of_it_for_work() {
        let settings = Settings::default();
        for stage in STAGES {
            assert_eq!(stage.timeout, settings.delivery_timeout, "{}", stage.name);
        }
        assert!(settings.delivery_budget() < settings.delivery_timeout);
        assert!(settings.delivery_budget() > settings.delivery_timeout / 2);
    }
}
