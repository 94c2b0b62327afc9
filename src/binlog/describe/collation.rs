//! Names of collations, for the words about user variables.
//!
//! `collations.txt` is what MySQL 9.7 and MariaDB 11 list below 1024; above it MariaDB's numbers are made by rule.

/// Collations by id, one a line.
const NAMES: &str = include_str!("collations.txt");

/// Languages of MariaDB's UCA 14.00 collations, in order of their numbers.
const UCA1400: [&str; 25] = [
    "",
    "icelandic_",
    "latvian_",
    "romanian_",
    "slovenian_",
    "polish_",
    "estonian_",
    "spanish_",
    "swedish_",
    "turkish_",
    "czech_",
    "danish_",
    "lithuanian_",
    "slovak_",
    "spanish2_",
    "roman_",
    "persian_",
    "esperanto_",
    "hungarian_",
    "sinhala_",
    "german2_",
    "",
    "",
    "vietnamese_",
    "croatian_",
];

/// The server's name of a collation.
pub(super) fn name(id: u32, mariadb: bool) -> Option<String> {
    match id {
        2048.. => uca1400(id.checked_sub(2048)?),
        1024.. => {
            let padded = plain(id.checked_sub(1024)?)?;
            let (stem, end) = padded.rsplit_once('_')?;
            Some(format!("{stem}_nopad_{end}"))
        }
        // The number is MySQL's; MariaDB has a collation of its own by that name.
        122 | 149 | 181 | 213 | 245 if mariadb => Some(plain(id)?.replace("croatian", "croatian_mysql561")),
        _ => plain(id).map(str::to_owned),
    }
}

fn plain(id: u32) -> Option<&'static str> {
    let id = id.to_string();
    NAMES.lines().find_map(|line| line.split_once(' ').filter(|(number, _)| *number == id).map(|(_, name)| name))
}

fn uca1400(n: u32) -> Option<String> {
    let part = |value: u32, names: &[&'static str]| names.get(usize::try_from(value).ok()?).copied();
    let charset = part(n / 256, &["utf8mb3", "utf8mb4", "ucs2", "utf16", "utf32"])?;
    let language = part(n % 256 / 8, &UCA1400)?;
    let pad = part(n % 8 / 4, &["", "nopad_"])?;
    let sensitivity = part(n % 4, &["ai_ci", "ai_cs", "as_ci", "as_cs"])?;
    Some(format!("{charset}_uca1400_{language}{pad}{sensitivity}"))
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn numbers_are_named_as_each_server_names_them() {
        for (id, mariadb, expected) in [
            (8, false, "latin1_swedish_ci"),
            (63, true, "binary"),
            (255, false, "utf8mb4_0900_ai_ci"),
            (245, false, "utf8mb4_croatian_ci"),
            (245, true, "utf8mb4_croatian_mysql561_ci"),
            (608, true, "utf8mb4_croatian_ci"),
            (1032, true, "latin1_swedish_nopad_ci"),
            (1070, true, "utf8mb4_nopad_bin"),
            (2304, true, "utf8mb4_uca1400_ai_ci"),
            (2055, true, "utf8mb3_uca1400_nopad_as_cs"),
            (2064, true, "utf8mb3_uca1400_latvian_ai_ci"),
        ] {
            assert_eq!(name(id, mariadb).as_deref(), Some(expected));
        }
        assert_eq!(name(5000, true), None);
    }
}
