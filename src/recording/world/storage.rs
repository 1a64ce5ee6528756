//! Memory disks, mounts and ZFS, as a script sees them.

use super::Answer;
use std::collections::BTreeMap;

/// What there is to store things in.
#[derive(Clone, Debug, Default)]
pub(super) struct Storage {
    /// Memory disks: unit, and type, size and file as `mdconfig -lv` prints them.
    disks: BTreeMap<u32, [String; 3]>,
    /// What is mounted where.
    mounts: Vec<(String, String)>,
    /// Datasets with the properties that they were given.
    datasets: BTreeMap<String, BTreeMap<String, String>>,
}

/// Returns the value of an option, `-x value` or `-xvalue`.
fn value<'a>(args: &[&'a str], option: &str) -> Option<&'a str> {
    let at = args.iter().position(|arg| arg.starts_with(option))?;
    let joined = args.get(at)?.strip_prefix(option).filter(|rest| !rest.is_empty());
    joined.or_else(|| args.get(at + 1).copied())
}

/// Returns the words that are neither options nor their values.
fn operands<'a>(args: &[&'a str], with_value: &str) -> Vec<&'a str> {
    let mut operands = Vec::new();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix('-') {
            Some(letters) if letters.chars().next_back().is_some_and(|c| with_value.contains(c)) => drop(words.next()),
            Some(_) => {}
            None => operands.push(*word),
        }
    }
    operands
}

impl Storage {
    /// Answers a call of mdconfig(8).
    pub(super) fn mdconfig(&mut self, args: &[&str]) -> Answer {
        let unit = value(args, "-u").and_then(|unit| unit.trim_start_matches("md").parse::<u32>().ok());
        let lists = args.iter().any(|arg| arg.starts_with("-l") || *arg == "-vl");
        if lists && args.iter().any(|arg| arg.contains('v')) {
            let line = |(unit, [ty, size, file]): (&u32, &[String; 3])| format!("md{unit}\t{ty}\t{size}\t{file}\n");
            return Answer::tells(self.disks.iter().map(line).collect::<String>());
        }
        if lists {
            let names: Vec<String> = self.disks.keys().map(|unit| format!("md{unit}")).collect();
            return Answer::tells(if names.is_empty() { String::new() } else { names.join(" ") + "\n" });
        }
        if args.contains(&"-d") {
            unit.into_iter().for_each(|unit| drop(self.disks.remove(&unit)));
            return Answer::done();
        }
        if args.contains(&"-r") {
            return Answer::done();
        }
        let chosen = unit.or_else(|| (0..=u32::MAX).find(|unit| !self.disks.contains_key(unit))).unwrap_or_default();
        let file = value(args, "-f").or_else(|| operands(args, "tfsuoSxyL").first().copied()).unwrap_or_default();
        let ty = value(args, "-t").unwrap_or(if file.is_empty() { "swap" } else { "vnode" });
        let size = value(args, "-s").unwrap_or("-");
        self.disks.insert(chosen, [ty, size, file].map(str::to_string));
        if unit.is_none() { Answer::made(format!("md{chosen}")) } else { Answer::done() }
    }

    /// Answers a call of mount(8).
    pub(super) fn mount(&mut self, args: &[&str]) -> Answer {
        match operands(args, "FOot")[..] {
            [] if !args.contains(&"-a") => {
                let line = |(what, at): &(String, String)| format!("{what} on {at} (local)\n");
                Answer::tells(format!("zroot on / (zfs, local)\n{}", self.mounts.iter().map(line).collect::<String>()))
            }
            [what, at, ..] => {
                self.mounts.push((what.into(), at.into()));
                Answer::done()
            }
            _ => Answer::done(),
        }
    }

    /// Answers a call of umount(8).
    pub(super) fn umount(&mut self, args: &[&str]) -> Answer {
        for gone in operands(args, "FhtN") {
            self.mounts.retain(|(what, at)| what != gone && at != gone);
        }
        Answer::done()
    }

    /// Answers a call of zfs(8).
    pub(super) fn zfs(&mut self, args: &[&str]) -> Answer {
        let Some((word, args)) = args.split_first() else { return Answer::tells("") };
        match *word {
            "list" => self.zfs_list(args),
            "get" => self.zfs_get(args),
            "create" => {
                let mut properties: BTreeMap<String, String> = pairs(args);
                properties.extend(value(args, "-V").map(|size| ("volsize".into(), size.to_string())));
                let name = operands(args, "Vbo").last().map(ToString::to_string);
                self.datasets.extend(name.map(|name| (name, properties)));
                Answer::done()
            }
            "set" => {
                let (settings, names): (Vec<&str>, Vec<&str>) = args.iter().partition(|arg| arg.contains('='));
                let given = settings.iter().filter_map(|setting| setting.split_once('='));
                let given: Vec<(String, String)> = given.map(|(key, value)| (key.into(), value.into())).collect();
                for name in names {
                    self.datasets.entry(name.into()).or_default().extend(given.clone());
                }
                Answer::done()
            }
            "snapshot" | "snap" | "clone" => {
                let made = operands(args, "o").last().map(|name| (name.to_string(), pairs(args)));
                self.datasets.extend(made);
                Answer::done()
            }
            "rename" => {
                if let [old, new] = operands(args, "")[..] {
                    let properties = self.datasets.remove(old).unwrap_or_default();
                    self.datasets.insert(new.into(), properties);
                }
                Answer::done()
            }
            "destroy" => {
                let is_below = |name: &str, top: &str| {
                    name.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '@']))
                };
                for gone in operands(args, "") {
                    self.datasets.retain(|name, _| !is_below(name, gone));
                }
                Answer::done()
            }
            "holds" | "diff" | "version" => Answer::tells(""),
            _ => Answer::done(),
        }
    }

    /// What is asked for by name is there if it was made; without a name all of it is shown.
    fn zfs_list(&self, args: &[&str]) -> Answer {
        let asked = operands(args, "dostS");
        if let Some(missing) = asked.iter().find(|name| !self.is_dataset(name)) {
            return Answer::no(1, format!("cannot open '{missing}': dataset does not exist"));
        }
        let all = std::iter::once("zroot").chain(self.datasets.keys().map(String::as_str));
        let names: Vec<&str> = if asked.is_empty() { all.filter(|name| !name.contains('@')).collect() } else { asked };
        let columns: Vec<&str> = value(args, "-o").unwrap_or("name,used,avail,refer,mountpoint").split(',').collect();
        let row = |cells: Vec<String>| cells.join("\t") + "\n";
        let is_bare = args.iter().any(|arg| arg.starts_with('-') && !arg.starts_with("-o") && arg.contains('H'));
        let head = (!is_bare).then(|| row(columns.iter().map(|column| column.to_uppercase()).collect()));
        let rows = names.iter().map(|name| row(columns.iter().map(|column| self.property(name, column)).collect()));
        Answer::tells(head.into_iter().chain(rows).collect::<String>())
    }

    fn zfs_get(&self, args: &[&str]) -> Answer {
        let operands = operands(args, "dosto");
        let Some((properties, names)) = operands.split_first() else { return Answer::tells("") };
        if let Some(missing) = names.iter().find(|name| !self.is_dataset(name)) {
            return Answer::no(1, format!("cannot open '{missing}': dataset does not exist"));
        }
        let columns: Vec<&str> = value(args, "-o").unwrap_or("name,property,value,source").split(',').collect();
        let mut text = String::new();
        for (name, property) in
            names.iter().flat_map(|name| properties.split(',').map(move |property| (name, property)))
        {
            let cell = |column: &&str| match *column {
                "name" => (*name).to_string(),
                "property" => property.to_string(),
                "value" => self.property(name, property),
                _ => "-".into(),
            };
            text += &(columns.iter().map(cell).collect::<Vec<_>>().join("\t") + "\n");
        }
        Answer::tells(text)
    }

    fn is_dataset(&self, name: &str) -> bool {
        name == "zroot" || self.datasets.contains_key(name)
    }

    fn property(&self, name: &str, property: &str) -> String {
        let given = self.datasets.get(name).and_then(|properties| properties.get(property));
        match property {
            "name" => name.to_string(),
            _ if given.is_some() => given.cloned().unwrap_or_default(),
            "mountpoint" => format!("/{name}"),
            _ => "-".into(),
        }
    }
}

/// The properties that are given by `-o KEY=VALUE`.
fn pairs(args: &[&str]) -> BTreeMap<String, String> {
    let given =
        args.windows(2).filter_map(|pair| if let ["-o", setting] = pair { setting.split_once('=') } else { None });
    given.map(|(key, value)| (key.into(), value.into())).collect()
}

/// Answers a call of zpool(8): there is one pool.
pub(super) fn zpool(args: &[&str]) -> Answer {
    match args.first() {
        Some(&"list") if args.iter().any(|arg| arg.starts_with("-H")) => Answer::tells("zroot\n"),
        Some(&"list") => Answer::tells("NAME\nzroot\n"),
        Some(&("status" | "get" | "iostat" | "history")) => Answer::tells(""),
        _ => Answer::done(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Scenario, answers_of};

    #[test]
    fn memory_disks_are_numbered_and_listed_until_they_go() {
        let lines = [
            "mdconfig -a -t vnode -f /a.img",
            "mdconfig -a -t swap -s 1G -u 7",
            "mdconfig /b.img",
            "mdconfig -l",
            "mdconfig -d -u md0",
            "mdconfig -d -u 7",
            "mdconfig -lv",
        ];
        let expected = ["0 md0", "0", "0 md1", "0 md0 md1 md7", "0", "0", "0 md1\tvnode\t-\t/b.img"];
        assert_eq!(answers_of(&Scenario::default(), &lines), expected);
    }

    #[test]
    fn datasets_are_there_from_create_to_destroy() {
        let lines = [
            "zfs list -H -o name zroot/vm",
            "zfs create -o mountpoint=/vm zroot/vm",
            "zfs create -V 20G -s zroot/vm/disk",
            "zfs get -H -o value volsize zroot/vm/disk",
            "zfs snapshot zroot/vm/disk@clean",
            "zfs set com:a=b zroot/vm",
            "zfs list -o name,mountpoint,com:a",
            "zfs destroy -r zroot/vm",
            "zfs list -H -o name",
        ];
        let missing = "1 cannot open 'zroot/vm': dataset does not exist";
        let list = "0 NAME\tMOUNTPOINT\tCOM:A\nzroot\t/zroot\t-\nzroot/vm\t/vm\tb\nzroot/vm/disk\t/zroot/vm/disk\t-";
        assert_eq!(
            answers_of(&Scenario::default(), &lines),
            [missing, "0", "0", "0 20G", "0", "0", list, "0", "0 zroot"]
        );
    }

    #[test]
    fn mounts_are_listed() {
        let lines = ["mount -t msdosfs /dev/md0 /mnt", "mount", "umount /mnt", "mount", "zpool list -H -o name"];
        let root = "0 zroot on / (zfs, local)";
        let both = "0 zroot on / (zfs, local)\n/dev/md0 on /mnt (local)";
        assert_eq!(answers_of(&Scenario::default(), &lines), ["0", both, "0", root, "0 zroot"]);
    }
}
