// SPDX-License-Identifier: Apache-2.0
//! What is wrong is refused, with its place and the way out, and what runs goes on running.
#![forbid(unsafe_code)]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use penstock_tests::lab::{
    DirectorConfig, Family, Finished, HttpConnection, Lab, LabError, LabResult, Netns, TcpLoad,
    Topology, addr, ensure_equal, program, skipped,
};
use penstock_tests::scene::{Scene, Scratch, ServiceText, Turn, text};

/// No command of this file takes longer, a refused start of the daemon included.
const BOUND: Duration = Duration::from_secs(30);

/// What a port with one queue is said to lack.
const QUEUES: &str = "2 receive queues asked for, the device has 1";

/// One wrong config: what is replaced by what, where that is, and words of the answer.
struct Wrong {
    what: &'static str,
    from: &'static str,
    to: &'static str,
    /// `:LINE:COLUMN`, once for each error.
    places: &'static [&'static str],
    words: &'static [&'static str],
}

const GOOD: &str = r#"[director]
name = "d1"
workers = "1"

[[port]]
name = "front"
device = "net_af_packet0,iface=e0"
addresses = ["10.10.0.1/24"]

[[service]]
name = "web"
listen = "tcp://10.10.0.100:80"
scheduler = "rr"
forward = "nat"
  [[service.server]]
  address = "10.20.0.11:8080"

[[service]]
name = "dns"
listen = "udp://10.10.0.100:53"
scheduler = "rr"
forward = "nat"
  [[service.server]]
  address = "10.20.0.11"
"#;

const WRONG: [Wrong; 8] = [
    Wrong {
        what: "an unknown key",
        from: "name = \"d1\"",
        to: "name = \"d1\"\nidel = \"poll\"",
        places: &[":3:1"],
        words: &["unknown key `idel` in [director]", "did you mean `idle`?"],
    },
    Wrong {
        what: "a bad address of a port",
        from: "10.10.0.1/24",
        to: "10.10.0.256/24",
        places: &[":8:14"],
        words: &["10.10.0.256/24"],
    },
    Wrong {
        what: "a bad address of a server",
        from: "10.20.0.11:8080",
        to: "10.20.0.11:80800",
        places: &[":16:13"],
        words: &["10.20.0.11:80800", "1 to 65535"],
    },
    Wrong {
        what: "a duplicate service",
        from: "udp://10.10.0.100:53",
        to: "tcp://10.10.0.100:80",
        places: &[":20:10"],
        words: &[
            "tcp://10.10.0.100:80 is defined twice",
            "the first is on line",
        ],
    },
    Wrong {
        what: "a name used twice",
        from: "name = \"dns\"",
        to: "name = \"web\"",
        places: &[":19:8"],
        words: &["\"web\""],
    },
    Wrong {
        what: "an unknown scheduler",
        from: "scheduler = \"rr\"",
        to: "scheduler = \"fastest\"",
        places: &[":13:13", ":21:13"],
        words: &["\"fastest\"", "\"rr\", \"wrr\", \"lc\", \"wlc\""],
    },
    Wrong {
        what: "broken syntax",
        from: "workers = \"1\"",
        to: "workers = \"1",
        places: &[":3:"],
        words: &[],
    },
    Wrong {
        what: "more queues than workers",
        from: "name = \"front\"",
        to: "name = \"front\"\nqueues = 2",
        places: &[":7:"],
        words: &["queues", "2"],
    },
];

/// Runs the command line where no daemon is, or in a namespace.
fn penstock(place: Option<&Netns>, args: &[&str]) -> LabResult<Finished> {
    let program = program()?.display().to_string();
    if let Some(place) = place {
        return place.run(&program, args, BOUND);
    }
    let output = Command::new(&program).args(args).output();
    let output = output.map_err(|error| LabError::io(format!("start {program}"), error))?;
    Ok(Finished {
        command: format!("{program} {}", args.join(" ")),
        status: output.status,
        stdout: output.stdout,
        stderr: output.stderr,
    })
}

fn write(dir: &Path, text: &str) -> LabResult<String> {
    let path = dir.join("wrong.toml");
    fs::write(&path, text).map_err(|error| LabError::path("write", &path, error))?;
    Ok(path.display().to_string())
}

/// Fails unless the text has every word.
fn has_all(what: &str, text: &str, words: &[&str]) -> LabResult<()> {
    let missing: Vec<&&str> = words.iter().filter(|word| !text.contains(**word)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(LabError::check(
        format!("{what}: the answer lacks {missing:?}"),
        text,
    ))
}

/// `FILE:LINE:COLUMN` of each error of a file.
fn places_in(file: &str, wrong: &Wrong) -> Vec<String> {
    let places = wrong.places.iter();
    places.map(|place| format!("{file}{place}")).collect()
}

/// Exit status 2, and every word.
fn refused(what: &str, done: &Finished, words: &[&str]) -> LabResult<()> {
    let text = done.all_text();
    if done.status.code() != Some(2) {
        let what = format!("{what}: exit status {:?}, not 2", done.status.code());
        return Err(LabError::check(what, text));
    }
    has_all(what, &text, words)
}

#[test]
fn check_refuses_each_wrong_config_with_its_place() -> LabResult<()> {
    let scratch = Scratch::new()?;
    let file = write(scratch.dir(), GOOD)?;
    let done = penstock(None, &["check", "--strict", &file])?.success()?;
    has_all("a good config", &done.text(), &["2 services", "ok"])?;
    for wrong in &WRONG {
        let file = write(scratch.dir(), &GOOD.replace(wrong.from, wrong.to))?;
        let done = penstock(None, &["check", &file])?;
        let places = places_in(&file, wrong);
        let words: Vec<&str> = places.iter().map(String::as_str).collect();
        refused(wrong.what, &done, &[words.as_slice(), wrong.words].concat())?;
        // The daemon says the same, and does not start.
        let done = penstock(None, &["run", "--config", &file])?;
        refused(wrong.what, &done, &[words.as_slice(), wrong.words].concat())?;
    }
    Ok(())
}

#[test]
fn check_lists_all_errors_at_once() -> LabResult<()> {
    let scratch = Scratch::new()?;
    let several = [0, 1, 2, 3, 5].map(|index| &WRONG[index]);
    let mut text = GOOD.to_owned();
    for wrong in several {
        text = text.replace(wrong.from, wrong.to);
    }
    let file = write(scratch.dir(), &text)?;
    let done = penstock(None, &["check", &file])?;
    for wrong in several {
        refused("several errors", &done, wrong.words)?;
    }
    // One line further down each, behind the line that was put in; the scheduler stands twice.
    let places = [":3:1", ":9:14", ":14:13", ":17:13", ":21:10", ":22:13"];
    let places = places.map(|place| format!("{file}{place}"));
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    refused("several errors", &done, &places)?;
    let text = done.all_text();
    has_all("their number", &text, &["6 errors"])?;
    ensure_equal("times it is said", &text.matches("6 errors").count(), &1)?;
    Ok(())
}

#[test]
fn a_wrong_file_at_sighup_changes_nothing() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let services = [
        ServiceText::web("nat"),
        ServiceText::new("dns", "udp", Family::V4, "nat", 53),
    ];
    let mut scene = Scene::new(Topology::default(), |_| {}, &services)?;
    let web = SocketAddr::new(addr::vip(Family::V4, 0), 80);
    let mut held = HttpConnection::open(scene.client(), web, Duration::from_secs(5))?;
    held.get("/")
        .map_err(|failed| LabError::check("the first request", failed.reason))?;
    let before = scene.director.show("services")?;
    let good = scene.config.text(&text(&services));
    let file = scene.director.config().display().to_string();
    for (from, to, words) in [
        (
            "name = \"d1\"",
            "name = \"d1\"\nidel = 1",
            "unknown key `idel`",
        ),
        ("10.20.0.11:8080", "10.20.0.999:8080", "10.20.0.999"),
        (
            "udp://10.10.0.100:53",
            "tcp://10.10.0.100:80",
            "defined twice",
        ),
        (
            "scheduler = \"rr\"",
            "scheduler = \"fastest\"",
            "\"fastest\"",
        ),
        ("[director]", "[director", ":1:"),
        // Right in itself, and nothing that can change under way.
        (
            "workers = \"1\"",
            "workers = \"0\"",
            "needs a restart: director.workers: 1 -> 0",
        ),
    ] {
        let said = scene.reload_text(&good.replace(from, to), "not applied")?;
        has_all(to, &said, &[words, "nothing has changed"])?;
        if !words.starts_with("needs") {
            has_all(to, &said, &[&format!("{file}:")])?;
        }
        held.get("/")
            .map_err(|failed| LabError::check(format!("after {to}"), failed.reason))?;
    }
    let after = scene.director.show("services")?;
    ensure_equal("services", &names(&after), &names(&before))?;
    TcpLoad::new(web, 60)
        .run(scene.client())?
        .check_all_answered()?;
    scene.expect_log("");
    scene.finish()
}

fn names(services: &serde_json::Value) -> Vec<String> {
    let list = services["services"].as_array().into_iter().flatten();
    list.map(|service| format!("{} {}", service["name"], service["scheduler"]))
        .collect()
}

#[test]
fn queues_and_devices_that_are_not_there_are_refused_everywhere() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let adjust = |config: &mut DirectorConfig| config.workers = "0-1".into();
    let services = [ServiceText::web("nat")];
    let mut scene = Scene::new(Topology::default(), adjust, &services)?;
    let web = services[0].target;

    let mut greedy = scene.config.clone();
    greedy.ports[0].queues = 2;
    let mut absent = scene.config.clone();
    absent.ports[1].device = absent.ports[1].device.replace("iface=e1", "iface=e7");
    let mut both = absent.clone();
    both.ports[0].queues = 2;
    for (what, config, words) in [
        ("queues", &greedy, &["port front", QUEUES][..]),
        (
            "device",
            &absent,
            &["port back", "no network interface \"e7\""],
        ),
        ("both", &both, &[QUEUES, "port back", "\"e7\""]),
    ] {
        let text = config.text(&text(&services));
        let said = scene.reload_text(&text, "not applied")?;
        has_all(&format!("{what} at SIGHUP"), &said, words)?;
        TcpLoad::new(web, 20)
            .run(scene.client())?
            .check_all_answered()?;
    }
    // Without a daemon that has them: `run`, `check --probe`; and `check` alone cannot know.
    scene.expect_log("");
    let lab = scene.lab.home().dir().to_owned();
    for (what, wrong, words) in [
        ("queues", &greedy, &["port front", QUEUES][..]),
        (
            "device",
            &absent,
            &["port back", "no network interface \"e7\""],
        ),
        ("both", &both, &[QUEUES, "port back", "\"e7\""]),
    ] {
        let mut wrong = wrong.clone();
        wrong.socket = lab.join("other.sock");
        let file = write(&lab, &wrong.text(&text(&services)))?;
        let place = scene.place().clone();
        let done = penstock(Some(&place), &["run", "--config", &file])?;
        refused(&format!("{what} at run"), &done, words)?;
        let done = penstock(Some(&place), &["check", "--probe", &file])?;
        refused(&format!("{what} at check --probe"), &done, words)?;
        penstock(Some(&place), &["check", &file])?.success()?;
    }
    // The one that runs has noticed nothing.
    TcpLoad::new(web, 20)
        .run(scene.client())?
        .check_all_answered()?;
    scene.finish()
}

#[test]
fn a_probe_of_a_right_config_is_content() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let _turn = Turn::take();
    let lab = Lab::new(Topology::default().queues(2))?;
    let mut config = DirectorConfig::new(&lab, 1);
    config.workers = "0-1".to_owned();
    let file = write(
        lab.home().dir(),
        &config.text(&text(&[ServiceText::web("nat")])),
    )?;
    let place = lab.directors()[0].clone();
    let done = penstock(Some(&place), &["check", "--probe", &file])?.success()?;
    has_all("the probe", &done.text(), &["ok"])
}

#[test]
fn a_second_daemon_is_refused_and_the_first_does_not_notice() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let services = [ServiceText::web("nat")];
    let scene = Scene::new(Topology::default(), |_| {}, &services)?;
    let web = services[0].target;
    let load = TcpLoad::new(web, 1_000_000)
        .threads(2)
        .start(scene.client());
    let file = scene.director.config().display().to_string();
    let socket = scene.director.socket().display().to_string();
    let done = penstock(Some(scene.place()), &["run", "--config", &file])?;
    refused("the same config", &done, &[&socket, "another penstock"])?;
    // Another socket, the same ports.
    let mut other = scene.config.clone();
    other.socket = scene.lab.home().dir().join("other.sock");
    let file = write(scene.lab.home().dir(), &other.text(&text(&services)))?;
    let done = penstock(Some(scene.place()), &["run", "--config", &file])?;
    refused("the same ports", &done, &["port front"])?;
    ensure_equal("its socket", &other.socket.exists(), &false)?;
    let report = load.stop()?;
    report.check_none_failed()?;
    ensure_equal("requests answered meanwhile", &(report.ok > 0), &true)?;
    scene.finish()
}

#[test]
fn a_cpu_that_is_not_there_is_refused() -> LabResult<()> {
    let scratch = Scratch::new()?;
    let socket = scratch.dir().join("api.sock").display().to_string();
    let text = GOOD.replace("workers = \"1\"", "workers = \"1023\"");
    let file = write(
        scratch.dir(),
        &text.replace(
            "[[port]]",
            &format!("[api]\nsocket = \"{socket}\"\n[[port]]"),
        ),
    )?;
    let words = ["director.workers", "CPU 1023", "allowed"];
    for args in [
        &["run", "--config", &file][..],
        &["check", "--probe", &file],
    ] {
        refused(args[0], &penstock(None, args)?, &words)?;
    }
    Ok(())
}

#[test]
fn show_without_a_daemon_says_so() -> LabResult<()> {
    let scratch = Scratch::new()?;
    let socket = scratch.dir().join("nobody.sock").display().to_string();
    for what in [
        "services",
        "servers",
        "connections",
        "workers",
        "ports",
        "drops",
    ] {
        let done = penstock(None, &["show", what, "--socket", &socket])?;
        refused(what, &done, &[&socket, "is it running?"])?;
        ensure_equal("standard output", &done.text(), &String::new())?;
    }
    let done = penstock(None, &["check", &socket])?;
    refused("a file that is not there", &done, &["cannot read", &socket])?;
    Ok(())
}
