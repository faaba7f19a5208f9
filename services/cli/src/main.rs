//! The `freshet` command.

use std::process::ExitCode;

use cli::commands::{Cli, Done};
use runtime::Failure;

/// `freshet up` is a Broker, through which each payload goes twice.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    codecs::serve_if_asked();
    let cli = Cli::read();
    let result = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::because("the runtime does not start", &error))
        .and_then(|runtime| runtime.block_on(cli.run()));
    match result {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::Badly) => ExitCode::FAILURE,
        // As a shell says of what SIGINT ended.
        Ok(Done::Interrupted) => ExitCode::from(130),
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
