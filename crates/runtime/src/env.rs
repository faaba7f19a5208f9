//! Settings from environment variables: typed, and every mistake found before any is reported.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// Reads settings through a lookup function, so that tests never touch the process environment.
///
/// A getter never fails: it notes the mistake and gives a stand-in, and [`Env::finish`] reports all of them.
/// An empty variable counts as unset.
pub struct Env {
    lookup: Lookup,
    mistakes: Vec<ConfigMistake>,
}

type Lookup = Box<dyn Fn(&str) -> Option<String> + Send>;

/// One mistake in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigMistake {
    /// The variable, or the file and the place within it.
    pub place: String,
    /// What is wrong with it; never the value, which may be a secret.
    pub reason: String,
}

/// Every mistake of a start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigErrors(pub Vec<ConfigMistake>);

impl Env {
    /// The environment of this process.
    pub fn process() -> Self {
        Self::from_fn(|name| std::env::var(name).ok())
    }

    /// An environment that `lookup` answers for.
    pub fn from_fn(lookup: impl Fn(&str) -> Option<String> + Send + 'static) -> Self {
        Self { lookup: Box::new(lookup), mistakes: Vec::new() }
    }

    /// An environment of these variables alone.
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::from_fn(move |name| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()))
    }

    /// The variable as it is, for what reads variables that a file names.
    pub fn lookup(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
    }

    /// The variable's text, if it is set.
    pub fn text(&mut self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// The variable's text, else `default`.
    pub fn text_or(&mut self, name: &str, default: &str) -> String {
        self.text(name).unwrap_or_else(|| default.to_owned())
    }

    /// The variable's text; a mistake if it is not set.
    pub fn required(&mut self, name: &str) -> String {
        self.text(name).unwrap_or_else(|| {
            self.mistake(name, "is not set");
            String::new()
        })
    }

    /// The variable's value, if it is set; `expected` says in words what it should be (`an IP address`).
    pub fn parsed<T: FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        let text = self.text(name)?;
        let value = text.trim().parse().ok();
        if value.is_none() {
            self.mistake(name, format!("is not {expected}"));
        }
        value
    }

    /// A whole number within `range`, else `default`.
    pub fn number_or<T>(&mut self, name: &str, default: T, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + fmt::Display + Copy,
    {
        let Some(value) = self.parsed::<T>(name, "a whole number") else { return default };
        if range.contains(&value) {
            return value;
        }
        self.mistake(name, format!("is not between {} and {}", range.start(), range.end()));
        default
    }

    /// A time span in milliseconds, above zero and up to a day; `name` ends in `_MS`.
    pub fn millis_or(&mut self, name: &str, default: Duration) -> Duration {
        debug_assert!(name.ends_with("_MS"), "the unit is in the name");
        let default_ms = u64::try_from(default.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.number_or(name, default_ms, 1..=86_400_000))
    }

    /// An `http` or `https` address, if it is set.
    pub fn http_url(&mut self, name: &str) -> Option<reqwest::Url> {
        let url: reqwest::Url = self.parsed(name, "an http or https URL")?;
        if matches!(url.scheme(), "http" | "https") && url.has_host() {
            return Some(url);
        }
        self.mistake(name, "is not an http or https URL");
        None
    }

    /// Notes a mistake that the caller found in what a variable or a file says.
    pub fn mistake(&mut self, place: impl Into<String>, reason: impl Into<String>) {
        self.mistakes.push(ConfigMistake { place: place.into(), reason: reason.into() });
    }

    /// The mistakes so far.
    pub fn mistakes(&self) -> &[ConfigMistake] {
        &self.mistakes
    }

    /// Reports every mistake that was noted since the last call.
    ///
    /// # Errors
    /// All of them, if there is one.
    pub fn finish(&mut self) -> Result<(), ConfigErrors> {
        if self.mistakes.is_empty() { Ok(()) } else { Err(ConfigErrors(std::mem::take(&mut self.mistakes))) }
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("mistakes", &self.mistakes).finish_non_exhaustive()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}: {}", mistake.place, mistake.reason)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Env;

    #[test]
    fn every_mistake_is_reported_at_once_and_no_value_is_shown() {
        let mut env = Env::from_pairs(&[("PORT", "hunter2"), ("POOL_SIZE", "1000"), ("K_SINK", "ftp://x/")]);
        assert_eq!(env.number_or("PORT", 8080_u16, 1..=65535), 8080);
        assert_eq!(env.number_or("POOL_SIZE", 4_u32, 1..=100), 4);
        assert_eq!(env.http_url("K_SINK"), None);
        assert_eq!(env.required("DATABASE_URL"), "");
        let errors = env.finish().unwrap_err().to_string();
        assert_eq!(
            errors,
            "PORT: is not a whole number\nPOOL_SIZE: is not between 1 and 100\n\
             K_SINK: is not an http or https URL\nDATABASE_URL: is not set"
        );
        assert_eq!(env.finish(), Ok(()));
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let mut env = Env::from_pairs(&[("SHUTDOWN_TIMEOUT_MS", "")]);
        assert_eq!(env.millis_or("SHUTDOWN_TIMEOUT_MS", Duration::from_secs(25)), Duration::from_secs(25));
        assert_eq!(env.finish(), Ok(()));
    }
}
