//! A port of a pod as a port of this machine, through the API server.

use std::net::{Ipv4Addr, SocketAddr};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::api::Cluster;
use crate::error::failed;
use runtime::Failure;

/// A pod's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodPort {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The port.
    pub port: u16,
}

/// A listener on this machine's loopback whose connections end in a pod. It ends when it is dropped.
#[derive(Debug)]
pub struct Forward {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Forward {
    /// Listens. The pod is tried at once, so that a missing right shows here.
    ///
    /// # Errors
    /// Where the cluster does not let one in, or no port is free.
    pub async fn open(cluster: &Cluster, target: PodPort) -> Result<Self, Failure> {
        let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &target.namespace);
        pods.portforward(&target.pod, &[target.port]).await.map_err(|error| failed(&error))?.abort();
        let nowhere = |error| Failure::because("no local port can be opened", &error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(nowhere)?;
        let address = listener.local_addr().map_err(nowhere)?;
        let task = tokio::spawn(async move {
            while let Ok((peer, _)) = listener.accept().await {
                let (pods, target) = (pods.clone(), target.clone());
                tokio::spawn(async move { carry(&pods, &target, peer).await });
            }
        });
        Ok(Self { address, task })
    }

    /// Its address as a URL.
    pub fn url(&self) -> reqwest::Url {
        format!("http://{}", self.address).parse().expect("an IP address and a port make a URL")
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, until either side ends it. What breaks is seen by the peer as a broken connection.
async fn carry(pods: &Api<Pod>, target: &PodPort, mut peer: TcpStream) {
    let Ok(mut forwarder) = pods.portforward(&target.pod, &[target.port]).await else { return };
    if let Some(mut stream) = forwarder.take_stream(target.port) {
        let _ = copy_bidirectional(&mut peer, &mut stream).await;
    }
    forwarder.abort();
}
