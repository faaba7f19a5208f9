//! What is wrong with a file, and where.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// One mistake or warning, at its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// What is wrong, and what to do.
    pub text: String,
}

/// Every mistake of one file, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct Mistakes {
    /// The file's name, for people.
    pub file: String,
    /// At least one.
    pub mistakes: Vec<Mistake>,
    /// What would hurt, beside the mistakes.
    pub warnings: Vec<Mistake>,
}

/// Why a file gives no pipeline.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has mistakes.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.text)
    }
}

/// One line a mistake: `freshet.yaml:3:5: text`.
impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{mistake}", self.file)?;
        }
        Ok(())
    }
}
