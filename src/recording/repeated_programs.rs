//! The calls of watched programs, as a recipe repeats them.

use super::call::Call;
use super::watched::Watched;
use crate::model::Argv;

/// Returns the call of a watched program as it can be repeated elsewhere: with what was written into it and out of it, in its folder.
///
/// `made` is what it changed that counts.
pub(super) fn repeated(call: &Call, watched: &Watched, made: &[&String]) -> Call {
    let mut line = call.command().to_string();
    if !watched.input.is_empty() {
        line = format!("{line} < {}", Argv::new(&watched.input));
    }
    if let Some((sign, path)) = watched.output.split_once(' ') {
        line = format!("{line} {sign} {}", Argv::new(path));
    }
    let is_fed = !call.heard.is_empty();
    if is_fed {
        line = format!("printf %s \"$1\" | {line}");
    }
    let is_here = works_here(call, watched, made);
    if is_here {
        line = format!("{} && {line}", Argv::new("cd").arg(&call.cwd));
    }
    if !is_fed && !is_here && line == call.command().to_string() {
        return call.clone();
    }
    let mut argv: Vec<String> = ["sh", "-c", &line].map(String::from).into();
    if is_fed {
        argv.extend(["sh".to_string(), call.heard.clone()]);
    }
    Call { argv, heard: String::new(), ..call.clone() }
}

/// Whether it names files by where it is called.
fn works_here(call: &Call, watched: &Watched, made: &[&String]) -> bool {
    let redirected = watched.output.split_once(' ').map_or("", |(_, path)| path);
    let is_said =
        |path: &&String| call.args().iter().any(|word| word.contains(path.as_str())) || path.as_str() == redirected;
    let is_relative = |word: &String| {
        let word =
            word.split_once('=').filter(|(key, _)| ["if", "of"].contains(key)).map_or(word.as_str(), |(_, path)| path);
        !word.starts_with(['/', '-'])
            && !word.starts_with("s/")
            && !word.contains([':', ' ', '('])
            && word.contains(['/', '.'])
            && word.parse::<f64>().is_err()
    };
    made.iter().any(|path| !is_said(path)) || call.args().iter().any(is_relative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watched_program_is_called_with_what_goes_in_and_out() {
        let shown = |line: &str, changed: &[&str], input: &str, output: &str, heard: &str| {
            let argv = line.split(' ').map(String::from).collect();
            let call = Call { argv, cwd: "/vm".into(), heard: heard.into(), ..Call::default() };
            let changed = changed.iter().map(ToString::to_string).collect();
            let watched = Watched { changed, input: input.into(), output: output.into(), is_fed: false };
            repeated(&call, &watched, &watched.changed.iter().collect::<Vec<_>>()).argv.join("|")
        };
        assert_eq!(shown("openssl req -out /a", &["/a"], "", "", ""), "openssl|req|-out|/a");
        assert_eq!(shown("openssl req -out a", &["/vm/a"], "", "", ""), "sh|-c|cd /vm && openssl req -out a");
        assert_eq!(shown("openssl rand 8", &["/a b"], "/in", "> /a b", ""), "sh|-c|openssl rand 8 < /in > '/a b'");
        assert_eq!(
            shown("jq .a -", &["/a"], "", ">> /a", "{}\n"),
            "sh|-c|cd /vm && printf %s \"$1\" | jq .a - >> /a|sh|{}\n"
        );
        assert_eq!(shown("rsync -a nas:/iso/ /iso/", &[], "", "", ""), "rsync|-a|nas:/iso/|/iso/");
    }
}
