// SPDX-License-Identifier: Apache-2.0
use super::*;

#[test]
fn smoke() {
    let text = include_str!("../../../configs/minimal.toml");
    println!(
        "{:#?}",
        parse(text).map(|p| (p.config.ops(), p.config, p.warnings))
    );
    for bad in [
        "a = \n[director]\nname = \"x\nworkers = 1-3\nfoo = 1\n[[service]\nname = 1\n[api]\nsocket = \"x\"\n",
        "[director]\nnme = \"lb\"\nworkers = [1,\n2\n[api]\nsocket=1\n[[port]]\nname=\"front\"\ndevice=\"eth0\"\nqueues=99999999999999999999\n[[service]]\nname='w'\nlisten='tcp://a.b:80'\nhealth={}\nscheduler='wlcc'\nforward='nat'\npersistence=1\n",
        "[director]\nname = \"lb\"\nname = 'c'\nworkers = '1'\nidle = 'pol'\n[services]\n[[service]]\nworkers=1\nname='w'\nlisten='tcp://192.0.2.1'\nhealth={}\nscheduler='sh'\nforward='nat'\n",
    ] {
        let report = parse(bad).unwrap_err();
        println!("{}", report.render("lb.toml", bad, false));
    }
    println!("{}", reference());
    println!(
        "{:?}",
        parse(&reference())
            .map_err(|r| r.render("r", &reference(), false))
            .map(|p| p.warnings)
    );
}
