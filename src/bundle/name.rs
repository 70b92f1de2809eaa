//! File names from names that the cluster chose: encoded, bounded, never leaving the folder.

use sha2::{Digest as _, Sha256};

/// The longest file name component, in bytes; the usual limit of file systems is 255 and suffixes are added.
const LONGEST: usize = 200;

/// A safe file name component for any text. Equal texts have equal names and different texts different ones.
///
/// Letters, digits, `.`, `_` and `-` stand for themselves, every other byte as `%XX`. Names of dots, Windows' reserved
/// names and trailing dots are escaped too; what is too long ends in its SHA-256.
pub fn component(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    if is_special(&out) {
        let first = out.bytes().next().map(|byte| format!("%{byte:02X}")).unwrap_or_else(|| "%".to_owned());
        out = format!("{first}{}", out.get(1..).unwrap_or_default());
    }
    if out.ends_with('.') {
        out.pop();
        out.push_str("%2E");
    }
    if out.len() > LONGEST {
        let digest = super::digest::hex(&Sha256::digest(text.as_bytes()));
        let keep = out.get(..LONGEST - 40).unwrap_or_default().trim_end_matches(['%', '.']).to_owned();
        out = format!("{keep}~{}", digest.get(..32).unwrap_or(&digest));
    }
    out
}

/// Whether Windows or every system gives the name a meaning of its own.
fn is_special(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || ((stem.starts_with("COM") || stem.starts_with("LPT"))
            && stem.len() == 4
            && stem.ends_with(|last: char| last.is_ascii_digit()));
    name.is_empty() || name.starts_with('.') || device
}

#[cfg(test)]
mod tests {
    use super::component;

    #[test]
    fn names_from_the_cluster_never_leave_the_folder() {
        assert_eq!(component("web-1"), "web-1");
        assert_eq!(component("../../etc/passwd"), "%2E.%2F..%2Fetc%2Fpasswd");
        assert_eq!(component(".."), "%2E%2E");
        assert_eq!(component(""), "%");
        assert_eq!(component("nul.txt"), "%6Eul.txt");
        assert_eq!(component("a:b*c"), "a%3Ab%2Ac");
    }

    #[test]
    fn long_names_stay_different_and_short() {
        let (one, two) = (component(&"é".repeat(200)), component(&format!("{}x", "é".repeat(200))));
        assert!(one.len() <= 200 && two.len() <= 200);
        assert_ne!(one, two);
    }
}
