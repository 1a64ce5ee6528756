//! What another manager has, in the form that all managers come to.

use crate::diag::Fault;
use crate::import::ImportOptions;
use crate::model::Target;
use crate::vmbhyve::Note;
use crate::vmbhyve::switch::Description;

/// What is imported, and where to.
pub(crate) struct Options<'a> {
    /// The folder of another manager; of what runs, where its manager keeps it if the host does not tell.
    pub(crate) source: Option<&'a str>,
    /// Whether what runs on this host is imported, and not what a folder has.
    pub(crate) running: bool,
    /// The folder for the recipes.
    pub(crate) out: &'a str,
    /// The folder of the guests on the host where they run, if the source is a copy.
    pub(crate) datastore: Option<&'a str>,
    /// The rc.conf(5) that says which guests start with the host.
    pub(crate) rc_conf: Option<&'a str>,
    /// Whether a test of each recipe is written beside it.
    pub(crate) with_test: bool,
    /// The bhyve that the recipes are for.
    pub(crate) target: Target,
}

/// A guest as its manager has it.
pub(super) struct Guest {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) text: Result<String, Fault>,
    pub(super) setting: ImportOptions,
    /// The images that its hypervisor has open, if it runs and that is known.
    pub(super) opened: Vec<String>,
    /// The recipe that it runs from, if vmrun runs it.
    pub(super) own_recipe: Option<String>,
}

impl Guest {
    /// Makes one that does not run, as far as is known.
    pub(super) const fn new(name: String, file: String, text: Result<String, Fault>, setting: ImportOptions) -> Self {
        Self { name, file, text, setting, opened: Vec::new(), own_recipe: None }
    }
}

/// The switches, and what is said of them.
pub(super) struct Network {
    pub(super) file: String,
    pub(super) switches: Vec<Description>,
    pub(super) notes: Vec<Note>,
}

/// Something that a person does afterwards.
#[derive(Clone)]
pub(super) struct Next {
    pub(super) what: String,
    pub(super) commands: Vec<String>,
}

/// All that a manager has.
pub(super) struct Source {
    pub(super) kind: &'static str,
    pub(super) guests: Vec<Guest>,
    /// The taps, and the ports of screens, that some guest names.
    pub(super) taken: Vec<String>,
    pub(super) network: Option<Network>,
    /// The guests that start with the host, in order.
    pub(super) start: Vec<String>,
    /// The file that says so.
    pub(super) start_file: Option<String>,
    /// What is said of that file.
    pub(super) notes: Vec<Note>,
    /// How its own start is ended.
    pub(super) next: Vec<Next>,
}
