/// A layer of the workspace. A member uses members of its own layer and of those below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Neither network nor clock nor chance nor database.
    Pure,
    /// PostgreSQL, and what every process needs.
    Ground,
    /// What the product does with payloads, streams and notifications.
    Acts,
    /// How events come in and go out.
    Shells,
    /// A pipeline on one machine or on a cluster.
    Machines,
    /// A program each.
    Services,
}

/// The crates that stay pure.
pub const PURE: [&str; 11] = [
    "decoders",
    "event-model",
    "payload",
    "pipeline-config",
    "retention",
    "rollups",
    "rules",
    "schedule",
    "settings",
    "site-report",
    "topology",
];
const GROUND: [&str; 2] = ["runtime", "store"];
const ACTS: [&str; 5] = ["codecs", "evaluate", "jobs", "persist", "receivers"];
const SHELLS: [&str; 4] = ["job-stage", "kafka", "sink", "stage"];
const MACHINES: [&str; 5] = ["cluster", "knative-local", "local", "postgres-local", "testkit"];

/// Packages that a pure crate must not reach, at whatever depth: runtimes, sockets, databases, telemetry exporters.
pub const IMPURE: [&str; 12] = [
    "tokio",
    "mio",
    "socket2",
    "hyper",
    "reqwest",
    "actix-web",
    "actix-rt",
    "tokio-postgres",
    "deadpool-postgres",
    "lettre",
    "rustls",
    "opentelemetry_sdk",
];

/// The layer of a crate; `None` where it is in none of the lists.
pub fn layer_of(name: &str) -> Option<Layer> {
    let lists: [(&[&str], Layer); 5] = [
        (&PURE, Layer::Pure),
        (&GROUND, Layer::Ground),
        (&ACTS, Layer::Acts),
        (&SHELLS, Layer::Shells),
        (&MACHINES, Layer::Machines),
    ];
    lists.into_iter().find(|(list, _)| list.contains(&name)).map(|(_, layer)| layer)
}
