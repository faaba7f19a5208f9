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
        let mut message = message.into();
        let mut next = Some(cause);
        while let Some(error) = next {
            message.push_str(": ");
            message.push_str(&error.to_string());
            next = error.source();
        }
        Self::new(message)
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

    /// Whether the reader of standard output has gone, as `head` does: no failure at all.
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

/// Standard output cannot be written.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let closed_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        Self { closed_pipe, ..Self::because("standard output cannot be written", &error) }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::Failure;

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
