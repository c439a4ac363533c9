//! Durations and times of proto3 JSON, as seconds and nanoseconds.

/// `1.5s`.
pub(crate) fn duration(text: &str) -> Option<(i64, i32)> {
    const LONGEST: i64 = 315_576_000_000;
    let text = text.strip_suffix('s')?;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (seconds, nanos) = fraction(digits)?;
    let seconds: i64 = number(seconds)?;
    (seconds <= LONGEST).then_some((sign * seconds, sign as i32 * nanos))
}

/// `2006-01-02T15:04:05.5Z`, or with an offset such as `+01:00`.
pub(crate) fn timestamp(text: &str) -> Option<(i64, i32)> {
    let (date, time) = text.split_once('T')?;
    let mut parts = date.splitn(3, '-');
    let (year, month, day) =
        (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    let (time, offset) = match time.strip_suffix('Z') {
        Some(time) => (time, 0),
        None => {
            let at = time.rfind(['+', '-'])?;
            let (hours, minutes) = time[at + 1..].split_once(':')?;
            let offset = number(hours)? * 3_600 + number(minutes)? * 60;
            (&time[..at], if time[at..].starts_with('-') { -offset } else { offset })
        }
    };
    let (time, nanos) = fraction(time)?;
    let mut parts = time.splitn(3, ':');
    let (hour, minute, second) =
        (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    let legal = (1..=9_999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    legal.then(|| {
        (days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset, nanos)
    })
}

fn number(digits: &str) -> Option<i64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Splits off up to nine digits after the point.
fn fraction(text: &str) -> Option<(&str, i32)> {
    let Some((whole, fraction)) = text.split_once('.') else { return Some((text, 0)) };
    if !(1..=9).contains(&fraction.len()) {
        return None;
    }
    Some((whole, number(&format!("{fraction:0<9}"))? as i32))
}

fn leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let before = |year: i64| 365 * year + year / 4 - year / 100 + year / 400;
    before(year - 1) - before(1969)
        + (1..month).map(|month| days_in(year, month)).sum::<i64>()
        + day
        - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, value) in [
            ("0s", (0, 0)),
            ("1.5s", (1, 500_000_000)),
            ("-0.000000001s", (0, -1)),
            ("-3s", (-3, 0)),
            ("315576000000s", (315_576_000_000, 0)),
        ] {
            assert_eq!(duration(text), Some(value), "{text}");
        }
        for text in
            ["", "s", "1", "1m", "1.s", "1.0000000001s", "--1s", "+1s", "1 s", "315576000001s"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn timestamps() {
        for (text, value) in [
            ("1970-01-01T00:00:00Z", (0, 0)),
            ("2000-02-29T12:00:00.25Z", (951_825_600, 250_000_000)),
            ("2026-11-22T01:00:00+01:00", (1_795_305_600, 0)),
            ("1969-12-31T23:59:59Z", (-1, 0)),
        ] {
            assert_eq!(timestamp(text), Some(value), "{text}");
        }
        for text in [
            "",
            "1970-01-01",
            "1970-02-29T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00",
        ] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }
}
