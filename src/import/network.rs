//! The recipe of vm-bhyve's switches, for `vmrun network`.

use super::layout::{comment, quoted};
use crate::model::{InterfaceName, NetAddress, VlanTag};
use crate::vmbhyve::switch::Description;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The recipe, and what is not whole in it.
pub(crate) struct Network {
    /// The text of the recipe.
    pub(crate) recipe: String,
    /// What somebody has to finish, each with its switch.
    pub(crate) holes: Vec<(String, String)>,
}

/// Writes the recipe while it goes on.
#[derive(Default)]
struct Writer {
    text: String,
    holes: Vec<(String, String)>,
    /// The variables of VLANs that are made already, by port and tag.
    vlans: BTreeMap<(String, String), String>,
}

/// Returns the recipe of some switches; `file` is its name.
pub(crate) fn recipe(switches: &[Description], file: &str) -> Network {
    let mut writer = Writer { text: comment(0, "Made from vm-bhyve's switches."), ..Writer::default() };
    let how = format!(
        "`vmrun network up {file}` makes them; `vmrun network rcconf {file}` prints the lines that make them at every start."
    );
    writer.text += &comment(0, &how);
    for (at, switch) in switches.iter().enumerate() {
        writer.text += "\n";
        writer.switch(at + 1, switch);
    }
    Network { recipe: writer.text, holes: writer.holes }
}

impl Writer {
    fn hole(&mut self, switch: &Description, text: &str) {
        self.text += &comment(0, text);
        self.holes.push((switch.name.clone(), text.into()));
    }

    fn switch(&mut self, number: usize, switch: &Description) {
        self.text += &comment(0, &format!("{}: a switch of type {}", switch.name, switch.kind));
        match (switch.kind.as_str(), &switch.bridge) {
            ("standard", Some(bridge)) => self.standard(number, switch, bridge),
            ("vxlan", Some(bridge)) => {
                self.standard(number, &Description { ports: Vec::new(), vlan: None, ..switch.clone() }, bridge);
                self.vxlan(bridge, switch);
            }
            ("manual", Some(bridge)) => {
                self.text += &comment(0, &format!("{bridge} is there without vm-bhyve, and stays as it is."));
            }
            ("manual", None) => self.hole(switch, "It names no bridge: its guests are on none."),
            (kind, _) => self.hole(switch, &format!("vmrun makes no switch of type {kind}: make it by hand.")),
        }
    }

    /// A bridge, its options, and its members.
    fn standard(&mut self, number: usize, switch: &Description, bridge: &str) {
        let mut options = vec!["create: true".to_string()];
        if let Some(address) = &switch.address {
            match address.parse::<NetAddress>() {
                Ok(_) => options.push(format!("address: {}", quoted(address))),
                Err(fault) => self.hole(switch, &format!("Its address is left out: {}.", fault.message)),
            }
        }
        let mtu = switch.mtu.as_deref().and_then(|mtu| mtu.parse::<u32>().ok());
        if let Some(mtu) = mtu {
            options.push(format!("mtu: {mtu}"));
            for port in &switch.ports {
                let said = format!("{port} needs the MTU too, where it is configured: `ifconfig {port} mtu {mtu}`.");
                self.text += &comment(0, &said);
            }
        } else if switch.mtu.is_some() {
            self.hole(switch, "Its MTU is left out, as it is no number.");
        }
        let call = format!("bridge({}, #{{ {} }})", quoted(bridge), options.join(", "));
        let members = self.members(switch, mtu);
        // Writing to a String cannot fail.
        let _ = if members.is_empty() {
            writeln!(self.text, "{call};")
        } else {
            writeln!(self.text, "let bridge{number} = {call};")
        };
        for member in members {
            let _ = writeln!(self.text, "bridge{number}.add({member});");
        }
    }

    /// Returns the members as expressions, after the VLANs that they need were made.
    fn members(&mut self, switch: &Description, mtu: Option<u32>) -> Vec<String> {
        let mut members = Vec::new();
        for port in &switch.ports {
            if port.parse::<InterfaceName>().is_err() {
                self.hole(switch, &format!("The port {} is left out, as it is no interface.", quoted(port)));
                continue;
            }
            let Some(tag) = &switch.vlan else {
                members.push(quoted(port));
                continue;
            };
            let Some(tag) = tag.parse::<i64>().ok().and_then(|tag| VlanTag::try_from(tag).ok()) else {
                self.hole(switch, &format!("Its VLAN {} is left out, as it is no tag.", quoted(tag)));
                continue;
            };
            let key = (port.clone(), tag.to_string());
            let name = format!("vlan{}", self.vlans.len() + 1);
            let made = self.vlans.entry(key).or_insert_with(|| {
                let options = mtu.map(|mtu| format!(", #{{ mtu: {mtu} }}")).unwrap_or_default();
                let _ = writeln!(self.text, "let {name} = vlan({}, {tag}{options});", quoted(port));
                name
            });
            members.push(made.clone());
        }
        members
    }

    /// vm-bhyve takes the address of the port for the near end, and for the group 239 and the first three bytes of the MD5 of the
    /// switch's name (`lib/vm-switch-vxlan`).
    fn vxlan(&mut self, bridge: &str, switch: &Description) {
        let (id, port) = (switch.vlan.as_deref().unwrap_or("ID"), switch.ports.first().map_or("CARD", String::as_str));
        let text = format!(
            "Its VXLAN is to be finished: `ifconfig vxlan{id}` shows `local` and `group` while vm-bhyve runs (the group is 239 and \
             the first three bytes of `md5 -qs {}`).",
            switch.name
        );
        self.hole(switch, &text);
        let far = format!("id: {id}, local: \"…\", group: \"239.…\", dev: {}", quoted(port));
        let (bridge, vxlan) = (quoted(bridge), quoted(&format!("vxlan{id}")));
        self.text.push_str(&["// bridge(", &bridge, ").add(vxlan(", &vxlan, ", #{ ", &far, " }));\n"].concat());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vmbhyve::switch;

    #[test]
    fn switches_of_every_type_become_a_recipe_and_what_is_missing_is_told() {
        let system = "switch_list=\"lan wan tag old x v n a-rather-long-name\"\ntype_lan=\"standard\"\nports_lan=\"em0 em1\"\n\
                      addr_lan=\"192.168.2.1/24\"\nmtu_lan=\"9000\"\ntype_wan=\"standard\"\nports_wan=\"em2\"\nvlan_wan=\"80\"\n\
                      type_tag=\"standard\"\nports_tag=\"em2 e!\"\nvlan_tag=\"80\"\naddr_tag=\"dhcp\"\nnat_tag=\"yes\"\n\
                      type_old=\"manual\"\nbridge_old=\"bridge7\"\ntype_x=\"vxlan\"\nvlan_x=\"7\"\nports_x=\"em0\"\n\
                      type_v=\"vale\"\ntype_n=\"netgraph\"\ntype_a-rather-long-name=\"standard\"\nprivate_wan=\"yes\"\nmon_x=\"1\"\n";
        let (switches, notes) = switch::all(system);
        let Network { recipe, holes } = recipe(&switches, "network.rhai");
        assert_eq!(recipe, include_str!("../../tests/fixtures/import/network.rhai"));
        let holes: Vec<&str> = holes.iter().map(|(switch, _)| switch.as_str()).collect();
        assert_eq!(holes, ["tag", "tag", "x", "v", "n"]);
        let notes: Vec<String> =
            notes.iter().map(|note| format!("{} {} {}: {}", note.line, note.is_hole, note.key, note.text)).collect();
        assert_eq!(
            notes,
            [
                "13 true nat_tag: vmrun translates no addresses: write a rule of pf(4), as `nat on em0 from NETWORK to any -> (em0)`",
                "19 true type_v: vmrun makes no VALE switch: its cards stay on taps without a bridge",
                "20 true type_n: vmrun makes no netgraph bridge: make `n` by ngctl(8) before its guests start",
                "23 false mon_x: vm-bhyve 1.7 reads no such key of a switch",
            ]
        );
    }
}
