//! The page: what is served, how busy the server is, and the clients, those that lag first.

use super::Seen;
use super::escape::Escaped;
use pushlane::adapters::xds::{ClientStatus, TypeStatus, Variant};
use std::fmt::{self, Write};
use std::time::{Duration, SystemTime};

/// The most laggards that are named.
const MOST_LAGGARDS: usize = 20;
/// The most subscriptions that are listed: nobody reads a page of 10,000.
const MOST: usize = 500;

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"refresh\" content=\"2\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>pushlane control plane</title>
<style>
:root { color-scheme: light dark; --line: #8884; --good: #18794e; --wait: #ad5700; --bad: #c62a2f; }
@media (prefers-color-scheme: dark) { :root { --good: #4cc38a; --wait: #f1a10d; --bad: #ff6369; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.1rem; margin: 1.6rem 0 .5rem; }
p { margin: .3rem 0; } .quiet { opacity: .7; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: .6rem; margin: 1rem 0; }
dl div { border: 1px solid var(--line); border-radius: .4rem; padding: .4rem .7rem; }
dt { font-size: .8rem; opacity: .7; } dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); }
th { font-size: .8rem; opacity: .7; font-weight: 600; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td { white-space: nowrap; } td.free { white-space: normal; overflow-wrap: anywhere; min-width: 9rem; }
p, pre { overflow-wrap: anywhere; } pre { white-space: pre-wrap; margin: .3rem 0; } .wide { overflow-x: auto; }
.good { color: var(--good); } .wait { color: var(--wait); } .bad { color: var(--bad); }
</style>
</head>
<body>
<h1>pushlane control plane</h1>
";

pub(super) fn html(seen: &Seen) -> String {
    let mut out = String::from(HEAD);
    // Writing to a string can't fail.
    let _ = source(seen, &mut out)
        .and_then(|()| newest(seen, &mut out))
        .and_then(|()| numbers(seen, &mut out))
        .and_then(|()| clients(seen, &mut out));
    out += "<p class=\"quiet\">Refreshed every 2 seconds. For programs: ";
    for path in ["/metrics", "/status.json", "/clients.json", "/config_dump", "/ready", "/healthz"]
    {
        // Writing to a string can't fail.
        let _ = write!(out, "<a href=\"{path}\">{path}</a> ");
    }
    out += "</p>\n";
    out += "</body>\n</html>\n";
    out
}

fn source(seen: &Seen, out: &mut String) -> fmt::Result {
    let source = &seen.source;
    let counts: Vec<_> =
        source.counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let counts = if counts.is_empty() { "no resources".to_owned() } else { counts.join(", ") };
    match (&source.dir, &source.good) {
        (None, _) => writeln!(out, "<p>The built-in set: {}</p>", Escaped(counts))?,
        (Some(dir), None) => {
            let dir = dir.display().to_string();
            writeln!(
                out,
                "<p class=\"wait\">Nothing is served: no file yet in {}</p>",
                Escaped(dir)
            )?;
        }
        (Some(dir), Some((file, since))) => {
            let file = dir.join(file).display().to_string();
            let age = SystemTime::now().duration_since(*since).unwrap_or_default();
            writeln!(out, "<p>{}, read {} ago: {}</p>", Escaped(file), Span(age), Escaped(counts))?;
        }
    }
    if !source.faults.is_empty() {
        let faults = source.faults.join("\n");
        writeln!(
            out,
            "<h2 class=\"bad\">The file has faults and is not served</h2>\n<pre>{}</pre>",
            Escaped(faults)
        )?;
    }
    Ok(())
}

fn numbers(seen: &Seen, out: &mut String) -> fmt::Result {
    let m = &seen.metrics;
    out.push_str("<dl>\n");
    for (name, value) in [
        ("Clients", m.streams.to_string()),
        (
            "Lagging",
            seen.clients.iter().filter(|client| worst(client) > State::Good).count().to_string(),
        ),
        ("Queue depth", m.queue_depth.to_string()),
        ("Permits in use", format!("{} of {}", m.permits_held, m.permits)),
        ("Responses", m.pushes.to_string()),
        ("ACKs", m.acks.to_string()),
        ("NACKs", m.nacks.to_string()),
        ("Refused", m.refused.total().to_string()),
        ("Evicted", m.ended.evicted().to_string()),
        ("Malformed", (m.ended.malformed + m.ended.limited).to_string()),
    ] {
        writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>")?;
    }
    out.push_str("</dl>\n");
    Ok(())
}

fn newest(seen: &Seen, out: &mut String) -> fmt::Result {
    let Some(newest) = &seen.source.newest else { return Ok(()) };
    let revision = newest.revision();
    if seen.laggards.is_empty() {
        return writeln!(
            out,
            "<p class=\"good\">Revision {revision} has been acknowledged by every client that it concerns.</p>"
        );
    }
    write!(out, "<p class=\"wait\">Revision {revision} is not yet acknowledged by")?;
    for (index, laggard) in seen.laggards.iter().take(MOST_LAGGARDS).enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(
            out,
            "{comma} {} ({})",
            Escaped(&laggard.node_id),
            Escaped(laggard.type_url.short())
        )?;
    }
    let more = seen.laggards.len().saturating_sub(MOST_LAGGARDS);
    writeln!(out, "{}</p>", if more > 0 { format!(" and {more} more") } else { String::new() })
}

/// How a subscription is doing, the better the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Good,
    Waiting,
    Rejected,
}

fn state(status: &TypeStatus) -> State {
    match status {
        TypeStatus { nack: Some(_), .. } => State::Rejected,
        TypeStatus { outstanding: Some(_), .. } => State::Waiting,
        _ => State::Good,
    }
}

fn worst(client: &ClientStatus) -> State {
    client.types.iter().map(state).max().unwrap_or(State::Good)
}

fn clients(seen: &Seen, out: &mut String) -> fmt::Result {
    out.push_str("<h2>Clients</h2>\n");
    if seen.clients.is_empty() {
        out.push_str("<p class=\"quiet\">No client is connected.</p>\n");
        return Ok(());
    }
    out.push_str("<div class=\"wide\"><table>\n<tr><th>Node<th>From<th>Protocol<th>Open for<th>Type<th>Asks for");
    out.push_str("<th class=\"number\">Sent<th class=\"number\">ACKed<th>State\n");
    let mut clients: Vec<&ClientStatus> = seen.clients.iter().collect();
    clients.sort_by_key(|client| (std::cmp::Reverse(worst(client)), client.stream));
    let mut rows = 0;
    for client in clients {
        if rows >= MOST {
            writeln!(
                out,
                "<tr><td colspan=\"9\" class=\"quiet\">More clients are not shown. Those that lag come first; /clients.json has all"
            )?;
            break;
        }
        rows += client.types.len().max(1);
        one(client, out)?;
    }
    out.push_str("</table></div>\n");
    Ok(())
}

fn one(client: &ClientStatus, out: &mut String) -> fmt::Result {
    let span = client.types.len().max(1);
    let node = client.node.as_ref().map_or("(not known yet)", |node| &node.id);
    write!(out, "<tr><td class=\"free\" rowspan=\"{span}\">{}", Escaped(node))?;
    if !client.identity.is_empty() {
        write!(out, "<br><span class=\"quiet\">{}</span>", Escaped(client.identity.join(", ")))?;
    }
    let peer = client.peer.map(|peer| peer.to_string()).unwrap_or_default();
    let variant = match client.variant {
        Variant::Sotw => "SotW",
        Variant::Delta => "delta",
    };
    write!(out, "<td rowspan=\"{span}\">{peer}<td rowspan=\"{span}\">{variant}")?;
    write!(out, "<td rowspan=\"{span}\">{}", Span(client.age))?;
    if client.types.is_empty() {
        out.push_str("<td colspan=\"5\" class=\"quiet\">subscribed to nothing\n");
    }
    for (index, status) in client.types.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "<tr>" });
        subscription(status, out)?;
    }
    Ok(())
}

fn subscription(status: &TypeStatus, out: &mut String) -> fmt::Result {
    let asks = match (status.wildcard, status.names) {
        (true, 0) => "all".to_owned(),
        (true, names) => format!("all, and {names} by name"),
        (false, names) => format!("{names} by name"),
    };
    let revision =
        |revision: Option<u64>| revision.map_or("–".to_owned(), |revision| revision.to_string());
    write!(
        out,
        "<td title=\"{}\">{}",
        Escaped(&*status.type_url),
        Escaped(status.type_url.short())
    )?;
    write!(out, "<td>{asks}<td class=\"number\">{}", revision(status.sent))?;
    write!(out, "<td class=\"number\">{}", revision(status.acked))?;
    match (&status.nack, status.outstanding) {
        (Some(nack), _) => {
            writeln!(
                out,
                "<td class=\"free bad\">NACK of {}: {}",
                nack.revision,
                Escaped(&nack.reason)
            )
        }
        (None, Some(waits)) => writeln!(out, "<td class=\"wait\">no answer for {}", Span(waits)),
        (None, None) if status.sent.is_none() => writeln!(out, "<td class=\"quiet\">nothing sent"),
        (None, None) => writeln!(out, "<td class=\"good\">ACK"),
    }
}

/// A duration for people: two significant parts.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0 => write!(f, "{} ms", self.0.as_millis()),
            1..60 => write!(f, "{seconds} s"),
            60..3_600 => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            3_600..86_400 => write!(f, "{} h {} min", seconds / 3_600, seconds / 60 % 60),
            _ => write!(f, "{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page with clients is looked at in a browser: `apps/wire-tests/clients/run.sh --browser`.
    #[test]
    fn what_a_file_says_is_text() {
        let mut seen = Seen::default();
        seen.source.dir = Some("/srv/<i>".into());
        seen.source.faults =
            vec!["resources.json:1:1: <script>".into(), "nothing is served yet".into()];
        let html = html(&seen);
        assert!(!html.contains("<i>") && !html.contains("<script"), "{html}");
        for text in ["/srv/&lt;i&gt;", "1:1: &lt;script&gt;", "No client is connected", "0 of 0"] {
            assert!(html.contains(text), "{text}: {html}");
        }
    }

    #[test]
    fn spans() {
        for (seconds, text) in
            [(0.0042, "4 ms"), (59.9, "59 s"), (61.0, "1 min 1 s"), (90_000.0, "1 d 1 h")]
        {
            assert_eq!(Span(Duration::from_secs_f64(seconds)).to_string(), text);
        }
    }
}
