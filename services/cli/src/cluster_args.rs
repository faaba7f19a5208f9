//! Which cluster, which namespace, which release.

use std::path::PathBuf;

use cluster::{Cluster, Release};
use runtime::Failure;

/// `-n`, `--context`, `--kubeconfig` and `--release`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// The release's namespace; that of the kubeconfig's context if not given
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig; that of KUBECONFIG or ~/.kube/config if not given
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The release's name, where the namespace has several
    #[arg(long, value_name = "NAME")]
    pub release: Option<String>,
}

impl ClusterArgs {
    /// Whether any of them is given: then a command that can do without a cluster is meant for one.
    pub const fn is_given(&self) -> bool {
        self.namespace.is_some()
            || self.context.is_some()
            || self.kubeconfig.is_some()
            || self.release.is_some()
    }

    /// Connects.
    ///
    /// # Errors
    /// As [`Cluster::connect`].
    pub async fn connect(&self) -> Result<Cluster, Failure> {
        Cluster::connect(self.kubeconfig.as_deref(), self.context.as_deref(), self.namespace.as_deref()).await
    }

    /// Connects, and finds the release.
    ///
    /// # Errors
    /// As [`Cluster::connect`] and [`Release::find`].
    pub async fn release(&self) -> Result<(Cluster, Release), Failure> {
        let cluster = self.connect().await?;
        let release = Release::find(&cluster, self.release.as_deref()).await?;
        Ok((cluster, release))
    }
}
