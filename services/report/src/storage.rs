//! Where pages are kept.

use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::client::{HttpClient, HttpConnector};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, Error, ObjectStore, PutOptions, RetryConfig,
};
use pipeline_config::SecretError;
use pipeline_config::reports::{S3, Storage};
use runtime::ClientError;
use thiserror::Error;

/// For all attempts at one page, so that a slice ends within its time.
const PUT_TIMEOUT: Duration = Duration::from_secs(12);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// As much of a reason as is kept, in characters.
const MAX_REASON: usize = 300;

/// Why a page is not kept. Never holds a secret.
#[derive(Debug, Error)]
pub enum StorageError {
    /// A secret cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The storage did not take it, or cannot be used.
    #[error("the storage of reports failed: {0}")]
    Failed(String),
    /// There is no client.
    #[error("no client of the storage of reports can be built")]
    Client(#[from] ClientError),
    /// The certificates that are trusted beside the public ones cannot be read.
    #[error("the certificates of the storage of reports cannot be read")]
    Certificates(#[source] std::io::Error),
    /// The folder cannot be made.
    #[error("the folder of reports cannot be made")]
    Folder(#[source] std::io::Error),
    /// It took too long.
    #[error("the storage of reports gave no answer within {PUT_TIMEOUT:?}")]
    Timeout,
}

impl From<Error> for StorageError {
    /// What a server says in its answer is left out: it may repeat the key that it was sent.
    fn from(error: Error) -> Self {
        let said = error.to_string();
        let said = said.split(['<', '{', '\n']).next().unwrap_or_default();
        Self::Failed(said.trim_end_matches([' ', ':']).chars().take(MAX_REASON).collect())
    }
}

/// The project's own client, whose authorities are in the binary: an image holds no certificates.
#[derive(Debug)]
struct OwnClient(HttpClient);

impl HttpConnector for OwnClient {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

/// Keeps a page under `key`, in place of what is there. `roots` is a PEM file of certificates that are trusted beside the public ones.
///
/// # Errors
/// [`StorageError`]
pub(crate) async fn keep(
    (storage, roots): (&Storage, Option<&std::path::Path>),
    key: &str,
    page: String,
) -> Result<(), StorageError> {
    let (store, prefix): (Box<dyn ObjectStore>, &str) = match storage {
        Storage::Folder(folder) => {
            std::fs::create_dir_all(folder).map_err(StorageError::Folder)?;
            (Box::new(LocalFileSystem::new_with_prefix(folder)?), "")
        }
        Storage::S3(s3) => (Box::new(bucket(s3, roots)?), &s3.prefix),
    };
    let mut options = PutOptions::default();
    // A folder has no place for it.
    if matches!(storage, Storage::S3(_)) {
        options.attributes = Attributes::from_iter([(Attribute::ContentType, "text/html; charset=utf-8")]);
    }
    let path = Path::from(format!("{prefix}{key}"));
    let put = store.put_opts(&path, page.into(), options);
    tokio::time::timeout(PUT_TIMEOUT, put).await.map_err(|_| StorageError::Timeout)??;
    Ok(())
}

/// A bucket with its secrets as they are now, because mounted secrets change.
fn bucket(s3: &S3, roots: Option<&std::path::Path>) -> Result<impl ObjectStore + use<>, StorageError> {
    let lookup = |name: &str| std::env::var(name).ok();
    let extra_roots = roots.map(std::fs::read_to_string).transpose().map_err(StorageError::Certificates)?;
    let options = runtime::ClientOptions {
        connect_timeout: CONNECT_TIMEOUT,
        timeout: PUT_TIMEOUT,
        extra_roots,
        ..runtime::ClientOptions::default()
    };
    let retry = RetryConfig {
        max_retries: 2,
        retry_timeout: PUT_TIMEOUT,
        backoff: BackoffConfig { init_backoff: Duration::from_millis(200), ..BackoffConfig::default() },
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&s3.bucket)
        .with_region(&s3.region)
        .with_access_key_id(s3.access_key_id.resolve(&lookup)?.expose())
        .with_secret_access_key(s3.secret_access_key.resolve(&lookup)?.expose())
        .with_http_connector(OwnClient(HttpClient::new(runtime::http_client(&options)?)))
        .with_allow_http(true)
        .with_retry(retry);
    if let Some(url) = &s3.url {
        builder = builder.with_endpoint(url);
    }
    Ok(builder.build()?)
}
