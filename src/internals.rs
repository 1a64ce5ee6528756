//! What the tests in `tests/`, the benchmarks and the fuzz targets reach of the rooms, besides the program: the readers of what
//! comes from outside, and what a recipe is rehearsed with. It is no interface for others and changes without notice.

/// Of the room `bhyve`.
pub mod bhyve {
    pub use crate::bhyve::{argv, ended, is_node_refused, is_not_created, secrets};

    /// What processes call themselves.
    pub mod seen {
        pub use crate::bhyve::seen::machine_of;
    }

    /// Command lines.
    pub mod command {
        pub use crate::bhyve::command::read;
    }

    /// Configurations.
    pub mod config {
        pub use crate::bhyve::config::{expand, read, write};
    }

    /// What stands in a slot.
    pub mod slot {
        pub use crate::bhyve::slot::read;
    }

    /// What bhyvectl(8) counts.
    pub mod statistics {
        pub use crate::bhyve::statistics::read;
    }

    /// Keys and their values.
    pub mod tree {
        pub use crate::bhyve::tree::Tree;
    }
}

/// Of the room `diag`.
pub mod diag {
    pub use crate::diag::{Blame, Diagnostic, Severity, Source};

    /// Faults as they are drawn.
    pub mod snippet {
        pub use crate::diag::snippet::{Colour, draw};
    }
}

/// Of the room `host`.
pub mod host {
    pub use crate::host::{Interface, Platform, Settings};

    /// What interfaces there are.
    pub mod interfaces {
        /// FreeBSD's.
        pub mod freebsd {
            pub use crate::host::interfaces::freebsd::parse_interfaces;
        }

        /// Linux's.
        pub mod linux {
            pub use crate::host::interfaces::linux::parse_interfaces;
        }
    }

    /// What processes there are.
    pub mod processes {
        pub use crate::host::processes::Hypervisor;

        /// FreeBSD's.
        pub mod freebsd {
            pub use crate::host::processes::freebsd::{parse_processes, parse_threads};
        }
    }

    /// Commands.
    pub mod program {
        pub use crate::host::program::Chain;
    }

    /// What is counted.
    pub mod statistics {
        pub use crate::host::statistics::{InterfaceUse, of_netstat};
    }
}

/// Of the room `image`.
pub mod image {
    pub use crate::image::archive::read_whole;
    pub use crate::image::{Disk, Image, ImageForm, IpxeImage, Loader, Seed, compare, inspect};
}

/// Of the room `import`.
pub mod import {
    pub use crate::import::{Import, ImportOptions, SourceKind, read};

    /// The comparison of what was read with what its recipe boots.
    pub mod proof {
        pub use crate::import::proof::differences;
    }

    /// The recipe of what was read.
    pub mod recipe {
        pub use crate::import::recipe::recipe;
    }
}

/// Of the room `library`.
pub mod library {
    /// `vmrun.lock`.
    pub mod lock {
        pub use crate::library::lock::{parse, text};
    }

    /// `vmrun.toml`.
    pub mod manifest {
        pub use crate::library::manifest::{entry, parse};
    }

    /// The files of a library.
    pub mod tree {
        pub use crate::library::tree::check_path;
    }
}

/// Of the room `model`.
pub mod model {
    pub use crate::model::{
        Arch, Argv, Backend, CpuSet, DevicePath, Draft, Ended, Forward, HostDevice, HostName, InterfaceName, Mac,
        Machine, NetAddress, Part, PciSlot, Release, Secret, Size, Target, Tty, Type, VmName, VncAddress,
    };

    /// Command lines.
    pub mod argv {
        pub use crate::model::argv::quote;
    }

    /// The table of device kinds, and the serial ports of bhyve.
    pub mod device {
        pub use crate::model::device::{KINDS, serial_ports};
    }

    /// Settings of machines.
    pub mod setting {
        pub use crate::model::setting::SETTINGS;
    }

    /// Values of options.
    pub mod value {
        pub use crate::model::value::Value;
    }
}

/// Of the room `ops`.
pub mod ops {
    /// The language server.
    pub mod lsp {
        use crate::ops::lsp;

        /// Serves an editor without rehearsals, until it or the connection ends.
        pub fn serve_by(connection: lsp_server::Connection) -> Result<(), lsp_server::ProtocolError> {
            lsp::serve_by(connection, None)
        }
    }

    /// The configuration.
    pub mod config {
        pub use crate::ops::config::parse;
    }

    /// What other hosts answer.
    pub mod remote {
        pub use crate::ops::remote::read_list;
    }
}

/// Of the room `qemu`.
pub mod qemu {
    pub use crate::qemu::{Event, QemuSetting, argv, backends, check, ended, event, ignored};

    /// How a QEMU was called.
    pub mod seen {
        pub use crate::qemu::seen::options_of;
    }

    /// What QEMU counts.
    pub mod statistics {
        pub use crate::qemu::statistics::answer;
    }
}

/// Of the room `recording`.
pub mod recording {
    pub use crate::recording::{Call, Recording, Scenario, World, again, carried, merge};

    /// What a script does that no stand-in sees.
    pub mod escape {
        pub use crate::recording::escape::find;
    }

    /// Passwords in command lines.
    pub mod hidden {
        pub use crate::recording::hidden::hide;
    }

    /// Journals of recordings.
    pub mod journal {
        pub use crate::recording::journal::{read_calls, read_scenario, write_call, write_scenario};
    }

    /// Recipes of recordings.
    pub mod transcript {
        pub use crate::recording::transcript::{json, text};
    }

    /// Words of command lines.
    pub mod words {
        pub use crate::recording::words::split;
    }

    /// What stand-ins answer.
    pub mod world {
        pub use crate::recording::world::INTERFACES;
    }
}

/// Of the room `screen`.
pub mod screen {
    /// Names of keys.
    pub mod keys {
        pub use crate::screen::keys::parse;
    }

    /// What a screen shows, as pixels.
    pub mod picture {
        pub use crate::screen::picture::Picture;
    }

    /// VNC.
    pub mod rfb {
        pub use crate::screen::rfb::Client;
    }

    /// Text on screens.
    pub mod text {
        pub use crate::screen::text::read;
    }
}

/// Of the room `script`.
pub mod script {
    pub use crate::script::{Inputs, Recipe, ScriptEngine};

    /// What a text is made of.
    pub mod lexer {
        use crate::script::lexer::{TokenKind, tokens};

        /// Returns what the lexer makes of a text: white space as it is, and for each byte of the rest c (a comment), t (a text),
        /// n (a number), w (a word) or m (a mark).
        pub fn kinds(text: &str) -> String {
            // What no token takes is a comment.
            let mut kinds = vec!['c'; text.len()];
            for token in tokens(text) {
                let kind = match token.kind {
                    TokenKind::Word => 'w',
                    TokenKind::Number => 'n',
                    TokenKind::Text => 't',
                    TokenKind::Doc | TokenKind::Comment => 'c',
                    TokenKind::Mark => 'm',
                };
                kinds.iter_mut().take(token.span.end).skip(token.span.start).for_each(|one| *one = kind);
            }
            let of = |(at, letter): (usize, char)| {
                let is_space = letter.is_whitespace();
                let one = if is_space { letter } else { kinds.get(at).copied().unwrap_or('c') };
                std::iter::repeat_n(one, if is_space { 1 } else { letter.len_utf8() })
            };
            text.char_indices().flat_map(of).collect()
        }
    }

    /// What an editor asks.
    pub mod editor {
        use crate::script::editor::{Document, Modules};

        struct Standard;

        impl Modules for Standard {
            fn module(&self, _: &str, path: &str) -> Option<(String, String)> {
                let found = crate::script::modules::STDLIB.iter().find(|(name, _)| *name == path);
                found.map(|(name, text)| ((*name).into(), (*text).into()))
            }

            fn paths(&self, _: &str, begun: &str, _: bool) -> Vec<String> {
                vec![begun.into()]
            }
        }

        /// Asks everything at a byte of a text, and looks at what the answers are about.
        pub fn ask_all(name: &str, text: &str, at: usize) {
            let document = Document { name, text, modules: &Standard };
            let _ = &text[document.complete(at).replaced];
            let _ = document.hover(at).map(|hover| &text[hover.span]);
            let _ = document.signature(at);
            let _ = document.definition(at);
            document.renamed(at).into_iter().flatten().for_each(|span| _ = &text[span]);
            let _ = document.declarations();
            document.semantics().into_iter().for_each(|meant| _ = &text[meant.span]);
            document.folds().into_iter().for_each(|fold| _ = &text[fold.span]);
        }
    }

    /// What `vmrun check` does with recipes.
    pub mod check {
        pub use crate::script::check::{Finding, Inspector, Places, Rule, conflicts, rehearse};
    }
}

/// Of the room `supervise`.
pub mod supervise {
    use crate::diag::Diagnostic;
    use crate::host::worlds::elsewhere::Elsewhere;
    use crate::host::worlds::rehearsal::{Rehearsal, Rehearsed};
    use crate::model::{Ended, Machine, Target};
    use crate::script::{Inputs, Recipe};
    use crate::supervise::Run;
    use crate::supervise::conflicts::Purpose;

    /// What a rehearsal came to.
    #[derive(Debug, Default)]
    pub struct RehearsalOutcome {
        /// What is to be said.
        pub warnings: Vec<Diagnostic>,
        /// What was wrong.
        pub faults: Vec<Diagnostic>,
        /// The machines that were booted.
        pub machines: Vec<Machine>,
    }

    /// Rehearses a recipe on a FreeBSD host of which nothing is known: boot after boot, each of which ends in a reboot, up to
    /// the first in which something is wrong. What it takes is given back.
    pub fn rehearse(recipe: &Recipe, target: Target, boots: &[Inputs]) -> RehearsalOutcome {
        let mut rehearsal = Rehearsal::new(Box::new(Elsewhere::alone(target)));
        rehearsal.exits = Ended::Rebooted;
        let mut run = Run::new(Box::new(rehearsal));
        let mut outcome = RehearsalOutcome::default();
        for inputs in boots {
            let evaluated = recipe.evaluate(run, inputs, Some(Purpose::Run));
            run = evaluated.run;
            outcome.warnings.extend(evaluated.warnings);
            outcome.faults.extend(evaluated.faults);
            if !(outcome.faults.is_empty() && run.goes_on()) {
                break;
            }
        }
        let machine =
            |done: &Rehearsed| if let Rehearsed::Boot(machine) = done { Some((**machine).clone()) } else { None };
        outcome.machines.extend(run.rehearsed().iter().filter_map(machine));
        outcome.faults.extend(run.give_back().into_iter().map(Diagnostic::from));
        outcome
    }

    /// Journals of runs.
    pub mod journal {
        pub use crate::supervise::journal::line;
    }

    /// The status of machines.
    pub mod status {
        pub use crate::supervise::status::{MachineState, MachineStatus};
    }
}

/// Of the room `vmbhyve`.
pub mod vmbhyve {
    pub use crate::vmbhyve::{Place, read};
}
