//! A secret that is read anew where it lies in a file, because mounted secrets change while a process runs.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hmac::digest::Output;
use pipeline_config::{Secret, SecretError, SecretRef};
use runtime::Env;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// How old a file's content may get; a rotation has both secrets live for much longer.
const MAX_AGE: Duration = Duration::from_secs(5);

/// A secret's value now.
pub(super) struct Key {
    reference: SecretRef,
    held: Mutex<Held>,
}

struct Held {
    secret: Secret,
    read_at: Instant,
}

impl Key {
    pub(super) fn of(reference: &SecretRef, env: &Env) -> Result<Self, SecretError> {
        let secret = reference.resolve(&|name| env.lookup(name))?;
        Ok(Self { reference: reference.clone(), held: Mutex::new(Held { secret, read_at: Instant::now() }) })
    }

    /// The value; the last one that could be read where the file is just being replaced.
    pub(super) fn current(&self) -> Secret {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(self.reference, SecretRef::File(_)) && held.read_at.elapsed() > MAX_AGE {
            match self.reference.resolve(&|_| None) {
                Ok(secret) => held.secret = secret,
                Err(error) => tracing::warn!(error = %error, "a secret could not be read anew"),
            }
            held.read_at = Instant::now();
        }
        held.secret.clone()
    }

    /// Whether `shown` is the secret. Hashes are compared, so that not even its length shows in the time it takes.
    pub(super) fn is(&self, shown: &[u8]) -> bool {
        let digest = |bytes: &[u8]| -> Output<Sha256> { Sha256::digest(bytes) };
        digest(self.current().expose().as_bytes()).ct_eq(&digest(shown)).into()
    }
}
