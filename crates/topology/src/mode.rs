//! The way of a payload from its sender to its rows.

/// What a 2xx of `ingest` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The Broker has it; `transform` makes rows of it.
    #[default]
    Broker,
    /// A topic has it; `worker` makes rows of it.
    Topic,
    /// It is in the database.
    Direct,
}

impl Mode {
    /// Each mode.
    pub const ALL: [Self; 3] = [Self::Broker, Self::Topic, Self::Direct];

    /// Its word: the chart's value `mode`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Topic => "topic",
            Self::Direct => "direct",
        }
    }
}
