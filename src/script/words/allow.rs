//! What the recipe lets its libraries do.

use super::{Call, Keys, Param, Word, WordKind};
use crate::diag::Fault;
use crate::library::allowed::{self, Allowed, KEYS};
use crate::script::raise::Raised;
use rhai::Dynamic;

pub(super) const WORDS: &[Word] = &[
    Word {
        name: "allow",
        kind: WordKind::Description,
        params: &[Param::map("what", Keys::Own(&KEYS)).shown("#{ paths: [\"/data/*\"], run: [\"zfs\"], interfaces: [\"tap*\"], listen: [\"0.0.0.0:5901\"], secrets: [\"vnc\"], env: [\"LANG\"], fetch: [\"https://example.org/*\"] }")],
        help: "Lets a recipe that imports libraries do from here on what its own text does not name; `*` stands for any letters but `/`.",
        ..Word::of(allow)
    },
];

fn allow(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let main = call.evaluation().sources.main();
    if call.library.is_some() || call.site.source.as_deref() != Some(&main) {
        let fault = Fault::new("only the recipe itself may allow something");
        return Err(fault.hint("it stands in the recipe's own file").into());
    }
    let options = call.options(0)?;
    let mut allowed = Allowed::default();
    for (key, value) in options.iter().filter(|(_, value)| !value.is_unit()) {
        let mut texts = super::texts(value).map_err(|raised| raised.under(key).arg(0))?;
        if key == "paths" {
            texts = texts.iter().map(|text| call.evaluation().whole(text)).collect();
        }
        for text in &texts {
            allowed::check(key, text).map_err(|fault| Raised::from(fault).under(key).arg(0))?;
        }
        *allowed.list(key) = texts;
    }
    call.evaluation().allowance.given.extend(&allowed);
    Ok(Dynamic::UNIT)
}
