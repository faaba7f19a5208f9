//! The table of formats in the documentation is that of the code.

use decoders::all;

#[test]
fn the_documentation_lists_every_format_with_its_status_and_page() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
    let text = std::fs::read_to_string(format!("{folder}/formats.md")).expect("docs/formats.md");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| [`"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), all().len());
    assert!(all().is_sorted_by_key(|format| format.name()));
    for format in all() {
        let page = format!("../crates/decoders/src/formats/{}.md", format.name());
        let cell = format!("[`{}`]({page})", format.name());
        let row =
            rows.iter().find(|row| row[0] == cell).unwrap_or_else(|| panic!("no row begins with {cell}"));
        assert_eq!(row[6], format.success_status().to_string(), "{}", format.name());
        assert!(std::fs::exists(format!("{folder}/{page}")).unwrap_or(false), "{page} is missing");
    }
}
