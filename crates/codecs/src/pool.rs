//! The processes of a stage, and the frames that wait for them.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use decoders::codec::{Frame, MAX_OUTPUT_DEPTH, Output};
use decoders::json::{JsonError, Node};
use nix::sys::signal::Signal;
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::child::{Child, NoAnswer};
use crate::wire::Request;

/// The most frames that wait for a process.
const MAX_WAITING: usize = 1024;

/// The signals by which a process ends through its own fault. Others come from outside, as where the machine is out of memory.
const FAULTS: [i32; 7] = [
    Signal::SIGABRT as i32,
    Signal::SIGBUS as i32,
    Signal::SIGFPE as i32,
    Signal::SIGILL as i32,
    Signal::SIGSEGV as i32,
    Signal::SIGTRAP as i32,
    Signal::SIGXCPU as i32,
];

/// How scripts are run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A program that begins with [`serve_if_asked`](crate::serve_if_asked).
    pub program: PathBuf,
    /// The processes that run at once, at least 1.
    pub processes: usize,
    /// How long a frame waits and is decoded, by the clock on the wall: beyond, the machine has no time for it now.
    pub patience: Duration,
}

impl Default for Settings {
    /// This program, in one process, for 5 s.
    fn default() -> Self {
        // The link stays where the file behind it is replaced.
        let own = PathBuf::from("/proc/self/exe");
        let program = if own.exists() { own } else { std::env::current_exe().unwrap_or(own) };
        Self { program, processes: 1, patience: Duration::from_secs(5) }
    }
}

/// No script has run for a frame in time. It may be tried again: nothing is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no codec has run: {0}")]
pub struct Unavailable(String);

/// Runs the scripts of codecs. Nothing is started before the first frame.
#[derive(Debug, Clone)]
pub struct Codecs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    free: Semaphore,
    idle: Mutex<Vec<Child>>,
    waiting: AtomicUsize,
}

impl Default for Codecs {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Codecs {
    /// With these settings.
    pub fn new(settings: Settings) -> Self {
        let free = Semaphore::new(settings.processes.max(1));
        Self(Arc::new(Shared { settings, free, idle: Mutex::default(), waiting: AtomicUsize::new(0) }))
    }

    /// What its script makes of a frame. Dropped before it is done, its process ends.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn run(&self, frame: &Frame) -> Result<Output, Unavailable> {
        let Some(_waits) = Waiting::enter(&self.0.waiting) else {
            return Err(Unavailable(format!("{MAX_WAITING} frames wait already")));
        };
        let patience = self.0.settings.patience;
        match tokio::time::timeout(patience, self.run_in_turn(frame)).await {
            Ok(output) => output,
            Err(_) => Err(Unavailable(format!("not within {} s", patience.as_secs_f32()))),
        }
    }

    async fn run_in_turn(&self, frame: &Frame) -> Result<Output, Unavailable> {
        let unavailable = |error: &dyn std::error::Error| Unavailable(error.to_string());
        let message = serde_json::to_vec(&request(frame)).map_err(|error| unavailable(&error))?;
        let _turn = self.0.free.acquire().await.map_err(|error| unavailable(&error))?;
        let idle = || self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = idle().pop();
        let mut child = match waiting {
            Some(child) => child,
            None => Child::start(&self.0.settings.program).map_err(|error| unavailable(&error))?,
        };
        match child.ask(&message).await {
            Ok(answer) => {
                idle().push(child);
                Ok(output(&answer))
            }
            Err(NoAnswer::TooLong) => {
                child.kill().await;
                Ok(Output::Refused("more than 250 ms of processor time".to_owned()))
            }
            Err(NoAnswer::Broken(error)) => match child.fault().await {
                Some(signal) if FAULTS.contains(&signal) => {
                    Ok(Output::Refused(format!("its process ended by signal {signal}")))
                }
                _ => Err(unavailable(&error)),
            },
        }
    }
}

/// One of those that wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    /// `None` where there are too many.
    fn enter(waiting: &'a AtomicUsize) -> Option<Self> {
        let entered = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(entered)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn request(frame: &Frame) -> Request<'_> {
    Request {
        name: Cow::Borrowed(&frame.script.name),
        script: Cow::Borrowed(&frame.script.text),
        bytes: Cow::Borrowed(&frame.bytes),
        port: frame.port,
        received_at: frame.received_at.as_millisecond(),
        variables: Cow::Borrowed(&frame.variables),
    }
}

/// An answer, which a script has written most of.
fn output(answer: &[u8]) -> Output {
    let refused = |reason: &str| Output::Refused(reason.to_owned());
    let answer = match Node::parse(answer) {
        Ok(answer) => answer,
        Err(
            error
            @ (JsonError::Syntax { .. } | JsonError::TooDeep | JsonError::NotUtf8(_) | JsonError::Empty),
        ) => {
            return refused(&format!("what it gives is {error}"));
        }
    };
    if let Some(reason) = answer.get("refused").and_then(Node::as_str) {
        return refused(reason);
    }
    if is_deeper(&answer, MAX_OUTPUT_DEPTH + 1) {
        return refused(&format!("what it gives nests deeper than {MAX_OUTPUT_DEPTH} levels"));
    }
    let Some(data) = answer.get("data") else { return refused("it gives no `data`") };
    let warnings = answer.get("warnings").and_then(Node::as_list).unwrap_or_default();
    Output::Decoded {
        data: data.clone(),
        normalised: answer.get("normalised").cloned(),
        warnings: warnings.iter().filter_map(Node::as_str).map(str::to_owned).collect(),
    }
}

/// Whether a value has more than `levels` of arrays and objects within each other; the parser bounds how many there can be.
fn is_deeper(node: &Node, levels: usize) -> bool {
    let inner: Box<dyn Iterator<Item = &Node>> = match node {
        Node::List(items) => Box::new(items.iter()),
        Node::Object(members) => Box::new(members.values().map(|member| &member.node)),
        _ => return false,
    };
    levels == 0 || inner.into_iter().any(|node| is_deeper(node, levels - 1))
}
