//! Items that firmware can ask for.

use super::DevicePath;
use crate::diag::Fault;

/// An item of fw_cfg (bhyve(8), `-f`): a name and what is behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FwItem {
    name: String,
    content: FwContent,
}

/// What is behind the name of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FwContent {
    /// A text, which bhyve stores with the NUL that ends it.
    Text(String),
    /// A file, which bhyve reads when it starts.
    File(DevicePath),
}

impl FwItem {
    /// How many bytes a name may have.
    pub const MAX: usize = 55;

    /// Makes an item. The first comma ends its name; the content may have more of them.
    pub fn new(name: &str, content: FwContent) -> Result<Self, Fault> {
        if name.is_empty() || name.len() > Self::MAX {
            let message = format!("the name {name:?} of a fw_cfg item has {} bytes", name.len());
            return Err(Fault::new(message).hint(format!("from 1 to {}", Self::MAX)));
        }
        if name.chars().any(|c| c == ',' || c.is_control()) || name.starts_with("name=") {
            let fault = Fault::new(format!("{name:?} is not a name of a fw_cfg item"));
            return Err(fault.hint("no comma and no control character: \"opt/org.example/key\""));
        }
        match &content {
            FwContent::Text(text) if text.contains('\0') => {
                Err(Fault::new(format!("the text of {name:?} holds a NUL, which ends it")).hint("put it into a file"))
            }
            FwContent::Text(_) | FwContent::File(_) => Ok(Self { name: name.into(), content }),
        }
    }

    /// Returns the name by which the guest asks for it: `opt/org.example/key`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what `-f` is followed by (bhyve(8)).
    pub fn argument(&self) -> String {
        match &self.content {
            FwContent::Text(text) => format!("{},string={text}", self.name),
            FwContent::File(path) => format!("{},file={path}", self.name),
        }
    }

    /// Returns the file that is behind it, if it is one.
    pub(super) const fn file_mut(&mut self) -> Option<&mut DevicePath> {
        match &mut self.content {
            FwContent::File(path) => Some(path),
            FwContent::Text(_) => None,
        }
    }

    /// Returns what is behind it.
    pub const fn content(&self) -> &FwContent {
        &self.content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_before_a_comma_and_after_fifty_five_bytes() {
        let message = |name: &str| FwItem::new(name, FwContent::Text("x".into())).unwrap_err().message;
        assert_eq!(message("a,b"), "\"a,b\" is not a name of a fw_cfg item");
        assert_eq!(message("name=x"), "\"name=x\" is not a name of a fw_cfg item");
        assert_eq!(message(""), "the name \"\" of a fw_cfg item has 0 bytes");
        assert!(message(&"a".repeat(56)).ends_with("of a fw_cfg item has 56 bytes"));
        assert!(FwItem::new("opt/org.example/key", FwContent::Text("a,b=c".into())).is_ok());
    }
}
