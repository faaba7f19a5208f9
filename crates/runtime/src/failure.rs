//! Why a command could not do its work, and what to do about it.

use std::error::Error;
use std::fmt;
use std::io;

/// What is printed to standard error before the command exits 1.
#[derive(Debug)]
pub struct Failure {
    message: String,
    hint: Option<String>,
    closed_pipe: bool,
}

impl Failure {
    /// A failure without a cause.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, closed_pipe: false }
    }

    /// A failure with its cause, and the causes of that.
    pub fn because(message: impl Into<String>, cause: &dyn Error) -> Self {
        Self::new(format!("{}: {}", message.into(), Self::of(cause).message))
    }

    /// A failure that its cause says all about, with the causes of that; what a cause repeats of the one after it is said once.
    pub fn of(cause: &dyn Error) -> Self {
        let mut message = cause.to_string();
        let mut next = cause.source();
        while let Some(error) = next {
            let text = error.to_string();
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            next = error.source();
        }
        Self::new(message)
    }

    /// Standard output cannot be written; no failure at all where its reader has gone, as `head` does.
    pub fn output(error: &io::Error) -> Self {
        let closed_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        Self { closed_pipe, ..Self::because("standard output cannot be written", error) }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// What went wrong, without what to do about it.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the reader of standard output has gone.
    pub const fn is_closed_pipe(&self) -> bool {
        self.closed_pipe
    }
}

/// `error: message`, and a line with the hint.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::Failure;

    #[derive(Debug, thiserror::Error)]
    #[error("no listener: {0}")]
    struct Repeating(#[source] io::Error);

    #[test]
    fn what_a_cause_repeats_is_said_once() {
        let cause = Repeating(io::Error::other("address in use"));
        assert_eq!(Failure::because("no start", &cause).message(), "no start: no listener: address in use");
    }

    #[test]
    fn a_failure_says_what_to_do() {
        let cause = io::Error::new(io::ErrorKind::NotFound, "no such file");
        let failure =
            Failure::because("freshet.yaml cannot be read", &cause).hint("name another with --pipeline");
        assert_eq!(
            failure.to_string(),
            "error: freshet.yaml cannot be read: no such file\n  name another with --pipeline"
        );
    }
}
