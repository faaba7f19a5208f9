//! A simulated day on which devices report at every tick.

use jiff::{SignedDuration, Timestamp, ToSpan as _};
use knative_local::Config;
use pipeline_tests::oracle::stored;
use pipeline_tests::stand::{Plan, Stand};

const PIPELINE: &str = "
tick: 5m
sources:
  field:
    format: json
    credentials: [{header: X-Api-Key, secret: {env: STAND_KEY}}]
rules:
  Silent: {metric: temperature, absent: 30m}
";
pub(crate) const DEVICES: [&str; 4] = ["barn", "field", "roof", "well"];
pub(crate) const TICK: SignedDuration = SignedDuration::from_mins(5);

/// The pipeline, and the time of the day.
pub(crate) struct Day {
    pub(crate) stand: Stand,
    pub(crate) now: Timestamp,
}

impl Day {
    /// `None` where PostgreSQL is not installed.
    pub(crate) async fn begin() -> Option<Self> {
        Self::begin_with(|_| {}).await
    }

    pub(crate) async fn begin_with(adjust: fn(&mut Config)) -> Option<Self> {
        Self::begin_in(Vec::new(), adjust).await
    }

    /// With more environment.
    pub(crate) async fn begin_in(
        environment: Vec<(String, String)>,
        adjust: fn(&mut Config),
    ) -> Option<Self> {
        let now = "2026-03-01T00:00:00Z".parse().unwrap();
        let plan = Plan { clock: Some(now), environment, adjust, ..Plan::new(PIPELINE) };
        Some(Self { stand: Stand::up(plan).await?, now })
    }

    pub(crate) fn pass(&mut self, time: SignedDuration) {
        self.now = self.now.checked_add(time).unwrap();
        self.stand.set_clock(self.now);
    }

    pub(crate) async fn post(&self, device: &str) {
        let body = format!(r#"{{"device": "{device}", "time": "{}", "temperature": 20}}"#, self.now);
        self.stand.post_until_taken("field", body.into_bytes()).await;
    }

    /// The tick comes before the readings of its time.
    pub(crate) async fn live(&mut self, ticks: u32, devices: &[&str]) {
        for _ in 0..ticks {
            self.pass(TICK);
            self.stand.tick().await;
            for device in devices {
                self.post(device).await;
            }
            self.stand.rest().await;
        }
    }

    /// And nobody was for a moment: a transition that was retracted is counted too.
    pub(crate) async fn nobody_is_silent(&self) {
        let count = self.count("alert_transition").await;
        assert_eq!(count, 0, "a device was reported silent by {}", self.now);
    }

    pub(crate) async fn count(&self, of: &str) -> i64 {
        let sql = format!("select count(*) from {of}");
        self.stand.database().await.query_one(&sql, &[]).await.unwrap().get(0)
    }

    /// All come back but one, which has its whole time anew.
    pub(crate) async fn ends_with_one_silent(mut self) {
        self.pass(TICK);
        let back = self.now;
        self.stand.tick().await;
        // The pipeline was up one tick before, or not.
        self.live(4, &DEVICES[1..]).await;
        self.nobody_is_silent().await;
        self.live(3, &DEVICES[1..]).await;
        let found = stored(&self.stand.database().await).await.unwrap();
        let silent: Vec<_> =
            found.iter().map(|((_, device), transitions)| (device.as_str(), transitions)).collect();
        let [(device, transitions)] = silent[..] else { panic!("{silent:?}") };
        let [(true, at)] = transitions[..] else { panic!("{transitions:?}") };
        let whole = (back - TICK + 30.minutes()).as_microsecond()..=(back + 30.minutes()).as_microsecond();
        assert!(device == DEVICES[0] && whole.contains(&at), "{device} at {at}");
        self.stand.down().await;
    }
}
