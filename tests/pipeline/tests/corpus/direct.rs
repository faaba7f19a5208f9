//! A sample through both ways in: queued, and stored before it is answered.

use tokio_postgres::Client;

use crate::door::Door;
use crate::sample::Sample;

/// What a payload left: the outcome, readings and problems of its receipt, and how many values there are.
type Left = Option<(String, i32, i32)>;

/// Sends a sample to both doors; the error names it. What the one before has left is removed first: two samples may be one message.
pub(crate) async fn compare(
    (queue, direct): (&Door, &Door),
    client: &Client,
    sample: &Sample,
) -> Result<(), String> {
    let reset = "truncate receipt, receipt_key, moment, dead_letter";
    client.batch_execute(reset).await.map_err(|error| error.to_string())?;
    let queued = queue.send(&sample.request, sample.received_at).await;
    let stored = direct.send(&sample.request, sample.received_at).await;
    if (queued.status, &queued.answer) != (stored.status, &stored.answer) {
        return Err(format!("{}: {} queued, {} stored", sample.name, queued.status, stored.status));
    }
    let wanted: Left = queued.event.as_ref().map(|event| {
        let accepted = queue.accepted(event);
        let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        let (readings, problems) = (accepted.decoded.readings().count(), accepted.decoded.problems.count());
        (accepted.outcome.as_str().to_owned(), count(readings), count(problems))
    });
    let found = left(client).await.map_err(|error| error.to_string())?;
    if found != wanted {
        return Err(format!("{}: {wanted:?} wanted, {found:?} found", sample.name));
    }
    let sql = "select count(*) from dead_letter";
    let dead_letters: i64 = client.query_one(sql, &[]).await.map_err(|error| error.to_string())?.get(0);
    let has_problems = wanted.is_some_and(|(.., problems)| problems > 0);
    if dead_letters != i64::from(has_problems) {
        return Err(format!("{}: {dead_letters} dead letters, problems: {has_problems}", sample.name));
    }
    Ok(())
}

async fn left(client: &Client) -> Result<Left, tokio_postgres::Error> {
    let row = client.query_opt("select outcome, readings, problems from receipt", &[]).await?;
    Ok(row.map(|row| (row.get(0), row.get(1), row.get(2))))
}
