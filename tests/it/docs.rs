//! The documents name what there is: subcommands, flags, files, and the keys of the feed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn help(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_replicate")).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The names in the list of commands, aliases included, without `help` itself.
fn subcommands() -> Vec<String> {
    let help = help(&["--help"]);
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let of_line = |line: &str| line.starts_with("  ") && !line.starts_with("   ");
    let names = list.lines().filter(|line| of_line(line)).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Every `--flag` in a text.
fn flags(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let words = text.split("--").skip(1).map(|rest| rest.split(|c| !is_part(c)).next().unwrap_or_default());
    words.filter(|word| !word.is_empty()).map(|word| format!("--{word}")).collect()
}

#[test]
fn every_subcommand_and_flag_is_documented() {
    let documented = document("README.md") + &document("docs/options.md");
    let named = flags(&documented);
    let mut found = flags(&help(&["--help"]));
    for name in subcommands() {
        assert!(documented.contains(&format!("`replicate {name}`")), "no document names `replicate {name}`");
        found.extend(flags(&help(&[&name, "--help"])));
    }
    assert!(found.len() > 30, "{found:?}");
    for flag in ["--help", "--version"] {
        found.remove(flag);
    }
    let missing: Vec<_> = found.difference(&named).collect();
    assert!(missing.is_empty(), "neither README.md nor docs/options.md names {missing:?}");
}

/// The local files that a document links to, as paths from the root.
fn links(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(name).parent().unwrap();
    let text = document(name);
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let files = targets.map(|target| target.split('#').next().unwrap_or_default().to_owned());
    files.filter(|file| !file.is_empty() && !file.contains("://")).map(|file| folder.join(file)).collect()
}

#[test]
fn every_link_leads_to_a_file() {
    for name in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs/operations.md", "docs/json-output.md"] {
        for file in links(name) {
            assert!(root().join(&file).is_file(), "{name} links to {}, which is not there", file.display());
        }
    }
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let page = PathBuf::from("docs").join(entry.unwrap().file_name());
        assert!(links("README.md").contains(&page), "README.md does not link to {}", page.display());
    }
}

/// The lines of all blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let bodies = text.split(&fence).skip(1).filter_map(|rest| rest.split_once("\n```"));
    bodies.flat_map(|(body, _)| body.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The keys in the first column of the document's tables: `name` in backticks.
fn documented_keys(text: &str) -> BTreeSet<String> {
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next().map(str::to_owned));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn the_lines_shown_of_the_feed_have_the_documented_keys_and_no_others() {
    let contract = document("docs/json-output.md");
    let keys = documented_keys(&contract);
    let mut seen = BTreeSet::new();
    let examples = blocks(&contract, "json").into_iter().chain(blocks(&document("README.md"), "console"));
    for line in examples {
        // Part of a line is shown as `"key":value`.
        let line = if line.starts_with('"') { format!("{{\"type\":\"part\",\"data\":{{{line}}}}}") } else { line };
        if !line.starts_with('{') {
            continue;
        }
        let value: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(value.to_string(), line, "keys and numbers as the program writes them");
        for key in value.as_object().unwrap().keys() {
            assert!(keys.contains(key), "docs/json-output.md has no row for {key:?}");
            seen.insert(key.clone());
        }
    }
    for key in ["database", "table", "type", "ts", "xid", "commit", "xoffset", "position", "gtid", "server_id"]
        .into_iter()
        .chain(["primary_key", "data", "old", "sql"])
    {
        assert!(seen.contains(key), "no example shows {key:?}");
    }
}
