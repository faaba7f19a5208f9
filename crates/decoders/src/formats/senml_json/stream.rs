//! A SensML stream (RFC 8428, section 4.8) whose connection ended before its array did.

/// The records that arrived whole, as an array that ends, and whether a part of another one follows them.
///
/// `None` where the array ends, or no record is whole.
pub(super) fn whole_records(body: &[u8]) -> Option<(Vec<u8>, bool)> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut is_escaped = false;
    let mut end = None;
    for (at, byte) in body.iter().enumerate() {
        if in_string {
            in_string = is_escaped || *byte != b'"';
            is_escaped = !is_escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => {
                depth = depth.checked_sub(1).filter(|depth| *depth > 0)?;
                if depth == 1 {
                    end = Some(at + 1);
                }
            }
            _ => {}
        }
    }
    let (whole, rest) = body.split_at(end?);
    let rest = rest.trim_ascii();
    let is_broken_off = !rest.strip_prefix(b",").unwrap_or(rest).is_empty();
    Some(([whole, b"]"].concat(), is_broken_off))
}

#[cfg(test)]
mod tests {
    use super::whole_records;

    fn whole(body: &str) -> Option<(String, bool)> {
        whole_records(body.as_bytes()).map(|(whole, rest)| (String::from_utf8(whole).unwrap(), rest))
    }

    #[test]
    fn a_stream_is_cut_behind_its_last_whole_record() {
        for rest in ["", ",", " , \n"] {
            assert_eq!(whole(&format!("[{{}}{rest}")), Some(("[{}]".into(), false)), "{rest:?}");
        }
        for rest in [",{", r#",{"n":"a","vs":"}"#, r#", {"n":"a\"}"#, r#",{"x":{"y":[1,2]},"n"#] {
            assert_eq!(whole(&format!("[{{}}{rest}")), Some(("[{}]".into(), true)), "{rest:?}");
        }
        assert_eq!(
            whole(r#"[{"vs":"]\\"},{"x":[{}]},"#),
            Some((r#"[{"vs":"]\\"},{"x":[{}]}]"#.into(), false))
        );
    }

    #[test]
    fn what_ends_or_has_no_record_is_no_stream() {
        for body in ["", "[", "[{", "[{}]", "[{}] x", "{}", "}", "]["] {
            assert_eq!(whole(body), None, "{body:?}");
        }
    }
}
