//! Calls of bhyve that are told of a configuration, as if its lines stood in the call.

use crate::recording::{Call, Recording};

/// Returns a recording in which the lines of a configuration (`bhyve -k FILE`) are options of the call, which bhyve takes them for
/// (bhyve_config(5)): whoever reads the recipe has no need of the file. What could not be read stays as it was called.
pub(crate) fn with_configurations(recording: &Recording) -> Recording {
    let mut recording = recording.clone();
    for call in recording.calls.iter_mut().filter(|call| call.program() == "bhyve" && !call.map.is_empty()) {
        spread(call);
    }
    recording
}

/// Puts the lines of each configuration where its name stands: what comes later counts.
fn spread(call: &mut Call) {
    let mut argv = Vec::new();
    let mut words = std::mem::take(&mut call.argv).into_iter();
    let mut texts = call.map.split('\0');
    while let Some(word) = words.next() {
        let Some(joined) = word.strip_prefix("-k") else {
            argv.push(word);
            continue;
        };
        // The name stands apart or is joined (getopt(3)).
        let name = if joined.is_empty() { words.next() } else { None };
        match texts.next().filter(|text| !text.is_empty()) {
            Some(text) => {
                let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
                argv.extend(lines.flat_map(|line| ["-o".to_string(), line.to_string()]));
            }
            None => argv.extend([word].into_iter().chain(name)),
        }
    }
    call.argv = argv;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_configuration_stand_where_its_name_stood() {
        let argv = |line: &str| line.split(' ').map(str::to_string).collect::<Vec<_>>();
        let call = |line: &str, map: &str| Call { argv: argv(line), map: map.into(), ..Call::default() };
        let text = "# made\ncpus=2\n\nmemory.size=1G\n";
        let calls = vec![
            call("bhyve -H -k a.conf -m 2G vm", text),
            call("bhyve -ka.conf vm", "cpus=2\n"),
            call("bhyve -k a -c 1 -kb vm", "cpus=2\n\0cpus=3\n"),
            call("bhyve -k none vm", ""),
            call("grub-bhyve -m a vm", "x"),
        ];
        let spread = with_configurations(&Recording { calls, ..Recording::default() });
        let lines: Vec<String> = spread.calls.iter().map(|call| call.argv.join(" ")).collect();
        assert_eq!(
            lines,
            [
                "bhyve -H -o cpus=2 -o memory.size=1G -m 2G vm",
                "bhyve -o cpus=2 vm",
                "bhyve -o cpus=2 -c 1 -o cpus=3 vm",
                "bhyve -k none vm",
                "grub-bhyve -m a vm"
            ]
        );
    }
}
