//! What the alerts should have been: from all readings in order of time, knowing nothing of their arrival.
//!
//! Written from the definitions in `docs/configuration.md` and `docs/delivery.md`, not from the pipeline's code. Times are
//! microseconds since 1970.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Error};

/// A rule over one metric.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// The metric.
    pub metric: &'static str,
    /// When it is in breach.
    pub breach: Breach,
    /// `for`, in microseconds.
    pub hold: i64,
}

/// When a series is in breach.
#[derive(Debug, Clone, Copy)]
pub enum Breach {
    /// From above the first to at or below the second.
    Above(f64, f64),
    /// From below the first to at or above the second.
    Below(f64, f64),
    /// From outside of the first range to within the second.
    Outside((f64, f64), (f64, f64)),
    /// From a fall by more than `above` in `per` seconds to one by at most `clear`.
    Falling {
        /// Where it begins.
        above: f64,
        /// Where it ends.
        clear: f64,
        /// Seconds.
        per: f64,
    },
    /// No reading for this long, in microseconds.
    Absent(i64),
}

/// A series: value by time.
pub type Series = BTreeMap<i64, f64>;

/// `true` and the time at which it fires, `false` and the time at which that is over.
pub type Transition = (bool, i64);

/// All transitions of `rule` over `series`; `heartbeats` are in order, and ticks come every `tick` microseconds.
pub fn transitions(rule: &Rule, series: &Series, heartbeats: &[i64], tick: i64) -> Vec<Transition> {
    let spells = match rule.breach {
        Breach::Absent(after) => silences(series, &runs(heartbeats, tick), after),
        _ => breaches(rule, series, heartbeats),
    };
    spells
        .into_iter()
        .flat_map(|(from, to)| [Some((true, from)), to.map(|to| (false, to))])
        .flatten()
        .collect()
}

/// When it fires and when that ends.
type Spell = (i64, Option<i64>);

/// Each unbroken breach, shortened by the time that it must last.
fn breaches(rule: &Rule, series: &Series, heartbeats: &[i64]) -> Vec<Spell> {
    let mut found: Vec<(i64, Option<i64>)> = Vec::new();
    for (at, measured) in measures(rule.breach, series) {
        match found.last_mut() {
            Some((_, end @ None)) if ends(rule.breach, measured) => *end = Some(at),
            Some((_, None)) => {}
            _ if begins(rule.breach, measured) => found.push((at, None)),
            _ => {}
        }
    }
    let newest = series.keys().chain(heartbeats).max().copied().unwrap_or(i64::MIN);
    let lasts = |(from, to): &(i64, Option<i64>)| match to {
        Some(to) => rule.hold == 0 || from + rule.hold < *to,
        None => from + rule.hold <= newest,
    };
    found.into_iter().filter(lasts).map(|(from, to)| (from + rule.hold, to)).collect()
}

fn measures(breach: Breach, series: &Series) -> Vec<(i64, f64)> {
    let Breach::Falling { per, .. } = breach else {
        return series.iter().map(|(at, value)| (*at, *value)).collect();
    };
    let pairs = series.iter().zip(series.iter().skip(1));
    pairs.map(|((t0, v0), (t1, v1))| (*t1, (v0 - v1) / ((t1 - t0) as f64 / 1e6) * per)).collect()
}

fn begins(breach: Breach, measured: f64) -> bool {
    match breach {
        Breach::Above(begin, _) | Breach::Falling { above: begin, .. } => measured > begin,
        Breach::Below(begin, _) => measured < begin,
        Breach::Outside((low, high), _) => measured < low || measured > high,
        Breach::Absent(_) => false,
    }
}

fn ends(breach: Breach, measured: f64) -> bool {
    match breach {
        Breach::Above(_, clear) | Breach::Falling { clear, .. } => measured <= clear,
        Breach::Below(_, clear) => measured >= clear,
        Breach::Outside(_, (low, high)) => low <= measured && measured <= high,
        Breach::Absent(_) => false,
    }
}

/// Spans of time without an outage: heartbeats no more than two and a half ticks apart.
fn runs(heartbeats: &[i64], tick: i64) -> Vec<(i64, i64)> {
    heartbeats
        .chunk_by(|one, next| 2 * (next - one) <= 5 * tick)
        .map(|run| (run[0], run[run.len() - 1]))
        .collect()
}

/// After each reading, the first time at which one run has seen a whole silence before the next reading came.
fn silences(series: &Series, runs: &[(i64, i64)], after: i64) -> Vec<Spell> {
    let times: Vec<i64> = series.keys().copied().collect();
    let following = times.iter().skip(1).map(|at| Some(*at)).chain([None]);
    let silence = |(at, next): (&i64, Option<i64>)| {
        let ends = runs.iter().map(|(from, to)| (at.max(from) + after, *to));
        let fires = ends.filter(|(end, to)| end <= to).map(|(end, _)| end).min()?;
        next.is_none_or(|next| fires < next).then_some((fires, next))
    };
    times.iter().zip(following).filter_map(silence).collect()
}

/// The heartbeats that were recorded, in order.
///
/// # Errors
/// Where the database does not answer.
pub async fn heartbeats(client: &Client) -> Result<Vec<i64>, Error> {
    let sql = "select (extract(epoch from at) * 1000000)::bigint from heartbeat order by at";
    Ok(client.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// The effective transitions by rule and device, in order of time.
///
/// # Errors
/// Where the database does not answer.
pub async fn stored(client: &Client) -> Result<BTreeMap<(String, String), Vec<Transition>>, Error> {
    let sql = "
        select t.rule, d.name, t.kind = 'firing', (extract(epoch from t.at) * 1000000)::bigint
        from alert_transition t join stream s on s.id = t.stream_id join device d on d.id = s.device_id
        where t.retracted_by is null and t.kind <> 'retracted' order by t.at, t.kind = 'firing' desc";
    let mut found: BTreeMap<_, Vec<Transition>> = BTreeMap::new();
    for row in client.query(sql, &[]).await? {
        found.entry((row.get(0), row.get(1))).or_default().push((row.get(2), row.get(3)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Breach, Rule, transitions};

    const MINUTE: i64 = 60_000_000;

    fn run(breach: Breach, hold: i64, series: &[(i64, f64)], heartbeats: &[i64]) -> Vec<(bool, i64)> {
        let rule = Rule { name: "R", metric: "temperature", breach, hold: hold * MINUTE };
        let series = series.iter().map(|(at, value)| (at * MINUTE, *value)).collect();
        let heartbeats: Vec<i64> = heartbeats.iter().map(|at| at * MINUTE).collect();
        let found = transitions(&rule, &series, &heartbeats, 2 * MINUTE);
        found.into_iter().map(|(fires, at)| (fires, at / MINUTE)).collect()
    }

    #[test]
    fn a_breach_fires_when_it_has_lasted_and_ends_at_the_clear_threshold() {
        let series = [(0, 31.0), (2, 29.0), (5, 30.0), (6, 28.0), (7, 31.0), (9, 27.0)];
        assert_eq!(run(Breach::Above(30.0, 28.0), 4, &series, &[]), [(true, 4), (false, 6)]);
        assert_eq!(run(Breach::Above(30.0, 28.0), 0, &series, &[]).len(), 4);
    }

    #[test]
    fn an_open_breach_fires_once_a_heartbeat_has_seen_it_last() {
        assert_eq!(run(Breach::Below(5.0, 6.0), 4, &[(0, 4.0)], &[3]), []);
        assert_eq!(run(Breach::Below(5.0, 6.0), 4, &[(0, 4.0)], &[3, 5]), [(true, 4)]);
    }

    #[test]
    fn silence_is_counted_within_one_run_of_heartbeats() {
        let outage = [0, 2, 4, 6, 20, 22, 24, 26, 28];
        assert_eq!(run(Breach::Absent(7 * MINUTE), 0, &[(1, 0.0)], &outage), [(true, 27)]);
        assert_eq!(run(Breach::Absent(5 * MINUTE), 0, &[(1, 0.0), (6, 0.0)], &outage), [(true, 25)]);
        assert_eq!(
            run(Breach::Absent(4 * MINUTE), 0, &[(1, 0.0), (7, 0.0)], &outage),
            [(true, 5), (false, 7), (true, 24)]
        );
    }
}
