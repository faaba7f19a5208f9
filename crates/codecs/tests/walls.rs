//! Scripts that mean harm, or loop: each ends, is the fault of its own frame alone, and leaves the next one unharmed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shared;

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shared::{decoded, frame, pool, with};

const GOOD: &str = "function decodeUplink(i) { return {data: {t: i.bytes[0], keys: Object.keys({}).length, own: [].extra}}; }";
const GOOD_GIVES: &str = r#"{"t":7,"keys":0}"#;

const HARM: &[(&str, &str)] = &[
    ("a loop", "while (1);"),
    ("one instruction over a list without end", "[].reverse.call({length: 2 ** 53 - 1});"),
    ("a list of a billion as a text", "new Array(1e9) + '';"),
    ("a text of a gibibyte", "var a = 'a'.repeat(2 ** 30); a += a;"),
    ("a power", "var x = 3n; for (;;) x = x ** 1000n;"),
    ("a large power at once", "var x = 7n ** (7n ** 9n);"),
    ("backtracking", "/(a+)+$/.test('a'.repeat(40) + 'b');"),
    ("recursion", "function f() { return f() + 1; } f();"),
    ("a list that grows", "var l = []; for (;;) l.push(new Array(1000).fill('x'));"),
    ("a sort", "var l = Array.from({length: 1e6}, (_, i) => -i); for (;;) l.sort();"),
    ("errors that are caught", "for (;;) { try { null.x; } catch (e) {} }"),
    (
        "a limit of memory that is caught",
        "var l = []; for (;;) { try { l.push('x'.repeat(1e6)); } catch (e) { l.push(e); } }",
    ),
    ("one expression of 40 KB", ""),
];

const HARM_IN_ANSWER: &[(&str, &str)] = &[
    ("a getter", "{data: {get a() { for (;;); }}}"),
    ("a text without end", "{data: {toJSON() { return 'x'.repeat(2 ** 28); }}}"),
    ("many keys", "{data: Object.fromEntries(Array.from({length: 1e5}, (_, i) => ['k' + i, i]))}"),
    ("depth", "{data: {d: Array.from({length: 900}).reduce(inner => [inner], 1)}}"),
    ("what holds itself", "(() => { const data = {}; data.self = data; return {data}; })()"),
    ("a symbol thrown", "(() => { throw Symbol('x'); })()"),
    (
        "an error whose text throws",
        "(() => { throw {get message() { throw 1; }, toString() { throw 2; }}; })()",
    ),
    ("a promise", "(async () => { for (;;) await 1; })()"),
    ("a proxy", "{data: new Proxy({}, {ownKeys() { for (;;); }})}"),
];

/// The processor time that all processes have taken which this one has waited for.
fn of_children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let of = |time: nix::sys::time::TimeVal| {
        Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()) as u64)
    };
    of(usage.user_time()) + of(usage.system_time())
}

/// The processes of scripts that this one has.
fn processes() -> Vec<Pid> {
    let own = std::process::id().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |number: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        let parent =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1).map(str::to_owned));
        parent.as_deref() == Some(&own)
    };
    numbers.filter(is_child).map(Pid::from_raw).collect()
}

/// One test for all: what it measures is of the whole process.
#[tokio::test]
async fn what_means_harm_ends_and_the_next_frame_is_decoded() {
    let deep = format!("var x = {}1{};", "(".repeat(20_000), ")".repeat(20_000));
    let head = HARM.iter().map(|(what, text)| {
        let text = if text.is_empty() { &deep } else { *text };
        (*what, format!("{text} function decodeUplink() {{ return {{data: {{harm: 'done'}}}}; }}"))
    });
    let answers = HARM_IN_ANSWER
        .iter()
        .map(|(what, answer)| (*what, format!("function decodeUplink() {{ return {answer}; }}")));
    for (what, script) in head.chain(answers) {
        let pool = pool();
        let before = of_children();
        let found = decoded(&pool, &frame(&script, 1, "07")).await;
        assert!(found.starts_with("refused: "), "{what}: {found}");
        assert!(found.len() < 1200, "{what}: {found}");
        assert_eq!(decoded(&pool, &frame(GOOD, 1, "07")).await, GOOD_GIVES, "{what}");
        for process in processes() {
            kill(process, Signal::SIGKILL).unwrap();
        }
        // The process that was killed is found to be so by the next frame, and waited for.
        let _ = pool.run(&frame(GOOD, 1, "07")).await;
        let took = of_children().saturating_sub(before);
        // 250 ms for the frame and its look, and the start of the processes.
        assert!(took < Duration::from_millis(400), "{what}: {took:?}");
    }
    a_script_leaves_nothing_for_the_next_one().await;
    a_process_that_does_not_run_is_unavailable().await;
}

async fn a_script_leaves_nothing_for_the_next_one() {
    let pool = pool();
    let script =
        "Object.prototype.keys = 1; Array.prototype.extra = 2; JSON.stringify = () => 'x'; globalThis.t = 3;
        Array.isArray = () => true; String = null;
        function decodeUplink() { return {data: {done: true}}; }";
    assert_eq!(decoded(&pool, &frame(script, 1, "00")).await, r#"{"done":true}"#);
    assert_eq!(decoded(&pool, &frame(GOOD, 1, "07")).await, GOOD_GIVES);
}

async fn a_process_that_does_not_run_is_unavailable() {
    let pool = with(Duration::from_millis(500));
    assert_eq!(decoded(&pool, &frame(GOOD, 1, "07")).await, GOOD_GIVES);
    for process in processes() {
        kill(process, Signal::SIGSTOP).unwrap();
    }
    let error = pool.run(&frame(GOOD, 1, "07")).await.unwrap_err();
    assert!(error.to_string().contains("not within 0.5 s"), "{error}");
    let pool = shared::pool();
    assert_eq!(decoded(&pool, &frame(GOOD, 1, "07")).await, GOOD_GIVES, "the next process takes its place");
}
