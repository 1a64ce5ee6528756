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

fn spread(call: &mut Call) {
    // The name stands apart or is joined (getopt(3)).
    let Some(at) = call.argv.iter().position(|word| word.starts_with("-k")) else { return };
    let words = if call.argv.get(at).is_some_and(|word| word == "-k") { 2 } else { 1 };
    let lines = call.map.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let options: Vec<String> = lines.flat_map(|line| ["-o".to_string(), line.to_string()]).collect();
    let end = (at + words).min(call.argv.len());
    call.argv.splice(at..end, options);
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
                "bhyve -k none vm",
                "grub-bhyve -m a vm"
            ]
        );
    }
}
