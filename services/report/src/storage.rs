//! Where pages are kept.

use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, ObjectStore, PutOptions, RetryConfig,
};
use pipeline_config::SecretError;
use pipeline_config::reports::{S3, Storage};
use thiserror::Error;

/// For all attempts at one page, so that a slice ends within its time.
const PUT_TIMEOUT: Duration = Duration::from_secs(12);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Why a page is not kept. Never holds a secret.
#[derive(Debug, Error)]
pub enum StorageError {
    /// A secret cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The storage did not take it, or cannot be used.
    #[error("the storage of reports failed")]
    Failed(#[from] object_store::Error),
    /// The folder cannot be made.
    #[error("the folder of reports cannot be made")]
    Folder(#[source] std::io::Error),
    /// It took too long.
    #[error("the storage of reports gave no answer within {PUT_TIMEOUT:?}")]
    Timeout,
}

/// Keeps a page under `key`, in place of what is there.
///
/// # Errors
/// [`StorageError`]
pub(crate) async fn keep(storage: &Storage, key: &str, page: String) -> Result<(), StorageError> {
    let (store, prefix): (Box<dyn ObjectStore>, &str) = match storage {
        Storage::Folder(folder) => {
            std::fs::create_dir_all(folder).map_err(StorageError::Folder)?;
            (Box::new(LocalFileSystem::new_with_prefix(folder)?), "")
        }
        Storage::S3(s3) => (Box::new(bucket(s3)?), &s3.prefix),
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
fn bucket(s3: &S3) -> Result<impl ObjectStore + use<>, StorageError> {
    let lookup = |name: &str| std::env::var(name).ok();
    let client = ClientOptions::new()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(PUT_TIMEOUT)
        .with_allow_http(true);
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
        .with_client_options(client)
        .with_retry(retry);
    if let Some(url) = &s3.url {
        builder = builder.with_endpoint(url);
    }
    Ok(builder.build()?)
}
