//! What a service hands to the shell.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web::ServiceConfig;
use cloudevents::Event;
use futures_util::FutureExt as _;
use runtime::KeepFailed;

use crate::outcome::{Delivery, Outcome, Stage};

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Handle = dyn Fn(Event, Delivery) -> BoxFuture<Outcome> + Send + Sync;
type Routes = dyn Fn(&mut ServiceConfig) + Send + Sync;
type OnRefused = dyn Fn(&HttpRequest) + Send + Sync;
type Hook = Box<dyn FnOnce() -> BoxFuture<()> + Send>;

/// A service: a stage, routes of its own, or both.
#[derive(Default, Clone)]
pub struct App {
    pub(crate) stage: Option<Arc<Handle>>,
    pub(crate) keeper: Option<Arc<dyn KeepFailed>>,
    pub(crate) routes: Vec<Arc<Routes>>,
    pub(crate) on_refused: Option<Arc<OnRefused>>,
    pub(crate) on_shutdown: Option<Arc<std::sync::Mutex<Option<Hook>>>>,
}

impl App {
    /// A service that answers health checks only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes CloudEvents at `POST /`. A panic within the stage becomes [`Outcome::Rejected`].
    #[must_use]
    pub fn stage<S: Stage>(mut self, stage: S) -> Self {
        let stage = Arc::new(stage);
        self.stage = Some(Arc::new(move |event, delivery| {
            let stage = Arc::clone(&stage);
            Box::pin(async move {
                let handled = AssertUnwindSafe(stage.handle(event, delivery)).catch_unwind().await;
                handled.unwrap_or_else(|_| Outcome::Rejected("the stage panicked on this event".to_owned()))
            })
        }));
        self
    }

    /// Gives what the stage rejects, finds malformed or does not finish in time to `keeper`, and then answers 202. Without one
    /// the answer is 400, 422 or 503, and the event is the dead letter sink's.
    #[must_use]
    pub fn keeping(mut self, keeper: impl KeepFailed) -> Self {
        self.keeper = Some(Arc::new(keeper));
        self
    }

    /// Adds routes beside the stage's. Called once for each server thread.
    #[must_use]
    pub fn routes(mut self, routes: impl Fn(&mut ServiceConfig) + Send + Sync + 'static) -> Self {
        self.routes.push(Arc::new(routes));
        self
    }

    /// Has `hook` know of each request that is answered 429 before the service sees it, because too much is under way.
    #[must_use]
    pub fn on_refused(mut self, hook: impl Fn(&HttpRequest) + Send + Sync + 'static) -> Self {
        self.on_refused = Some(Arc::new(hook));
        self
    }

    /// Runs once after the last request, under the shutdown's limit: the place to flush what is still held.
    #[must_use]
    pub fn on_shutdown<F>(mut self, hook: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let hook: Hook = Box::new(move || Box::pin(hook()));
        self.on_shutdown = Some(Arc::new(std::sync::Mutex::new(Some(hook))));
        self
    }

    pub(crate) async fn shut_down(&self) {
        let hook = self.on_shutdown.as_ref().and_then(|slot| slot.lock().ok()?.take());
        if let Some(hook) = hook {
            hook().await;
        }
    }
}
