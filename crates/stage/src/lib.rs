//! The shell of every service: environment, server, CloudEvents, telemetry, drain.
