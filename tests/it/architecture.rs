//! The floors of the house, held by reading `src/`: imports point down only, outside resources are named by the
//! module that owns them, and pure modules name none.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Top-level modules by floor. Modules of floor 1 never import one another.
const FLOORS: &[&[&str]] = &[
    &[
        "binlog",
        "change",
        "disposition",
        "filter",
        "gtid",
        "options",
        "position",
        "row",
        "schema",
        "secret",
        "statement",
        "status",
        "wire",
    ],
    &["relay", "sink", "source", "store"],
    &["pipeline"],
    &["control", "ha"],
    &["cli"],
];

/// The floor whose modules are peers that must not know one another.
const PEERS: usize = 1;

/// What pure modules do not name.
const IMPURE: &[&str] = &[
    "tokio",
    "mysql_async",
    "rusqlite",
    "rustls",
    "tokio_rustls",
    "socket2",
    "tracing",
    "rand",
    "std::fs",
    "std::net",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::env",
    "std::process",
    "std::thread",
    "std::os::unix::net",
    "std::time::SystemTime",
    "std::time::Instant",
];

/// Crates and the modules that alone may name them.
const OWNED: &[(&str, &[&str])] =
    &[("anyhow", &["cli", "main"]), ("clap", &["cli", "main"]), ("rpassword", &["cli"]), ("rusqlite", &["store"])];

#[test]
fn every_module_has_its_floor() {
    for (module, file, _) in sources() {
        if !matches!(module.as_str(), "lib" | "main") {
            assert!(floor(&module).is_some(), "{}: module {module} is on no floor", file.display());
        }
    }
}

#[test]
fn imports_point_down_only() {
    let mut wrong = Vec::new();
    for (module, file, text) in sources() {
        let Some(own) = floor(&module) else { continue };
        for path in paths(&text) {
            let Some(other) = from_the_root(&path, depth(&file)) else { continue };
            if let Some(why) = objection(&module, own, other) {
                wrong.push(format!("{}: {path}: {why}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// How many modules deep the file's code is: 1 for `x.rs` and `x/mod.rs`.
fn depth(file: &Path) -> usize {
    let inside = file.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap_or(file);
    inside.iter().count() - usize::from(inside.ends_with("mod.rs"))
}

/// The top-level module that a path reaches by `crate::`, or by `super::` as often as the code is deep.
fn from_the_root(path: &str, depth: usize) -> Option<&str> {
    let rest = match path.strip_prefix("crate::") {
        Some(rest) => rest,
        None => {
            let rest = path.strip_prefix("self::").unwrap_or(path);
            (0..depth).try_fold(rest, |rest, _| rest.strip_prefix("super::"))?
        }
    };
    rest.split("::").next()
}

/// Why `module`, which is on floor `own`, must not import `other`.
fn objection(module: &str, own: usize, other: &str) -> Option<&'static str> {
    let below = floor(other)?;
    if module == other {
        None
    } else if below > own {
        Some("imports point down only")
    } else if below == own && own == PEERS {
        Some("peers of the first floor do not know one another")
    } else {
        None
    }
}

#[test]
fn pure_modules_name_no_outside_resource() {
    let mut wrong = Vec::new();
    for (module, file, text) in sources() {
        if floor(&module) == Some(0) {
            for path in paths(&text) {
                if let Some(name) = IMPURE.iter().find(|name| is_within(&path, name)) {
                    wrong.push(format!("{}: {path}: {name} is not for pure modules", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_are_named_by_their_owners_alone() {
    let mut wrong = Vec::new();
    for (module, file, text) in sources() {
        for path in paths(&text) {
            for (name, owners) in OWNED {
                if is_within(&path, name) && !owners.contains(&module.as_str()) {
                    wrong.push(format!("{}: {path}: only {owners:?} may name {name}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_unsafe() {
    for (_, file, text) in sources() {
        assert!(!words(&text).any(|word| word == "unsafe"), "{}", file.display());
    }
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

fn is_within(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Top-level module, file and code of each source file; test modules, comments and literals are left out.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut todo = vec![root.clone()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && path.file_stem().is_some_and(|stem| stem != "tests")
            {
                let inside = path.strip_prefix(&root).unwrap();
                let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
                let code = without_tests(&code(&fs::read_to_string(&path).unwrap()));
                found.push((module, path, code));
            }
        }
    }
    assert!(found.len() > 10, "src/ was not found");
    found
}

/// The source with comments blanked and the contents of string and character literals taken out.
fn code(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let (mut out, mut i) = (String::new(), 0);
    while i < chars.len() {
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => {
                let mut depth = 0_usize;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= chars.len() {
                        break;
                    }
                }
            }
            'r' if is_raw_string(&chars, i) => {
                let hashes = (i + 1..).take_while(|&j| at(j) == '#').count();
                i += 2 + hashes;
                let is_end = |i: usize| at(i) == '"' && (1..=hashes).all(|n| at(i + n) == '#');
                while i < chars.len() && !is_end(i) {
                    i += 1;
                }
                i += 1 + hashes;
                out.push_str("\"\"");
            }
            '"' => {
                i += 1;
                while i < chars.len() && at(i) != '"' {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                i += 1;
                out.push_str("\"\"");
            }
            // A character, not a lifetime.
            '\'' if at(i + 1) == '\\' || at(i + 2) == '\'' => {
                i += if at(i + 1) == '\\' { 3 } else { 2 };
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
                out.push_str("' '");
            }
            c => {
                out.push(c);
                i += 1;
            }
        }
    }
    out
}

fn is_raw_string(chars: &[char], i: usize) -> bool {
    let starts_word = i == 0 || !is_word(chars[i - 1]) || (chars[i - 1] == 'b' && (i == 1 || !is_word(chars[i - 2])));
    let after = chars[i + 1..].iter().find(|c| **c != '#');
    starts_word && after == Some(&'"')
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The code before the file's test module, which by custom stands last.
fn without_tests(code: &str) -> String {
    code.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !is_word(c)).filter(|word| !word.is_empty())
}

/// Every path named in the code: `use` trees spread out, and paths within expressions and types.
fn paths(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let tokens = tokens(code);
    let mut i = 0;
    while i < tokens.len() {
        if tokens[i] == "use" {
            i = use_tree(&tokens, i + 1, "", &mut found);
        } else if is_name(&tokens[i]) {
            let mut path = tokens[i].clone();
            while tokens.get(i + 1).is_some_and(|token| token == "::") && tokens.get(i + 2).is_some_and(|t| is_name(t))
            {
                path = format!("{path}::{}", tokens[i + 2]);
                i += 2;
            }
            if path.contains("::") {
                found.insert(path);
            }
        }
        i += 1;
    }
    found
}

/// Reads one tree from `i` on, and returns where it ends: at its `;`, `,` or `}`.
fn use_tree(tokens: &[String], mut i: usize, prefix: &str, found: &mut BTreeSet<String>) -> usize {
    let mut path = prefix.to_owned();
    while let Some(token) = tokens.get(i) {
        match token.as_str() {
            "{" => loop {
                i = use_tree(tokens, i + 1, &path, found);
                if tokens.get(i).is_none_or(|token| token != ",") {
                    // The group is done; what follows it ends this tree.
                    return i + 1;
                }
            },
            ";" | "," | "}" => break,
            "as" => i += 1,
            "::" => {}
            "self" if !prefix.is_empty() => {}
            name => path = if path.is_empty() { name.to_owned() } else { format!("{path}::{name}") },
        }
        i += 1;
    }
    if !path.is_empty() {
        found.insert(path);
    }
    i
}

fn is_name(token: &str) -> bool {
    token.starts_with(is_word) && token != "as"
}

/// Words, `::` and the other characters one by one.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            tokens.push(first.to_string());
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

fn set(paths: &[&str]) -> BTreeSet<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

#[test]
fn the_extractor_spreads_use_trees() {
    let source = "pub use crate::a::{b, c::{self, d as e}, f::*}; use std::io;";
    let expected = set(&["crate::a::b", "crate::a::c", "crate::a::c::d", "crate::a::f::*", "std::io"]);
    assert_eq!(paths(&code(source)), expected);
    let source = "use {crate::{store::Store, relay}, tokio::net::TcpStream};\nuse x;";
    assert_eq!(paths(source), set(&["crate::store::Store", "crate::relay", "tokio::net::TcpStream", "x"]));
}

#[test]
fn the_extractor_sees_paths_in_types_and_expressions() {
    let source = "fn f(x: &crate::relay::Writer) -> u8 { let n = std::fs::read(1)?; crate::sink::go::<tokio::Y>(n) }";
    let expected = set(&["crate::relay::Writer", "std::fs::read", "crate::sink::go", "tokio::Y"]);
    assert_eq!(paths(source), expected);
}

#[test]
fn the_extractor_passes_over_comments_literals_and_tests() {
    let source = r####"
        //! crate::cli::main
        /* use tokio::net; /* nested */ crate::cli::x */
        const A: &str = "use std::fs; \" crate::cli::y"; const B: &str = r#"crate::cli::"z""#; const C: char = '"';
        fn f<'a>(x: &'a str) -> char { '\'' }
        use crate::wire::int;
        #[cfg(test)]
        mod tests { use std::fs; }
    "####;
    assert_eq!(paths(&without_tests(&code(source))), set(&["crate::wire::int"]));
    assert!(!words(&code("// unsafe\nlet x = \"unsafe\";")).any(|word| word == "unsafe"));
    assert!(words(&code("unsafe { }")).any(|word| word == "unsafe"));
}

#[test]
fn an_import_that_points_up_or_sideways_is_objected_to() {
    let look = |module: &str, other: &str| objection(module, floor(module).unwrap(), other);
    assert!(look("binlog", "store").is_some());
    assert!(look("pipeline", "control").is_some());
    assert!(look("store", "relay").is_some());
    assert!(look("sink", "cli").is_some());
    assert!(look("pipeline", "store").is_none());
    assert!(look("binlog", "position").is_none());
    assert!(look("relay", "relay").is_none());
    assert_eq!(from_the_root("crate::store::Store", 3), Some("store"));
    assert_eq!(from_the_root("super::super::store::Store", 2), Some("store"));
    assert_eq!(from_the_root("self::super::store", 1), Some("store"));
    assert_eq!(from_the_root("super::store::Store", 2), None);
    assert_eq!(depth(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/a/mod.rs")), 1);
    assert_eq!(depth(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/a/b.rs")), 2);
    assert!(is_within("std::fs::File", "std::fs") && !is_within("std::fsx", "std::fs"));
}
