//! Processor time of processes: on a machine that load, server and database share, it says who takes how much of a request.

use std::time::Duration;

use crate::table::{Table, median};

/// Of a second: what Linux counts processor time in, on every platform (proc_pid_stat(5), `USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// The processor time that `pid`, its living children, and those of its children that have ended took so far; of this
/// process, whose children are measured beside it, its own alone.
///
/// # Panics
/// If there is no such process.
pub fn of(pid: u32) -> Duration {
    let own = Stat::of(pid).expect("a process under measurement lives");
    if pid == std::process::id() {
        return TICK * own.own;
    }
    let children = std::fs::read_dir("/proc").expect("Linux has /proc").filter_map(|entry| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        Stat::of(pid).filter(|stat| stat.parent == own.pid)
    });
    TICK * (own.own + own.ended + children.map(|child| child.own).sum::<u32>())
}

struct Stat {
    pid: u32,
    parent: u32,
    own: u32,
    /// Of children that were waited for.
    ended: u32,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is a name in parentheses, which may hold anything.
        let fields: Vec<u32> = text[text.rfind(')')? + 1..]
            .split_whitespace()
            .skip(1)
            .map(|field| field.parse().unwrap_or_default())
            .collect();
        let field = |number: usize| fields.get(number - 4).copied();
        Some(Self { pid, parent: field(4)?, own: field(14)? + field(15)?, ended: field(16)? + field(17)? })
    }
}

/// The processor time that is spent while something runs, for each of `processes`.
#[derive(Debug)]
pub struct Spent {
    processes: Vec<(u32, Duration)>,
}

impl Spent {
    /// Begins to count.
    ///
    /// # Panics
    /// If there is no such process.
    pub fn since_now(processes: &[u32]) -> Self {
        Self { processes: processes.iter().map(|pid| (*pid, of(*pid))).collect() }
    }

    /// Microseconds of each process, in their order, for one of `requests`.
    ///
    /// # Panics
    /// If a process has ended.
    pub fn per_request(&self, requests: u64) -> Vec<f64> {
        let spent = self.processes.iter().map(|(pid, before)| of(*pid).saturating_sub(*before));
        spent.map(|spent| spent.as_secs_f64() * 1e6 / requests.max(1) as f64).collect()
    }
}

/// Who takes how much, over several runs.
#[derive(Debug, Default)]
pub struct Shares(Vec<(&'static str, Vec<f64>)>);

impl Shares {
    /// One run's times, in microseconds a request.
    pub fn add(&mut self, names: &[&'static str], times: &[f64]) {
        for (name, time) in names.iter().zip(times) {
            match self.0.iter_mut().find(|(known, _)| known == name) {
                Some((_, all)) => all.push(*time),
                None => self.0.push((name, vec![*time])),
            }
        }
    }

    /// The medians.
    pub fn tell(self, table: &mut Table) {
        for (name, times) in self.0 {
            table.tell(format!("processor time a request: {name}"), median(times), "us");
        }
    }
}
