// SPDX-License-Identifier: Apache-2.0
//! What needs no running EAL.

use super::*;

fn options() -> EalOptions {
    EalOptions {
        file_prefix: "unit".to_owned(),
        cpus: vec![0, 1],
        ..EalOptions::default()
    }
}

#[test]
fn without_huge_pages_nothing_is_shared() {
    let arguments = arguments(&options(), false).unwrap();
    for wanted in [
        "--no-huge",
        "--no-shconf",
        "--iova-mode=va",
        "--no-pci",
        "--no-telemetry",
        "--mbuf-pool-ops-name=ring_mt_rts",
    ] {
        assert!(
            arguments.iter().any(|argument| argument == wanted),
            "{wanted}: {arguments:?}"
        );
    }
    assert!(arguments.contains(&"--lcores=0@(0,1)".to_owned()));
}

#[test]
fn huge_pages_come_without_a_mount() {
    let arguments = arguments(&options(), true).unwrap();
    assert!(arguments.contains(&"--in-memory".to_owned()));
    // Pools without gaps want it, where no device has to read them.
    assert!(arguments.contains(&"--iova-mode=va".to_owned()));
    assert!(!arguments.contains(&"--no-huge".to_owned()));
}

#[test]
fn an_empty_allow_list_allows_no_device() {
    let options = EalOptions {
        pci: PciDevices::Allowed(Vec::new()),
        ..options()
    };
    let arguments = arguments(&options, false).unwrap();
    assert!(arguments.contains(&"--allow=0000:00:00.0".to_owned()));
    assert!(!arguments.contains(&"--no-pci".to_owned()));
}

#[test]
fn a_file_prefix_that_leaves_its_folder_is_refused() {
    for prefix in ["", "a/b", "../x"] {
        let options = EalOptions {
            file_prefix: prefix.to_owned(),
            ..options()
        };
        assert_eq!(
            arguments(&options, false),
            Err(EalError::FilePrefix(prefix.to_owned()))
        );
    }
}

#[test]
fn more_huge_pages_than_there_are_cannot_be_required() {
    let options = EalOptions {
        huge_pages: HugePages::Require,
        memory_mib: u32::MAX,
        ..options()
    };
    assert!(matches!(
        decide_huge_pages(&options),
        Err(EalError::NoHugePages { .. })
    ));
    let options = EalOptions {
        huge_pages: HugePages::Auto,
        ..options
    };
    assert_eq!(decide_huge_pages(&options), Ok(false));
}

#[test]
fn a_driver_description_is_read() {
    let text = "PMD_INFO_STRING= {\"name\": \"net_x\", \"params\": \"a=<int>\", \
                \"kmod\": \"* vfio-pci\", \
                \"pci_ids\": [[32902, 4110, 65535, 65535], [1, 2, 3, 4]]}";
    let driver = parse_driver(text).unwrap();
    assert_eq!(driver.name, "net_x");
    assert_eq!(driver.parameters, "a=<int>");
    assert_eq!(driver.pci_ids, [(0x8086, 0x100e), (1, 2)]);
}

#[test]
fn the_drivers_of_the_design_are_linked_in() {
    let drivers = drivers();
    for wanted in [
        "mlx5_eth",
        "net_af_packet",
        "net_af_xdp",
        "net_bonding",
        "net_e1000_em",
        "net_e1000_igb",
        "net_ena",
        "net_i40e",
        "net_iavf",
        "net_ice",
        "net_igc",
        "net_ixgbe",
        "net_memif",
        "net_null",
        "net_pcap",
        "net_ring",
        "net_tap",
        "net_virtio",
        "net_vmxnet3",
    ] {
        assert!(
            drivers.iter().any(|driver| driver == wanted),
            "{wanted}: {drivers:?}"
        );
    }
}

#[test]
fn a_driver_knows_its_pci_devices() {
    let table = driver_table();
    let virtio = table
        .iter()
        .find(|driver| driver.name == "net_virtio")
        .unwrap();
    assert!(virtio.pci_ids.contains(&(0x1af4, 0x1000)));
}
