//! Where a running `freshet up` is reached: two files in its state directory, so that other commands find it.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use runtime::Failure;

const DATABASE: &str = "database-url";
const BROKER: &str = "broker-url";
/// Where in a state directory: of a pipeline, and of the demo.
const PLACES: [&str; 2] = ["", "demo"];

/// The files of a running `freshet up`. They go when it is dropped.
#[derive(Debug)]
pub struct Addresses {
    state_directory: PathBuf,
}

impl Addresses {
    /// Writes them, readable for their owner alone.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn publish(state_directory: &Path, database_url: &str, broker_url: &str) -> Result<Self, Failure> {
        let published = Self { state_directory: state_directory.to_owned() };
        for (name, url) in [(DATABASE, database_url), (BROKER, broker_url)] {
            let file = state_directory.join(name);
            write_private(&file, url)
                .map_err(|error| Failure::because(format!("{} cannot be written", file.display()), &error))?;
        }
        Ok(published)
    }
}

impl Drop for Addresses {
    fn drop(&mut self) {
        for name in [DATABASE, BROKER] {
            // One that is gone already is what is wanted; nothing else can be done at the end.
            let _ = fs::remove_file(self.state_directory.join(name));
        }
    }
}

/// The database of the `freshet up` that runs in `state_directory`.
pub fn database_url(state_directory: &Path) -> Option<String> {
    read(state_directory, DATABASE)
}

/// The Broker of the `freshet up` that runs in `state_directory`.
pub fn broker_url(state_directory: &Path) -> Option<String> {
    read(state_directory, BROKER)
}

fn read(state_directory: &Path, name: &str) -> Option<String> {
    PLACES.iter().find_map(|place| fs::read_to_string(state_directory.join(place).join(name)).ok())
}

/// A file that an earlier run left behind may have had other permissions: it is replaced, not written into.
fn write_private(file: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Addresses, broker_url, database_url};

    #[test]
    fn a_pipeline_and_a_demo_are_found_in_the_directory_that_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(database_url(folder.path()), None);
        let demo = folder.path().join("demo");
        std::fs::create_dir(&demo).unwrap();
        let _demo = Addresses::publish(&demo, "postgresql:///demo", "http://127.0.0.1:1/").unwrap();
        assert_eq!(database_url(folder.path()).as_deref(), Some("postgresql:///demo"));
        let _own = Addresses::publish(folder.path(), "postgresql:///own", "http://127.0.0.1:2/").unwrap();
        assert_eq!(database_url(folder.path()).as_deref(), Some("postgresql:///own"));
        assert_eq!(broker_url(folder.path()).as_deref(), Some("http://127.0.0.1:2/"));
    }

    #[test]
    fn the_addresses_are_private_and_go_with_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("database-url");
        std::fs::write(&file, "left by one that was killed").unwrap();
        let addresses =
            Addresses::publish(folder.path(), "postgresql:///x", "http://127.0.0.1:1/ns/b").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "postgresql:///x");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        drop(addresses);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
