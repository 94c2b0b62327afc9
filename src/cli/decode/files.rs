//! The order in which the files given are one log.
//!
//! A shell sorts names as text, and puts `binlog.1000000` before `binlog.999999`. Where all files are of one log, by name,
//! they are read by number, whatever order they were given in.

use std::path::{Path, PathBuf};

use crate::cli::error::Failure;
use crate::pipeline::decode::STDIN;
use crate::position::split_number;

/// The files in the order of their log. Where numbers are missing between them that is told, or, if what is made of the files
/// must be `whole`, an error.
pub(super) fn in_order(files: &[PathBuf], whole: bool) -> Result<Vec<PathBuf>, Failure> {
    if files.iter().filter(|file| *file == Path::new(STDIN)).count() > 1 {
        return Err(Failure::usage("standard input can be read once only"));
    }
    let numbers: Option<Vec<(&str, u64)>> = files.iter().map(|file| number(file)).collect();
    let mut numbered: Vec<_> = match numbers {
        Some(numbers) if numbers.windows(2).all(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) => {
            numbers.into_iter().map(|(_, number)| number).zip(files).collect()
        }
        _ => return Ok(files.to_vec()),
    };
    if !numbered.is_sorted_by_key(|(number, _)| *number) {
        numbered.sort_by_key(|(number, _)| *number);
        tracing::info!("the files are read in the order of their numbers");
    }
    for pair in numbered.windows(2) {
        let [(before, first), (after, second)] = pair else { continue };
        if before == after {
            return Err(Failure::usage(format!("{} and {} have the same number", first.display(), second.display())));
        }
        let gap = after - before > 1;
        if gap && whole {
            let what = format!("files are missing between {} and {}", first.display(), second.display());
            return Err(Failure::usage(format!("{what}: a script of both would leave out what they hold")));
        }
        if gap {
            tracing::warn!(
                before = %first.display(), after = %second.display(),
                "files are missing between these two: what they hold is not seen"
            );
        }
    }
    Ok(numbered.into_iter().map(|(_, file)| file.clone()).collect())
}

/// The name without its running number, and that number.
fn number(file: &Path) -> Option<(&str, u64)> {
    let (base, number) = split_number(file.file_name()?.to_str()?);
    Some((base, number?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn ordered(files: &[&str]) -> Option<Vec<String>> {
        let files: Vec<_> = files.iter().map(PathBuf::from).collect();
        Some(in_order(&files, false).ok()?.iter().map(|file| file.display().to_string()).collect())
    }

    #[test]
    fn a_glob_over_a_million_files_is_read_in_the_order_of_the_log() {
        let files = ["d/b.1000000", "d/b.1000001", "d/b.999998", "d/b.999999"];
        assert_eq!(ordered(&files).unwrap(), ["d/b.999998", "d/b.999999", "d/b.1000000", "d/b.1000001"]);
    }

    #[test]
    fn a_file_is_not_read_twice() {
        assert_eq!(ordered(&["b.000001", "d/b.000001"]), None);
        assert_eq!(ordered(&["-", "-"]), None);
    }

    #[test]
    fn a_script_is_made_of_files_without_a_gap() {
        let files = [PathBuf::from("b.000001"), PathBuf::from("b.000003")];
        assert!(in_order(&files, false).is_ok());
        assert!(in_order(&files, true).is_err());
        assert!(in_order(&files[..1], true).is_ok());
    }

    #[test]
    fn files_of_several_names_are_read_as_given() {
        assert_eq!(ordered(&["b.000002", "a.000001"]).unwrap(), ["b.000002", "a.000001"]);
        assert_eq!(ordered(&["b.000002", "-"]).unwrap(), ["b.000002", "-"]);
        assert_eq!(ordered(&["events.bin", "b.000001"]).unwrap(), ["events.bin", "b.000001"]);
    }
}
