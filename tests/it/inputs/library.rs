//! What names and pins libraries: a line with `toml` or `lock`, then the file.

use vmrun::internals::library::{lock, manifest, tree};

pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "toml\n[lib.net]\ngit = \"https://x.org/net.git\"\nversion = \"1.2\"\n\n[lib.a-b]\npath = '../a'\n",
        "toml\n[lib.net]\ngit = \"git@x.org:team/net\"\nrev = \"v1.0.0\"\n[lib]\nx = { path = \"y\" }\n",
        "lock\n# c\n[net]\ngit = \"x\"\nwant = \"rev main\"\ntag = \"v1\"\ncommit = \"cafe\"\n\
         tree = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\n[net.files]\n",
        "lock\n[a]\ngit = \"\\u0041\"\nwant = \"version 1\"\ncommit = \"0\"\n\
         tree = \"7de1555df0c2700329e815b93b32c571c3ea54dc967b89e81ab73b9972b72d1d\"\n[a.files]\n\"lib.rhai\" = \"00\"\n",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (kind, text) = text.split_once('\n').unwrap_or(("", &text));
    if kind == "lock" {
        if let Ok(read) = lock::parse("vmrun.lock", text) {
            for path in read.values().flat_map(|pin| pin.files.keys()) {
                assert!(tree::check_path(path).is_ok());
            }
            let plain = |text: &String| !text.chars().any(char::is_control);
            if read.values().all(|pin| {
                let signed = pin.signed.iter().flat_map(|signed| [&signed.by, &signed.key, &signed.at]);
                let told = [&pin.git, &pin.want, &pin.commit].into_iter().chain(&pin.tag).chain(signed);
                told.chain(pin.files.values()).all(plain)
            }) {
                assert_eq!(lock::parse("vmrun.lock", &lock::text(&read)), Ok(read));
            }
        }
        return;
    }
    match manifest::parse("vmrun.toml", text) {
        Ok(read) => {
            let written: String = read.named.iter().map(manifest::entry).collect();
            if !format!("{read:?}").contains('\\') {
                assert_eq!(manifest::parse("vmrun.toml", &written).map(|read| read.named), Ok(read.named));
            }
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            let inside = |fault: &vmrun::internals::diag::Diagnostic| {
                fault.place.as_ref().is_some_and(|place| text.get(place.span.clone()).is_some())
            };
            assert!(faults.iter().all(inside));
        }
    }
}
