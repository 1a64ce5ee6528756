//! `-l DEV[,CONF]`: the devices behind the LPC bridge.

use super::slot::generic;
use super::tree::{Tree, fatal};
use crate::exit::Step;

/// The serial ports.
pub(crate) const PORTS: [&str; 4] = ["com1", "com2", "com3", "com4"];

/// What `-l help` lists.
pub(crate) const NAMES: &[&str] = &["bootrom", "com1", "com2", "com3", "com4", "tpm", "pc-testdev"];

/// Reads the argument of `-l` into the tree; false for an unknown device.
pub(crate) fn parse(tree: &mut Tree, argument: &str) -> Step<bool> {
    let (device, conf) = argument.split_once(',').map_or((argument, None), |(device, conf)| (device, Some(conf)));
    let device = device.to_ascii_lowercase();
    match device.as_str() {
        "bootrom" => bootrom(tree, argument, conf)?,
        "tpm" => tpm(tree, argument, conf)?,
        "pc-testdev" => tree.set("lpc.pc-testdev", "true")?,
        port if PORTS.contains(&port) => match conf {
            Some(tty) => tree.set(&format!("lpc.{port}.path"), tty)?,
            None => tree.set_broken(&format!("lpc.{port}"), "path")?,
        },
        _ => return Ok(false),
    }
    Ok(true)
}

/// `ROM[,VARS][,K=V…]`. Releases before 15 read the keys below `lpc`, later ones have moved them to the top.
fn bootrom(tree: &mut Tree, argument: &str, conf: Option<&str>) -> Step<()> {
    let conf = conf.ok_or_else(|| fatal(format!("invalid bootrom option \"{argument}\"")))?;
    let node = if tree.release.major < 15 { "lpc." } else { "" };
    let mut items = conf.split(',');
    tree.set(&format!("{node}bootrom"), items.next().unwrap_or_default())?;
    for (at, item) in items.enumerate() {
        if at == 0 && !item.contains('=') {
            tree.set(&format!("{node}bootvars"), item)?;
        } else {
            generic(tree, "lpc", item)?;
        }
    }
    Ok(())
}

/// `TYPE,PATH[,version=2.0]`.
fn tpm(tree: &mut Tree, argument: &str, conf: Option<&str>) -> Step<()> {
    let conf = conf.ok_or_else(|| fatal(format!("invalid tpm type \"{argument}\"")))?;
    let (kind, rest) = conf.split_once(',').ok_or_else(|| fatal(format!("invalid tpm path \"{argument}\"")))?;
    let (path, options) = rest.split_once(',').map_or((rest, None), |(path, options)| (path, Some(options)));
    tree.set("tpm.type", kind)?;
    tree.set("tpm.path", path)?;
    if let Some(options) = options {
        generic(tree, "tpm", options)?;
    }
    if tree.get("tpm.version").is_none() {
        tree.set("tpm.version", "2.0")?;
    }
    Ok(())
}
