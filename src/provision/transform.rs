//! A KQL query from a file, as `transformKql` wants it: on one line, without comments. Pure.

/// The query on one line. A comment ends at its line's end, so it cannot stay; `//` within a string is none.
pub fn one_line(text: &str) -> String {
    let lines = text.lines().map(|line| without_comment(line).trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn without_comment(line: &str) -> String {
    let (mut kept, mut quote, mut escaped) = (String::new(), None, false);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match quote {
            None if character == '/' && characters.peek() == Some(&'/') => break,
            None if matches!(character, '"' | '\'') => quote = Some(character),
            Some(open) if character == open && !escaped => quote = None,
            _ => {}
        }
        escaped = quote.is_some() && character == '\\' && !escaped;
        kept.push(character);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_becomes_one_line_and_means_the_same() {
        let text = "// keeps the pods of shop\nsource\n| where ns == 'shop' // theirs\n\n| extend url = \"https://x\\\"//\" \n";
        assert_eq!(one_line(text), "source | where ns == 'shop' | extend url = \"https://x\\\"//\"");
        assert_eq!(one_line(" \n// nothing\n"), "");
    }
}
