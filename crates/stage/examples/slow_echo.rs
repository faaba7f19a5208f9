//! The smallest stage: replies to every event with its data, after `DELAY_MS`.

use std::process::ExitCode;
use std::time::Duration;

use cloudevents::Event;
use event_model::cloudevent;
use stage::{App, Delivery, Outcome, Stage};

struct SlowEcho {
    delay: Duration,
}

impl Stage for SlowEcho {
    async fn handle(&self, event: Event, _delivery: Delivery) -> Outcome {
        tracing::info!("echoing");
        tokio::time::sleep(self.delay).await;
        let mut reply = cloudevent::effect(&event, "com.example.echoed", "/echo");
        if let Some(data) = cloudevent::bytes(&event) {
            reply.set_data("application/octet-stream", data.into_owned());
        }
        Outcome::Reply(Box::new(reply))
    }
}

fn main() -> ExitCode {
    stage::run("slow-echo", |mut runtime| {
        let delay = runtime.env.millis_or("DELAY_MS", Duration::from_millis(1));
        runtime.env.finish()?;
        Ok(App::new().stage(SlowEcho { delay }).on_shutdown(|| async { tracing::info!("flushed") }))
    })
}
