use std::fmt::Debug;
use std::panic::Location;
use std::time::{Duration, Instant};

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// An answer that says whether what was waited for has come.
pub trait Holds {
    /// What is handed on once it has come.
    type Value;

    /// The value, or why it is not there yet.
    ///
    /// # Errors
    /// The reason, for the message when the budget is spent.
    fn settled(self) -> Result<Self::Value, String>;
}

impl Holds for bool {
    type Value = ();

    fn settled(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("it was false".to_owned()) }
    }
}

impl<T> Holds for Option<T> {
    type Value = T;

    fn settled(self) -> Result<T, String> {
        self.ok_or_else(|| "there was none".to_owned())
    }
}

impl<T, E: Debug> Holds for Result<T, E> {
    type Value = T;

    fn settled(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

/// Asks until the answer is yes, with pauses that grow from 1 to 100 ms.
///
/// # Panics
/// At the caller's line, with the last answer, when `budget` is spent.
#[track_caller]
pub fn eventually<F, Fut>(
    budget: Duration,
    mut check: F,
) -> impl Future<Output = <Fut::Output as Holds>::Value>
where
    F: FnMut() -> Fut,
    Fut: Future<Output: Holds>,
{
    let caller = Location::caller();
    async move {
        let deadline = Instant::now() + budget;
        let mut pause = FIRST_PAUSE;
        loop {
            match check().await.settled() {
                Ok(value) => return value,
                Err(reason) if Instant::now() >= deadline => {
                    panic!("{caller}: not within {} ms: {reason}", budget.as_millis())
                }
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::eventually;

    #[tokio::test]
    async fn the_first_yes_ends_the_wait() {
        let mut asked = 0;
        let value = eventually(Duration::from_secs(5), || {
            asked += 1;
            let answer = (asked == 3).then_some(asked);
            async move { answer }
        })
        .await;
        assert_eq!(value, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "eventually.rs")]
    async fn a_spent_budget_names_the_line_that_waited() {
        eventually(Duration::from_millis(1), || async { false }).await;
    }
}
