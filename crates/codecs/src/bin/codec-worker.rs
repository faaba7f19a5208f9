//! The process that runs scripts, alone: the tests' own. Stages are their own process of scripts.

fn main() {
    codecs::serve_if_asked();
}
