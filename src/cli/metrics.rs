//! `vmrun metrics`: numbers of the machines of this host, for Prometheus.

use super::term::Term;
use crate::diag::Diagnostic;
use crate::ops::metrics;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct MetricsArgs {
    /// Write them into this file, which is replaced as a whole, as node_exporter's textfile collector wants it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const AFTER: &str = "\
Every user may ask. What bhyvectl --get-stats and QEMU's monitor tell is there for those who may ask them, as a rule root:
vmrun_machine_statistics_known is 0 where they did not answer.

From cron, for node_exporter: vmrun metrics --out /var/lib/node_exporter/textfile/vmrun.prom";

pub(super) fn run(args: &MetricsArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let text = metrics::text()?;
    match &args.out {
        None => term.data(text.trim_end())?,
        Some(path) => metrics::write(path.clone(), &text)?,
    }
    Ok(())
}
