//! What comes as a batch is written as one, past the queue.

use tokio::sync::oneshot;

use super::{Payload, Waiting, WriteError, Writer, Written, fitting};

impl Writer {
    /// Writes payloads that came together; what became of each, in their order, once all is settled.
    ///
    /// They share transactions as far as the writer's bounds let them. The caller bounds how many it has under way.
    pub async fn write_all(&self, payloads: Vec<Payload>) -> Vec<Result<Written, WriteError>> {
        let mut answers = Vec::with_capacity(payloads.len());
        let mut waiting: Vec<Waiting> = payloads
            .into_iter()
            .map(|payload| {
                let (answer, answered) = oneshot::channel();
                answers.push(answered);
                Waiting { payload, answer }
            })
            .collect();
        while !waiting.is_empty() {
            let rest = waiting.split_off(fitting(&waiting));
            self.direct.commit(std::mem::replace(&mut waiting, rest)).await;
        }
        answers.into_iter().map(|mut answer| answer.try_recv().unwrap_or(Err(WriteError::Closed))).collect()
    }
}
