//! Text for a terminal: nothing that came from a cluster may reach it unescaped.

/// The text with every control character, escape sequence and bidirectional override written as `\u{…}`.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let harmful = character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if harmful {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

/// Bytes as a person reads them, in powers of 1024: `17 B`, `4.2 MiB`.
pub fn size(bytes: u64) -> String {
    const LARGER: [&str; 3] = ["MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = "KiB";
    for next in LARGER {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_reach_no_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}ü"), "a\\u{1b}[2Jb\\u{202e}ü");
    }

    #[test]
    fn sizes_read_like_sizes() {
        assert_eq!([size(17), size(4_404_019), size(3 << 40)], ["17 B", "4.2 MiB", "3.0 TiB"]);
    }
}
