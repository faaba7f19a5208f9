//! Says the number of the newest migration at compile time: what reads the folder at run time would link a regular expression
//! engine into each stage.

use std::fs;

fn main() {
    println!("cargo::rerun-if-changed=migrations");
    let names = fs::read_dir("migrations").expect("the folder of migrations can be read");
    let numbers = names.filter_map(|entry| {
        let name = entry.expect("the folder of migrations can be read").file_name();
        name.to_str()?.strip_prefix('V')?.split_once("__")?.0.parse::<i32>().ok()
    });
    let newest = numbers.max().expect("there is a migration");
    println!("cargo::rustc-env=NEWEST_MIGRATION={newest}");
}
