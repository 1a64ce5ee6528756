//! pciconf(8), of which only `-l` is known (k): the devices of the host are the lines of the file `pci`, a driver with its unit
//! and an address: `ppt0 2/0/0`.

use crate::exit::{Exit, Step, say};
use crate::getopt;
use crate::state::State;

/// Runs pciconf.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let usage = "usage: pciconf -l [-BbcevV] [device]";
    let words = getopt::or_usage("pciconf", "BbceflvV", args, (1, usage))?;
    if !words.has('l') {
        return Err(Exit::new(1, usage));
    }
    let asked = words.operands.first();
    let text = if state.path("pci").is_file() { state.read("pci")? } else { String::new() };
    for line in text.lines() {
        let Some((driver, address)) = line.split_once(' ') else { continue };
        let place = format!("pci0:{}", address.replace('/', ":"));
        if asked.is_none_or(|asked| *asked == driver || *asked == place) {
            say(format!("{driver}@{place}:\tclass=0x020000 rev=0x03 hdr=0x00 vendor=0x8086 device=0x1533\n"));
        }
    }
    Ok(0)
}
