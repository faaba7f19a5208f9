//! A migrated database whose pipeline is active.

use jiff::{SignedDuration, Timestamp};
use jobs::Cleanup;
use pipeline_config::Pipeline;
use retention::Retention;
use store::{Database, DatabaseSettings};

/// The hash of the pipeline in force.
pub(crate) const PIPELINE: &str = "in force";

pub(crate) struct World {
    pub(crate) database: Database,
    /// The same as the role of the service `cleanup`.
    pub(crate) as_cleanup: Database,
    pub(crate) client: tokio_postgres::Client,
}

impl World {
    /// `None` where PostgreSQL is not installed.
    pub(crate) async fn build() -> Option<Self> {
        let database = testkit::postgres().await?;
        let settings = DatabaseSettings::from_url(database.url()).unwrap();
        store::migrate(&settings).await.unwrap();
        let role = database.as_role(store::migrate::ROLES, "freshet_cleanup").await;
        let world = Self {
            database: Database::new(&settings),
            as_cleanup: Database::new(&DatabaseSettings::from_url(role.url()).unwrap()),
            client: database.connect().await,
        };
        store::active_pipeline::activate(&world.client().await, PIPELINE, at("2026-01-01T00:00:00Z"))
            .await
            .unwrap();
        Some(world)
    }

    pub(crate) async fn client(&self) -> store::Client {
        self.database.client().await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    pub(crate) async fn count(&self, what: &str) -> i64 {
        self.client.query_one(&format!("select count(*) from {what}"), &[]).await.unwrap().get(0)
    }
}

/// The job by a pipeline that keeps things for so long; floors are settled as soon as nobody writes.
pub(crate) fn cleanup(retention: Retention) -> Cleanup {
    let pipeline = Pipeline::parse("sources: {s: {format: json}}", "freshet.yaml").unwrap();
    let mut cleanup = Cleanup::new(Pipeline { retention, ..pipeline });
    cleanup.floor_age = SignedDuration::ZERO;
    cleanup
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}
