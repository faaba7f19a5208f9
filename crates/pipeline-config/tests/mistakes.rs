//! Every kind of mistake is found, at its place, with a text that says what to do.

use std::fmt::Write as _;

use pipeline_config::{Findings, Mistake, Pipeline};

/// Sources to which the tests add; none of it is a mistake.
const SOURCES: &str = "sources:\n  a:\n    format: json\n    credentials: [{bearer: {env: T}}]\n";

fn mistakes(text: &str) -> Vec<String> {
    match Pipeline::parse(text, "f") {
        Ok(_) => Vec::new(),
        Err(found) => found.mistakes.iter().map(without_file).collect(),
    }
}

/// `line:column: text`, for tests of one file.
fn without_file(mistake: &Mistake) -> String {
    mistake.to_string().strip_prefix("f:").expect("the file is f").to_owned()
}

fn with_rule(rule: &str) -> Vec<String> {
    mistakes(&format!("{SOURCES}rules:\n  R: {{metric: temperature, {rule}}}\n"))
}

/// The one mistake of `text` is at `place` and says `part`.
#[track_caller]
fn assert_one(found: &[String], place: &str, part: &str) {
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with(&format!("{place}: ")), "{found:#?}");
    assert!(found[0].contains(part), "{found:#?}");
}

#[test]
fn all_mistakes_of_a_file_are_listed_in_its_order() {
    let text = "sources:\n  a:\n    fromat: json\n    rate: 5\nrules:\n  R:\n    metric: ''\n    above: hot\nrecievers: {}\n";
    assert_eq!(
        mistakes(text),
        [
            "3:5: `format` is missing",
            "3:5: unknown key `fromat`; did you mean `format`?",
            "4:11: expected a rate like `100/s`, `6000/m` or `10000/h`",
            "7:13: expected a text of 1 to 4096 bytes",
            "8:12: expected a number, found a text",
            "9:1: unknown key `recievers`; did you mean `receivers`?",
        ]
    );
}

#[test]
fn a_file_that_is_no_yaml_or_no_map_says_so() {
    assert_one(&mistakes(""), "1:1", "the file is empty");
    assert_one(&mistakes("- 1\n"), "1:1", "expected a map, found a list");
    assert_one(&mistakes("sources: [\n"), "2:1", "not YAML");
    assert_one(&mistakes(&format!("{SOURCES}---\na: 1\n")), "5:1", "second");
    assert_one(&mistakes(&format!("{SOURCES}sources: {{}}\n")), "5:1", "`sources` is here twice");
    assert_one(&mistakes(&format!("{SOURCES}rules: *r\n")), "5:8", "not YAML");
    let latin1 = Pipeline::from_bytes(&[("f".to_owned(), b"sources:\n  \xe9:\n".to_vec())]).unwrap_err();
    assert_eq!(latin1.to_string(), "f:2:3: the file is not UTF-8");
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    let found =
        mistakes("sources:\n  a:\n    format: json\n    credentials: [{header: X-Key, secret: hunter2}]\n");
    assert_one(&found, "4:43", "a secret never stands in this file");
    assert!(!found[0].contains("hunter2"));
    let found = mistakes(&format!(
        "{SOURCES}receivers:\n  c: {{webhook: {{url: \"https://u:hunter2@example.com\"}}}}\n"
    ));
    assert_one(&found, "6:22", "is a secret");
    assert!(!found[0].contains("hunter2"));
}

#[test]
fn a_source_is_checked() {
    let table = [
        ("format: jsno", "no format is named `jsno`; did you mean `json`?"),
        ("format: json, time_zone: Europe/Atlantis", "no time zone is named"),
        ("format: json, resend_window: 5 minutes", "expected a duration like `90s`"),
        ("format: json, max_readings: 0", "expected a whole number from 1 to 65536"),
        ("format: tasmota, mapping: {}", "format tasmota has no use for `mapping`"),
        ("format: json, device_tags: [host]", "format json has no use for `device_tags`"),
        ("format: json, mapping: {device: id}", "expected a JSON pointer"),
        ("format: cloudevents, mapping: {content_type: text/plain}", "expected a content type of JSON"),
        (
            "format: json, mapping: {metrics: {t: {value: /t, unit: Fahrenhiet}}}",
            "no unit is known as `Fahrenhiet`",
        ),
        ("format: json, units: {t: Fahrenhiet}", "no unit is known as `Fahrenhiet`"),
        ("format: json, events: {type: dev.knative.sources.ping}", "one of the pipeline's own"),
        ("format: json, events: {type: a.b}, rate: 1/s", "`rate` has no meaning for `events`"),
        ("format: json, kafka: {topic: t}", "servers"),
        ("format: json, kafka: {servers: kafka, topic: t}", "expected a broker like"),
        ("format: json, kafka: {servers: 'k:9092', topic: 'a b'}", "expected a name of 1 to 249"),
        (
            "format: json, kafka: {servers: 'k:9092', topic: ['^t-(']}",
            "no regular expression: unclosed group",
        ),
        ("format: json, kafka: {servers: 'k:9092', topic: [t-1, '^t-.*']}", "one topic twice"),
        (
            "format: json, kafka: {servers: 'k:9092', topic: t, from: newest}",
            "`earliest`, `latest` or a time",
        ),
        ("format: json, kafka: {servers: 'k:9092', topic: t, device: keys}", "did you mean `key`?"),
        ("format: json, kafka: {servers: 'k:9092', topic: t, device: {}}", "`header` is missing"),
        ("format: json, kafka: {servers: 'k:9092', topic: t, tls: {key: {env: K}}}", "belong together"),
        (
            "format: json, kafka: {servers: 'k:9092', topic: t}, resend_window: 1m",
            "counts once by its offset",
        ),
        ("format: json, kafka: {servers: 'k:9092', topic: t}, events: {type: a.b}", "no meaning for `kafka`"),
        ("format: json, credentials: []", "the list is empty"),
        ("format: json, credentials: [{}]", "expected one of: header, bearer"),
        ("format: json, credentials: [{header: 'X Key', secret: {env: A}}]", "the name of a header field"),
        ("format: json, credentials: [{header: X-Key}]", "`secret` is missing"),
        ("format: json, credentials: [{path: false, secret: {env: A}}]", "expected `true`"),
        ("format: json, credentials: [{bearer: {env: A-B}}]", "the name of an environment variable"),
        ("format: json, credentials: [{bearer: {env: A, file: b}}]", "one of `env` and `file`"),
        ("format: json, credentials: [{basic: {user: 'a:b', password: {env: A}}}]", "holds no `:`"),
        (
            "format: json, credentials: [{hmac: {header: S, encoding: hax, secret: {env: A}}}]",
            "did you mean `hex`?",
        ),
    ];
    for (source, part) in table {
        let found = mistakes(&format!("sources:\n  a: {{{source}}}\n"));
        assert_eq!(found.len(), 1, "{source}: {found:#?}");
        assert!(found[0].contains(part), "{source}: {found:#?}");
    }
    assert_one(&mistakes("sources:\n  a b: {format: json}\n"), "2:3", "the name of a source");
}

#[test]
fn two_sources_share_no_topic_of_one_group() {
    let reads = |server: &str, group: &str, topic: &str| {
        let kafka = format!("servers: ['other:9092', '{server}'], topic: {topic}, group: {group}");
        let first = "  a: {format: json, kafka: {servers: 'k:9092', topic: ['^t-.*', u], group: g}}";
        mistakes(&format!("sources:\n{first}\n  b: {{format: json, kafka: {{{kafka}}}}}\n"))
    };
    assert_one(&reads("k:9092", "g", "t-1"), "3:3", "reads the topic `t-1` with the same group");
    assert_one(&reads("k:9092", "g", "'^t-.*'"), "3:3", "each record would come to one of the two");
    for (server, group, topic) in [("l:9092", "g", "u"), ("k:9092", "h", "u"), ("k:9092", "g", "v")] {
        assert_eq!(reads(server, group, topic), [""; 0], "{server} {group} {topic}");
    }
}

#[test]
fn a_source_reads_a_hundred_topics_at_most() {
    let topics = |count: usize| (0..count).map(|number| format!("t{number}")).collect::<Vec<_>>().join(", ");
    let found = |count| {
        mistakes(&format!(
            "sources:\n  a: {{format: json, kafka: {{servers: 'k:9092', topic: [{}]}}}}\n",
            topics(count)
        ))
    };
    assert_eq!(found(100), [""; 0]);
    assert_eq!(found(101).len(), 1);
    assert!(found(101)[0].contains("at most 100 topics"), "{:?}", found(101));
}

#[test]
fn a_rule_is_checked() {
    let table = [
        ("", "a rule needs one of: above, below"),
        ("above: 1, below: 0", "a rule has one condition"),
        ("above: 30, clear: 31", "`clear` lies above"),
        ("below: 30, clear: 29", "`clear` lies below"),
        ("outside: [3, 1]", "the first number must be the smaller one"),
        ("outside: [1]", "expected two numbers"),
        ("outside: [1, 5], clear: [0, 4]", "`clear` reaches beyond"),
        ("rate_of_change: {above: -1, per: 5m}", "a rate of change is above 0"),
        ("rate_of_change: {above: 1}", "`per` is missing"),
        ("absent: 0s", "expected a duration from"),
        ("absent: 5m, for: 1m", "`for` has no meaning"),
        ("absent: 5m, clear: 1", "`clear` has no meaning"),
        ("above: .inf", "expected a finite number"),
        ("above: 1, for: -5m", "expected a duration like"),
        ("above: 1, unit: Fahrenhiet", "no unit is known"),
        ("above: 1, severity: criticle", "did you mean `critical`?"),
        ("above: 1, select: {source: b}", "no source is named `b`"),
        ("above: 1, select: {device: 'gh-[0-9]'}", "`[` has no meaning in a pattern"),
        ("above: 1, labels: {alertname: x}", "is set by Freshet itself"),
        ("above: 1, labels: {a-b: x}", "the name of a label"),
        ("above: 1, annotations: {s: '{devise} is hot'}", "unknown placeholder `{devise}`"),
        ("above: 1, annotations: {s: '{device is hot'}", "without a closing"),
    ];
    for (rule, part) in table {
        let found = with_rule(rule);
        assert_eq!(found.len(), 1, "{rule}: {found:#?}");
        assert!(found[0].contains(part), "{rule}: {found:#?}");
    }
}

#[test]
fn receivers_routes_and_network_are_checked() {
    let table = [
        ("receivers:\n  c: {}\n", "expected one of: webhook, smtp"),
        ("receivers:\n  c: {webhook: {url: 'ftp://a'}}\n", "expected an address like"),
        (
            "receivers:\n  c: {slack: {url: 'https://hooks.slack.com/x'}}\n",
            "a secret never stands in this file",
        ),
        ("receivers:\n  c: {smtp: {host: 'a:25', from: a@b, to: [a@b]}}\n", "without scheme and port"),
        ("receivers:\n  c: {smtp: {host: a, from: a, to: [a@b]}}\n", "expected a mail address"),
        ("receivers:\n  c: {smtp: {host: a, from: a@b, to: a@b, user: x}}\n", "belong together"),
        ("receivers:\n  c: {smtp: {host: a, from: a@b, to: a@b, port: 70000}}\n", "from 1 to 65535"),
        (
            "receivers:\n  ops: {ntfy: {topic: t}}\nroutes: [{to: [opps]}]\n",
            "no receiver is named `opps`; did you mean `ops`?",
        ),
        (
            "receivers:\n  ops: {ntfy: {topic: t}}\nroutes: [{to: [ops], select: {rule: R}}]\n",
            "no rule is named `R`",
        ),
        ("receivers:\n  ops: {ntfy: {topic: t}}\nfallback: [ops, ops]\n", "is here twice"),
        ("network: {allow: [10.0.0.1/8]}\n", "did you mean `10.0.0.0/8`?"),
        ("network: {allow: ['http://a']}\n", "without scheme and port"),
        ("network: {allow: [10.0.0.0/40]}\n", "expected a range"),
        ("lateness: 30h\n", "expected a duration from"),
    ];
    for (part, text) in table {
        let found = mistakes(&format!("{SOURCES}{part}"));
        assert_eq!(found.len(), 1, "{part}: {found:#?}");
        assert!(found[0].contains(text), "{part}: {found:#?}");
    }
}

/// The files `a`, `b`, ... as one pipeline.
fn together(files: &[&str]) -> Result<Pipeline, Findings> {
    let named = |(index, text): (usize, &&str)| {
        (char::from(b'a' + u8::try_from(index).expect("few files")).to_string(), text.as_bytes().to_vec())
    };
    Pipeline::from_bytes(&files.iter().enumerate().map(named).collect::<Vec<_>>())
}

#[test]
fn several_files_are_one_pipeline_and_each_mistake_names_its_file() {
    let rules = "rules:\n  R: {metric: temperature, above: 3, select: {source: a}}\n";
    let whole = together(&[SOURCES, rules, "tick: 1m\n"]).unwrap();
    assert_eq!((whole.sources.len(), whole.rules.len()), (1, 1));
    assert_eq!(whole.hash, Pipeline::parse(&format!("tick: 1m\n{SOURCES}{rules}"), "f").unwrap().hash);
    assert_ne!(whole.hash, together(&[SOURCES, rules]).unwrap().hash);

    let found = together(&[
        SOURCES,
        "rules:\n  R: {metric: temperature, abvoe: 3}\ntick: 1m\n",
        "sources:\n  a: {format: json}\ntick: 1m\nruels: {}\n",
    ]);
    assert_eq!(
        found.unwrap_err().to_string(),
        "b:2:6: a rule needs one of: above, below, outside, rate_of_change, absent\n\
         b:2:28: unknown key `abvoe`; did you mean `above`?\n\
         c:2:3: `a` is in a:2 already\n\
         c:3:1: `tick` is in b:3 already: it stands in one file\n\
         c:4:1: unknown key `ruels`; did you mean `rules`?"
    );
    let found = together(&[rules, "sources: [\n"]).unwrap_err();
    assert_eq!(found.mistakes.len(), 1, "a source may be in the file that is no YAML: {found}");
    assert!(together(&[rules]).unwrap_err().to_string().contains("a:1:1: `sources` is missing"));
}

#[test]
fn files_are_named_one_by_one_or_by_their_folder() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let load = |named: &str| {
        let mut all = Vec::new();
        let pipeline =
            Pipeline::configured(Some(named), |place, reason| all.push(format!("{place}: {reason}")));
        pipeline.ok_or(all)
    };
    let path = folder.path().display().to_string();
    assert!(load(&path).unwrap_err()[0].contains("the folder has no file *.yaml or *.yml"));
    write("10-sources.yaml", SOURCES);
    write("20-rules.yml", "rules:\n  R: {metric: temperature, above: 3}\n");
    write("..data.yaml", "no: pipeline\n");
    write("README.md", "no pipeline\n");
    let whole = load(&path).unwrap();
    assert_eq!((whole.sources.len(), whole.rules.len()), (1, 1));
    assert_eq!(load(&format!("{path}/10-sources.yaml, {path}/20-rules.yml")).unwrap(), whole);
    write("30-more.yaml", SOURCES);
    assert_eq!(
        load(&path).unwrap_err(),
        [format!("{path}/30-more.yaml:2:3: `a` is in {path}/10-sources.yaml:2 already")]
    );
}

#[test]
fn what_will_hurt_is_warned_of() {
    let text = "\
sources:
  a: {format: chirpstack_v4}
  b: {format: tasmota, credentials: [{bearer: {env: B}}]}
  c: {format: tasmota, time_zone: UTC, credentials: [{bearer: {env: C}}]}
rules:
  R: {metric: temperature, above: 3}
  S: {metric: frobnication, above: 3}
  T: {metric: temp, above: 3}
receivers:
  inner: {webhook: {url: 'http://127.0.0.1/x', secret: {env: S}}}
  idle: {webhook: {url: 'https://example.com/x'}}
  plain: {webhook: {url: 'http://example.com/x', secret: {env: S}}}
routes: [{to: [inner]}]
";
    let warnings = Pipeline::parse(text, "f").unwrap().warnings;
    let listed = warnings.iter().fold(String::new(), |mut all, warning| {
        // Writing into a String cannot fail.
        let _ = writeln!(all, "{}", without_file(warning));
        all
    });
    for part in [
        "2:3: ChirpStack sends once and waits 5 s",
        "2:3: source `a` has no credentials",
        "3:3: source `b` has no time_zone: its times are local",
        "7:7: no unit is known for `frobnication`",
        "8:7: what platforms call `temp` is stored as `temperature`",
        "10:26: 127.0.0.1 is no public address",
        "11:19: the webhook is not signed",
        "11:3: receiver `idle` is used by no route",
        "12:26: plain http goes only to addresses",
    ] {
        assert!(listed.contains(part), "{part} in\n{listed}");
    }
    assert!(!listed.contains("source `c`"), "{listed}");
}

#[test]
fn a_stage_lists_each_mistake_with_its_place() {
    let noted = |named: &str| {
        let mut all = Vec::new();
        let pipeline = Pipeline::configured(Some(named), |place, reason| all.push((place, reason)));
        assert!(pipeline.is_none());
        all
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("freshet.yaml");
    let shown = file.display().to_string();
    let unreadable = noted(&shown);
    assert_eq!(unreadable.len(), 1);
    assert_eq!(unreadable[0].0, shown);
    assert!(unreadable[0].1.starts_with("cannot be read: No such file"), "{unreadable:?}");

    std::fs::write(&file, format!("{SOURCES}recievers: {{}}\nruls: {{}}\n")).unwrap();
    let places: Vec<_> = noted(&shown).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, [format!("{shown}:5:1"), format!("{shown}:6:1")]);
}

#[test]
fn the_events_of_one_type_go_to_one_source() {
    let text = "sources:
  plant: {format: json, events: {type: com.example.reading}}
  again: {format: json, events: {type: com.example.reading}}
  other: {format: json, events: {type: com.example.other}}
";
    assert_one(
        &mistakes(text),
        "3:3",
        "source `plant` takes the events of type `com.example.reading` already",
    );
}

#[test]
fn a_mail_server_without_tls_gets_no_password() {
    let receiver = |tls| {
        let login = "user: freshet, password: {env: P}";
        let mail =
            format!("host: mail.example.com, tls: {tls}, {login}, from: a@example.com, to: b@example.com");
        mistakes(&format!("{SOURCES}receivers:\n  mail: {{smtp: {{{mail}}}}}\nroutes: [{{to: [mail]}}]\n"))
    };
    assert_one(&receiver("none"), "6:52", "a password is never sent without TLS");
    assert!(receiver("starttls").is_empty());
}

#[test]
fn a_job_whose_time_never_comes_and_a_retention_that_is_too_short_are_mistakes() {
    let with = |more: &str| mistakes(&format!("{SOURCES}{more}\n"));
    for (written, place, part) in [
        ("jobs: {cleanup: {at: '61 * * * *'}}", "5:22", "expected a cron pattern of five fields"),
        ("jobs: {cleanup: {at: '0 0 30 2 *'}}", "5:22", "no time fits the pattern `0 0 30 2 *`"),
        ("jobs: {cleanup: {zone: Berlin}}", "5:24", "no time zone is called `Berlin`"),
        ("jobs: {cleanup: {at: '10 3 * * *', every: 1d}}", "5:36", "every"),
        ("retention: {receipts: 30d}", "5:23", "at least `92d`"),
        ("retention: {receipts: for ever}", "5:23", "such as `90d` or `2y`"),
        ("retention: {dead_letters: 5m}", "5:27", "at least `1d`"),
        ("retention: {transitions: 99999y}", "5:26", "at least `30d`"),
    ] {
        assert_one(&with(written), place, part);
    }
}

/// A source whose codec is this, beside the script `probe.js`.
fn with_codec(codec: &str, script: &[u8]) -> Result<Pipeline, Findings> {
    let text = format!("sources:\n  a: {{format: ttn_v3, codec: {codec}}}\n");
    let files = [("farm/freshet.yaml", text.as_bytes()), ("farm/probe.js", script), ("farm/other.js", b"x")];
    Pipeline::from_bytes(&files.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())))
}

#[test]
fn a_codec_names_a_script_that_is_there() {
    for (codec, script, text) in [
        ("gone.js", &b"x"[..], "farm/freshet.yaml:2:30: there is no `gone.js` beside this file"),
        ("../probe.js", b"x", "expected `cayenne_lpp`, or a file `NAME.js` that lies beside this one"),
        ("probe", b"x", "expected `cayenne_lpp`, or a file `NAME.js`"),
        ("probe.js", &[b'x'; 65_537], "`probe.js` is longer than 65536 bytes"),
        ("probe.js", b"\xff", "`probe.js` is not UTF-8"),
        ("{device: x}", b"x", "`script` is missing"),
        ("[]", b"x", "the list is empty"),
    ] {
        let found = with_codec(codec, script).unwrap_err().to_string();
        assert!(found.contains(text), "{codec}: {found}");
    }
    let text = "sources:\n  a: {format: json, codec: cayenne_lpp}\n";
    let found = Pipeline::parse(text, "f").unwrap_err().to_string();
    assert!(found.contains("format json has no use for `codec`"), "{found}");
}

#[test]
fn a_script_is_part_of_the_pipeline_and_one_that_is_not_named_is_none() {
    let hash = |codec: &str, script: &[u8]| with_codec(codec, script).unwrap().hash;
    assert_ne!(hash("probe.js", b"a"), hash("probe.js", b"b"));
    assert_eq!(hash("cayenne_lpp", b"a"), hash("cayenne_lpp", b"b"));
    assert_eq!(with_codec("probe.js", b"a").unwrap().files, ["farm/freshet.yaml"]);
}

#[test]
fn scripts_are_read_from_the_folder_of_the_file_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("freshet.yaml");
    std::fs::write(&file, "sources:\n  a: {format: ttn_v3, codec: probe.js}\n").unwrap();
    assert!(Pipeline::load(&file.as_path().into()).is_err());
    std::fs::write(folder.path().join("probe.js"), "function Decoder() {}").unwrap();
    let by_file = Pipeline::load(&file.as_path().into()).unwrap();
    let by_folder = Pipeline::load(&folder.path().into()).unwrap();
    assert_eq!(by_file.hash, by_folder.hash);
}
