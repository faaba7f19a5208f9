//! A stage that aborts on events of the type `abort` and waits with those of the type `wait`; it keeps the ids of what failed in
//! the file `KEPT`.

use std::io::Write as _;
use std::process::ExitCode;

use cloudevents::{AttributesReader as _, Event};
use futures_util::future::BoxFuture;
use runtime::{FailedEvent, KeepFailed, NotKept};
use stage::{App, Delivery, Outcome, Stage};

struct Mortal;

impl Stage for Mortal {
    async fn handle(&self, event: Event, _delivery: Delivery) -> Outcome {
        match event.ty() {
            "abort" => std::process::abort(),
            "wait" => {
                tracing::info!("waiting");
                std::future::pending().await
            }
            _ => Outcome::Done,
        }
    }
}

struct Keeper(String);

impl KeepFailed for Keeper {
    fn keep(&self, failed: FailedEvent) -> BoxFuture<'_, Result<(), NotKept>> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.0);
        let kept = file.and_then(|mut file| writeln!(file, "{}: {}", failed.event.id(), failed.reason));
        Box::pin(async move { kept.map_err(|error| NotKept::Unavailable(error.to_string())) })
    }
}

fn main() -> ExitCode {
    stage::run("mortal", |mut runtime| {
        let kept = runtime.env.required("KEPT");
        runtime.env.finish()?;
        Ok(App::new().stage(Mortal).keeping(Keeper(kept)))
    })
}
