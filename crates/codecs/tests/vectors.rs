//! Codecs in the styles that makers write them in, after their public descriptions of frames; and what they give.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shared;

use decoders::codec::Output;
use shared::{decoded, frame, pool};

/// What it shows, the codec, a port, a frame in hexadecimal, and what it decodes.
type Vector = (&'static str, &'static str, u8, &'static str, &'static str);

const ELSYS: &str =
    "function decodeUplink({bytes}) { const o = {}; for (let i = 0; i < bytes.length;) { switch (bytes[i]) {
    case 1: o.temperature = ((bytes[i + 1] << 24 >> 16) | bytes[i + 2]) / 10; i += 3; break;
    case 2: o.humidity = bytes[i + 1]; i += 2; break;
    case 4: o.light = bytes[i + 1] << 8 | bytes[i + 2]; i += 3; break;
    case 7: o.vdd = bytes[i + 1] << 8 | bytes[i + 2]; i += 3; break;
    default: return {errors: ['unknown type ' + bytes[i]]}; } } return {data: o}; }";

const DECENTLAB: &str = "var decentlab = {SENSORS: [{length: 2, values: [
        {name: 'air_temperature', displayName: 'Air temperature', convert: x => 175.72 * x[0] / 65536 - 46.85, unit: '°C'},
        {name: 'air_humidity', displayName: 'Air humidity', convert: x => 125 * x[1] / 65536 - 6, unit: '%'}]}],
    u16: (b, at) => b[at] * 256 + b[at + 1],
    decode: function (b) { var out = {}; if (b[0] != 2) return {error: 'bad protocol'};
        var flags = this.u16(b, 3), at = 5; for (var s of this.SENSORS) { if (flags & 1) { var x = [];
            for (var n = 0; n < s.length; n++) { x.push(this.u16(b, at)); at += 2; }
            for (var v of s.values) out[v.name] = {displayName: v.displayName, value: Number(v.convert(x).toFixed(2)), unit: v.unit}; }
            flags >>= 1; } return out; }};
    function Decode(fPort, bytes, variables) { return decentlab.decode(bytes); }";

const MILESIGHT: &str = "function decodeUplink(input) { return {data: milesight(input.bytes)}; }
    function milesight(bytes) { var d = {}; for (var i = 0; i < bytes.length;) { var id = bytes[i++], type = bytes[i++];
        if (id === 0x01 && type === 0x75) { d.battery = bytes[i]; i += 1; }
        else if (id === 0x03 && type === 0x67) { d.temperature = readInt16LE(bytes.slice(i, i + 2)) / 10; i += 2; }
        else if (id === 0x04 && type === 0x68) { d.humidity = bytes[i] / 2; i += 1; } else break; } return d; }
    function readUInt16LE(b) { return ((b[1] << 8) + b[0]) & 0xffff; }
    function readInt16LE(b) { var r = readUInt16LE(b); return r > 0x7fff ? r - 0x10000 : r; }";

const VECTORS: &[Vector] = &[
    (
        "Dragino LHT65: the lower 14 bits in mV, 0.01 °C, 0.1 %",
        "function decodeUplink(input) { var b = input.bytes; return {data: {BatV: ((b[0] << 8 | b[1]) & 0x3FFF) / 1000,
            TempC_SHT: (b[2] << 24 >> 16 | b[3]) / 100, Hum_SHT: (b[4] << 8 | b[5]) / 10}}; }",
        2,
        "CBF60B0D0376",
        r#"{"BatV":3.062,"TempC_SHT":28.29,"Hum_SHT":88.6}"#,
    ),
    (
        "a number below zero by shifts",
        "function decodeUplink(i) { return {data: {t: (i.bytes[0] << 24 >> 16 | i.bytes[1]) / 100}}; }",
        2,
        "FF38",
        r#"{"t":-2}"#,
    ),
    ("ELSYS: a type before each value", ELSYS, 5, "0100E202290400270F00", "refused: unknown type 15"),
    ("ELSYS", ELSYS, 5, "0100E2022904002707 0E06", r#"{"temperature":22.6,"humidity":41,"light":39,"vdd":3590}"#),
    (
        "Decentlab, version 3 of ChirpStack: values with units",
        DECENTLAB,
        1,
        "0201650001656BA3F3",
        r#"{"air_temperature":{"displayName":"Air temperature","value":22.76,"unit":"°C"},"air_humidity":{"displayName":"Air humidity","value":74.05,"unit":"%"}}"#,
    ),
    ("Milesight: channel and type", MILESIGHT, 85, "01756403671001046871", r#"{"battery":100,"temperature":27.2,"humidity":56.5}"#),
    ("version 2 of The Things Stack", "function Decoder(bytes, port) { var decoded = {}; decoded.port = port; decoded.n = bytes.length; return decoded; }", 7, "010203", r#"{"port":7,"n":3}"#),
    ("sloppy code: an assignment makes a global, octal numbers", "function Decoder(b) { x = 010; with ({y: b[0]}) { return {x: x, y: y}; } }", 1, "2A", r#"{"x":8,"y":42}"#),
    ("an arrow function as a constant", "const decodeUplink = ({bytes}) => ({data: {sum: bytes.reduce((a, b) => a + b, 0)}});", 1, "0102FF", r#"{"sum":258}"#),
    ("bytes are an array, with map and slice", "function decodeUplink(i) { return {data: {hex: i.bytes.slice(1).map(b => b.toString(16)).join(''), list: Array.isArray(i.bytes)}}; }", 1, "010AFF", r#"{"hex":"aff","list":true}"#),
    ("the port chooses", "function decodeUplink(i) { switch (i.fPort) { case 1: return {data: {a: 1}}; default: return {errors: ['unknown FPort']}; } }", 3, "00", "refused: unknown FPort"),
    ("the time of the frame", "function decodeUplink(i) { return {data: {year: i.recvTime.getUTCFullYear(), at: i.recvTime, is: i.recvTime instanceof Date}}; }", 1, "00", r#"{"year":2026,"at":"2026-01-15T12:00:00.250Z","is":true}"#),
    ("the clock stands at that time", "function decodeUplink() { return {data: {now: Date.now(), same: new Date().getTime() === Date.now(), of: new Date(0).getTime(), zone: new Date().getTimezoneOffset()}}; }", 1, "00", r#"{"now":1768478400250,"same":true,"of":0,"zone":0}"#),
    ("variables", "function decodeUplink(i) { return {data: {v: i.bytes[0] + parseFloat(i.variables.offset)}}; }", 1, "01", r#"{"v":1.5}"#),
    ("Buffer: integers and floats", "function decodeUplink(i) { var b = Buffer.from(i.bytes); return {data: {a: b.readInt16BE(0), b: b.readUInt32LE(2), c: b.readFloatBE(6), d: b.readUIntBE(0, 3), e: b.readInt8(0)}}; }", 1, "FFFE0100000041AC0000", r#"{"a":-2,"b":1,"c":21.5,"d":16776705,"e":-1}"#),
    ("Buffer: texts", "function decodeUplink(i) { var b = Buffer.from(i.bytes); return {data: {hex: b.toString('hex'), base64: b.toString('base64'), text: b.toString(), back: Buffer.from('AP8=', 'base64')[1], h: Buffer.from('0aff', 'hex').length}}; }", 1, "68C3A9", r#"{"hex":"68c3a9","base64":"aMOp","text":"hé","back":255,"h":2}"#),
    ("what is no number is no value", "function decodeUplink() { return {data: {a: NaN, b: 1 / 0, c: undefined, d: function () {}, e: 0.1 + 0.2}}; }", 1, "00", r#"{"a":null,"b":null,"e":0.30000000000000004}"#),
    ("a number as a text", "function decodeUplink(i) { return {data: {t: (i.bytes[0] / 7).toFixed(2)}}; }", 1, "0A", r#"{"t":"1.43"}"#),
    ("lists and what is nested", "function decodeUplink(i) { return {data: {history: i.bytes.map((b, n) => ({n, b}))}}; }", 1, "0506", r#"{"history":[{"n":0,"b":5},{"n":1,"b":6}]}"#),
    ("an error with its line", "function decodeUplink(i) {\n  return {data: i.nothing.there};\n}", 1, "00", "refused: TypeError: cannot read property 'there' of undefined (at decodeUplink (probe.js:2:17))"),
    ("what is thrown need be no error", "function decodeUplink() { throw 'wrong length'; }", 1, "00", "refused: it threw: wrong length"),
    ("nothing at all", "function decodeUplink() {}", 1, "00", "refused: the codec gave no object"),
    ("no data", "function decodeUplink() { return {warnings: ['w']}; }", 1, "00", "refused: the codec gave no object as `data`"),
    ("a list as data", "function decodeUplink() { return {data: [1]}; }", 1, "00", "refused: the codec gave no object as `data`"),
    ("no function", "var x = 1;", 1, "00", "refused: the script has none of the functions decodeUplink, Decode and Decoder"),
    ("a script that does not parse", "function decodeUplink( {", 1, "00", "refused: SyntaxError: "),
    ("no module is there to load", "function decodeUplink() { return {data: {r: typeof require, p: typeof process, s: typeof std}}; }", 1, "00", r#"{"r":"undefined","p":"undefined","s":"undefined"}"#),
    ("printing is silent", "function decodeUplink() { console.log('x'); console.error('y'); return {data: {ok: true}}; }", 1, "00", r#"{"ok":true}"#),
];

#[tokio::test]
async fn codecs_run_unchanged() {
    let pool = pool();
    for (shows, script, port, hex, expected) in VECTORS {
        let found = decoded(&pool, &frame(script, *port, &hex.replace(' ', ""))).await;
        let fits = if expected.ends_with(": ") { found.starts_with(expected) } else { found == *expected };
        assert!(fits, "{shows}: {found}\nexpected: {expected}");
    }
}

#[tokio::test]
async fn what_is_normalised_stands_beside_and_warnings_are_passed_on() {
    let script = "function decodeUplink(i) { return {data: {t: i.bytes[0]}, warnings: ['low battery']}; }
        function normalizeUplink(i) { return {data: [{air: {temperature: i.data.t}}], warnings: ['odd']}; }";
    let output = pool().run(&frame(script, 1, "15")).await.unwrap();
    let Output::Decoded { data, normalised, warnings } = output else { panic!("it is decoded") };
    assert_eq!(data.to_string(), r#"{"t":21}"#);
    assert_eq!(normalised.unwrap().to_string(), r#"[{"air":{"temperature":21}}]"#);
    assert_eq!(warnings, ["low battery", "odd"]);
    let failing = "function decodeUplink() { return {data: {t: 1}}; }
        function normalizeUplink() { return {errors: ['no schema']}; }";
    let output = pool().run(&frame(failing, 1, "15")).await.unwrap();
    let Output::Decoded { normalised, warnings, .. } = output else { panic!("it is decoded") };
    assert_eq!((normalised, warnings), (None, vec!["no schema".to_owned()]));
}
