//! Where the parts of a unit lie. Each try writes files of its own: `NAME.jsonl`, then `NAME~2.jsonl`, `NAME~3.jsonl`, so that what a
//! journal line names never changes. No name of a unit contains `~` and a short number (see [`super::component`]).

use super::component;

/// The digits that the number of a try has at most; the digest of a long name has more.
const LONGEST_NUMBER: usize = 9;

/// The files of one table, or of one kind of raw object, that a unit writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// `tables/TABLE/` or `raw/KIND/`.
    folder: String,
    /// The unit's own name below it.
    name: String,
    extension: &'static str,
}

impl Place {
    /// Rows of a table.
    pub(super) fn of_table(table: &str, name: &str) -> Self {
        Self { folder: format!("tables/{table}/"), name: name.to_owned(), extension: ".jsonl" }
    }

    /// Objects as the server sent them.
    pub(super) fn of_objects(kind: &str, name: &str) -> Self {
        Self { folder: format!("raw/{}/", component(kind)), name: name.to_owned(), extension: ".jsonl.zst" }
    }

    /// Lines that are not compressed, so that they can be read where a kill cut them off.
    pub(super) fn of_lines(kind: &str, name: &str) -> Self {
        Self { extension: ".jsonl", ..Self::of_objects(kind, name) }
    }

    /// The names of its files, in the order in which they are used.
    pub(super) fn paths(&self) -> impl Iterator<Item = String> {
        let Self { folder, name, extension } = self;
        let later = (2u64..).map(move |number| format!("{folder}{name}~{number}{extension}"));
        std::iter::once(format!("{folder}{name}{extension}")).chain(later)
    }

    /// Whether a file is one of its files.
    pub(super) fn has(&self, path: &str) -> bool {
        path.starts_with(&self.folder) && path.ends_with(self.extension) && unit_of(path) == Some(self.name.as_str())
    }
}

/// The name, below its source, of the unit that a part belongs to.
pub(super) fn unit_of(path: &str) -> Option<&str> {
    Some(split(path)?.0)
}

/// Which of the files of its place a part is, from 1.
pub(super) fn number_of(path: &str) -> u64 {
    split(path).map_or(1, |(_, number)| number)
}

fn split(path: &str) -> Option<(&str, u64)> {
    let (_, below) = path.split_once('/')?;
    let (_, file) = below.split_once('/')?;
    let name = file.strip_suffix(".jsonl.zst").or_else(|| file.strip_suffix(".jsonl"))?;
    let numbered = name.rsplit_once('~').filter(|(_, digits)| digits.len() <= LONGEST_NUMBER);
    Some(numbered.and_then(|(name, digits)| Some((name, digits.parse().ok()?))).unwrap_or((name, 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_of_a_part_is_known_whatever_its_number() {
        let place = Place::of_table("kubelogs_CL", "shop_web_u/app/0");
        let paths: Vec<_> = place.paths().take(3).collect();
        assert_eq!(paths[0], "tables/kubelogs_CL/shop_web_u/app/0.jsonl");
        assert_eq!(paths[2], "tables/kubelogs_CL/shop_web_u/app/0~3.jsonl");
        for (number, path) in (1..).zip(&paths) {
            assert_eq!((unit_of(path), number_of(path)), (Some("shop_web_u/app/0"), number));
            assert!(place.has(path));
        }
        assert!(!place.has("tables/kubelogs_CL/shop_web_u/app/0.log.jsonl"));
        assert!(!place.has("tables/commandhistory_CL/shop_web_u/app/0.jsonl"));
    }

    #[test]
    fn compressed_objects_and_lines_of_a_kind_are_different_places() {
        let (objects, lines) =
            (Place::of_objects("pods", "watch/pods/_all"), Place::of_lines("pods", "watch/pods/_all"));
        for (place, other) in [(&objects, &lines), (&lines, &objects)] {
            let path = place.paths().nth(1).unwrap();
            assert!(place.has(&path) && !other.has(&path), "{path}");
        }
    }

    #[test]
    fn the_digest_of_a_long_name_is_no_number() {
        let long = component(&"x".repeat(300));
        let path = Place::of_table("t_CL", &long).paths().nth(1).unwrap();
        assert_eq!((unit_of(&path), number_of(&path)), (Some(long.as_str()), 2));
        let path = Place::of_table("t_CL", &format!("a~{}", "1".repeat(32))).paths().next().unwrap();
        assert_eq!(number_of(&path), 1);
    }
}
