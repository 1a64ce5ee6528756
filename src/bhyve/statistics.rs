//! What bhyvectl(8) tells by `--get-stats`: a line `vcpuN stats:`, and then a name, padded, a tab and a number on each line.

use crate::model::Argv;

/// What the kernel has counted for one vCPU, or for its machine as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The virtual processor, from 0.
    pub vcpu: u16,
    /// What was counted, in bhyve's words.
    pub name: String,
    /// How much.
    pub value: u64,
}

/// Returns the command that tells what was counted for a vCPU.
pub(crate) fn question(name: &str, vcpu: u16) -> Argv {
    Argv::new("bhyvectl").arg(format!("--vm={name}")).arg(format!("--cpu={vcpu}")).arg("--get-stats")
}

/// Reads what it prints; whatever is no number of something is passed over.
pub fn read(text: &str) -> Vec<Count> {
    let mut all = Vec::new();
    let mut vcpu = None;
    for line in text.lines() {
        let head = line.strip_prefix("vcpu").and_then(|rest| rest.strip_suffix(" stats:"));
        if let Some(number) = head.and_then(|number| number.parse().ok()) {
            vcpu = Some(number);
            continue;
        }
        let count = || {
            let (name, value) = line.rsplit_once('\t')?;
            let name = name.trim();
            let value = value.trim().parse().ok().filter(|_| !name.is_empty())?;
            Some(Count { vcpu: vcpu?, name: name.into(), value })
        };
        all.extend(count());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_are_read_as_bhyvectl_prints_them() {
        let text = format!(
            "vcpu1 stats:\n{:<40}\t1234\n{:<40}\t67108864\nnonsense\nx\ty\n",
            "total number of vm exits", "Resident memory"
        );
        let count = |name: &str, value| Count { vcpu: 1, name: name.into(), value };
        assert_eq!(read(&text), [count("total number of vm exits", 1234), count("Resident memory", 67_108_864)]);
        assert_eq!(read("total number of vm exits\t5\n"), []);
        assert_eq!(question("db", 1).to_string(), "bhyvectl --vm=db --cpu=1 --get-stats");
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "(vcpu[0-9]{0,6} stats:\n|[a-z ]{0,9}\t[0-9]{0,22}\n|.{0,20}\n){0,6}") {
            let _ = read(&text);
        }
    }
}
