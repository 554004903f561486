// SPDX-License-Identifier: Apache-2.0
//! Properties of tunnels: what goes in comes out, whatever it is, and the outer headers are right.

use std::num::NonZeroU16;

use model::addr::Addr;
use model::tunnel::{GueChecksum, TunnelKind};
use penstock_engine as engine;
use proptest::prelude::*;
use wire::buffer::TestBuf;
use wire::builder::Frame;
use wire::gre::Gre;
use wire::ipv4::IpProtocol;
use wire::packet::{Kind, parse};
use wire::udp::Udp;
use wire::{checksum, tunnel};

use engine::forward::tun::{self, Outer};

const GUE_PORT: NonZeroU16 = match NonZeroU16::new(6080) {
    Some(port) => port,
    None => NonZeroU16::MIN,
};

fn kinds() -> impl Strategy<Value = TunnelKind> {
    let port = GUE_PORT;
    prop_oneof![
        Just(TunnelKind::Ipip),
        any::<bool>().prop_map(|checksum| TunnelKind::Gre { checksum }),
        prop_oneof![
            Just(GueChecksum::None),
            Just(GueChecksum::Full),
            Just(GueChecksum::Remote)
        ]
        .prop_map(move |checksum| TunnelKind::Gue { port, checksum }),
    ]
}

fn inner() -> impl Strategy<Value = Vec<u8>> {
    (
        any::<bool>(),
        any::<u8>(),
        1..=255u8,
        any::<bool>(),
        proptest::collection::vec(any::<u8>(), 0..1600),
        proptest::collection::vec(any::<u8>(), 0..20),
    )
        .prop_map(|(v4, tos, ttl, dont_fragment, payload, trailer)| {
            let (from, to) = if v4 {
                ("10.0.0.9:1000", "10.0.0.100:53")
            } else {
                ("[2001:db8::9]:1000", "[2001:db8::100]:53")
            };
            let mut frame = Frame::udp(from, to).tos(tos).ttl(ttl).payload(&payload);
            if dont_fragment && v4 {
                frame = frame.dont_fragment();
            }
            frame.trailer(&trailer).build()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn decapsulating_gives_the_inner_packet_back_and_the_outer_sums_are_right(
        frame in inner(),
        kind in kinds(),
        outer_v4 in any::<bool>(),
        first_len in 60..1700usize,
        (copy_dont_fragment, ident, entropy) in any::<(bool, u16, u64)>(),
    ) {
        let addr = |v4: &str, v6: &str| -> Addr { if outer_v4 { v4 } else { v6 }.parse().unwrap() };
        let outer = Outer {
            source: addr("10.1.0.1", "2001:db8:1::1"),
            destination: addr("10.1.0.11", "2001:db8:1::11"),
            kind,
            copy_dont_fragment,
            ident,
            entropy,
        };
        let parsed = parse(&frame, frame.len()).unwrap();
        let mut packet = TestBuf::chained(&frame, first_len.max(usize::from(parsed.l4_offset) + 8));
        let header = tun::encapsulate(&mut packet, &parsed, &outer).unwrap();

        let ether_type = if outer_v4 { [8, 0] } else { [0x86, 0xdd] };
        let mut sent = vec![2; 12];
        sent.extend_from_slice(&ether_type);
        sent.extend_from_slice(&packet.frame());
        // The parse checks the outer header checksum and every length.
        let seen = parse(&sent, sent.len()).unwrap();
        prop_assert_eq!(seen.frame_len() as usize, sent.len());
        prop_assert_eq!(seen.kind == Kind::Ipv4, outer_v4);
        prop_assert_eq!(
            (seen.source, seen.destination, seen.protocol, seen.ip_len, seen.ttl, seen.tos),
            (
                header.source,
                header.destination,
                header.protocol,
                header.ip_len,
                parsed.ttl,
                header.tos,
            )
        );
        prop_assert_eq!(
            (seen.source_port, seen.destination_port),
            (header.source_port, header.destination_port)
        );
        let shim = &sent[usize::from(seen.l4_offset)..];
        let found = tunnel::inner(seen.protocol, shim, |port| port == GUE_PORT.get()).unwrap();
        prop_assert_eq!(found.kind, parsed.kind);
        let ip = &frame[usize::from(parsed.l3_offset)..parsed.frame_len() as usize];
        prop_assert_eq!(&shim[found.shim_len..], ip);
        match seen.protocol {
            IpProtocol::GRE => prop_assert!(Gre::new_checked(shim).unwrap().checksum_ok()),
            IpProtocol::UDP => {
                let carried = Udp::new_checked(shim).unwrap().checksum();
                let length = u32::try_from(shim.len()).unwrap();
                let pseudo =
                    checksum::pseudo_v6(&seen.source, &seen.destination, IpProtocol::UDP, length);
                let none = matches!(
                    kind,
                    TunnelKind::Gue { checksum: GueChecksum::None, .. }
                );
                prop_assert_eq!(carried == 0, none);
                prop_assert!(none || checksum::transport(pseudo, shim) == 0);
            }
            _ => {}
        }
    }
}
