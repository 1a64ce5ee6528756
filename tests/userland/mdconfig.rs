//! mdconfig(8): memory disks, kept in the file `md`: lines of a unit, a type, a size in bytes and a path, with tabs between them.
//! Played as 12.1 answered.

use std::fs;

use crate::exit::{EBUSY, ENOENT, Exit, Step, say, strerror, warn};
use crate::getopt::{self, Words};
use crate::state::{State, is_root};

const USAGE: &str = "usage: mdconfig -a -t type [-n] [-o [no]option] ... [-f file]
                [-s size] [-S sectorsize] [-u unit] [-L label]
                [-x sectors/track] [-y heads/cylinder]
       mdconfig -d -u unit [-o [no]force]
       mdconfig -r -u unit -s size [-o [no]force]
       mdconfig -l [-v] [-n] [-f file] [-u unit]
       mdconfig file
\t\ttype = {malloc, vnode, swap}
\t\toption = {cluster, compress, reserve}
\t\tsize = %d (512 byte blocks), %db (B),
\t\t       %dk (kB), %dm (MB), %dg (GB), 
\t\t       %dt (TB), or %dp (PB)";

/// A memory disk.
struct Disk {
    unit: u32,
    kind: String,
    size: u64,
    path: String,
}

fn disks(state: &State) -> Step<Vec<Disk>> {
    let text = state.read("md")?;
    let disk = |line: &str| {
        let mut fields = line.split('\t').map(str::to_string);
        let (unit, kind, size) = (fields.next()?.parse().ok()?, fields.next()?, fields.next()?.parse().ok()?);
        Some(Disk { unit, kind, size, path: fields.next()? })
    };
    Ok(text.lines().filter_map(disk).collect())
}

fn save(state: &State, mut disks: Vec<Disk>) -> Step<()> {
    disks.sort_by_key(|disk| disk.unit);
    let line = |Disk { unit, kind, size, path }: &Disk| format!("{unit}\t{kind}\t{size}\t{path}");
    Ok(state.write_lines("md", &disks.iter().map(line).collect::<Vec<_>>())?)
}

/// Runs mdconfig.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let words = getopt::or_usage("mdconfig", "adf:lno:rs:S:t:u:vx:y:L:", args, (1, USAGE))?;
    let unit = words.value('u').map(|text| text.strip_prefix("md").unwrap_or(text));
    let unit = unit.map(|text| text.parse().map_err(|_| Exit::new(1, format!("mdconfig: bad unit: {text}"))));
    let unit = unit.transpose()?;
    let _lock = state.lock()?;
    match (words.has('l'), words.has('d'), words.has('a') || words.has('f')) {
        (true, ..) => list(state, &words, unit),
        (_, true, _) => detach(state, unit),
        (.., true) => attach(state, &words, unit),
        _ => Err(Exit::new(1, USAGE)),
    }
}

fn open() -> Step<()> {
    if is_root() { Ok(()) } else { Err(Exit::new(1, "mdconfig: open(/dev/mdctl): Permission denied")) }
}

fn list(state: &State, words: &Words<'_>, unit: Option<u32>) -> Step<u8> {
    open()?;
    let disks = disks(state)?;
    if words.has('v') || unit.is_some() {
        let mut wanted = disks.iter().filter(|disk| unit.is_none_or(|unit| disk.unit == unit)).peekable();
        if wanted.peek().is_none() && unit.is_some() {
            return Ok(255);
        }
        for Disk { unit, kind, size, path } in wanted {
            say(format!("md{unit}\t{kind}\t{:>6}\t{path}\t\n", format!("{}K", size / 1024)));
        }
    } else if !disks.is_empty() {
        say(disks.iter().map(|disk| format!("md{} ", disk.unit)).collect::<String>() + "\n");
    }
    Ok(0)
}

fn detach(state: &State, unit: Option<u32>) -> Step<u8> {
    let unit = unit.ok_or_else(|| Exit::new(1, "mdconfig: -d requires -u"))?;
    open()?;
    let (gone, rest): (Vec<Disk>, Vec<Disk>) = disks(state)?.into_iter().partition(|disk| disk.unit == unit);
    if gone.is_empty() {
        return Err(Exit::new(1, format!("mdconfig: ioctl(/dev/mdctl): {ENOENT}")));
    }
    save(state, rest)?;
    Ok(0)
}

fn attach(state: &State, words: &Words<'_>, wanted: Option<u32>) -> Step<u8> {
    let kind = words.value('t').unwrap_or("vnode").to_string();
    let (size, path) = match (kind.as_str(), words.value('f'), words.value('s')) {
        ("vnode", None, _) => return Err(Exit::new(1, USAGE)),
        ("vnode", Some(file), _) => {
            let data = fs::metadata(file)
                .map_err(|error| Exit::new(1, format!("mdconfig: realpath: {}", strerror(&error))))?;
            (data.len(), file.to_string())
        }
        (_, _, None) => return Err(Exit::new(1, "mdconfig: must specify -s for -t malloc, -t swap, or -t null")),
        (_, _, Some(size)) => (crate::number::memory_size(size).unwrap_or(0), "-".to_string()),
    };
    if !is_root() && kind == "vnode" {
        warn(format!("mdconfig: WARNING: opening backing store: {path} readonly"));
    }
    open()?;
    let mut disks = disks(state)?;
    let is_taken = |unit: &u32| disks.iter().any(|disk| disk.unit == *unit);
    if wanted.as_ref().is_some_and(is_taken) {
        return Err(Exit::new(1, format!("mdconfig: ioctl(/dev/mdctl): {EBUSY}")));
    }
    let unit = wanted.or_else(|| (0..=u32::MAX).find(|unit| !is_taken(unit))).unwrap_or(0);
    disks.push(Disk { unit, kind, size, path });
    save(state, disks)?;
    if wanted.is_none() {
        say(format!("{}{unit}\n", if words.has('n') { "" } else { "md" }));
    }
    Ok(0)
}
