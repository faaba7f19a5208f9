//! The memory that the chart lets each stage have, and what the stages of a `freshet up` came to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use saphyr::{LoadableYamlNode as _, Yaml};

use crate::binaries::STAGES;
use crate::footprint::{field, mebibytes};

const VALUES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/freshet/values.yaml");
/// Between two looks at the processes; what each came to at most is the kernel's account.
const POLL: Duration = Duration::from_millis(100);

/// The limit of a stage's memory by the chart's default, in MiB.
///
/// # Panics
/// Where the chart names none in `Mi`.
pub fn of(stage: &str) -> f64 {
    let values = std::fs::read_to_string(VALUES).expect("the chart has values");
    let values = Yaml::load_from_str(&values).expect("they are YAML");
    let own = if stage == topology::WORKER { &values[0][stage] } else { &values[0]["stages"][stage] };
    let limit = own["resources"]["limits"]["memory"].as_str();
    let limit = limit.and_then(|limit| limit.strip_suffix("Mi")?.parse().ok());
    limit.unwrap_or_else(|| panic!("the chart gives {stage} no limit in Mi"))
}

/// How many processes of a stage `freshet up`, the process `up`, runs.
pub fn running(up: u32, stage: &str) -> usize {
    processes(up).filter(|(name, _)| name == stage).count()
}

/// Watches the stages of a `freshet up` until it is dropped.
pub struct Watch {
    peaks: Arc<Mutex<BTreeMap<String, f64>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins.
    pub fn start(up: u32) -> Self {
        let (peaks, over) = (Arc::<Mutex<BTreeMap<_, f64>>>::default(), Arc::<AtomicBool>::default());
        let (kept, ends) = (peaks.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                for (name, peak) in processes(up) {
                    let mut peaks = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    let most = peaks.entry(name).or_default();
                    *most = most.max(peak);
                }
                std::thread::sleep(POLL);
            }
        });
        Self { peaks, over, thread: Some(thread) }
    }

    /// The most memory that a process of each stage held, in MiB.
    pub fn peaks(&self) -> BTreeMap<String, f64> {
        self.peaks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A look that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

/// The stages below `up`: the name of each process, and the most that it held so far, in MiB.
fn processes(up: u32) -> impl Iterator<Item = (String, f64)> {
    let entries = std::fs::read_dir("/proc").expect("Linux has /proc");
    entries.filter_map(move |entry| {
        let status = std::fs::read_to_string(entry.ok()?.path().join("status")).ok()?;
        let name = field(&status, "Name").filter(|name| STAGES.contains(name))?;
        let most = mebibytes(&status, "VmHWM")?;
        (field(&status, "PPid")?.parse() == Ok(up)).then(|| (name.to_owned(), most))
    })
}
