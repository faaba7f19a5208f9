//! One frame, in a JavaScript of its own.
//!
//! ```text
//! script ─ prepared: the prelude and the script have run ── asked with a frame ── answer; it is thrown away
//!             └─ made before the next frame comes, where the last one had the same script
//! ```

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use decoders::codec::MAX_OUTPUT_BYTES;
use nix::time::{ClockId, clock_gettime};
use rquickjs::context::EvalOptions;
use rquickjs::{CatchResultExt as _, CaughtError, Context, Ctx, Function, Persistent, Runtime};

use crate::MEMORY_LIMIT;
use crate::wire::{Refused, Request};

/// What every script finds, and the function that asks it.
const PRELUDE: &str = include_str!("prelude.js");
/// What a script finds that names it.
const BUFFER: &str = include_str!("buffer.js");
/// The processor time that a script may take until it is prepared, and again for its frame, in microseconds. QuickJS asks between its
/// own instructions, not within them: what one instruction takes is bounded from outside.
const MAX_PROCESSOR: i64 = 100_000;
/// The deepest that calls may nest, in bytes of stack.
const STACK: usize = 256 * 1024;
/// The longest reason that is passed on, in bytes.
const MAX_REASON: usize = 1000;
/// How many scripts are prepared ahead.
const STOCK: usize = 4;
/// A script is prepared ahead where that takes no more processor time, in microseconds: it is taken from the next frame's.
const CHEAP: i64 = 10_000;
/// A script is kept prepared where it holds no more memory, in bytes.
const SMALL: i64 = 2 * 1024 * 1024;

/// Runs scripts, one after the other.
#[derive(Default)]
pub(crate) struct Engine {
    /// The one that was used last comes last.
    stock: VecDeque<Prepared>,
    /// Whether the script of the last frame may be prepared ahead.
    is_cheap: bool,
}

/// A script that has run up to its functions.
struct Prepared {
    script: String,
    /// Before the context, which it is part of.
    ask: Persistent<Function<'static>>,
    context: Context,
    runtime: Runtime,
    limit: Rc<Limit>,
}

/// The processor time that what runs may take.
#[derive(Default)]
struct Limit {
    until: Cell<i64>,
    is_passed: Cell<bool>,
}

impl Engine {
    /// What the script makes of its frame: JSON with `data`, `normalised` and `warnings`, or with `refused`.
    pub(crate) fn answer(&mut self, request: &Request<'_>) -> String {
        let begun = processor_time();
        let kept = self.stock.iter().position(|prepared| prepared.script == request.script);
        let prepared = match kept.and_then(|at| self.stock.remove(at)) {
            Some(prepared) => Ok(prepared),
            None => {
                let prepared = Prepared::new(request);
                self.is_cheap = processor_time() - begun <= CHEAP;
                prepared
            }
        };
        prepared.and_then(|prepared| prepared.ask(request)).unwrap_or_else(|reason| {
            let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
            serde_json::to_string(&Refused { refused: reason.trim() }).unwrap_or_default()
        })
    }

    /// Prepares the script of the last frame for the next one.
    pub(crate) fn prepare(&mut self, request: &Request<'_>) {
        if !self.is_cheap {
            return;
        }
        let Ok(prepared) = Prepared::new(request) else { return };
        if prepared.runtime.memory_usage().malloc_size > SMALL {
            return;
        }
        if self.stock.len() >= STOCK {
            self.stock.pop_front();
        }
        self.stock.push_back(prepared);
    }
}

impl Prepared {
    /// Runs the script up to its functions.
    fn new(request: &Request<'_>) -> Result<Self, String> {
        let failed = |error: rquickjs::Error| error.to_string();
        let runtime = Runtime::new().map_err(failed)?;
        runtime.set_memory_limit(MEMORY_LIMIT);
        runtime.set_max_stack_size(STACK);
        let limit = Rc::new(Limit::default());
        let asked = Rc::clone(&limit);
        runtime.set_interrupt_handler(Some(Box::new(move || asked.look())));
        let context = Context::full(&runtime).map_err(failed)?;
        limit.begin();
        let ask = context.with(|ctx| prepared(&ctx, request));
        let ask = limit.held(ask)?;
        Ok(Self { script: request.script.clone().into_owned(), ask, context, runtime, limit })
    }

    /// Asks the script once.
    fn ask(self, request: &Request<'_>) -> Result<String, String> {
        let Self { ask, context, limit, .. } = &self;
        limit.begin();
        let answer = context.with(|ctx| {
            let ask = ask.clone().restore(&ctx).map_err(|error| error.to_string())?;
            let (bytes, variables) = (request.bytes.to_vec(), request.variables.clone().into_owned());
            let answer = ask.call((bytes, request.port, variables, request.received_at as f64));
            answer.catch(&ctx).map_err(|error| reason(&error))
        });
        match limit.held(answer) {
            Ok(text) if String::len(&text) > MAX_OUTPUT_BYTES => {
                Err(format!("it gives more than {MAX_OUTPUT_BYTES} bytes"))
            }
            answer => answer,
        }
    }
}

impl Limit {
    fn begin(&self) {
        self.until.set(processor_time() + MAX_PROCESSOR);
        self.is_passed.set(false);
    }

    /// Whether what runs must end.
    fn look(&self) -> bool {
        if processor_time() > self.until.get() {
            self.is_passed.set(true);
        }
        self.is_passed.get()
    }

    /// What was done; where that is nothing since its time was up, that is the reason.
    fn held<T>(&self, done: Result<T, String>) -> Result<T, String> {
        done.map_err(|reason| {
            if self.is_passed.get() {
                return format!("more than {} ms of processor time", MAX_PROCESSOR / 1000);
            }
            reason
        })
    }
}

/// The function that asks a script, which has run.
fn prepared<'js>(ctx: &Ctx<'js>, request: &Request<'_>) -> Result<Persistent<Function<'static>>, String> {
    let thrown = |error: CaughtError<'js>| reason(&error);
    let ask: Function<'js> = ctx.eval(PRELUDE).catch(ctx).map_err(thrown)?;
    if request.script.contains("Buffer") {
        ctx.eval::<(), _>(BUFFER).catch(ctx).map_err(thrown)?;
    }
    // A script of The Things Stack is sloppy; what is written for strict code runs as well.
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(request.name.replace('\0', ""));
    let run = ctx.eval_with_options::<(), _>(request.script.as_bytes(), options);
    run.catch(ctx).map_err(thrown)?;
    Ok(Persistent::save(ctx, ask))
}

/// What was thrown, and where, as far as that is known.
fn reason(error: &CaughtError<'_>) -> String {
    match error {
        CaughtError::Exception(exception) => {
            let name = exception.as_object().get::<_, String>("name");
            let (name, message) =
                (name.as_deref().unwrap_or("Error"), exception.message().unwrap_or_default());
            let stack = exception.stack().unwrap_or_default();
            match stack.lines().next().map(str::trim).filter(|place| !place.is_empty()) {
                Some(place) => format!("{name}: {message} ({place})"),
                None => format!("{name}: {message}"),
            }
        }
        CaughtError::Value(value) => {
            let text = value.as_string().and_then(|text| text.to_string().ok());
            text.map_or_else(|| "it threw what is no error".to_owned(), |text| format!("it threw: {text}"))
        }
        CaughtError::Error(error) => error.to_string(),
    }
}

/// The processor time of this process so far, in microseconds.
fn processor_time() -> i64 {
    let now = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    now.map_or(0, |now| now.tv_sec() * 1_000_000 + now.tv_nsec() / 1000)
}
