// SPDX-License-Identifier: Apache-2.0
use proptest::prelude::*;

use super::*;

fn note() -> impl Strategy<Value = Note> {
    prop_oneof![
        Just(Note::None),
        Just(Note::Yours),
        any::<u16>().prop_map(|owner| Note::Decide {
            owner: WorkerId(owner)
        }),
        (0..1u32 << 24, any::<u32>()).prop_map(|(real, generation)| Note::Serve {
            real: RealId(real),
            generation
        }),
        Just(Note::Remembered),
        (0..64u16, any::<bool>(), 0..1u32 << 16, any::<u32>()).prop_map(
            |(owner, outbound, real, generation)| Note::Remember {
                owner: WorkerId(owner),
                outbound,
                real: RealId(real),
                generation,
            }
        ),
        (0..1u32 << 16, 0..64u16, 0..1u32 << 28, any::<u8>()).prop_map(
            |(real, home, place, generation)| Note::Bind {
                real: RealId(real),
                home: WorkerId(home),
                template: TemplateRef { place, generation },
            }
        ),
    ]
}

proptest! {
    #[test]
    fn a_note_survives_its_travel(note in note()) {
        prop_assert_eq!(Note::from_bits(note.to_bits()), note);
    }

    #[test]
    fn any_number_is_some_note(bits in any::<u64>()) {
        let note = Note::from_bits(bits);
        prop_assert_eq!(Note::from_bits(note.to_bits()), note);
    }
}
