//! What came of an accepted payload.

/// What came of a payload. Only `Stored` ends it: after a replay of the others they are looked at afresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// All of it was stored.
    Stored,
    /// It held no readings, and was not meant to.
    NoData,
    /// Part of it was stored, part dead-lettered.
    Partial,
    /// All of it was dead-lettered.
    Rejected,
}

impl ReceiptOutcome {
    /// That of a payload, by whether readings and problems were found in it.
    pub const fn of(has_readings: bool, has_problems: bool) -> Self {
        match (has_readings, has_problems) {
            (true, false) => Self::Stored,
            (true, true) => Self::Partial,
            (false, false) => Self::NoData,
            (false, true) => Self::Rejected,
        }
    }

    /// The word that the table keeps.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::NoData => "no_data",
            Self::Partial => "partial",
            Self::Rejected => "rejected",
        }
    }
}
