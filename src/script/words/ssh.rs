//! The key by which ssh knows a guest.

use super::disk::folder_of;
use super::{Asks, Call, Param, Type, Word, WordKind};
use crate::host::{Effect, host_key};
use crate::script::raise::Raised;
use crate::supervise::conflicts::Purpose;
use crate::supervise::conflicts::lengths::WHILE_WRITTEN;
use rhai::{Dynamic, Map};

/// What `ssh_host_key` returns.
const KEY: &[&str] = &["path", "public_key"];

/// How many bytes follow a key's name while it is made: `.vmrun-4194304.new.pub`.
const PUBLIC_WHILE_WRITTEN: usize = WHILE_WRITTEN + 4;

pub(super) const WORDS: &[Word] = &[Word {
    name: "ssh_host_key",
    kind: WordKind::Action,
    params: &[Param::new("path", Type::Path)],
    returns: Type::Map(KEY),
    asks: &[Asks::Paths],
    help: "Makes a host key of ssh for a guest, unless it is there, and keeps it: returns #{ path, public_key }, that of the private key for \
           cloud_seed and the other one's text for `ssh: #{ host_key }`.",
    ..Word::of(ssh_host_key)
}];

fn ssh_host_key(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let path = call.path(0)?;
    folder_of(call, &path, PUBLIC_WHILE_WRITTEN)?;
    let is_there = {
        let mut evaluation = call.evaluation();
        let is_init = evaluation.inputs.init;
        let host = &*evaluation.run().host;
        // A host that is not here has its keys, unless it is about to get them.
        host.file(&path).is_some() && !(host.is_assumed() && is_init)
    };
    if !is_there {
        if call.rehearses() {
            rehearsed(call)?;
        }
        call.act(&Effect::MakeHostKey(path.clone()))?;
    }
    let public = host_key::public(&*call.evaluation().run().host, &path).map_err(|fault| Raised::from(fault).arg(0))?;
    let values: [Dynamic; 2] = [path.display().to_string().into(), public.to_string().into()];
    let map: Map = KEY.iter().map(|key| (*key).into()).zip(values).collect();
    Ok(map.into())
}

/// Says whether there is a program that makes it.
fn rehearsed(call: &Call<'_>) -> Result<(), Raised> {
    let has_program = {
        let mut evaluation = call.evaluation();
        let host = &*evaluation.run().host;
        host.is_assumed() || host_key::has_program(host)
    };
    if has_program {
        return Ok(());
    }
    let raised = Raised::from(host_key::missing());
    if call.evaluation().rehearsal == Some(Purpose::Run) {
        return Err(raised);
    }
    super::machine::warn(call, raised);
    Ok(())
}
