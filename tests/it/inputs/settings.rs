//! The configuration of many hosts and machines.

use vmrun::internals::ops::config;

pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "hosts = [\"192.168.2.5\", \"vm6\"]\nrecipes = [\"/vm/recipes\"]\nviewer = [\"view\", \"{host}:{port}\"]\n",
        "# nothing\n",
        "[hosts]\nname = 'x'\n[[recipes]]\n",
        "hosts = 1979-05-27\nviewer = []\n\"a.b\" = { c = 0x1f }\n",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(faults) = config::parse("config.toml", &text) {
        assert!(!faults.is_empty());
        let inside = |fault: &vmrun::internals::diag::Diagnostic| {
            fault.place.as_ref().is_some_and(|place| text.get(place.span.clone()).is_some())
        };
        assert!(faults.iter().all(inside));
    }
}
