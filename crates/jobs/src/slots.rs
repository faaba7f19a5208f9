use cloudevents::Event;
use event_model::cloudevent::{self, EventError};
use event_model::event_types::JOBS_DUE;
use event_model::events::JobsDue;
use jiff::Timestamp;
use pipeline_config::jobs::Job;
use schedule::Made;
use store::jobs::{Scheduled, due, known, make_slots};
use store::{Client, StoreError};

/// Makes the slots of `jobs`, which are of the pipeline with this hash, that are due at `now`, and returns the jobs that have one to work on.
///
/// # Errors
/// [`StoreError`]
pub async fn make_due(
    client: &Client,
    jobs: &[Job<'_>],
    (pipeline, now): (&str, Timestamp),
) -> Result<Vec<String>, StoreError> {
    let scheduled: Vec<_> = jobs
        .iter()
        .map(|job| Scheduled { name: job.name, schedule: job.schedule.pattern(), zone: job.schedule.zone() })
        .collect();
    if scheduled.is_empty() {
        return Ok(Vec::new());
    }
    let found = known(client, (pipeline, now), &scheduled).await?;
    for job in found.iter().filter(|job| job.paused_at.is_none()) {
        let Some(planned) = jobs.iter().find(|planned| planned.name == job.name) else { continue };
        let made = Made { known_since: job.known_since, newest: job.newest };
        let slots = planned.schedule.due(made, planned.catch_up, now);
        if !slots.is_empty() {
            make_slots(client, &job.name, &slots).await?;
        }
    }
    let names: Vec<String> = found.into_iter().map(|job| job.name).collect();
    Ok(due(client, &names, now).await?)
}

/// The event of `source` that wakes the service of `job`, following from `cause`.
///
/// # Errors
/// [`EventError`]
pub fn due_event(cause: &Event, job: &str, (source, now): (&str, Timestamp)) -> Result<Event, EventError> {
    let mut event = cloudevent::effect_on(cause, (JOBS_DUE, job), source);
    cloudevent::set_time(&mut event, now);
    cloudevent::set_json(&mut event, &JobsDue { job: job.to_owned() })?;
    Ok(event)
}
