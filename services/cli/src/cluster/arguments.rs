//! Which cluster, which namespace, which release.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::{Cluster, error};
use crate::failure::Failure;

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

/// How long the API server may take to be reached.
const CONNECT: Duration = Duration::from_secs(5);
/// What to do where no kubeconfig was found.
const HINT: &str = "name one with --kubeconfig FILE or the environment variable KUBECONFIG; \
    `kubectl config get-contexts` lists its contexts";

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
    /// Where there is no kubeconfig, no such context, or no such user in it.
    pub async fn connect(&self) -> Result<Cluster, Failure> {
        let mut config = self.config().await?;
        config.connect_timeout = Some(CONNECT);
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| error::failed(&error))?;
        Ok(Cluster { client, namespace })
    }

    async fn config(&self) -> Result<Config, Failure> {
        let unreadable = |error| Failure::because("there is no kubeconfig to use", &error).hint(HINT);
        let read = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let kubeconfig = match read {
            Ok(kubeconfig) => kubeconfig,
            // In a pod the ServiceAccount's token stands for it.
            Err(error) if self.kubeconfig.is_none() && self.context.is_none() => {
                return Config::incluster().map_err(|_| unreadable(error));
            }
            Err(error) => return Err(unreadable(error)),
        };
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| Failure::because("the kubeconfig cannot be used", &error).hint(HINT))
    }
}
