//! The exit codes of all commands: the one table of them, from which follow what the program returns, its help and its manual.

use super::Blame;

/// Every exit code with what it means, in order. 0 is nobody's fault.
pub(crate) const EXIT_CODES: [(u8, &str); 12] = [
    (0, "the guest powered off, or the command did its work"),
    (1, "the recipe is wrong, or what it was made of or compared with"),
    (2, "the command line is wrong"),
    (3, "the host refused"),
    (4, "the guest failed, or a machine that was looked for runs nowhere"),
    (Blame::Busy.code(), "another run or guest has it: the machine, or what it needs"),
    (Blame::Failed.code(), "the machine has failed, and is not started again by itself"),
    (Blame::Unsure.code(), "it cannot be told: what there is to look at could not be read"),
    (Blame::Down.code(), "the machine does not run"),
    (Blame::Unsupervised.code(), "the guest runs, and nobody looks after it: its supervisor is gone"),
    (Blame::Permit.code(), "the machine has lost its permit, and was stopped"),
    (130, "interrupted"),
];

impl Blame {
    const ALL: [Self; 11] = [
        Self::Down,
        Self::Unsupervised,
        Self::Failed,
        Self::Recipe,
        Self::Usage,
        Self::Busy,
        Self::Host,
        Self::Guest,
        Self::Permit,
        Self::Unsure,
        Self::Interrupted,
    ];

    /// Returns its exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Recipe => 1,
            Self::Usage => 2,
            Self::Host => 3,
            Self::Guest => 4,
            Self::Busy => 5,
            Self::Failed => 6,
            Self::Unsure => 7,
            Self::Down => 8,
            Self::Unsupervised => 9,
            Self::Permit => 10,
            Self::Interrupted => 130,
        }
    }

    /// Returns whose fault the exit code of another vmrun is; nothing of what is none.
    pub fn of_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|blame| i32::from(blame.code()) == code)
    }
}

/// Returns the table as lines for a help text: indented, the codes as wide as the widest.
pub(crate) fn listed() -> String {
    EXIT_CODES.map(|(code, meaning)| format!("  {code:<5}{meaning}\n")).concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_blame_has_one_row_and_the_gravest_of_several_decides() {
        let codes: Vec<u8> = EXIT_CODES.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 130]);
        for blame in Blame::ALL {
            assert!(codes.contains(&blame.code()), "{blame:?}");
            assert_eq!(Blame::of_code(blame.code().into()), Some(blame));
        }
        assert_eq!((Blame::of_code(0), Blame::of_code(42), Blame::of_code(-9)), (None, None, None));
        // What was not done may be done later; what could not be looked at counts more than what was seen.
        assert!(Blame::ALL.is_sorted());
    }
}
