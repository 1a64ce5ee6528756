//! netstat(1): what interfaces have carried, which is the same for each. The names of fields are those of its source.

use crate::exit::{Exit, Step, say};
use crate::state::State;

/// Runs netstat; of its forms only the one for programs is known.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    if args != ["--libxo", "json", "-ibn"] {
        return Err(Exit::new(1, "usage: netstat [-j jail] [-46AaCcLnRSTWx] [-f protocol_family | -p protocol]"));
    }
    let _lock = state.lock()?;
    let mut names = state.names("interfaces")?;
    names.sort();
    let one = |name: &String| {
        format!(
            "{{\"name\":\"{name}\",\"flags\":\"0x8943\",\"mtu\":1500,\"network\":\"<Link#5>\",\"address\":\"58:9c:fc:10:0d:1a\",\
             \"received-packets\":12,\"received-errors\":0,\"dropped-packets\":0,\"received-bytes\":3456,\"sent-packets\":78,\
             \"send-errors\":0,\"sent-bytes\":9012,\"collisions\":0}},{{\"name\":\"{name}\",\"flags\":\"0x8943\",\
             \"network\":\"10.0.0.0/24\",\"address\":\"10.0.0.1\",\"received-packets\":1,\"received-bytes\":2,\
             \"sent-packets\":3,\"sent-bytes\":4}}"
        )
    };
    let all: Vec<String> = names.iter().map(one).collect();
    say(format!("{{\"statistics\":{{\"interface\":[{}]}}}}\n", all.join(",")));
    Ok(0)
}
