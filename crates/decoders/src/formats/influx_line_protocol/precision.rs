//! The unit of timestamps, which the request states and the lines do not.

/// What one step of a timestamp is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 1 ns; what a request without `precision` means.
    #[default]
    Nanosecond,
    /// 1 µs.
    Microsecond,
    /// 1 ms.
    Millisecond,
    /// 1 s.
    Second,
    /// 1 min; version 1 of the API only.
    Minute,
    /// 1 h; version 1 of the API only.
    Hour,
    /// Each timestamp's magnitude tells; version 3 of the API only, and its default.
    Auto,
}

impl Precision {
    /// The values of the query parameter `precision`: those of version 2 (`ns`, `us`, `ms`, `s`), version 1
    /// (`n`, `u`, `ms`, `s`, `m`, `h`) and version 3 (`auto`, `nanosecond`, `microsecond`, ...).
    pub fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "ns" | "n" | "nanosecond" => Self::Nanosecond,
            "us" | "u" | "µs" | "µ" | "microsecond" => Self::Microsecond,
            "ms" | "millisecond" => Self::Millisecond,
            "s" | "second" => Self::Second,
            "m" => Self::Minute,
            "h" => Self::Hour,
            "auto" => Self::Auto,
            _ => return None,
        })
    }

    const fn step(self) -> i64 {
        match self {
            // A server's own time has no magnitude to go by.
            Self::Nanosecond | Self::Auto => 1,
            Self::Microsecond => 1_000,
            Self::Millisecond => 1_000_000,
            Self::Second => 1_000_000_000,
            Self::Minute => 60 * 1_000_000_000,
            Self::Hour => 3_600 * 1_000_000_000,
        }
    }

    /// `timestamp` in nanoseconds since the epoch; `None` beyond 64 bits (the years 1677 to 2262), as in InfluxDB.
    pub fn nanoseconds(self, timestamp: i64) -> Option<i128> {
        let precision = if self == Self::Auto { Self::of(timestamp) } else { self };
        timestamp.checked_mul(precision.step()).map(i128::from)
    }

    /// Seconds below 5e9, milliseconds below 5e12, microseconds below 5e15, else nanoseconds ("Auto precision
    /// detection" of `InfluxDB` 3's `/api/v3/write_lp`).
    const fn of(timestamp: i64) -> Self {
        match timestamp.unsigned_abs() / 1_000_000_000 {
            0..5 => Self::Second,
            5..5_000 => Self::Millisecond,
            5_000..5_000_000 => Self::Microsecond,
            _ => Self::Nanosecond,
        }
    }

    /// The server's own time for a point without one: `nanoseconds`, no finer than the precision.
    pub fn truncate(self, nanoseconds: i128) -> i128 {
        nanoseconds - nanoseconds.rem_euclid(i128::from(self.step()))
    }
}
