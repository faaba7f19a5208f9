//! The pipeline that a command works with.

use pipeline_config::{Files, LoadError, Pipeline, Source, VARIABLE};

use runtime::Failure;

/// `--pipeline`.
#[derive(Debug, Clone, clap::Args)]
pub struct PipelineFile {
    /// The pipeline: files and folders, separated by commas
    #[arg(
        short = 'p',
        long = "pipeline",
        value_name = "FILES",
        env = VARIABLE,
        default_value = "freshet.yaml"
    )]
    pub files: Files,
}

impl PipelineFile {
    /// Reads and checks it.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(&self) -> Result<Pipeline, Failure> {
        load(&self.files)
    }
}

/// Reads and checks a pipeline.
///
/// # Errors
/// A [`Failure`] with every mistake of the files.
pub fn load(files: &Files) -> Result<Pipeline, Failure> {
    Pipeline::load(files).map_err(|error| match error {
        LoadError::Unreadable { .. } => Failure::because("the pipeline cannot be read", &error)
            .hint("name its files with --pipeline FILES or the environment variable FRESHET_PIPELINE"),
        LoadError::Mistakes(mistakes) => Failure::new(format!("{files} has mistakes:\n{mistakes}")),
    })
}

/// The source of this name.
///
/// # Errors
/// Where there is none, with the names that there are.
pub fn source<'a>(pipeline: &'a Pipeline, name: &str) -> Result<&'a Source, Failure> {
    pipeline.sources.get(name).ok_or_else(|| {
        let known: Vec<_> = pipeline.sources.keys().map(String::as_str).collect();
        Failure::new(format!("the pipeline has no source {name}"))
            .hint(format!("its sources are: {}", known.join(", ")))
    })
}
