//! What rc.conf(5) says of vm-bhyve: where its guests are, and which of them start with the host; and where CBSD has its own.

/// The lines of rc.conf that are vm-bhyve's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RcConf {
    /// `vm_enable`: whether vm-bhyve starts anything with the host.
    pub enable: bool,
    /// `vm_dir`, as it is written: a folder, or `zfs:DATASET`.
    pub dir: Option<String>,
    /// `vm_list`: the guests that start with the host, in order.
    pub list: Vec<String>,
    /// `vm_delay`: seconds between two starts.
    pub delay: Option<String>,
    /// `cbsd_workdir`: the working folder of CBSD.
    pub cbsd: Option<String>,
    /// The numbers of lines whose value is for a shell to find out.
    pub unknown: Vec<usize>,
}

impl RcConf {
    /// Reads a file. The last line of a name counts, as for sh(1), which sources it.
    pub(crate) fn parse(text: &str) -> Self {
        let mut all = Self::default();
        for (at, line) in text.lines().enumerate() {
            let Some((name, value)) = line.trim().split_once('=') else { continue };
            if !["vm_enable", "vm_dir", "vm_list", "vm_delay", "cbsd_workdir"].contains(&name) {
                continue;
            }
            let (value, list) = (plain(value), all.list.join(" "));
            // What is added to the list refers to what it was.
            let value = value.replace("${vm_list}", &list).replace("$vm_list", &list);
            if value.contains(['$', '`']) {
                all.unknown.push(at + 1);
                continue;
            }
            match name {
                "vm_enable" => {
                    all.enable = ["yes", "true", "on", "1"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
                }
                "cbsd_workdir" => all.cbsd = Some(value),
                "vm_dir" => all.dir = Some(value),
                "vm_list" => all.list = value.split_whitespace().map(String::from).collect(),
                _ => all.delay = Some(value),
            }
        }
        all
    }

    /// Returns the dataset of `vm_dir`, if it is one.
    pub(crate) fn dataset(&self) -> Option<&str> {
        self.dir.as_deref()?.strip_prefix("zfs:")
    }
}

/// Returns a value without its quotes and without the comment behind it.
fn plain(value: &str) -> String {
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some((inside, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inside.into();
        }
    }
    value.split_whitespace().next().unwrap_or_default().trim_end_matches(';').into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_and_may_add_to_the_list() {
        let text = "cbsd_workdir=\"/usr/jails\"\nvm_enable=\"YES\"  # so\nvm_dir='zfs:tank/vm'\nvm_list=\"a b\"\nvm_list=\"${vm_list} c\"\nvm_delay=5\nvm_list=\"$vm_list d\"\nsshd=1\n";
        let read = RcConf::parse(text);
        assert_eq!((read.enable, read.dataset(), read.delay.as_deref()), (true, Some("tank/vm"), Some("5")));
        assert_eq!(read.cbsd.as_deref(), Some("/usr/jails"));
        assert_eq!((read.list.join(" ").as_str(), read.unknown.len()), ("a b c d", 0));
        let read = RcConf::parse("vm_dir=\"/vm\"\nvm_list=`cat x`\n");
        assert_eq!((read.dataset(), read.list.len(), read.unknown.as_slice()), (None, 0, [2].as_slice()));
    }
}
