//! Names of a container's log files on its node. Pure.

/// A file, whatever it is called at the moment: the kubelet compresses what it rotated some time later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogFile {
    /// Which instance of the container wrote it.
    pub(super) instance: i64,
    /// `INSTANCE.log`, or `INSTANCE.log.TIME` once it is rotated: the same before and after it was compressed.
    pub(super) key: String,
    /// What it is called at the moment.
    pub(super) name: String,
}

impl LogFile {
    /// Takes the kubelet's own names only: `RESTARTS.log`, and `RESTARTS.log.TIME` or `RESTARTS.log.TIME.gz` once it is rotated.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (instance, rest) = name.split_once(".log")?;
        let time = rest.strip_suffix(".gz").unwrap_or(rest);
        let is_time = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        match time.strip_prefix('.') {
            Some(time) if is_time(time) && !time.is_empty() => {}
            None if rest.is_empty() => {}
            _ => return None,
        }
        let instance = instance.parse().ok().filter(|number| *number >= 0)?;
        let key = name.strip_suffix(".gz").unwrap_or(name).to_owned();
        Some(Self { instance, key, name: name.to_owned() })
    }

    /// What an instance writes to, until it is rotated.
    pub(super) fn current(instance: i64) -> String {
        format!("{instance}.log")
    }

    /// Whether nothing is written to it any more.
    pub(super) fn is_rotated(&self) -> bool {
        self.key != Self::current(self.instance)
    }

    /// Whether it has to be decompressed.
    pub(super) fn is_compressed(&self) -> bool {
        self.name.ends_with(".gz")
    }
}

/// The files in the list that Go's file server makes of a folder, a link for each. While one is being compressed it is there twice; the
/// compressed one stays.
pub(super) fn files(list: &str) -> Vec<LogFile> {
    let names = list.split("href=\"").skip(1).filter_map(|link| link.split('"').next());
    let mut files: Vec<_> = names.filter_map(LogFile::parse).collect();
    files.sort_by(|one, other| (&one.key, other.is_compressed()).cmp(&(&other.key, one.is_compressed())));
    files.dedup_by(|later, first| later.key == first.key);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_one_whether_it_is_compressed_or_being_compressed() {
        let list = "<!doctype html>\n<pre>\n<a href=\"0.log\">0.log</a>\n<a href=\"0.log.20260102-030405\">x</a>\n\
                    <a href=\"0.log.20260102-030405.gz\">x</a>\n<a href=\"0.log.20260103-030405.tmp\">x</a>\n</pre>\n";
        let found = files(list);
        let names: Vec<_> = found.iter().map(|file| (file.key.as_str(), file.name.as_str())).collect();
        assert_eq!(names, [("0.log", "0.log"), ("0.log.20260102-030405", "0.log.20260102-030405.gz")]);
    }

    #[test]
    fn only_the_kubelets_own_names_count() {
        let parsed = |name| LogFile::parse(name).map(|file| (file.instance, file.is_rotated(), file.is_compressed()));
        assert_eq!(parsed("3.log"), Some((3, false, false)));
        assert_eq!(parsed("0.log.20260102-030405"), Some((0, true, false)));
        assert_eq!(parsed("0.log.20260102-030405.gz"), Some((0, true, true)));
        for other in
            ["0.log.tmp", "../0.log", "0.log/", "x.log", "0.log.", "-1.log", "0.log.20260102.gz.tmp", "0.log.gz"]
        {
            assert_eq!(parsed(other), None, "{other}");
        }
    }
}
