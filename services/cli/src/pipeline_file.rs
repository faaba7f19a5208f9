//! The pipeline file that a command works with.

use std::path::PathBuf;

use pipeline_config::{LoadError, Pipeline, Source};

use runtime::Failure;

/// `--pipeline`.
#[derive(Debug, Clone, clap::Args)]
pub struct PipelineFile {
    /// The pipeline file
    #[arg(
        short,
        long = "pipeline",
        value_name = "FILE",
        env = "FRESHET_PIPELINE",
        default_value = "freshet.yaml"
    )]
    pub path: PathBuf,
}

impl PipelineFile {
    /// Reads and checks it.
    ///
    /// # Errors
    /// A [`Failure`] with every mistake of the file.
    pub fn load(&self) -> Result<Pipeline, Failure> {
        Pipeline::load(&self.path).map_err(|error| match error {
            LoadError::Unreadable { .. } => Failure::because("the pipeline file is missing", &error)
                .hint("name it with --pipeline FILE or the environment variable FRESHET_PIPELINE"),
            LoadError::Mistakes(mistakes) => {
                Failure::new(format!("{} has mistakes:\n{mistakes}", self.path.display()))
            }
        })
    }
}

/// The source of this name.
///
/// # Errors
/// Where there is none, with the names that there are.
pub fn source<'a>(pipeline: &'a Pipeline, name: &str) -> Result<&'a Source, Failure> {
    pipeline.sources.get(name).ok_or_else(|| {
        let known: Vec<_> = pipeline.sources.keys().map(String::as_str).collect();
        Failure::new(format!("the pipeline file has no source {name}"))
            .hint(format!("its sources are: {}", known.join(", ")))
    })
}
